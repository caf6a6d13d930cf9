"""What goes wrong between a request and its answer."""

from __future__ import annotations


class WireError(Exception):
    """A request that got no answer that can be used."""


class Unreachable(WireError):
    """No connection: no such host, refused, no answer in time, or a certificate that is not to be trusted."""


class Broken(WireError):
    """The connection ended, or fell silent, or became too slow. The server may have done what it was asked."""


class Closed(Broken):
    """The server ended the connection without a word."""


class Stalled(Broken):
    """The server takes nothing more."""


class Garbled(WireError):
    """What came is no answer of HTTP."""


class CutShort(Garbled):
    """The body ended before its announced length."""
