"""The documentation's generated parts are up to date, and what its pages say of commands is true."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nfuse.chain.locate import library
from nfuse.cli import main, pages
from nfuse.cli.nf_reference import markdown_table
from nfuse.cli.pages import NF_PAGES

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "commands.md").read_text()
WRITTEN = pages.written()
SECTIONS = dict(re.findall(r"^## nfuse (.*?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines() if line.strip()
]
SLOW = ("nfuse demo", "nfuse bench", "nfuse completion", "nfuse doctor")  # run in the tests of their own


@pytest.mark.parametrize("path", sorted(WRITTEN), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_generated_parts_are_up_to_date(path: Path) -> None:
    assert path.exists(), "run `make docs`"
    assert path.read_text() == WRITTEN[path], "run `make docs`"


def test_every_command_has_its_help_and_an_example() -> None:
    for name in pages.all_commands():
        assert f"$ nfuse {name} --help" in SECTIONS[name]
        if not any(other.startswith(f"{name} ") for other in pages.all_commands()):
            assert re.search(rf"^nfuse {name}\b", SECTIONS[name], re.MULTILINE), f"give an example of nfuse {name}"


def test_every_network_function_has_its_tables() -> None:
    known = [name for path in NF_PAGES.glob("*.md") for name in pages.parts("nf", path.read_text())]
    assert sorted(known) == sorted(library())


def test_the_exit_codes_are_those_of_the_program() -> None:
    table = re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)
    assert [int(code) for code in table] == [main.OK, main.DIFFERENT, main.BAD_INPUT, main.INTERRUPTED]


def test_commands_run_one_after_the_other(tmp_path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for line in COMMANDS:
        if line.startswith(SLOW):
            continue
        words = shlex.split(line)
        assert words[0] in ("nfuse", "python"), line
        arguments = [sys.executable, *(["-m", *words] if words[0] == "nfuse" else words[1:])]
        done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_the_doctors_example_has_lines_as_it_prints_them() -> None:
    from nfuse.cli.doctor import _HEADINGS, LOOKS
    from nfuse.cli.health import kernel, machine, ports, software

    assert LOOKS == ("machine", "software", "ports", "kernel")
    checks = [check for module in (machine, software, ports, kernel) for check in module.checks()]
    names, groups = {check.name for check in checks}, {check.group for check in checks} | set(_HEADINGS.values())
    shown = re.search(r"\$ nfuse doctor\n(.*?)```", TEXT, re.DOTALL)
    assert shown
    for line in shown[1].splitlines():
        if found := re.match(r"  (?:ok|no|FAIL) +(.+?)  ", line):
            assert found[1] in names
        elif line and not line.startswith("        enable: "):
            assert line in groups or line.startswith("All that nfuse requires works; ")


def test_a_part_is_written_anew_and_the_prose_stays() -> None:
    before = "# Page\n\n<!-- generated: nf Monitor -->\nold\n<!-- end -->\n\nProse.\n"
    after = pages.renew(before, NF_PAGES)
    assert after.startswith("# Page\n\n<!-- generated: nf Monitor -->\n\n`Monitor` has no parameters.")
    assert after.endswith("<!-- end -->\n\nProse.\n")
    assert "old" not in after
    assert pages.renew(after, NF_PAGES) == after


def test_a_part_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="nfs Monitor -->: there is only help, output, nf"):
        pages.renew("<!-- generated: nfs Monitor -->\n<!-- end -->", NF_PAGES)


def test_new_commands_and_nfs_get_a_part() -> None:
    assert pages.parts("help", pages.add_commands("# Page\n")) == pages.all_commands()
    tunnels = NF_PAGES / "tunnels.md"
    added = pages.add_nfs({tunnels: "# IpIpEncap and IpIpDecap\n\nProse.\n"})
    assert pages.parts("nf", added[tunnels]) == ["IpIpDecap", "IpIpEncap"]
    assert pages.parts("nf", added[NF_PAGES / "dos-guard.md"]) == ["DosGuard"]
    assert sorted(name for text in added.values() for name in pages.parts("nf", text)) == sorted(library())


def test_tables_escape_bars() -> None:
    assert markdown_table(("a", "b"), [("`x | y`", "z")]).splitlines()[-1] == "| `x \\| y` | z |"
