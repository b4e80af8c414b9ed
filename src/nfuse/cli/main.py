"""The entry point ``nfuse``: finds the command, turns errors into messages and exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

import nfuse
from nfuse.cli.group import NearestGroup
from nfuse.cli.usage import usage_text
from nfuse.errors import UserError

OK, DIFFERENT, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done; a difference or a failed check; usage or bad input; stopped by Ctrl-C (what is there is valid)."""

_COMMANDS = {
    "demo": "A NAT -> load balancer -> monitor -> firewall chain over a million packets, with proof.",
    "run": "Run a chain on a capture (or any input port).",
    "verify": "Show that the compiled chain gives what its NFs give one by one, on your own traffic.",
    "trace": "Tell what single packets went through, NF by NF.",
    "flows": "Run a chain and show its table of flows.",
    "plan": "Show what the compiler made of a chain, draw it, or compare two.",
    "check": "Find what is wrong with a chain, without traffic.",
    "bench": "Measure.",
    "nf": "List, show and write network functions.",
    "doctor": "Say what works on this machine, and what enables the rest.",
    "completion": "Print the shell's completion script.",
}


class _Lazy(NearestGroup):
    """A group whose commands are imported when they are used: ``nfuse --help`` loads nothing else."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"nfuse.cli.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done; 1 a difference or a failed check; 2 usage or bad input; 130 stopped by Ctrl-C.",
)
@click.version_option(nfuse.__version__, "--version", message="nfuse %(version)s")
def group() -> None:
    """nfuse: network functions, fused.

    You write network functions in Python, you declare a chain, and one compiler turns it into one native data path.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code; errors of the user's input are one message, not a traceback."""
    import warnings

    showing = warnings.showwarning

    def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
        if category.__module__.startswith("nfuse."):  # for people: one plain line
            click.echo(f"nfuse: {message}", err=True)
        else:
            showing(message, category, *place, **more)

    warnings.showwarning = show
    try:
        code = group.main(args=arguments, prog_name="nfuse", standalone_mode=False)
        code = code if isinstance(code, int) else OK
    except click.exceptions.Exit as exit_request:
        code = exit_request.exit_code
    except click.ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # of click 8.2: `nfuse` alone shows its help
            error.show()
        else:
            click.echo(f"nfuse: {usage_text(error)}", err=True)
        code = BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone (| head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = OK
    except Exception as error:
        if type(error).__name__ == "BdbQuit":  # `q` in a debugger that breakpoint() has started
            click.echo("stopped", err=True)
            code = INTERRUPTED
        elif os.environ.get("NFUSE_TRACEBACK") == "1" or not is_input_error(error):
            raise
        else:
            click.echo(f"nfuse: {error}", err=True)
            code = BAD_INPUT
    finally:
        warnings.showwarning = showing
    sys.exit(code)


_SET_UP = {"on_start", "on_update", "plan_chain"}
"""Functions that judge what the user gave: an error raised in them is the user's to mend."""


def is_input_error(error: Exception) -> bool:
    """Whether an error is about what the user gave (chain, source of an NF, port), rather than a defect of nfuse."""
    if isinstance(error, UserError):
        return True
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name in _SET_UP:
            return True
        trace = trace.tb_next
    return False
