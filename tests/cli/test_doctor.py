"""``nfuse doctor``: what it finds, what it recommends, what it exits with."""

from __future__ import annotations

import errno
import json
import socket
import sys
import tomllib
from pathlib import Path

import pytest
from tests.cli.calling import Call, calling
from tests.packages import install, install_example

from nfuse.cli.doctor import text, verdict
from nfuse.cli.health import kernel, machine, ports, software
from nfuse.cli.health.check import Check, pip_install, system_install

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def nfuse(capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(capsys)


def test_it_works_where_the_tests_run(nfuse) -> None:
    code, out, _ = nfuse("doctor")
    assert code == 0
    assert out.startswith("nfuse ")
    assert "All that nfuse requires works" in out
    assert "FAIL" not in out
    assert "\x1b" not in out


def test_json(nfuse) -> None:
    code, out, _ = nfuse("doctor", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["healthy"] is True
    found = {check["name"]: check for check in facts["checks"]}
    assert {"Python", "numba", "cache", "pcap:", "CAP_NET_RAW", "AF_PACKET sockets", "bench", "dev"} <= set(found)
    assert found["numba"]["required"]
    assert not found["tcpdump"]["required"]
    for check in found.values():
        assert set(check) == {"group", "name", "works", "detail", "required", "enable"}
        assert check["detail"]
        assert not (check["works"] and check["enable"])


def test_deep(nfuse) -> None:
    code, out, _ = nfuse("doctor", "--deep", "--json")
    found = {check["name"]: check for check in json.loads(out)["checks"] if check["group"] == "self-test"}
    assert code == 0
    assert set(found) == {"compile", "run", "verify"}
    assert found["verify"]["detail"] == "identical to plain Python"


def test_a_self_test_that_fails_is_told(nfuse, monkeypatch) -> None:
    def broken(*arguments: object, **more: object) -> None:
        raise RuntimeError("no such instruction")

    monkeypatch.setattr("nfuse.engine.driver.run", broken)
    code, out, _ = nfuse("doctor", "--deep")
    assert code == 1
    assert "FAIL  compile and run  failed: RuntimeError: no such instruction" in out


@pytest.mark.parametrize(
    ("requirement", "message"),
    [("no-such-package>=1", "is not installed"), ("numpy>=999", "is too old: 999 or later is needed")],
)
def test_a_required_package_that_is_missing_fails_it(nfuse, monkeypatch, requirement, message) -> None:
    monkeypatch.setattr(software, "declared", lambda: [software.requirement(requirement)])
    code, out, _ = nfuse("doctor")
    assert code == 1
    assert "FAIL" in out
    assert message in out
    assert f"enable: {sys.executable} -m pip install -U '{requirement}'" in out
    assert f"nfuse does not work here: {requirement.partition('>')[0]}." in out


def test_a_required_package_that_is_broken_fails_it(monkeypatch, tmp_path) -> None:
    install(monkeypatch, tmp_path, "crooked", {})
    (tmp_path / "crooked.py").write_text("raise ImportError('libLLVM.so is missing')\n")
    monkeypatch.setattr(software, "declared", lambda: [software.requirement("crooked")])
    check = next(check for check in software.checks() if check.name == "crooked")
    assert not check.works
    assert check.detail == "can't be imported: ImportError: libLLVM.so is missing"


def test_a_missing_extra_names_all_that_is_missing_in_one_command(monkeypatch) -> None:
    wanted = [software.requirement(text, "lab") for text in ("no-such-a>=1", "numpy>=1", "no-such-b")]
    monkeypatch.setattr(software, "declared", lambda: wanted)
    check = next(check for check in software.checks() if check.group == "extras")
    assert (check.name, check.works, check.required) == ("lab", False, False)
    assert check.detail == "no-such-a is not installed; no-such-b is not installed"
    assert check.enable == pip_install("no-such-a>=1", "no-such-b")


def test_what_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = software.declared()
    assert [str(one) for one in found if not one.extra] == [text.partition(",")[0] for text in project["dependencies"]]
    assert {one.extra for one in found} == {"", *project["optional-dependencies"]}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("numba>=0.60", ("numba", "0.60", "")),
        ('dpkt>=1.9.8; extra == "bench"', ("dpkt", "1.9.8", "bench")),
        ("types-PyYAML; extra == 'dev'", ("types-PyYAML", "", "dev")),
        ("rich<15,>=13", ("rich", "13", "")),
    ],
)
def test_requirements(line: str, expected: tuple[str, str, str]) -> None:
    one = software.requirement(line)
    assert (one.name, one.least, one.extra) == expected


def test_a_cache_that_can_not_be_written_is_no_failure(monkeypatch) -> None:
    monkeypatch.setenv("NFUSE_CACHE", "/proc/nowhere")
    (check,) = software.cache()
    assert not check.works
    assert not check.required
    assert "/proc/nowhere can't be written" in check.detail
    assert check.enable.startswith("export NFUSE_CACHE=")


