"""What becomes of the packets about which an NF alerts, read from its source."""

from __future__ import annotations

import pytest
from tests.nf.both import nf_class

from nfuse.nf.alerts import alert_actions
from nfuse.nf.compile import analyse
from nfuse.nf.library import DosGuard

SOURCE = """
class Tested(NF):
    {more}
    def cut(self, flow):
        flow.drop("cut")

    def on_flow(self, pkt, flow):
        {on_flow}

    def on_packet(self, pkt, flow):
        {on_packet}
"""


def actions(on_flow="pass", on_packet="pass", more=""):
    parts = [text.replace("\n", "\n        ") for text in (on_flow, on_packet)]
    return alert_actions(analyse(nf_class(SOURCE.format(on_flow=parts[0], on_packet=parts[1], more=more))))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("self.alert('a')", {"a": "allowed"}),
        ("self.alert('a')\nflow.drop('x')", {"a": "blocked"}),
        ("flow.drop('x')\nself.alert('a')", {"a": "blocked"}),
        ("self.alert('a')\nreturn flow.drop('x')", {"a": "blocked"}),
        ("if pkt.len > 9:\n    self.alert('a')\nflow.drop('x')", {"a": "blocked"}),
        ("if pkt.len > 9:\n    self.alert('a')\n    flow.drop('x')\nelse:\n    self.alert('b')", {"a": "blocked"}),
        ("self.alert('a')\nif pkt.len > 9:\n    flow.drop('x')", {}),
        ("self.alert('a')\nif pkt.len > 9:\n    return\nflow.drop('x')", {}),
        ("if pkt.len > 9:\n    self.alert('a')\n    return\nflow.drop('x')", {}),
        ("self.alert('a')\nself.cut(flow)", {}),
        ("flow.drop('x')\nself.alert('a')\nflow.forward()", {}),
        ("if pkt.len > 9:\n    self.alert('a')\n    return flow.drop('x')\nif pkt.len > 7:\n    self.alert('a')", {}),
    ],
)
def test_in_a_handler(body, found) -> None:
    assert actions(on_flow=body) == found


def test_each_handler_is_judged_by_itself() -> None:
    assert actions("flow.drop('x')", "self.alert('a')") == {"a": "allowed"}
    assert actions("self.alert('a')", "self.alert('a')\npkt.drop('x')") == {}


def test_ordinary_python() -> None:
    assert actions("self.alert('a')\nflow.drop(f'{pkt.len}')", more="compiled = False") == {"a": "blocked"}


def test_the_library() -> None:
    assert set(alert_actions(analyse(DosGuard)).values()) == {"blocked"}
