"""The one place where what botocore and urllib3 raise becomes RemoteError or Stale, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncd.errors import Raced, RemoteError, RemoteKind, Stale, SyncdError

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

_K = RemoteKind

CREDENTIALS = "check AWS_PROFILE, the profile of [s3] or the access key in the environment"
CLOCK = "the clocks differ too much: set this host's clock (timedatectl, chrony)"
BROKEN = "is the endpoint up, the network sound? it is tried again"
REGION = "check region in [s3]: it is not the bucket's"
RACES = frozenset({"ConditionalRequestConflict", "OperationAborted"})
GONE = frozenset({"NoSuchKey", "NoSuchVersion", "NotFound", "404"})

CODES: dict[str, tuple[RemoteKind, str, str]] = {
    "NoSuchBucket": (_K.MISSING, "the bucket does not exist", ""),
    "NoSuchUpload": (_K.MISSING, "the upload in parts is gone", "it is started again"),
    "InvalidAccessKeyId": (_K.DENIED, "the access key is not known there", CREDENTIALS),
    "SignatureDoesNotMatch": (_K.DENIED, "the secret key is wrong", CREDENTIALS),
    "InvalidSecurity": (_K.DENIED, "the credentials are not valid", CREDENTIALS),
    "AccessDenied": (_K.DENIED, "access is denied", "check the policy of the user and of the bucket"),
    "AllAccessDisabled": (_K.DENIED, "all access to it is disabled", "ask the bucket's owner"),
    "AccountProblem": (_K.DENIED, "there is a problem with the account", "ask the account's owner"),
    "QuotaExceeded": (_K.FULL, "the quota is used up", "raise it or make room there; it goes on by itself"),
    "RequestTimeTooSkewed": (_K.DENIED, "the request's time is not the server's", CLOCK),
    "RequestExpired": (_K.DENIED, "the request was too old when it arrived", CLOCK),
    "ExpiredToken": (_K.EXPIRED, "the credentials have expired", "sign in again or renew the session token"),
    "TokenRefreshRequired": (_K.EXPIRED, "the credentials must be renewed", "sign in again"),
    "InvalidToken": (_K.EXPIRED, "the session token is not valid", "sign in again or renew it"),
    "InvalidObjectState": (_K.REJECTED, "the object is in an archive tier", "restore it first"),
    "BadDigest": (_K.CORRUPT, "the bytes that arrived are not those that were sent", "it is sent again"),
    "XAmzContentSHA256Mismatch": (_K.CORRUPT, "the bytes that arrived are not those that were hashed", ""),
    "XAmzContentChecksumMismatch": (_K.CORRUPT, "the bytes that arrived do not have their checksum", ""),
    "IncompleteBody": (_K.CORRUPT, "fewer bytes arrived than were announced", "it is sent again"),
    "RequestTimeout": (_K.UNAVAILABLE, "the server waited too long for the bytes", "check the network"),
    "AuthorizationHeaderMalformed": (_K.REJECTED, "the request was signed for another region", REGION),
    "PermanentRedirect": (_K.REJECTED, "the bucket is at another address", REGION),
    "IllegalLocationConstraintException": (_K.REJECTED, "the bucket is in another region", REGION),
    "MetadataTooLarge": (_K.REJECTED, "the metadata is too large for the store", ""),
    "EntityTooLarge": (_K.REJECTED, "the object is larger than the store takes", "use smaller parts"),
    "KeyTooLongError": (_K.REJECTED, "the key is too long", "rename the file"),
    "SlowDown": (_K.THROTTLED, "the store asks to go slower", ""),
    "NotImplemented": (_K.REJECTED, "the store does not know this request", ""),
}

STATUSES: dict[int, tuple[RemoteKind, str, str]] = {
    301: CODES["PermanentRedirect"],
    401: (_K.DENIED, "the credentials were refused", CREDENTIALS),
    403: (_K.DENIED, "access is denied", f"{CREDENTIALS}; check the policy of the user and of the bucket"),
    404: (_K.MISSING, "it does not exist", ""),
    408: CODES["RequestTimeout"],
    429: CODES["SlowDown"],
    501: CODES["NotImplemented"],
    503: CODES["SlowDown"],
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes, to be named in what is said of its failure."""

    endpoint: str
    bucket: str = ""
    key: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key} at {self.endpoint}" if self.bucket else self.endpoint

    def at(self, key: str) -> Place:
        """The same bucket, that key."""
        return Place(self.endpoint, self.bucket, key)

    @contextmanager
    def translated(self, *, pinned: bool = False, in_parts: bool = False) -> Iterator[None]:
        """Raise in our words what the SDK raises inside.

        `pinned`: the request carries a precondition, so that an object that is not there, and a lost race, are
        Stale. `in_parts`: it is a CompleteMultipartUpload, after whose lost race the upload must start again.
        """
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ClientError as error:
            raise refused(error, self, pinned=pinned, in_parts=in_parts) from error
        except BotoCoreError as error:
            raise failed(error, self) from error
        except ResponseParserError as error:
            raise RemoteError(
                _K.UNAVAILABLE, f"{self}: the answer makes no sense", hint="is endpoint_url an S3 endpoint?"
            ) from error
        except HTTPError as error:
            raise RemoteError(_K.UNAVAILABLE, f"{self}: the connection broke: {error}", hint=BROKEN) from error


def refused(error: ClientError, place: Place, *, pinned: bool = False, in_parts: bool = False) -> RemoteError | Stale:
    """What an answer with an error status means, as botocore gives it."""
    told = error.response.get("ResponseMetadata", {})
    if in_parts and error_code(error) == "NoSuchUpload" and told.get("RetryAttempts", 0):
        return Stale(f"{place}: completed, perhaps by us: the first answer was lost")
    return refusal(
        error_status(error),
        error_code(error),
        error.response.get("Error", {}).get("Message", ""),
        place,
        pinned=pinned,
        in_parts=in_parts,
        ids=(told.get("RequestId", ""), told.get("HostId", "")),
    )


