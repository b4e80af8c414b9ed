"""The outcome of one look at the machine."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that works here, or does not.

    Attributes:
        group: The heading that it stands under.
        name: What was looked at.
        works: Whether it works.
        detail: What was found, or what is wrong.
        required: Whether nfuse needs it.
        enable: The one command that enables it; "" if it works, or if no command does.
    """

    group: str
    name: str
    works: bool
    detail: str
    required: bool = False
    enable: str = ""


def pip_install(*requirements: str) -> str:
    """Return the command that installs Python packages where this process runs."""
    return shlex.join([sys.executable, "-m", "pip", "install", *requirements])


_MANAGERS = {
    "apt-get": "apt-get install -y",
    "dnf": "dnf install -y",
    "pacman": "pacman -S --noconfirm",
    "apk": "apk add",
    "zypper": "zypper install -y",
}


def system_install(package: str) -> str:
    """Return the command that installs a package of the system, "" where no package manager is known."""
    for manager, command in _MANAGERS.items():
        if shutil.which(manager):
            return f"{'' if os.geteuid() == 0 else 'sudo '}{command} {package}"
    return ""
