"""Gtsm drops what comes from afar, and does so compiled as in plain Python."""

from nfuse_example_nf import Gtsm

from nfuse import Chain, run, verify

BGP = "gen:?flows=20&packets=400&proto=tcp&dport=179&seed=1"  # the generator sends with a TTL of 64


def test_packets_from_afar_are_dropped() -> None:
    assert run(Chain(Gtsm(hops=190)), BGP).drops == {("gtsm", "TTL too low"): 400}


def test_packets_from_within_the_radius_pass() -> None:
    assert not run(Chain(Gtsm(hops=191)), BGP).drops


def test_other_services_are_let_alone() -> None:
    assert not run(Chain(Gtsm(port=22)), BGP).drops


def test_compiled_and_plain_python_do_the_same() -> None:
    result = verify(Chain(Gtsm(hops=190)), BGP + "&reply=yes")
    assert result.identical, str(result)
