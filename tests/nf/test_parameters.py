"""Parameters: what is taken, what is refused, and how the message reads."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from tests.nf.both import nf_class

from nfuse.nf.errors import CompileError
from nfuse.nf.parameters import REQUIRED, ParameterError, convert, plain
from nfuse.nf.types import Mac, PortRange, Prefix

ANY = nf_class("""
from pathlib import Path
from typing import Literal
class Tested(NF):
    number: u8
    flag: bool = False
    address: Address = "10.0.0.1"
    four: IPv4Address | None = None
    prefix: Prefix = "10.1.2.3/8"
    ports: PortRange = "80"
    mac: Mac = "02:00:00:00:00:01"
    label: str = "x"
    rules: Path | None = None
    pool: list[Prefix] = []
    pair: tuple[int, str] = (1, "a")
    mode: Literal["fast", "slow"] = "fast"
    share: float = 0.5
""")


def test_values_are_converted():
    nf = ANY(number=3, ports=[1, 2], pool=["10.0.0.0/24"], rules="a.txt", address="::ffff:1.2.3.4")
    assert nf.ports == PortRange(1, 2)
    assert nf.prefix == Prefix("10.0.0.0/8")
    assert nf.pool == [Prefix("10.0.0.0/24")]
    assert nf.rules == Path("a.txt")
    assert nf.address == ipaddress.IPv4Address("1.2.3.4")
    assert nf.mac == Mac(0x020000000001)
    assert type(nf).parameters["rules"].is_path
    assert not type(nf).parameters["label"].is_path
    assert type(nf).parameters["number"].default is REQUIRED


def test_plain_values_give_the_same_nf():
    nf = ANY(number=3, ports=[1, 2], pool=["10.0.0.0/24"], four="1.2.3.4")
    assert ANY(**{name: plain(value) for name, value in nf.values().items()}) == nf
    assert ANY(number=3) != nf
    assert hash(ANY(number=3)) == hash(ANY(number=3))
    assert nf.named("a") != nf
    assert nf.named("a").name == "a"


@pytest.mark.parametrize(
    ("given", "name", "text"),
    [
        ({}, "number", "needs the parameter 'number'"),
        ({"numbr": 3}, "numbr", "did you mean 'number'?"),
        ({"number": 256}, "number", "0 to 255"),
        ({"number": True}, "number", "0 to 255"),
        ({"number": "3"}, "number", "an integer"),
        ({"number": 1.0}, "number", "an integer"),
        ({"number": 1, "flag": 1}, "flag", "true or false"),
        ({"number": 1, "address": "10.0.0"}, "address", "an address"),
        ({"number": 1, "address": 5}, "address", "an address"),
        ({"number": 1, "four": "::1"}, "four", "IPv4Address | None"),
        ({"number": 1, "prefix": "10.0.0.0/33"}, "prefix", "a prefix"),
        ({"number": 1, "ports": "9-1"}, "ports", "a port range"),
        ({"number": 1, "ports": 70000}, "ports", "a port range"),
        ({"number": 1, "mac": "1:2"}, "mac", "a MAC address"),
        ({"number": 1, "label": 1}, "label", "a text"),
        ({"number": 1, "pool": "10.0.0.0/8"}, "pool", "a list"),
        ({"number": 1, "pool": ["x"]}, "pool", "a prefix"),
        ({"number": 1, "pair": [1]}, "pair", "2 items"),
        ({"number": 1, "mode": "fats"}, "mode", "did you mean 'fast'?"),
        ({"number": 1, "share": "x"}, "share", "a number"),
    ],
)
def test_refused(given, name, text):
    with pytest.raises(ParameterError) as caught:
        ANY(**given)
    assert caught.value.parameter == name
    assert text in str(caught.value)


def test_a_wrong_default_is_the_authors_mistake():
    with pytest.raises(CompileError, match="its default"):
        nf_class("class Tested(NF):\n    n: u8 = 300\n")


def test_a_message_names_the_class():
    with pytest.raises(ParameterError, match=r"^Tested\.number: 'ten' is not valid; expected an integer"):
        ANY(number="ten")


@pytest.mark.parametrize(
    ("source", "values", "expected"),
    [
        ("number: u8", (5,), "Tested takes its parameters by name; expected Tested(number=5)"),
        ("number: u8\n    b: u8 = 1", (5, 6), "expected Tested(number=5, b=6)"),
        ("pass", (5,), "expected Tested(): it has none"),
    ],
)
def test_values_without_names(source, values, expected):
    with pytest.raises(ParameterError) as caught:
        nf_class(f"class Tested(NF):\n    {source}\n")(*values)
    assert expected in str(caught.value)


def test_inheritance():
    child = nf_class("""
class Base(NF):
    a: u8 = 1
    b: u8 = 2
    class Session:
        x: u8
class Tested(Base):
    b = 5
    c: u8 = 3
    class Session(Base.Session):
        y: u16
""")
    from nfuse.nf.compile import analyse

    assert child().values() == {"a": 1, "b": 5, "c": 3}
    assert list(analyse(child).session.slots) == ["x", "y"]


def test_prefixes_keep_to_their_family():
    assert ipaddress.ip_address("10.1.1.1") in Prefix("10.0.0.0/8")
    assert ipaddress.ip_address("10.1.1.1") not in Prefix("::/0")
    assert convert(Prefix, Prefix("::/0")) == Prefix("::/0")
