"""What can go wrong with a port, as errors with a message for people."""

from __future__ import annotations

from nfuse.errors import UserError


class PortError(UserError):
    """A port can't be opened, read or written; the message says which, why, and what would do."""


class UriError(PortError):
    """A port's URI is wrong: unknown scheme, unknown option, or a value that does not fit."""


class PortHelp(UriError):
    """A port's URI asks for its options (``gen:?help``); the message is the help."""


class CaptureError(PortError):
    """A file is no capture that can be read: wrong magic, zero length, unknown link type."""
