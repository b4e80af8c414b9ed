"""``nfuse demo``: what nfuse is, in half a minute."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from nfuse.cli import options
from nfuse.cli.main import DIFFERENT, OK
from nfuse.cli.progress import progress_bar
from nfuse.cli.report import as_dict, conservation, count, rate, say, table

if TYPE_CHECKING:
    from nfuse.chain.spec import Chain
    from nfuse.engine.api import RunResult
    from nfuse.engine.verify import VerifyResult

VIP = "203.0.113.80"
TRAFFIC = (
    "gen:?packets={packets}&flows=2000&size=64&proto=mixed&seed=1&rate=1e6&inside=10.0.0.0/16&outside=203.0.113.80/31"
)
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
        >> IPFilter(rules=["drop udp any -> 192.168.7.3", "drop tcp any -> 203.0.113.81 22"]),
        name="demo",
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
    say("compiling (only once: a second start finds the code in the cache) ...")
    result, source = _run(chain, packets)
    chain_seconds = result.run_seconds - source.seconds
    say(f"ready after {result.compile_seconds:.2f} s")
    say(
        f"processed: {count(result.counters['packets_in'])} packets in {chain_seconds:.3f} s on one core: "
        f"{rate(result.counters['packets_in'] / chain_seconds)}, "
        f"{1e9 * chain_seconds / result.counters['packets_in']:.0f} ns a packet "
        f"(making the packets took another {source.seconds:.3f} s)"
    )
    say(conservation(result.counters))
    if result.drops:
        rows = [(nf, reason, count(number)) for (nf, reason), number in sorted(result.drops.items())]
        say("dropped by")
        say(table(rows, right=(2,)))
    _consolidated(chain)
    _flows(result)
    code = OK if result.conserved else DIFFERENT
    if not no_proof:
        code = max(code, _prove(chain, packets))
    say()
    say(f"all done in {time.perf_counter() - begin:.0f} s. Next: your own network function, in README.md; your own")
    say(
        "traffic: nfuse run examples/chain1.yaml -i YOUR.pcap -o out.pcap; "
        "nfuse verify examples/chain1.yaml -i YOUR.pcap"
    )
    return code


def _as_json(packets: int, no_proof: bool) -> int:
    from nfuse.cli.verify import facts

    chain = demo_chain()
    result, source = _run(chain, packets, quiet=True)
    document = {**as_dict(chain, result), "making_packets_seconds": round(source.seconds, 6)}
    proof = None if no_proof else _compare(chain, packets, quiet=True)
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


def _run(chain: Chain, packets: int, quiet: bool = False) -> tuple[RunResult, Any]:
    from nfuse.cli.benchmark.timed import TimedInput
    from nfuse.engine.driver import run
    from nfuse.port.registry import open_input

    with progress_bar("compiling", quiet):
        begin = time.perf_counter()
        # whatever compiles at its first call does so here
        run(demo_chain(), TRAFFIC.format(packets=packets), limit=64, states=False)
        compiling = time.perf_counter() - begin
    source = TimedInput(open_input(TRAFFIC.format(packets=packets)))
    with progress_bar("running", quiet) as progress:
        result = run(chain, source, None, progress=progress, states=False)
    result.compile_seconds += compiling
    return result, source


def _consolidated(chain: Chain) -> None:
    from nfuse.cli.plan_text import hanging
    from nfuse.engine.plan import plan_of

    plan = plan_of(chain)
    say("consolidated")
    for saving in plan.savings:
        if saving.what in ("parse", "look-up", "rewrite", "checksum", "call"):
            say(hanging("  ", saving.text, 2))
    say(f"  a session takes {plan.memory.families[0].each:.0f} bytes, all tables included")


def _flows(result: RunResult) -> None:
    from nfuse.nf.library import Monitor

    say(f"flows: {count(len(result.flows))} live; the largest")
    for line in Monitor.text(result.flows, limit=5).splitlines():
        say(f"  {line}")


def _compare(chain: Chain, packets: int, quiet: bool = False) -> VerifyResult:
    from nfuse.engine.verify import verify

    proof = min(PROOF, packets)
    with progress_bar(f"running the first {count(proof)} packets NF by NF in plain Python", quiet):
        return verify(chain, lambda: TRAFFIC.format(packets=packets), engines=("reference", "fused"), limit=proof)


def _prove(chain: Chain, packets: int) -> int:
    begin = time.perf_counter()
    result = _compare(chain, packets)
    seconds = time.perf_counter() - begin
    if result.identical:
        say(
            f"proof: over the first {count(result.packets)} packets, the NFs run one by one in plain Python gave the "
            f"same: packets, byte for byte, drops, counters, state and sessions ({seconds:.0f} s)"
        )
        return OK
    say(f"DIFFERENT from the NFs run one by one:\n{result.difference}")
    return DIFFERENT
