"""Translate a capture, out and back: hosts in 10.0.0.0/8 leave under one public address, answers find their way home.

`python examples/nat_capture.py` makes a capture of its own;
`python examples/nat_capture.py LAN.pcap` translates yours: the packets that hosts of 10.0.0.0/8 send. What they get in
it is left out: it is addressed to them, not to the public address. Instead the far ends answer what the NAT sends.
"""

import sys
import tempfile
from pathlib import Path

from nfuse import Chain, run
from nfuse.nf.library import MazuNat, Monitor

chain = Chain(Monitor() >> MazuNat(inside="10.0.0.0/8", public="198.51.100.1"), name="nat", two_sided=True)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="nfuse-nat-"))
    lan, sent, wan, back = (str(folder / f"{name}.pcap") for name in ("lan", "sent", "wan", "back"))
    source = sys.argv[1] if len(sys.argv) > 1 else "gen:?flows=20&packets=500&seed=3&proto=mixed"

    splitter = Chain(Monitor(), direction="dst net 10.0.0.0/8")  # a Monitor changes nothing
    run(splitter, source, (lan, "null:"))
    run(chain, (lan, "null:"), sent)  # what leaves ...
    result = run(chain, (lan, f"answers:{sent}"), (wan, back))  # ... and comes back

    print(f"{source}: packets of 10.0.0.0/8 translated in {wan}, answers to them translated back in {back}")
    print(f"{result.counters['packets_in']} packets in, {result.counters['packets_out']} out")
    for (nf, reason), packets in result.drops.items():
        print(f"dropped by {nf}: {reason}: {packets}")
    if not any(str(row["src"]).startswith("10.") for row in Monitor.table(result.flows)):
        print("no flow was translated: none was opened from 10.0.0.0/8")
    print(Monitor.text(result.flows, limit=10))
    assert result.conserved


if __name__ == "__main__":
    main()
