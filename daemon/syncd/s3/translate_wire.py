"""What the lean client raises, in our words: by the same tables as what botocore raises (`translate`)."""

from __future__ import annotations

import socket
import ssl
from types import TracebackType

from syncd.errors import ItemError, RemoteError, RemoteKind, Stale, SyncdError
from syncd.s3.translate import BROKEN, Place, late, refusal, unconnected, untrusted
from syncd.s3.wire.answers import Refused
from syncd.s3.wire.failure import Broken, CutShort, Garbled, Stalled, Unreachable, WireError

_K = RemoteKind


class translated:
    """Raise in our words what the lean client raises inside. `pinned`: as of `Place.translated`."""

    __slots__ = ("_pinned", "_place")

    def __init__(self, place: Place, *, pinned: bool = False) -> None:
        self._place = place
        self._pinned = pinned

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            ours = self._translation(error)
            if ours is not None:
                raise ours from error

    def _translation(self, error: BaseException) -> SyncdError | Stale | None:
        place = self._place
        match error:
            case WireError():
                return in_our_words(error, place, pinned=self._pinned)
            case EOFError():
                return Stale(f"{place}: {error}")
            case OSError():  # of the network the client raises its own
                why = f"{place}: the local file cannot be read: {error.strerror or error}"
                return ItemError(place.key, why, hint="look at the disk")
            case ValueError():
                return RemoteError(_K.REJECTED, f"{place}: {error}", code=type(error).__name__)
        return None


def in_our_words(error: WireError, place: Place, *, pinned: bool = False) -> RemoteError | Stale:
    """What it means."""
    code, cause = type(error).__name__, error.__cause__
    match error:
        case Refused():
            ids = (error.request_id, error.host_id)
            return refusal(error.status, error.code, error.message, place, pinned=pinned, ids=ids)
        case Unreachable() if isinstance(cause, ssl.SSLError):
            return untrusted(str(error), place, code)
        case _ if isinstance(error, Stalled) or isinstance(cause, (TimeoutError, BlockingIOError)):
            return late(place, code)
        case Unreachable() if isinstance(cause, socket.gaierror):
            return unconnected(f"Name or service: {error}", place)
        case Unreachable() if isinstance(cause, ConnectionRefusedError):
            return unconnected(f"refused: {error}", place)
        case Unreachable():
            return unconnected(str(error), place)
        case CutShort():
            return RemoteError(_K.UNAVAILABLE, f"{place}: the body ended early", code=code)
        case Garbled():
            return RemoteError(
                _K.UNAVAILABLE,
                f"{place}: the answer makes no sense: {error}",
                hint="is endpoint_url an S3 endpoint?",
                code=code,
            )
        case Broken():
            return RemoteError(_K.UNAVAILABLE, f"{place}: the connection broke: {error}", hint=BROKEN, code=code)
        case _:
            return RemoteError(_K.UNAVAILABLE, f"{place}: {error}", hint=BROKEN, code=code)
