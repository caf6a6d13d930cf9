"""botocore asked where it would send a request to a bucket and how it would sign it. Nothing is sent."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from syncd.s3.plane import Resolved

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NAME = "syncd-resolve"

_asking = threading.local()
"""Set on the thread that asks, so that others' requests go on their way."""


class _Seen(Exception):
    """Ends the request right before it would be signed."""

    def __init__(self, resolved: Resolved) -> None:
        super().__init__()
        self.resolved = resolved


def resolve(sdk: S3Client, bucket: str, *, region: str = "") -> Resolved:
    """What a request to that bucket would be; `region`: were it there. What botocore refuses, it raises."""
    events = sdk.meta.events
    events.register_first("before-endpoint-resolution.s3", _elsewhere, unique_id=f"{NAME}-region")
    events.register_first("before-sign.s3.GetObject", _stop, unique_id=f"{NAME}-sign")
    _asking.sdk, _asking.region = sdk, region
    try:
        sdk.get_object(Bucket=bucket, Key="k")
    except _Seen as seen:
        return seen.resolved
    finally:
        _asking.sdk = None
    raise AssertionError("a request went out unsigned and unseen")


def _elsewhere(*, builtins: dict[str, Any], **_: object) -> None:
    if getattr(_asking, "sdk", None) is not None and _asking.region:
        builtins["AWS::Region"] = _asking.region


def _stop(*, request: Any, signature_version: Any, region_name: str, **_: object) -> None:
    sdk = getattr(_asking, "sdk", None)
    if sdk is None:
        return
    signing, config = request.context.get("signing") or {}, sdk.meta.config
    url = request.url.partition("?")[0].removesuffix("/k")
    raise _Seen(
        Resolved(
            url=url,
            region=signing.get("region") or region_name,
            service=signing.get("signing_name") or "s3",
            signature=signature_version if isinstance(signature_version, str) else "",
            auth=request.context.get("auth_type") or "",
            proxy=_proxy(config, sdk.meta.endpoint_url),
            client_certificate=bool(config.client_cert),
            accelerated=bool((config.s3 or {}).get("use_accelerate_endpoint")),
        )
    )


def _proxy(config: Any, url: str) -> str:
    """The scheme of that URL where a proxy serves it: as configured, else as the environment says, no_proxy heeded."""
    from botocore.utils import get_environ_proxies

    proxies = config.proxies if config.proxies is not None else get_environ_proxies(url)
    scheme = urlsplit(url).scheme
    return scheme if proxies.get(scheme) else ""
