"""Translate a capture: hosts in 10.0.0.0/8 leave under one public address; replies find their way back.

`python examples/nat_capture.py` makes a capture of its own;
`python examples/nat_capture.py IN.pcap OUT.pcap` translates yours.
"""

import sys
import tempfile
from pathlib import Path

from nfuse import Chain, run
from nfuse.nf.library import MazuNat, Monitor

chain = Chain(Monitor() >> MazuNat(inside="10.0.0.0/8", public="198.51.100.1"), name="nat")


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="nfuse-nat-"))
    if len(sys.argv) == 3:
        source, target = sys.argv[1:]
    else:
        source, target = str(folder / "in.pcap"), str(folder / "out.pcap")
        run(Chain(Monitor()), "gen:?flows=20&packets=500&seed=3&proto=mixed", source)  # a Monitor changes nothing

    result = run(chain, source, target)

    print(f"{source} -> {target}")
    print(f"{result.counters['packets_in']} packets in, {result.counters['packets_out']} out")
    for (nf, reason), packets in result.drops.items():
        print(f"dropped by {nf}: {reason}: {packets}")
    print(Monitor.text(result.flows, limit=10))
    assert result.conserved


if __name__ == "__main__":
    main()
