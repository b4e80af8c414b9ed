"""Chain files: what they say, what is wrong with them, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nfuse import (
    NF,
    Chain,
    ChainError,
    IPv4Address,
    Mac,
    PortRange,
    Prefix,
    Timeouts,
    boolean,
    branch,
    dport,
    everything,
    from_yaml,
    ip,
    load_chain,
    tcp,
    to_yaml,
    u16,
    udp,
)

HERE = __name__


class Typed(NF):
    number: u16 = 5
    flag: boolean = False
    address: IPv4Address = IPv4Address("192.0.2.1")
    inside: Prefix = Prefix("10.0.0.0/8")
    ports: PortRange = PortRange(1024, 65535)
    mac: Mac = Mac("02:00:00:00:00:01")
    words: list[str] = []
    mode: Literal["fast", "slow"] = "fast"
    file: Path | None = None


class Needy(NF):
    public: IPv4Address


TYPED, NEEDY = f"{HERE}:Typed", f"{HERE}:Needy"


def fails(text: str) -> ChainError:
    with pytest.raises(ChainError) as caught:
        from_yaml(text, file="edge.yaml")
    return caught.value


def test_a_whole_file() -> None:
    chain = from_yaml(f"""
name: edge
chain:
  - {TYPED}:
      number: 0x10
      flag: true
      address: 198.51.100.7
      inside: 192.168.0.0/16
      ports: 2000-3000
      mac: 12:34:56:00:11:22
      words: [a, yes, "1"]
      mode: slow
    name: first
  - branch:
      - when: tcp and dst port 80
        chain:
          - {TYPED}
      - when: udp
      - otherwise:
          - {NEEDY}: {{public: 192.0.2.9}}
settings:
  capacity: 1000
  unmatched: drop
  mtu: 1500
  idle: 2.5
  direction: src net 10.0.0.0/8
  timeouts: {{udp: 30}}
