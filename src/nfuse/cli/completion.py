"""``nfuse completion``: what a shell needs to complete commands, options, chain files and names."""

from __future__ import annotations

import os
from pathlib import Path

import click

from nfuse.cli.report import say

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_NFUSE_COMPLETE"
"""The environment variable through which the script asks nfuse for completions (click's protocol)."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def command(shell: str | None) -> None:
    """Print the completion script of SHELL (default: that of $SHELL) for commands, options, files and names.

    \b
    bash   nfuse completion bash > ~/.local/share/bash-completion/completions/nfuse
    zsh    nfuse completion zsh > "${fpath[1]}/_nfuse"
    fish   nfuse completion fish > ~/.config/fish/completions/nfuse.fish

    For the running shell only: source <(nfuse completion bash). bash needs to be 4.4 or later.
    """
    from nfuse.cli.main import group

    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise click.UsageError(f"which shell? {', '.join(SHELLS)} (SHELL is {name or 'not set'})")
    say(script(name, group))


def script(shell: str, group: click.Command) -> str:
    """Return the completion script of a shell."""
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    completion = made(group, {}, "nfuse", VARIABLE)
    return completion.source_template % completion.source_vars()
