"""What an error says in the event that tells of it."""

from __future__ import annotations

from syncd.errors import FatalError, RemoteError, RemoteKind


def test_a_refused_request_is_named_as_the_store_named_it() -> None:
    both = RemoteError(RemoteKind.DENIED, "refused", hint="ask", ids=("r-1", "h-1"))
    assert both.said == {"error": "refused", "hint": "ask", "request_id": "r-1", "host_id": "h-1"}
    one = RemoteError(RemoteKind.DENIED, "refused", ids=("r-1", ""))
    assert one.said == {"error": "refused", "hint": "", "request_id": "r-1"}


def test_what_no_store_refused_names_no_request() -> None:
    assert FatalError("broken", hint="mend it").said == {"error": "broken", "hint": "mend it"}
