"""A group of commands that names the nearest one when a name is wrong."""

from __future__ import annotations

from typing import Any

import click


class NearestGroup(click.Group):
    """A group whose "No such command" says which one was perhaps meant."""

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        """See :meth:`click.Group.resolve_command`."""
        try:
            return super().resolve_command(context, args)
        except click.UsageError:
            from nfuse.chain.errors import nearest

            near = nearest(args[0], self.list_commands(context)) if args else None
            if near is None:
                raise
            context.fail(f"there is no command {args[0]!r}\n  did you mean {near!r}?")
