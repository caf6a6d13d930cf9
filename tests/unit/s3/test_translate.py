"""Every failure becomes one of ours, with its kind."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as boto

from syncd.errors import ItemError, RemoteError, RemoteKind, Stale
from syncd.s3.translate import Place

PLACE = Place("http://s3", "bucket", "key")
K = RemoteKind


def client_error(status: int, code: str, retries: int = 0) -> boto.ClientError:
    metadata: Any = {"HTTPStatusCode": status, "RetryAttempts": retries}
    return boto.ClientError({"Error": {"Code": code, "Message": "words"}, "ResponseMetadata": metadata}, "PutObject")


def told(error: Exception, **how: bool) -> Exception:
    with pytest.raises((RemoteError, Stale, ItemError)) as raised, PLACE.translated(**how):
        raise error
    return raised.value


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "InvalidAccessKeyId", K.DENIED),
        (403, "SignatureDoesNotMatch", K.DENIED),
        (403, "RequestTimeTooSkewed", K.DENIED),
        (403, "AccessDenied", K.DENIED),
        (403, "403", K.DENIED),
        (401, "Unauthorized", K.DENIED),
        (400, "ExpiredToken", K.EXPIRED),
        (404, "NoSuchBucket", K.MISSING),
        (404, "NoSuchKey", K.MISSING),
        (404, "NoSuchUpload", K.MISSING),
        (503, "SlowDown", K.THROTTLED),
        (503, "ServiceUnavailable", K.THROTTLED),
        (429, "TooManyRequests", K.THROTTLED),
        (500, "InternalError", K.UNAVAILABLE),
        (502, "502", K.UNAVAILABLE),
        (501, "NotImplemented", K.REJECTED),
        (400, "BadDigest", K.CORRUPT),
        (400, "XAmzContentSHA256Mismatch", K.CORRUPT),
        (400, "InvalidArgument", K.REJECTED),
        (301, "PermanentRedirect", K.REJECTED),
        (403, "InvalidObjectState", K.REJECTED),
        (409, "ConditionalRequestConflict", K.UNAVAILABLE),
    ],
)
def test_a_refusal_has_its_kind_and_names_the_place(status: int, code: str, kind: RemoteKind) -> None:
    error = told(client_error(status, code))
    assert isinstance(error, RemoteError)
    assert (error.kind, error.code) == (kind, code)
    assert "s3://bucket/key at http://s3" in error.message


def test_a_wrong_clock_is_said_to_be_one() -> None:
    assert "clock" in str(told(client_error(403, "RequestTimeTooSkewed")))


@pytest.mark.parametrize("how", [{}, {"pinned": True}, {"in_parts": True}])
def test_a_failed_precondition_is_stale(how: dict[str, bool]) -> None:
    assert isinstance(told(client_error(412, "PreconditionFailed"), **how), Stale)


@pytest.mark.parametrize("code", ["NoSuchKey", "404", "NotFound", "ConditionalRequestConflict"])
def test_with_a_precondition_gone_and_a_lost_race_are_stale(code: str) -> None:
    assert isinstance(told(client_error(404, code), pinned=True), Stale)


def test_a_missing_bucket_is_never_stale() -> None:
    error = told(client_error(404, "NoSuchBucket"), pinned=True)
    assert isinstance(error, RemoteError)
    assert error.kind is K.MISSING


def test_a_race_at_the_end_of_an_upload_starts_it_again() -> None:
    error = told(client_error(409, "ConditionalRequestConflict"), pinned=True, in_parts=True)
    assert isinstance(error, RemoteError)
    assert error.retryable


def test_an_upload_that_is_gone_after_a_lost_answer_may_be_ours() -> None:
    assert isinstance(told(client_error(404, "NoSuchUpload", retries=1), in_parts=True), Stale)
    assert isinstance(told(client_error(404, "NoSuchUpload", retries=0), in_parts=True), RemoteError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (boto.EndpointConnectionError(endpoint_url="u", error="Failed to resolve 'x'"), K.UNAVAILABLE),
        (boto.EndpointConnectionError(endpoint_url="u", error="No route to host"), K.UNAVAILABLE),
        (boto.ConnectTimeoutError(endpoint_url="u", error="t"), K.UNAVAILABLE),
        (boto.ReadTimeoutError(endpoint_url="u", error="t"), K.UNAVAILABLE),
        (boto.ConnectionClosedError(endpoint_url="u", error="t"), K.UNAVAILABLE),
        (boto.SSLError(endpoint_url="u", error="certificate verify failed"), K.UNAVAILABLE),
        (boto.ProxyConnectionError(proxy_url="u", error="t"), K.UNAVAILABLE),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), K.UNAVAILABLE),
        (boto.ResponseStreamingError(error="cut"), K.UNAVAILABLE),
        (boto.FlexibleChecksumError(error_msg="differs"), K.CORRUPT),
        (boto.NoCredentialsError(), K.DENIED),
        (boto.PartialCredentialsError(provider="env", cred_var="secret"), K.DENIED),
        (boto.CredentialRetrievalError(provider="p", error_msg="e"), K.DENIED),
        (boto.UnauthorizedSSOTokenError(), K.EXPIRED),
        (boto.ParamValidationError(report="r"), K.REJECTED),
    ],
)
def test_no_answer_has_its_kind(error: Exception, kind: RemoteKind) -> None:
    told_as = told(error)
    assert isinstance(told_as, RemoteError)
    assert told_as.kind is kind


@pytest.mark.parametrize("inner", [Stale("the file changed"), ItemError("a", "unreadable")])
def test_an_error_of_our_own_met_while_sending_stays_itself(inner: Exception) -> None:
    assert told(boto.HTTPClientError(error=inner)) is inner