def test_the_cache_is_counted(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("NFUSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "key").mkdir(parents=True)
    (tmp_path / "cache" / "key" / "one.nbi").write_bytes(b"x" * 1500)
    (check,) = software.cache()
    assert check.works
    assert check.detail == f"{tmp_path / 'cache'}: 1 files, 1.5 kB"


@pytest.mark.parametrize(("variable", "value"), [("NFUSE_JIT", "0"), ("NFUSE_CHECK", "1")])
def test_slow_modes_are_told(monkeypatch, variable, value) -> None:
    for name in ("NFUSE_JIT", "NFUSE_CHECK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    check = next(check for check in software.checks() if check.name == "compilation")
    assert not check.works
    assert check.enable == f"unset {variable}"


def test_packages_of_nfs(monkeypatch, tmp_path) -> None:
    install_example(monkeypatch, tmp_path / "good")
    install(monkeypatch, tmp_path / "bad", "shady", {"Broken": "no_such_module:Broken"})
    found = {check.name: check for check in software.checks() if check.group == "packages"}
    assert found["Gtsm"].works
    assert not found["Broken"].works
    assert "shady 1.2" in found["Broken"].detail


def test_capabilities() -> None:
    assert kernel.effective("Name:\tx\nCapEff:\t0000000000003000\n") == 0x3000
    assert kernel.effective("") == 0
    assert kernel._capability("CAP_NET_RAW", 1 << 13).works
    missing = kernel._capability("CAP_BPF", 1 << 13)
    assert not missing.works
    assert missing.enable


@pytest.mark.parametrize("user", [0, 1000])
def test_privileges_are_raised_by_sudo_or_by_another_container(monkeypatch, user) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    enable = kernel._capability("CAP_NET_ADMIN", 0).enable
    assert enable.startswith("docker run --cap-add NET_ADMIN" if user == 0 else "sudo -E ")


@pytest.mark.parametrize(
    ("number", "detail", "has_command"),
    [(errno.EPERM, "Operation not permitted", True), (errno.EAFNOSUPPORT, "the kernel has none of these", False)],
)
def test_sockets_that_can_not_be_opened(monkeypatch, number, detail, has_command) -> None:
    import os

    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "socket", refuse)
    check = kernel._socket("AF_XDP", kernel.AF_XDP)
    assert not check.works
    assert detail in check.detail
    assert bool(check.enable) == has_command


def test_looking_at_the_kernel_leaves_nothing_behind() -> None:
    before = sorted(path.name for path in Path("/sys/class/net").iterdir())
    kernel.checks()
    assert sorted(path.name for path in Path("/sys/class/net").iterdir()) == before


def test_ports_of_packages_are_tried(monkeypatch, tmp_path) -> None:
    install(monkeypatch, tmp_path, "radio", {})
    (tmp_path / "radio-1.2.dist-info" / "entry_points.txt").write_text("[nfuse.ports]\nradio = no_such_radio\n")
    found = {check.name: check for check in ports.checks()}
    assert found["pcap:"].works
    assert found["pcap:"].detail == "input and output"
    assert found["gen:"].detail == "input"
    assert not found["radio:"].works
    assert not found["radio:"].required
    assert "no_such_radio" in found["radio:"].detail


def test_a_limit_on_address_space_is_told(monkeypatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda which: (4 * 10**9, 4 * 10**9))
    check = next(check for check in machine.checks() if check.name == "memory")
    assert not check.works
    assert "4.0 GB" in check.detail


@pytest.mark.parametrize(("cores", "shown"), [([0], "core 0"), ([0, 1, 2, 5, 7, 8], "core 0-2, 5, 7-8")])
def test_core_numbers(cores: list[int], shown: str) -> None:
    assert machine.numbers(cores) == shown


@pytest.mark.parametrize(
    ("manager", "user", "command"),
    [
        ("apt-get", 1000, "sudo apt-get install -y gcc"),
        ("dnf", 0, "dnf install -y gcc"),
        (None, 0, ""),
    ],
)
def test_commands_of_the_system(monkeypatch, manager, user, command) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name == manager else None)
    monkeypatch.setattr("os.geteuid", lambda: user)
    assert system_install("gcc") == command


def test_the_verdict() -> None:
    good = Check("a", "x", True, "fine", required=True)
    off = Check("a", "y", False, "not there", enable="do it")
    bad = Check("b", "z", False, "broken", required=True)
    assert verdict([good]) == "All that nfuse requires works; so does all that is optional."
    assert verdict([good, off]) == "All that nfuse requires works; 1 optional thing does not."
    assert verdict([good, off, bad]) == "nfuse does not work here: z."
    shown = text([good, off, bad])
    assert "  ok    x  fine\n  no    y  not there\n        enable: do it\n\nb\n  FAIL  z  broken" in shown
