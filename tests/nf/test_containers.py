"""Containers in flat memory against Python's own."""

from __future__ import annotations

import ipaddress
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.both import nf_class

from nfuse.nf.containers import ContainerFault
from nfuse.nf.instance import Instance

KEEP = nf_class("""
class Tested(NF):
    size: u32 = 4
    class State:
        stack: Stack[i16]
        ring: Ring[u32]
        map: HashMap[i32, u16]
        hosts: HashMap[Address, Address]
        array: Array[Address]
        fixed: Array[u8, 3]
        start: u16 = 7
    def on_start(self):
        if self.size > 100:
            raise ValueError("too much")
        self.stack.reserve(self.size)
        self.ring.reserve(self.size)
        self.map.reserve(self.size)
        self.hosts.reserve(self.size)
        self.array.fill(["10.0.0.1", "::1"])
""")


@pytest.fixture(scope="module")
def state():
    instance = Instance(KEEP())
    instance.start()
    return instance


@given(st.lists(st.one_of(st.none(), st.integers(-40000, 40000)), max_size=30))
def test_stack_and_ring(state, steps):
    stack, ring, list_, queue = state.facade.stack, state.facade.ring, [], deque()
    stack.clear()
    ring.clear()
    for step in steps:
        for container, model, take in ((stack, list_, list_.pop), (ring, queue, queue.popleft)):
            if step is None:
                if model:
                    assert container.pop() == take()
                else:
                    with pytest.raises(ContainerFault):
                        container.pop()
            elif len(model) < 4:
                container.push(step)
                model.append((step + 32768) % 65536 - 32768 if container is stack else step & 0xFFFFFFFF)
            else:
                with pytest.raises(ContainerFault):
                    container.push(step)
        assert stack.values() == list_
        assert ring.values() == list(queue)


@given(st.lists(st.tuples(st.sampled_from(["put", "delete", "get"]), st.integers(-6, 6), st.integers(0, 70000))))
def test_map(state, steps):
    made, model = state.facade.map, {}
    made.clear()
    for what, key, value in steps:
        if what == "put":
            fits = key in model or len(model) < 4
            assert made.put(key, value) == fits
            if fits:
                model[key] = value & 0xFFFF
        elif what == "delete":
            assert made.delete(key) == (model.pop(key, None) is not None)
        else:
            assert made.get(key, -1) == model.get(key, -1)
            assert (key in made) == (key in model)
        assert made.values() == model
        assert len(made) == len(model)


def test_deleting_leaves_no_trace(state):
    """Equal contents with equal histories of room have equal bytes."""
    made = state.facade.map
    made.clear()
    for key in (1, 2, 3, 4):
        made[key] = key
    before = state.arena.bytes[:4096].tobytes()
    made.delete(4)
    made[4] = 4
    assert state.arena.bytes[:4096].tobytes() == before
    with pytest.raises(ContainerFault):
        made[5] = 1
    with pytest.raises(ContainerFault):
        made[6]


def test_arrays(state):
    array, fixed = state.facade.array, state.facade.fixed
    assert list(array) == [ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("::1")]
    assert array.view.shape == (2, 2)
    fixed[2] = 300
    fixed.view[:2] = [1, 2]
    assert fixed.values() == [1, 2, 44]
    for index in (3, -1):
        with pytest.raises(ContainerFault):
            fixed[index]
    with pytest.raises(RuntimeError, match="on_start"):
        state.facade.stack.reserve(1000)


def test_initial_values_and_values(state):
    found = state.values()
    assert found["start"] == 7
    assert set(found) == {"stack", "ring", "map", "hosts", "array", "fixed", "start"}
    state.facade.start = 70000
    assert state.values()["start"] == 70000 & 0xFFFF


def test_update_is_all_or_nothing():
    instance = Instance(KEEP())
    instance.start()
    instance.facade.stack.push(5)
    before = instance.values()
    with pytest.raises(ValueError, match="too much"):
        instance.update({"size": 101})
    assert instance.nf.size == 4
    assert instance.values() == before
    with pytest.raises(ValueError, match="did you mean 'size'"):
        instance.update({"siez": 3})
    instance.update({"size": 8})
    assert instance.facade.stack.capacity == 8
    assert instance.values()["stack"] == []


def test_many_items():
    big = nf_class("""
class Tested(NF):
    class State:
        a: Array[u32]
        b: Stack[u16]
    def on_start(self):
        self.a.reserve(1_000_000)
        self.b.fill(range(65536))
""")
    instance = Instance(big())
    instance.start()
    instance.facade.a.view[:] = np.arange(1_000_000)
    assert instance.facade.a[999_999] == 999_999
    assert instance.facade.b.pop() == 65535
