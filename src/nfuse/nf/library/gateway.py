"""Gateway: static rewriting of link and IP header fields."""

from __future__ import annotations

from nfuse import NF, Array, Mac, u8, u16, u64
from nfuse.nf.library.dscp import parse_dscp

FIELDS = ("eth_src", "eth_dst", "vlan_vid", "vlan_pcp", "ttl", "dscp")
"""What may be given; the place is the number of the bit in :attr:`Gateway.State.given`."""


class Gateway(NF):
    """Write given values to header fields of each packet of the direction that opened the session.

    What is not given stays. VLAN fields are those of the outermost tag; packets without a tag get none.

    Example:
        Gateway(eth_src="02:00:00:00:00:01", eth_dst="02:00:00:00:00:02", dscp="EF")
    """

    eth_src: Mac | None = None  # Ethernet source address
    eth_dst: Mac | None = None  # Ethernet destination address
    vlan_vid: u16 | None = None  # VLAN of the outermost tag, 0 to 4094 (IEEE 802.1Q)
    vlan_pcp: u8 | None = None  # priority of the outermost tag, 0 to 7
    ttl: u8 | None = None  # TTL or hop limit, 1 to 255
    dscp: int | str | None = None  # code point, 0 to 63 or a name: CS0-CS7, AF11-AF43, EF, VA, LE, DF

    class State:
        """What is given, by its place in :data:`FIELDS`."""

        given: u8  # a bit for each field
        value: Array[u64, 6]  # the values

    def on_start(self):
        """Take the values that are given."""
        self.given = 0
        for number, name in enumerate(FIELDS):
            value = getattr(self, name)
            if value is not None:
                self.given |= 1 << number
                self.value[number] = parse_dscp(value) if name == "dscp" else value
        for name, most in (("vlan_vid", 4094), ("vlan_pcp", 7)):
            if (getattr(self, name) or 0) > most:
                raise ValueError(f"{name}: {getattr(self, name)} is more than {most} (IEEE 802.1Q)")
        if self.ttl == 0:
            raise ValueError("ttl: 0 is for packets that must not be sent (RFC 791 section 3.2)")

    def check(self, facts):
        """Find that nothing is given."""
        if all(getattr(self, name) is None for name in FIELDS):
            hint = f"give some of {', '.join(FIELDS)}, or remove it"
            yield facts.warning("nothing-given", f"{facts.name} changes nothing", why="no field is given", hint=hint)

    def on_flow(self, pkt, flow):
        """Record the rewriting."""
        self.rewrite(flow)

    def on_change(self, flow):
        """Record it anew: the values have changed."""
        self.rewrite(flow)

    def rewrite(self, flow):
        """Record what is given."""
        flow.forward()
        if self.given & 1:
            flow.modify(eth_src=self.value[0])
        if self.given & 2:
            flow.modify(eth_dst=self.value[1])
        if self.given & 4:
            flow.modify(vlan_vid=self.value[2])
        if self.given & 8:
            flow.modify(vlan_pcp=self.value[3])
        if self.given & 16:
            flow.modify(ip_ttl=self.value[4])
        if self.given & 32:
            flow.modify(ip_dscp=self.value[5])
