"""What the parts of the code generator share: the plan, the writer, how handlers are called."""

from __future__ import annotations

from nfuse.engine.fused.context import FAR, FAR_HANDLERS
from nfuse.engine.fused.layout import ChainPlan, NodePlan
from nfuse.engine.fused.writer import Writer


class Part:
    """The base of the generator's parts.

    Args:
        plan: The chain's plan.
        modules: Name of the module of compiled handlers, by node.
        original: Without consolidation.

    Attributes:
        handlers: Handlers that are called by address: (node, name) -> number.
    """

    def __init__(self, plan: ChainPlan, modules: list[str], original: bool = False) -> None:
        self.plan = plan
        self.modules = modules
        self.original = original
        self.w = Writer()
        self.inline = False
        self.back = False
        self.handlers: dict[tuple[int, str], int] = {}
        self.two_sided = plan.chain.two_sided
        self.turns = self.two_sided and any(p.turns for p in plan.nodes)
        self.replies = any(e.replies for p in plan.nodes for e in p.info.effects.values())
        self.logs = any(e.logs for p in plan.nodes for e in p.info.effects.values())

    def _compiled(self, plan: NodePlan) -> set[str]:
        names = set(plan.info.handlers - plan.info.interpreted_handlers)
        names |= {f"run_{name}" for name in plan.info.functions}
        for name, _ in plan.info.events:
            names |= {f"event_{name}", f"then_{name}"}
        return names

    def _call(
        self, plan: NodePlan, handler: str, packet: str = "P", record: str = "0", scratch: str | None = None
    ) -> str:
        i = plan.index
        scratch = scratch if scratch is not None else f"fcb + {plan.scratch}"
        state = f"load64(states + {8 * i})"
        if handler in self._compiled(plan):
            if self.inline:
                return f"n{i}_{handler}({state}, {packet}, {scratch}, {record}, X)"
            number = self.handlers.setdefault((i, handler), len(self.handlers))
            return (
                f"call(load64(X + {FAR + 8 * (FAR_HANDLERS + number)}), {state}, {packet}, {scratch}, {record}, X, 0)"
            )
        code = {"on_flow": 0, "on_change": 1, "on_end": 2, "on_tick": 3}[handler]
        return f"call(load64(X + CALLBACK), {code}, {i}, {packet}, {scratch}, {record}, X)"

    def _announce(self, plan: NodePlan, handler: str) -> None:
        effects = plan.info.effects.get(handler)
        if effects is None or effects.logs or effects.opaque:
            self.w(f"store64(X + CX_NF_INDEX, {plan.index})")

    def _reason(self, plan: NodePlan) -> str:
        return f"load64(node_of(X, {plan.index}) + N_REASONS) - 1"
