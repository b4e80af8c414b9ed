"""Ids: look for texts in the payload of each packet, by rules like those of Snort and Suricata."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

from nfuse import NF, Address, Array, boolean, event, u8, u16, u32, u64
from nfuse.nf.library.aho_corasick import build
from nfuse.nf.library.bits import count_between
from nfuse.nf.library.ids_rules import ACTIONS, load_ids_rules, read_line
from nfuse.nf.library.prefixes import addresses

PASS, DROP, ALERT, LOG = (ACTIONS[name] for name in ("pass", "drop", "alert", "log"))


class Ids(NF):
    """Match each packet's payload against all rules at once, and alert, drop, log or stop looking.

    The rules (see :mod:`nfuse.nf.library.ids_rules`) are lines of text or the path of a file. What matches in a packet
    decides about its flow, by events (SpeedyBox sections IV and VII-C): ``drop`` drops the flow, ``pass`` makes
    :meth:`skip` its state function, ``log`` :meth:`log_all`. Flows that no rule is about are skipped from the start.
    Texts that lie across two packets are not found.

    Example:
        Ids(rules=['drop tcp any any -> $WEB 80 (msg:"worm"; content:"cmd.exe"; nocase; sid:1000001;)'],
            variables={"WEB": "[192.0.2.0/24]"})
    """

    rules: Path | list[str]  # a file of rules, or rules, one a line
    variables: dict[str, str] = {}  # values of `$NAME` in rules
    prevent: boolean = True  # false: `drop` rules alert and drop nothing

    class State:
        """The automaton (:class:`nfuse.nf.library.aho_corasick.Automaton`), then contents, rules, headers."""

        columns: Array[u16]  # automaton: by byte, its column
        moves: Array[u32]  # automaton: by state and column, the next state's row
        first: Array[u32]  # automaton: by accepting state, where its contents begin in `ends`
        ends: Array[u32]  # automaton: contents that end in a state
        width: u32  # automaton: columns of a row
        accepting: u32  # automaton: the first row of an accepting state
        text: Array[u8]  # texts of all contents
        start: Array[u32]  # by content: where its text begins
        nocase: Array[boolean]  # by content: whether A and a are one
        rule: Array[u32]  # by content
        seen: Array[u64]  # by content: number of the packet that had it last
        action: Array[u8]  # by rule
        sid: Array[u32]  # by rule
        header: Array[u16]  # by rule
        needed: Array[u16]  # by rule: how many contents it has
        had: Array[u16]  # by rule: how many of them packet number `current` has
        current: Array[u64]  # by rule: number of the packet that had any of its contents last
        hits: Array[u64]  # by rule: packets that it matched
        proto: Array[u8]  # by header; 0: any
        either: Array[boolean]  # by header: whether it holds both ways
        edges: Array[Address]  # where sets of addresses begin and end, in turn
        edge_at: Array[u32]  # where in `edges` a header's sources begin, then its destinations
        ports: Array[u32]  # where sets of ports begin and end, in turn
        port_at: Array[u32]  # where in `ports` a header's source ports begin, then its destination ports
        packet: u64  # number of the packet in hand
        matched: Array[u32]  # the rules that it matches
        matches: u32  # how many these are

    class Session:
        """What a rule has decided about the flow."""

        sid: u32  # of the rule that decided to log
        verdict: u8  # 0: nothing, else the action

    def on_start(self):
        """Read the rules and lay them out; new rules start with new counters.

        Raises:
            RuleError: a rule can't be read; the message names file, line and column.
        """
        rules = load_ids_rules(self.rules, self.variables)
        contents = [(content, number) for number, rule in enumerate(rules) for content in rule.contents]
        texts = [content.text for content, _ in contents]
        headers = list(dict.fromkeys(rule.header for rule in rules))
        address_sets = [addresses(one) for header in headers for one in (header.src, header.dst)]
        port_sets = [one for header in headers for one in (header.sport, header.dport)]
        automaton = build(texts)
        self.width, self.accepting = automaton.width, automaton.accepting
        tables = {name: getattr(automaton, name) for name in ("columns", "moves", "first", "ends")}
        tables |= {"text": b"".join(texts), "start": bounds(texts), "seen": [0] * len(texts)}
        tables |= {"nocase": [c.nocase for c, _ in contents], "rule": [rule for _, rule in contents]}
        tables |= {name: [getattr(rule, name) for rule in rules] for name in ("action", "sid")}
        tables |= {name: [0] * len(rules) for name in ("had", "current", "hits", "matched")}
        tables["needed"] = [len(rule.contents) for rule in rules]
        tables["header"] = [headers.index(rule.header) for rule in rules]
        tables |= {name: [getattr(header, name) for header in headers] for name in ("proto", "either")}
        tables |= {"edges": [edge for one in address_sets for edge in one], "edge_at": bounds(address_sets)}
        tables |= {"ports": [edge for one in port_sets for edge in one], "port_at": bounds(port_sets)}
        for name, values in tables.items():
            getattr(self, name).fill(values)

    def on_flow(self, pkt, flow):
        """Choose what to do with the flow's packets."""
        self.choose(flow, pkt.ip.src, pkt.ip.dst, pkt.sport, pkt.dport, pkt.ip.proto)

    def on_change(self, flow):
        """Choose again, since rules or addresses have changed; what a rule has decided about the flow stays."""
        if flow.verdict == DROP and self.prevent:
            flow.run(self.skip)
            flow.drop("intrusion")
        elif flow.verdict == PASS:
            flow.run(self.skip)
        elif flow.verdict == LOG:
            flow.run(self.log_all)
        else:
            self.choose(flow, flow.ip_src, flow.ip_dst, flow.sport, flow.dport, flow.proto)

    def choose(self, flow, src, dst, sport, dport, proto):
        """Skip the flow if no rule is about it, in either direction."""
        flow.run(self.skip)
        for h in range(len(self.proto)):
            if self.about(h, src, dst, sport, dport, proto) or self.about(h, dst, src, dport, sport, proto):
                flow.run(self.on_packet)
                return

    def on_packet(self, pkt, flow):
        """Inspect the packet."""
        self.inspect(pkt, flow)

    def skip(self, pkt, flow):
        """Let the packet pass unseen."""

    def log_all(self, pkt, flow):
        """Log the packet, and inspect it too."""
        self.alert("logged packet", flow.sid)
        self.inspect(pkt, flow)

    @event
    def logged(self, flow):
        """Say that the flow's packets are to be logged from now on."""
        return flow.verdict == LOG

    @logged.then
    def log(self, flow):
        """Log them."""
        flow.run(self.log_all)

    @event
    def passed(self, flow):
        """Say that a rule lets the flow pass."""
        return flow.verdict == PASS

    @passed.then
    def let_pass(self, flow):
        """Look no more."""
        flow.run(self.skip)

    @event
    def condemned(self, flow):
        """Say that a rule drops the flow."""
        return flow.verdict == DROP

    @condemned.then
    def cut(self, flow):
        """Drop it, from this packet on, and look no more."""
        flow.run(self.skip)
        flow.drop("intrusion")

    def inspect(self, pkt, flow):
        """Find the rules that the packet matches; ``pass`` goes before all others, ``drop`` before ``log``."""
        self.packet += 1
        self.matches = 0
        self.scan(pkt)
        for k in range(self.matches):
            rule = self.matched[k]
            if self.action[rule] == PASS:
                self.hits[rule] += 1
                flow.verdict = PASS
                flow.sid = self.sid[rule]
                return
        for k in range(self.matches):
            rule = self.matched[k]
            action = self.action[rule]
            self.hits[rule] += 1
            if action == ALERT:
                self.alert("alert", self.sid[rule])
            elif action == DROP:
                self.alert("drop", self.sid[rule])
                if self.prevent:
                    flow.verdict = DROP
            else:
                self.alert("log", self.sid[rule])
                flow.sid = self.sid[rule]
                if flow.verdict != DROP:
                    flow.verdict = LOG

    def scan(self, pkt):
        """Run the automaton over the payload."""
        at = 0
        accepting = self.accepting
        for i in range(len(pkt.payload)):
            at = self.moves[at + self.columns[pkt.payload[i]]]
            if at >= accepting:
                self.note(pkt, (at - accepting) // self.width, i)

    def note(self, pkt, state, last):
        """Note the contents that end in a state, at byte `last`; and the rules that have all theirs now."""
        for k in range(self.first[state], self.first[state + 1]):
            content = self.ends[k]
            if self.seen[content] != self.packet and (self.nocase[content] or self.same(pkt, content, last)):
                self.seen[content] = self.packet
                rule = self.rule[content]
                if self.current[rule] != self.packet:
                    self.current[rule] = self.packet
                    self.had[rule] = 0
                self.had[rule] += 1
                if self.had[rule] == self.needed[rule] and self.applies(pkt, self.header[rule]):
                    self.matched[self.matches] = rule
                    self.matches += 1

    def same(self, pkt, content, last):
        """Compare a content with the payload up to `last`, letters as they are."""
        end = self.start[content + 1]
        for k in range(self.start[content], end):  # noqa: SIM110 - handlers have no generators
            if pkt.payload[last - (end - 1 - k)] != self.text[k]:
                return False
        return True

    def applies(self, pkt, h):
        """Say whether a header is about the packet."""
        if self.about(h, pkt.ip.src, pkt.ip.dst, pkt.sport, pkt.dport, pkt.ip.proto):
            return True
        return self.either[h] and self.about(h, pkt.ip.dst, pkt.ip.src, pkt.dport, pkt.sport, pkt.ip.proto)

    def about(self, h, src, dst, sport, dport, proto):
        """Say whether a header is about packets with these addresses, ports and protocol."""
        wanted = self.proto[h]
        if wanted and wanted != proto and not (wanted == 1 and proto == 58):
            return False
        a = 2 * h
        return (
            self.in_ports(sport, a)
            and self.in_ports(dport, a + 1)
            and self.in_addresses(src, a)
            and self.in_addresses(dst, a + 1)
        )

    def in_addresses(self, address, a):
        """Say whether an address is in a set."""
        return count_between(self.edges, address, self.edge_at[a], self.edge_at[a + 1]) & 1 == 1

    def in_ports(self, port, a):
        """Say whether a port is in a set."""
        return count_between(self.ports, port, self.port_at[a], self.port_at[a + 1]) & 1 == 1

    def explain(self, flow):
        """Say what a rule has decided about the flow."""
        if flow.verdict == LOG:
            return f"rule {flow.sid} has each packet logged"
        words = {PASS: "a rule lets the flow pass: it is not looked at", DROP: "a rule drops the flow"}
        return words.get(flow.verdict, "no rule has decided about the flow")

    def check(self, facts):
        """Find rules that can't be read, all of them."""
        from nfuse.nf.library.acl_check import unreadable

        found = {}

        def read(line, number):
            read_line(line, f"rule:{number}", self.variables, found)

        yield from unreadable(self.rules, facts, read, "ids")

    def alert_details(self):
        """Return what EVE says of the alerts, by signature and value (the sid)."""
        found = {}
        for rule in load_ids_rules(self.rules, self.variables):
            says = {"gid": 1, "signature_id": rule.sid, "rev": rule.rev, "signature": rule.msg}
            action = "blocked" if self.prevent else "allowed"
            found["drop", rule.sid] = {"action": action, **says}
            found["alert", rule.sid] = found["log", rule.sid] = {"action": "allowed", **says}
            found["logged packet", rule.sid] = {**found["log", rule.sid], "signature": f"{rule.msg} (logged packet)"}
        return found

    def report(self, state):
        """Return a row a rule that has matched: sid, action, packets, msg; most packets first."""
        rules = zip(load_ids_rules(self.rules, self.variables), state["hits"], strict=True)
        names = {number: name for name, number in ACTIONS.items()}
        rows = [{"sid": r.sid, "action": names[r.action], "packets": hits, "msg": r.msg} for r, hits in rules if hits]
        return sorted(rows, key=lambda row: (-row["packets"], row["sid"]))


def bounds(sets):
    """Return where sets begin that are written one after the other, and where the last ends. Plain Python."""
    return list(accumulate(map(len, sets), initial=0))