def refusal(
    status: int,
    code: str,
    words: str,
    place: Place,
    *,
    pinned: bool = False,
    in_parts: bool = False,
    ids: tuple[str, str] = ("", ""),
) -> RemoteError | Stale:
    """What an answer with an error status means. `ids`: the request's and the host's, to be named to who runs it."""
    if status == 412 or code == "PreconditionFailed":
        return Stale(f"{place}: it changed")
    if pinned and code in GONE:
        return Stale(f"{place}: it is gone")
    if code in RACES:
        if pinned and not in_parts:
            return Raced(f"{place}: another writer was faster")
        return RemoteError(_K.UNAVAILABLE, f"{place}: another writer was at it", hint="start again", code=code, ids=ids)
    kind, what, hint = CODES.get(code) or STATUSES.get(status) or _by_class(status, bare=code == str(status))
    if code == "NoSuchBucket":
        what = f"the bucket {place.bucket} does not exist on {place.endpoint}"
        hint = "create it or fix remote in [[pair]]"
    said = f" ({code}: {words})" if words and words.lower() != what else f" ({code})"
    return RemoteError(kind, f"{place}: {what}{said}", hint=hint, code=code, ids=ids)


def failed(error: BotoCoreError, place: Place) -> Exception:
    """What it means that there was no usable answer. An error of our own, met while sending, stays itself."""
    from botocore import exceptions as boto

    inner = getattr(error, "kwargs", {}).get("error")
    if isinstance(inner, (Stale, SyncdError)):
        return inner
    match error:
        case boto.EndpointConnectionError():
            return unconnected(str(inner), place)
        case boto.ConnectTimeoutError() | boto.ReadTimeoutError():
            return late(place, _name(error))
        case boto.SSLError():
            return untrusted(str(inner), place, _name(error))
        case boto.ProxyConnectionError():
            return _unavailable(place, "the proxy does not answer", "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY", error)
        case boto.IncompleteReadError():
            return _unavailable(place, "the body ended early", "", error)
        case boto.FlexibleChecksumError() | boto.ChecksumError():
            return RemoteError(_K.CORRUPT, f"{place}: the bytes do not have their checksum", code=_name(error))
        case boto.HTTPClientError() | boto.ConnectionError():
            return _unavailable(place, f"the connection broke: {error}", BROKEN, error)
        case _:
            return _unsigned(error, place)


def error_code(error: ClientError) -> str:
    """The store's word for it; the status as text where the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_status(error: ClientError) -> int:
    """The HTTP status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _by_class(status: int, *, bare: bool) -> tuple[RemoteKind, str, str]:
    """What is known by the status alone. `bare`: the answer had no word of S3 in it."""
    doubt = "is endpoint_url an S3 endpoint?" if bare else ""
    if status >= 500:
        return _K.UNAVAILABLE, f"the store failed with {status}", doubt
    return _K.REJECTED, "the store refused the request", doubt


def late(place: Place, code: str) -> RemoteError:
    """Nobody answered in time."""
    return RemoteError(
        _K.UNAVAILABLE, f"{place}: no answer in time", hint="is the endpoint up, a firewall between?", code=code
    )


def untrusted(reason: str, place: Place, code: str) -> RemoteError:
    """No TLS came about, or none that can be trusted."""
    hint = "check the scheme of endpoint_url and AWS_CA_BUNDLE"
    return RemoteError(_K.UNAVAILABLE, f"{place}: TLS failed: {reason}", hint=hint, code=code)


def unconnected(text: str, place: Place) -> RemoteError:
    """No connection came about: no such host, or nobody who answers there."""
    if "resolve" in text or "getaddrinfo" in text or "Name or service" in text:
        return RemoteError(
            _K.UNAVAILABLE, f"{place}: the host name is not known", hint="check endpoint_url and DNS", code="DNS"
        )
    if "refused" in text:
        return RemoteError(
            _K.UNAVAILABLE,
            f"{place}: the connection was refused",
            hint="is the endpoint up, the port of endpoint_url right?",
            code="Refused",
        )
    return RemoteError(_K.UNAVAILABLE, f"{place}: no connection: {text}", hint="check the network", code="Unconnected")


def _unsigned(error: BotoCoreError, place: Place) -> RemoteError:
    """The request never left: the credentials, or what was asked."""
    from botocore import exceptions as boto

    match error:
        case boto.NoCredentialsError():
            return no_credentials(place)
        case boto.TokenRetrievalError() | boto.SSOError() | boto.LoginError():
            return RemoteError(_K.EXPIRED, f"{place}: {error}", hint="sign in again (aws sso login)", code=_name(error))
        case boto.PartialCredentialsError() | boto.CredentialRetrievalError() | boto.MetadataRetrievalError():
            return RemoteError(_K.DENIED, f"{place}: {error}", hint=CREDENTIALS, code=_name(error))
        case _:
            return RemoteError(_K.REJECTED, f"{place}: {error}", code=_name(error))


def no_credentials(place: Place) -> RemoteError:
    """Nothing to sign with was found anywhere."""
    return RemoteError(_K.DENIED, f"{place}: no credentials were found", hint=CREDENTIALS, code="NoCredentials")


def _unavailable(place: Place, what: str, hint: str, error: BotoCoreError) -> RemoteError:
    return RemoteError(_K.UNAVAILABLE, f"{place}: {what}", hint=hint, code=_name(error))


def _name(error: BotoCoreError) -> str:
    return type(error).__name__