""")
    assert chain == Chain(
        Typed(
            number=16,
            flag=True,
            address="198.51.100.7",
            inside="192.168.0.0/16",
            ports="2000-3000",
            mac="12:34:56:00:11:22",
            words=["a", "yes", "1"],
            mode="slow",
        ).named("first")
        >> branch((tcp & (dport == 80), Typed()), (udp, None), (everything, Needy(public="192.0.2.9"))),
        name="edge",
        capacity=1000,
        unmatched="drop",
        mtu=1500,
        idle=2.5,
        direction=ip.src == "10.0.0.0/8",
        timeouts=Timeouts(udp=30),
    )


def test_a_bare_list_is_a_chain() -> None:
    assert from_yaml(f"- {TYPED}\n- {TYPED}") == Chain(Typed() >> Typed())


typed = st.builds(
    lambda values, name: Typed(**values).named(name) if name else Typed(**values),
    st.fixed_dictionaries(
        {},
        optional={
            "number": st.integers(0, 65535),
            "flag": st.booleans(),
            "address": st.ip_addresses(v=4),
            "inside": st.tuples(st.ip_addresses(), st.integers(0, 32)).map(lambda p: Prefix(f"{p[0]}/{p[1]}")),
            "ports": st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(lambda p: PortRange(*sorted(p))),
            "mac": st.integers(0, 2**48 - 1).map(Mac),
            "words": st.lists(st.text(), max_size=3),
            "mode": st.sampled_from(["fast", "slow"]),
            "file": st.sampled_from([None, Path("/etc/rules.txt")]),
        },
    ),
    st.none(),
)
classes = st.sampled_from([tcp, udp, tcp & (dport == 80), (ip.src == "10.0.0.0/8") | udp, ~tcp, everything])
graphs = st.recursive(
    st.lists(typed, min_size=1, max_size=3),
    lambda inner: st.lists(
        st.one_of(typed, st.lists(st.tuples(classes, inner), min_size=1, max_size=3).map(lambda ways: branch(*ways))),
        min_size=1,
        max_size=3,
    ),
    max_leaves=5,
)
settings = st.fixed_dictionaries(
    {},
    optional={
        "capacity": st.integers(1, 10**6),
        "unmatched": st.sampled_from(["pass", "drop"]),
        "malformed": st.sampled_from(["pass", "drop"]),
        "mtu": st.one_of(st.none(), st.integers(68, 65535)),
        "idle": st.integers(0, 100),
        "direction": st.one_of(st.none(), classes),
        "name": st.text(min_size=1),
        "two_sided": st.booleans(),
        "timeouts": st.builds(Timeouts, udp=st.floats(0.01, 1000), tcp_new=st.integers(1, 1000)),
    },
)


@example(Typed(words=["\x85", "a\nb", " "]), {"name": "\x85"})
@given(graphs, settings)
def test_there_and_back(graph, given_settings) -> None:
    chain = Chain(graph, **given_settings)
    assert from_yaml(to_yaml(chain)) == chain


def test_what_has_its_default_is_left_out() -> None:
    assert to_yaml(Chain(Typed())) == f"chain:\n- {TYPED}\n"


def test_a_class_inside_a_function_can_not_be_written() -> None:
    class Hidden(NF):
        pass

    with pytest.raises(ChainError, match="inside a function"):
        to_yaml(Chain(Hidden()))


@pytest.mark.parametrize(
    ("text", "line", "column", "parts"),
    [
        ("chain: [1,", 2, None, ["not YAML"]),
        ("", 1, 1, ["empty"]),
        ("name: x", 1, 1, ["no chain"]),
        ("chian: []", 1, 1, ["unknown key 'chian'", "'chain'"]),
        ("chain:\n  - Monitr", 2, 5, ["unknown network function 'Monitr'", "did you mean 'Monitor'"]),
        ("chain:\n  - monitor", 2, 5, ["did you mean 'Monitor'"]),
        ("chain:\n  - 5", 2, 5, ["5 is no network function"]),
        ("chain: Monitor", 1, 8, ["expected: a list"]),
        (f"chain:\n  - {TYPED}:\n      numbr: 5", 3, 7, ["no parameter 'numbr'", "did you mean 'number'"]),
        (f"chain:\n  - {TYPED}:\n      number: 70000", 3, 15, ["70000", "0 to 65535"]),
        (f"chain:\n  - {TYPED}:\n      number: five", 3, 15, ["'five'", "integer"]),
        (f"chain:\n  - {TYPED}:\n      flag: yes", 3, 13, ["true or false"]),
        (f"chain:\n  - {TYPED}:\n      address: 10.0.0.0/8", 3, 16, ["an address"]),
        (f"chain:\n  - {TYPED}:\n      mode: fats", 3, 13, ["did you mean 'fast'"]),
        (f"chain:\n  - {TYPED}:\n      - number", 3, 7, ["parameters of Typed"]),
        (f"chain:\n  - {NEEDY}", 2, 5, ["needs the parameter 'public'", "IPv4Address"]),
        (f"chain:\n  - {TYPED}:\n    number: 5", 2, 5, ["indented"]),
        (f"chain:\n  - {TYPED}:\n      number: 1\n      number: 2", 4, 7, ["twice", "line 3"]),
        (f"chain:\n  - {TYPED}: {{}}\n    name: [1]", 3, 11, ["no name"]),
        ("chain: []", 1, 8, ["empty", "network function"]),
        ("name: x\nchain:", 2, 7, ["empty"]),
        ("[]", 1, 1, ["empty"]),
        (f"chain:\n  - branch:\n      - when: tcp.syn = 1\n        chain: [{TYPED}]", 3, 15, ["packets of one flow"]),
        ("chain: [Monitor]\nsettings:\n  direction: tcp.syn = 1", 3, 14, ["packets of one flow"]),
        ("chain:\n  - branch:\n      - whem: tcp", 3, 9, ["unknown key 'whem'", "'when'"]),
        ("chain:\n  - branch:\n      - when: tcp", 3, 7, ["without any network function"]),
        (f"chain:\n  - branch:\n      - chain: [{TYPED}]", 3, 9, ["needs a condition"]),
        (f"chain:\n  - branch:\n      - when: tpc\n        chain: [{TYPED}]", 3, 15, ["tpc"]),
        (f"chain:\n  - branch:\n      - otherwise: [{TYPED}]\n        when: tcp", 3, 9, ["alone"]),
        ("chain: [Monitor]\nsettings:\n  capasity: 5", 3, 3, ["unknown setting 'capasity'", "'capacity'"]),
        ("chain: [Monitor]\nsettings:\n  capacity: many", 3, 13, ["'many'", "whole number"]),
        ("chain: [Monitor]\nsettings:\n  timeouts:\n    tpc_new: 5", 4, 5, ["'tcp_new'"]),
        ("chain: [Monitor]\nsettings:\n  timeouts:\n    udp: soon", 4, 10, ["'soon'", "seconds"]),
        ("chain: [Monitor]\nsettings:\n  direction: sorce net 1.2.3.4", 3, 14, ["sorce"]),
        ("chain:\n  - no_such_module_anywhere:Thing", 2, 5, ["no module"]),
        (f"chain:\n  - {HERE}:Typd", 2, 5, ["did you mean 'Typed'"]),
        (f"chain:\n  - {HERE}:typed", 2, 5, ["no network function"]),
        ("chain:\n  - Monitor\n    - IPFilter", 2, 5, ["'Monitor - IPFilter' is no name", "same column"]),
        ("chain:\n  - Monitor\n\t- IPFilter", 3, 1, ["a tab", "spaces"]),
        ("chain:\n  -\tMonitor", 2, 4, ["a tab", "spaces"]),
        ("chain:\n  - 'a\tb': [}", 2, None, ["not YAML: "]),
        ("chain:\n  - Monitor: {}\n    name: a\n  - Monitor: {}\n    name: a", 5, 11, ["two", "named 'a'"]),
        ("chain: [Monitor]\nsettings:\n  two_sided: true\n  inputs: [x]", 4, 11, ["names one input"]),
        (f"chain:\n  - branch:\n      - when: tcp and dst prt 80\n        chain: [{TYPED}]", 3, 27, ["mean port?"]),
        (f"chain:\n  - branch:\n      - when: 'tcp prot 80'\n        chain: [{TYPED}]", 3, 20, ["mean proto?"]),
        ("chain: [Monitor]\nsettings:\n  direction: >\n    tcp and dst\n    prt 80", 3, 14, ["in the filter:"]),
    ],
)
def test_mistakes_are_pointed_at(text: str, line: int, column: int | None, parts: list[str]) -> None:
    error = fails(text)
    assert error.file == "edge.yaml"
    assert error.line == line
    if column is not None:
        assert error.column == column
    for part in parts:
        assert part in str(error)


def test_an_error_shows_the_line_and_a_caret() -> None:
    assert str(fails(f"chain:\n  - {TYPED}:\n      numbr: 5")).splitlines()[:3] == [
        "edge.yaml:3:7: chain[0]." + TYPED + ".numbr: Typed has no parameter 'numbr'",
        "          numbr: 5",
        "          ^",
    ]


def test_files(tmp_path: Path) -> None:
    (tmp_path / "own_nf.py").write_text("from nfuse import NF\n\nclass Own(NF):\n    pass\n")
    (tmp_path / "edge.yaml").write_text("- own_nf:Own")
    (tmp_path / "edge.py").write_text("from own_nf import Own\nfrom nfuse import Chain\n\nchain = Chain(Own())\n")
    assert load_chain(tmp_path / "edge.yaml") == load_chain(tmp_path / "edge.py")


def test_relative_paths_count_from_the_chain_file(tmp_path: Path) -> None:
    (tmp_path / "edge.yaml").write_text(f"- {TYPED}: {{file: rules.txt}}")
    assert load_chain(tmp_path / "edge.yaml").nodes[0].nf.file == tmp_path / "rules.txt"


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "edge.yaml").write_text("[]")
    with pytest.raises(ChainError, match=r"did you mean 'edge\.yaml'"):
        load_chain(tmp_path / "egde.yaml")
    with pytest.raises(ChainError, match="Is a directory"):
        load_chain(tmp_path)


def test_wrong_python_files(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.py").write_text("x = (\n")
    (tmp_path / "c.py").write_text("x = 1\ny = x / 0\n")
    (tmp_path / "d.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ChainError, match="defines no chain"):
        load_chain(tmp_path / "a.py")
    with pytest.raises(ChainError, match=r"b\.py:1.*not Python"):
        load_chain(tmp_path / "b.py")
    with pytest.raises(ChainError, match=r"c\.py:2:5: ZeroDivisionError"):
        load_chain(tmp_path / "c.py")
    with pytest.raises(ChainError, match="not a text file"):
        load_chain(tmp_path / "d.yaml")
