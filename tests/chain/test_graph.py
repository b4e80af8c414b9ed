"""`A() >> B()`, branches, and the flat list of nodes."""

from __future__ import annotations

import pytest

from nfuse import NF, Chain, ChainError, Timeouts, branch, tcp, u32, udp


class Alpha(NF):
    level: u32 = 1


class Beta(NF):
    pass


class Gamma(NF):
    pass


def names(chain: Chain) -> list[str]:
    return [node.name for node in chain.nodes]


def test_a_sequence_gives_nodes_in_order() -> None:
    chain = Chain(Alpha() >> Beta() >> Gamma())
    assert names(chain) == ["alpha", "beta", "gamma"]
    assert [node.index for node in chain.nodes] == [0, 1, 2]
    assert all(node.guard == () for node in chain.nodes)


def test_shift_is_associative() -> None:
    assert (Alpha() >> (Beta() >> Gamma())) == ((Alpha() >> Beta()) >> Gamma())


def test_equal_names_get_numbers_and_given_names_stay() -> None:
    assert names(Chain([Alpha(), Alpha(), Alpha()])) == ["alpha", "alpha_2", "alpha_3"]
    assert names(Chain(Alpha() >> Beta().named("alpha"))) == ["alpha_2", "alpha"]


def test_two_given_names_that_are_equal_are_refused() -> None:
    with pytest.raises(ChainError, match="named 'x'"):
        Chain(Alpha().named("x") >> Beta().named("x"))


def test_the_same_instance_at_two_places_is_refused() -> None:
    alpha = Alpha()
    with pytest.raises(ChainError, match="at two places"):
        Chain(alpha >> Beta() >> alpha)


def test_a_class_instead_of_an_instance_is_explained() -> None:
    with pytest.raises(ChainError, match=r"instances: Beta\(\.\.\.\)"):
        Chain(Alpha() >> Beta)


def test_a_branch_guards_its_nodes() -> None:
    chain = Chain(Alpha() >> branch((tcp, Beta() >> branch((tcp, Alpha()))), (udp, Gamma())) >> Beta())
    assert names(chain) == ["alpha", "beta", "alpha_2", "gamma", "beta_2"]
    assert [node.guard for node in chain.nodes] == [(), ((0, 0),), ((0, 0), (1, 0)), ((0, 1),), ()]
    assert chain.branches == ((tcp, udp), (tcp,))


def test_an_alternative_may_be_a_filter_or_empty_and_the_last_may_stand_alone() -> None:
    chain = Chain(branch(("tcp dst port 22", None), ("tcp", Alpha()), Beta()))
    assert [node.guard for node in chain.nodes] == [((0, 1),), ((0, 2),)]
    assert len(chain.branches[0]) == 3


@pytest.mark.parametrize(
    "wrong", [lambda: branch((tcp, None)), lambda: branch(Alpha(), Beta()), lambda: branch((1, Beta()))]
)
def test_wrong_branches_are_refused(wrong) -> None:
    with pytest.raises(ChainError):
        wrong()


def test_chains_are_values() -> None:
    assert Chain(Alpha(level=2) >> Beta()) == Chain(Alpha(level=2) >> Beta())
    assert Chain(Alpha(level=2)) != Chain(Alpha(level=3))
    assert Chain(Alpha()) != Chain(Alpha().named("a"))
    assert Chain(Alpha()) != Chain(Alpha(), capacity=10)
    assert Chain(branch((tcp, Alpha()))) != Chain(branch((udp, Alpha())))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"capacity": 0}, "capacity"),
        ({"capacity": True}, "capacity"),
        ({"capacity": 2**40}, "capacity"),
        ({"unmatched": "dorp"}, "did you mean 'drop'"),
        ({"malformed": None}, "'drop' or 'pass'"),
        ({"mtu": 10}, "68"),
        ({"idle": -1}, "idle"),
        ({"name": ""}, "name"),
    ],
)
def test_settings_are_checked(settings, message) -> None:
    with pytest.raises(ChainError, match=message):
        Chain(Alpha(), **settings)


def test_timeouts_are_checked_and_given_in_milliseconds() -> None:
    assert Timeouts(udp=0.5).milliseconds()["udp"] == 500
    with pytest.raises(ChainError, match=r"timeouts\.udp"):
        Timeouts(udp=0)


def test_a_direction_makes_a_chain_two_sided() -> None:
    assert Chain(Alpha(), direction="src net 10.0.0.0/8").two_sided
    assert not Chain(Alpha()).two_sided


def test_with_settings_keeps_the_graph() -> None:
    chain = Chain(Alpha() >> Beta(), capacity=7).with_settings(mtu=1500)
    assert (chain.capacity, chain.mtu, names(chain)) == (7, 1500, ["alpha", "beta"])
    with pytest.raises(ChainError, match="did you mean 'capacity'"):
        chain.with_settings(capasity=3)


def test_node_by_name() -> None:
    chain = Chain(Alpha() >> Beta())
    assert chain.node("beta").index == 1
    with pytest.raises(ChainError, match="did you mean 'beta'"):
        chain.node("betta")


def test_a_chain_prints_as_it_is_written() -> None:
    assert str(Chain(Alpha() >> branch((tcp, Beta()), (udp, None)) >> Gamma())) == (
        "alpha >> branch(tcp: beta, udp: pass) >> gamma"
    )


def test_flows_needs_an_engine() -> None:
    chain = Chain(Alpha())
    with pytest.raises(ChainError, match="no engine"):
        chain.flows()

    class Engine:
        def flows(self) -> list[int]:
            return [1]

    engine = Engine()
    chain.attach(engine)
    assert chain.flows() == [1]
