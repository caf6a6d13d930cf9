"""One finding of the doctor, and how a failed look becomes one instead of hiding the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from syncd.control.port import Row
from syncd.errors import Stale, SyncdError

INSTALL, CREDENTIALS, S3 = "install", "credentials", "s3"
OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check saw. `remedy`: a command or a line of the configuration, ready to paste; "" where all is well."""

    check: str
    kind: str  # install credentials s3
    message: str
    level: str = OK
    remedy: str = ""

    @property
    def row(self) -> Row:
        """As it goes over the wire and to `syncd --doctor --json`."""
        return {
            "check": self.check,
            "class": self.kind,
            "level": self.level,
            "message": self.message,
            "remedy": self.remedy,
        }


def looked(check: str, kind: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of one look. What stops it is the last of them: a failure with its hint as the remedy."""
    try:
        yield from look()
    except SyncdError as error:
        yield Finding(check=check, kind=kind, level=FAIL, message=error.message, remedy=error.hint)
    except Stale as stale:
        yield Finding(check=check, kind=kind, level=WARN, message=f"it changed meanwhile: {stale}", remedy="look again")
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)
        yield Finding(check=check, kind=kind, level=FAIL, message=what, remedy="see that this user may read it")
