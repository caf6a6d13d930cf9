"""What can go wrong, in our words. SDK and OS errors are translated into these once, at the edge."""

from __future__ import annotations

from enum import Enum

EX_CONFIG = 78


class SyncdError(Exception):
    """A failure that a person reads: what happened (`message`) and what to do (`hint`)."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def said(self) -> dict[str, str]:
        """The fields of an event that tells of it."""
        return {"error": self.message, "hint": self.hint}

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(SyncdError):
    """The configuration cannot be used; `problems` holds every one of them. Exit 78."""

    def __init__(self, problems: list[str], *, hint: str = "") -> None:
        super().__init__("; ".join(problems), hint=hint)
        self.problems = problems


class FatalError(SyncdError):
    """The process cannot go on (a broken database, a lost lock): it ends so that systemd starts it anew."""


class PairHalted(SyncdError):
    """One section stops until a person or the world changes something; the process goes on."""

    def __init__(self, message: str, *, hint: str = "", plan_id: str = "") -> None:
        super().__init__(message, hint=hint)
        self.plan_id = plan_id


class RemoteKind(str, Enum):
    """Why the endpoint did not do what was asked."""

    UNAVAILABLE = "unavailable"  # no connection, time-out, 5xx, DNS: try again later
    THROTTLED = "throttled"  # SlowDown, 429, 503: try again, slower
    DENIED = "denied"  # 403: wrong credentials or no permission
    EXPIRED = "expired"  # the credentials ran out: refresh, then try again
    FULL = "full"  # a quota: no more bytes are taken; reading, proving and deleting go on
    MISSING = "missing"  # the bucket (or the upload) does not exist
    REJECTED = "rejected"  # 400: the store will not take this request as it is
    CORRUPT = "corrupt"  # bytes or checksum are not what was sent or promised


class RemoteError(SyncdError):
    """The endpoint failed. `retryable` says whether the same request may succeed later.

    `ids`: the request's and the host's, as the store's own logs name them; "" where it gave none.
    """

    def __init__(
        self, kind: RemoteKind, message: str, *, hint: str = "", code: str = "", ids: tuple[str, str] = ("", "")
    ) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.code = code
        self.ids = ids

    @property
    def said(self) -> dict[str, str]:
        """With the ids that there are: whoever runs the store finds the request by them."""
        named = zip(("request_id", "host_id"), self.ids, strict=True)
        return super().said | {name: id for name, id in named if id}

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without anybody's help."""
        return self.kind in {RemoteKind.UNAVAILABLE, RemoteKind.THROTTLED, RemoteKind.EXPIRED, RemoteKind.CORRUPT}


class ItemError(SyncdError):
    """One path failed (unreadable, disk full, a name no key can have). The others go on."""

    def __init__(self, path: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class Stale(Exception):
    """A precondition failed: the world moved since the decision. Observe again; not an error."""


class InUse(Stale):
    """Somebody has the file open, for all that can be known. Observing again at once would find the same."""


class Raced(Stale):
    """Another request was faster (409): it says nothing about the precondition. Observe again."""
