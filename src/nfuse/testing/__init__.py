"""For the tests of network functions: packets as text, conversations, all engines compared, faults, random traffic.

::

    from nfuse.testing import assert_equivalent

    def test_syn_flood():
        result = assert_equivalent(DosGuard(threshold=1), '''
            10.0.0.1:1234 > 192.0.2.1:80 tcp S
            10.0.0.1:1234 > 192.0.2.1:80 tcp S
        ''')
        result.assert_out("10.0.0.1:1234 > 192.0.2.1:80 tcp S")
        assert result.drops == {"dosguard: SYN flood": 1}

Strategies for Hypothesis are in :mod:`nfuse.testing.strategies`, which needs the package ``hypothesis``. Commands may
use this package; it knows nothing of them, and no part of a data path knows it.
"""

from nfuse.testing.conversation import fragments, ping, reply, tcp_conversation, together, udp_exchange
from nfuse.testing.equivalence import assert_equivalent
from nfuse.testing.faults import faulty
from nfuse.testing.outcome import Alert, Outcome, assert_packets, run
from nfuse.testing.packet import Packet, PacketSyntaxError, packet, packets, text

__all__ = [
    "Alert",
    "Outcome",
    "Packet",
    "PacketSyntaxError",
    "assert_equivalent",
    "assert_packets",
    "faulty",
    "fragments",
    "packet",
    "packets",
    "ping",
    "reply",
    "run",
    "tcp_conversation",
    "text",
    "together",
    "udp_exchange",
]
