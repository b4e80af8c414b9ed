"""A first network function: count the packets of each flow to a port, and cap the flow.

Run it on its own (`python examples/first_nf.py`), or as a chain on a capture
(`nfuse run examples/first_nf.py -i in.pcap -o out.pcap`).
"""

from nfuse import NF, Chain, boolean, event, run, tcp, u16, u32, udp


class PacketCap(NF):
    """Let at most `limit` packets of each flow to `service` pass, in both directions together."""

    traffic = tcp | udp  # which packets this NF is for
    service: u16 = 80  # parameters: from the constructor or from YAML, validated
    limit: u32 = 10

    class Session:  # what it keeps for each flow
        packets: u32
        watched: boolean

    def on_flow(self, pkt, flow):  # the first packet of a flow
        flow.watched = pkt.dport == self.service

    def on_packet(self, pkt, flow):  # every packet
        flow.packets += 1

    @event  # checked after on_packet; what follows takes effect on the same packet
    def over(self, flow):
        return flow.watched and flow.packets > self.limit

    @over.then
    def stop(self, flow):
        self.alert("flow over its cap", flow.packets)
        flow.drop("over the cap")


chain = Chain(PacketCap(service=80, limit=10))

if __name__ == "__main__":
    result = run(chain, "gen:?flows=50&packets=2000&dport=80&seed=7")
    print(result.counters)
    print(result.drops)
    assert result.conserved
