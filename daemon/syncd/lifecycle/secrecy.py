"""What must not reach a log: values of secret names, credentials in a URL, signatures."""

from __future__ import annotations

import re
from functools import lru_cache

HIDDEN = "***"

_NAMES = re.compile(r"secret|passw|token|api_?key|authorization|credential_value|signature|session_key", re.IGNORECASE)
# Begins with a literal: a pattern that may begin anywhere takes the square of a long value's length.
_USERINFO = re.compile(r"(://)[^/\s:@]+:[^/\s@]+@")
_SIGNED = re.compile(
    r"((?:X-Amz-Signature|X-Amz-Security-Token|X-Amz-Credential|Signature|Credential|aws_secret_access_key)\s*[=:]\s*)"
    r"[^&\s,;\"']+",
    re.IGNORECASE,
)
_AUTHORIZED = re.compile(r"(Authorization\W{1,8}(?:ApiKey|Basic|Bearer)\s+)[^\s,;\"']+", re.IGNORECASE)


def hide(name: str, value: object) -> object:
    """The value as it may be written: hidden whole under a secret name, else with secrets in its text blotted out."""
    if _is_secret(name):
        return HIDDEN
    if not isinstance(value, str) or not ("=" in value or ":" in value):
        return value
    for pattern, shown in ((_USERINFO, rf"\1{HIDDEN}@"), (_SIGNED, rf"\1{HIDDEN}"), (_AUTHORIZED, rf"\1{HIDDEN}")):
        value = pattern.sub(shown, value)
    return value


@lru_cache(maxsize=256)
def _is_secret(name: str) -> bool:
    return _NAMES.search(name) is not None
