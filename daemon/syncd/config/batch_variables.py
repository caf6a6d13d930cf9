"""The environment variables of the old batch tool: one `[[batch]]`, its index, and remote syslog."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from syncd.config.findings import Findings
from syncd.config.quantities import Unreadable, format_size, parse_size, quote
from syncd.config.schema import INDEX, keys_of
from syncd.config.variables import BATCH, MIB, SEARCH, Draft, absolute, count, given

NAME = "batch"
INDEX_PORT = "9200"


def describe_batch(draft: Draft, environ: Mapping[str, str], cwd: Path, findings: Findings) -> str:
    """Make the one batch of variables where its family is set; return a notice, or ""."""
    searches = given(environ, SEARCH)
    if not given(environ, BATCH):
        return f"ignored, because no batch is described: {', '.join(searches)}" if searches else ""
    folder = _folder(environ, cwd)
    if not folder:
        findings.add_plain("S3_BATCH_BUCKETS_FOLDER is not set and there is no HOME to find it in: say which folder")
    batch: dict[str, Any] = {"name": NAME, "root": folder or "/unnamed"}
    batch |= _sizes(environ, findings) | _manifests(environ) | {INDEX: _index(environ, findings)}
    draft.tables["batch"] = [batch]
    draft.labels.update(
        {
            "batch[0].root": "S3_BATCH_BUCKETS_FOLDER",
            "batch[0].max_size": "MAX_BATCH_SIZE_MB",
            "batch[0].manifest_bucket": "MANIFEST_FALLBACK_BUCKET",
            f"batch[0].{INDEX}.url": "ELASTICSEARCH_LOGS_HOST",
            f"batch[0].{INDEX}.username": "ELASTICSEARCH_LOGS_HOST",
            f"batch[0].{INDEX}.password": "ELASTICSEARCH_LOGS_HOST",
        }
    )
    return ""


def put_syslog(environ: Mapping[str, str], draft: Draft) -> None:
    """Set what RSYSLOG_HOST and RSYSLOG_PORT say of `[syslog]`; these hold with a file, too."""
    if given(environ, ("RSYSLOG_HOST",)):
        draft.put("syslog", "host", environ["RSYSLOG_HOST"].strip(), "RSYSLOG_HOST")
    if given(environ, ("RSYSLOG_PORT",)):
        draft.put("syslog", "port", count(environ["RSYSLOG_PORT"].strip()), "RSYSLOG_PORT")


def _folder(environ: Mapping[str, str], cwd: Path) -> str:
    """Where the batch's buckets lie, by default below the home; "" where there is none."""
    said = environ.get("S3_BATCH_BUCKETS_FOLDER", "").strip()
    if said:
        return absolute(said, cwd, environ)
    home = environ.get("HOME", "")
    return f"{home.rstrip('/')}/s3_buckets/batch" if home.startswith("/") else ""


def _sizes(environ: Mapping[str, str], findings: Findings) -> dict[str, Any]:
    """max_size, in MiB, with a spool that can hold it."""
    if not given(environ, ("MAX_BATCH_SIZE_MB",)):
        return {}
    try:
        size = parse_size(environ["MAX_BATCH_SIZE_MB"], bare=MIB)
    except Unreadable as error:
        findings.add_plain(f"MAX_BATCH_SIZE_MB: {error} (a bare number counts MiB)")
        return {}
    room = parse_size(keys_of("batch")["spool_max"].default)
    return {"max_size": format_size(size), "spool_max": format_size(max(size, room))}


def _manifests(environ: Mapping[str, str]) -> dict[str, Any]:
    """The bucket that takes a manifest when the index does not."""
    if not given(environ, ("MANIFEST_FALLBACK_BUCKET",)):
        return {}
    return {"manifest_bucket": environ["MANIFEST_FALLBACK_BUCKET"].strip(), "manifest": "fallback"}


def _index(environ: Mapping[str, str], findings: Findings) -> dict[str, Any]:
    """The index's url, by host and port, with a scheme or without, and who logs in where the URL says so."""
    host, port = (environ.get(name, "").strip() for name in SEARCH)
    if not host:
        if port:
            findings.add_plain("ELASTICSEARCH_LOGS_PORT stands without ELASTICSEARCH_LOGS_HOST; set both or neither")
        return {}
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        findings.add_plain(f"ELASTICSEARCH_LOGS_PORT: {quote(port)} is not a port, 1 to 65535")
        return {}
    if host.count(":") > 1 and "//" not in host and not host.startswith("["):
        host = f"[{host}]"  # an IPv6 address
    url = host if "://" in host else f"http://{host}"
    try:
        parts = urlsplit(url)
        own = str(parts.port or "")
    except ValueError:
        return {"url": url}  # refused there, in words
    if own and port and own != port:
        findings.add_plain(f"ELASTICSEARCH_LOGS_HOST says port {own} and ELASTICSEARCH_LOGS_PORT another; keep one")
    who, _, where = parts.netloc.rpartition("@")
    place = where if own else f"{where}:{port or INDEX_PORT}"
    username, colon, password = who.partition(":")
    account = {"username": unquote(username), **({"password": unquote(password)} if colon else {})} if who else {}
    return {"url": parts._replace(netloc=place).geturl(), **account}
