"""``nfuse demo``: what nfuse is, in half a minute."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nfuse.cli import options
from nfuse.cli.main import DIFFERENT, OK
from nfuse.cli.progress import progress_bar
from nfuse.cli.report import as_dict, conservation, count, program, rate, say, table

if TYPE_CHECKING:
    from nfuse.chain.spec import Chain
    from nfuse.engine.api import RunResult
    from nfuse.engine.verify import VerifyResult

VIP = "203.0.113.80"
RULES = ["drop udp any -> 192.168.7.3", "drop tcp any -> 203.0.113.81 22"]
TRAFFIC = (
    "gen:?packets={packets}&flows=2000&size=64&proto=mixed&seed=1&rate=1e6&inside=10.0.0.0/16&outside=203.0.113.80/31"
)
"""What comes from the inside; the answers to what leaves come from the other side."""
INSIDE_SHARE = 0.55
"""Somewhat more than half of all packets come from the inside, for the firewall drops some that nobody answers."""
PROOF = 20_000
"""Packets over which the demonstration compares the compiled chain with its NFs run one by one."""


def demo_chain() -> Chain:
    """Return the chain of the demonstration."""
    from nfuse.chain.spec import Chain
    from nfuse.nf.library import IPFilter, Maglev, MazuNat, Monitor

    return Chain(
        MazuNat(public="198.51.100.0/28", inside="10.0.0.0/8")
        >> Maglev(vip=f"{VIP}/32", backends=[f"192.168.7.{host}:8080" for host in range(1, 6)])
        >> Monitor()
        >> IPFilter(rules=RULES),
        name="demo",
        two_sided=True,
    )


@click.command()
@click.option("--packets", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="Packets to process.")
@click.option("--no-proof", is_flag=True, help="Do not compare with the reference engine.")
@options.JSON
def command(packets: int, no_proof: bool, as_json: bool) -> int:
    """Run a NAT -> load balancer -> monitor -> firewall chain over a million packets, and prove the result."""
    if as_json:
        return _as_json(packets, no_proof)
    begin = time.perf_counter()
    chain = demo_chain()
    say("nfuse compiles a chain of network functions, each a few lines of Python, into one native loop.")
    say()
    say(f"chain: {chain}")
    _introduce(chain)
    say()
    with tempfile.TemporaryDirectory(prefix="nfuse-demo-") as folder:
        sides, ready = _traffic(packets, folder)
        say(f"ready after {ready:.2f} s (what was compiled is kept for the next start)")
        result, source = _run(chain, packets, sides)
        _report(chain, result, source.seconds)
        _one_flow(chain, sides)
        _consolidated(chain)
        _flows(result)
        code = OK if result.conserved else DIFFERENT
        if not no_proof:
            code = max(code, _prove(chain, sides, min(PROOF, packets)))
    nfuse = program()
    say()
    say(
        f"all done in {time.perf_counter() - begin:.0f} s. Next: your own network function, in README.md; your traffic:"
    )
    say(f"  {nfuse} run examples/chain1.yaml -i YOUR.pcap -o out.pcap")
    say(f"  {nfuse} verify examples/chain1.yaml -i YOUR.pcap")
    return code


def _as_json(packets: int, no_proof: bool) -> int:
    from nfuse.cli.verify import facts

    chain = demo_chain()
    with tempfile.TemporaryDirectory(prefix="nfuse-demo-") as folder:
        sides, _ = _traffic(packets, folder, quiet=True)
        result, source = _run(chain, packets, sides, quiet=True)
        proof = None if no_proof else _compare(chain, sides, min(PROOF, packets), quiet=True)
    document = {**as_dict(chain, result), "making_packets_seconds": round(source.seconds, 6)}
    document["proof"] = None if proof is None else facts(proof)
    say(json.dumps(document, indent=2))
    return OK if result.conserved and (proof is None or proof.identical) else DIFFERENT


def _introduce(chain: Chain) -> None:
    import inspect

    rows = []
    for node in chain.nodes:
        summary = (inspect.getdoc(type(node.nf)) or "").splitlines()[0]
        rows.append((node.name, summary))
    say(table(rows))


def _traffic(packets: int, folder: str, quiet: bool = False) -> tuple[tuple[str, str], float]:
    """Compile the chain, run it once to see what leaves; return the inputs of both sides and the seconds it took."""
    from nfuse.engine.driver import run

    inside = TRAFFIC.format(packets=int(packets * INSIDE_SHARE) + 2000)
    sides = inside, f"answers:{Path(folder) / 'left.pcap'}"
    begin = time.perf_counter()
    with progress_bar("compiling", quiet):
        run(demo_chain(), (inside, "null:"), str(Path(folder) / "left.pcap"), states=False)
        run(demo_chain(), sides, limit=64, states=False)  # what answers compiles at its first call
    return sides, time.perf_counter() - begin


def _run(chain: Chain, packets: int, sides: tuple[str, str], quiet: bool = False) -> tuple[RunResult, Any]:
    from nfuse.cli.benchmark.timed import TimedInput
    from nfuse.engine.driver import run
    from nfuse.engine.merge import Merged
    from nfuse.port.registry import open_input

    source = TimedInput(Merged(open_input(sides[0]), open_input(sides[1])))
    with progress_bar("running", quiet) as progress:
        result = run(chain, source, None, limit=packets, progress=progress)
    return result, source


def _report(chain: Chain, result: RunResult, making: float) -> None:
    """Say how long it took, and what became of the packets."""
    packets = result.counters["packets_in"]
    seconds = result.run_seconds - making
    out, back = (int(result.flows[f"monitor.{column}"].sum()) for column in ("packets", "reverse_packets"))
    say(
        f"processed: {count(packets)} packets in {seconds:.3f} s on one core: {rate(packets / seconds)}, "
        f"{1e9 * seconds / packets:.0f} ns a packet"
    )
    say(f"  {count(out)} from the inside, {count(back)} answers of far ends; making them took another {making:.3f} s")
    say(conservation(result.counters))
    if result.drops:
        rows = [(nf, reason, count(number)) for (nf, reason), number in sorted(result.drops.items())]
        say("dropped by")
        say(table(rows, right=(2,)))
        hits = result.states["ipfilter"]["hits"]
        say(table([(rule, f"{count(hits[n])} flows") for n, rule in enumerate(RULES)], indent=4, right=(1,)))


def _consolidated(chain: Chain) -> None:
    from nfuse.cli.plan_text import hanging
    from nfuse.engine.plan import plan_of

    plan = plan_of(chain)
    say("consolidated")
    for saving in plan.savings:
        if saving.what in ("parse", "look-up", "rewrite", "checksum", "call"):
            say(hanging("  ", saving.text, 2))
    say(f"  a session takes {plan.memory.families[0].each:.0f} bytes, all tables included")


def _one_flow(chain: Chain, sides: tuple[str, str]) -> None:
    from nfuse.cli.journey import journey

    steps = journey(chain, sides, VIP)
    if steps:
        say("a packet to the virtual address, and the answer: translated by NAT and load balancer, and back")
        say(table([(what, f"{source} > {destination}") for what, source, destination in steps]))


def _flows(result: RunResult) -> None:
    from nfuse.nf.library import Monitor

    say(f"flows: {count(len(result.flows))} live; the largest, as the inside sees them")
    for line in Monitor.text(result.flows, limit=5).splitlines():
        say(f"  {line}")


def _compare(chain: Chain, sides: tuple[str, str], packets: int, quiet: bool = False) -> VerifyResult:
    from nfuse.engine.verify import verify

    with progress_bar(f"running the first {count(packets)} packets NF by NF in plain Python", quiet):
        return verify(chain, lambda: sides, engines=("reference", "fused"), limit=packets)


def _prove(chain: Chain, sides: tuple[str, str], packets: int) -> int:
    begin = time.perf_counter()
    result = _compare(chain, sides, packets)
    seconds = time.perf_counter() - begin
    if result.identical:
        say(
            f"proof: over the first {count(packets)} packets, of both directions, the NFs run one by one in plain "
            "Python gave the same:"
        )
        say(f"  packets, byte for byte, drops, counters, state and sessions ({seconds:.0f} s)")
        return OK
    say(f"DIFFERENT from the NFs run one by one:\n{result.difference}")
    return DIFFERENT
