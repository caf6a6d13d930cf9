"""Flag before environment before file before default: the whole configuration of one run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from syncd.config import variables
from syncd.config.batch_variables import describe_batch, put_syslog
from syncd.config.document import read_document
from syncd.config.findings import Findings
from syncd.config.flags import Flags, PairFlags
from syncd.config.locate import find_state_dir, locate
from syncd.config.parse import collect
from syncd.config.types import Config
from syncd.config.variables import Draft, Naming
from syncd.errors import ConfigError

SYSTEM_FILE = Path("/etc/syncd/syncd.toml")
NO_FILE = "flags and variables"
UNNAMED = "s3://unnamed/"  # stands in for a bucket whose absence is a problem already, so that the others are found


def load(
    flags: Flags,
    environ: Mapping[str, str],
    *,
    hostname: str,
    cwd: Path,
    read: Callable[[Path], dict[str, Any]] = read_document,
    system_file: Path = SYSTEM_FILE,
) -> Config:
    """The effective configuration. Raises ConfigError with every problem (exit 78).

    `hostname` fills `{host}`; `cwd` is where relative paths of flags and variables begin; `read` gives the tables of a
    file. The state folder and the socket are checked here, and found by `locate.locate` afterwards.
    """
    findings = Findings()
    file = _file(flags, environ, system_file)
    draft = Draft(read(file)) if file is not None else Draft()
    if file is None:
        notices = _describe(draft, flags.pair, environ, cwd, findings)
    else:
        notices = _override_file(draft, flags.pair, environ)
    if file is None and _present(system_file):
        why = ", ".join((*flags.pair.given(), *variables.given(environ, variables.SECTION_VARIABLES)))
        what = "a batch" if not draft.pairs() else "a pair"
        notices.append(f"{system_file} is not read, because {what} is described by {why}; --config reads it")
    notices.append(variables.later_notice(environ))
    variables.put_settings(environ, draft, findings)
    put_syslog(environ, draft)
    _put_flags(draft, flags, cwd)
    config = _finish(draft, findings, environ, hostname=hostname, source=str(file) if file else NO_FILE)
    if file is not None:
        notices.append(_exposed(file, config))
    return replace(config, notices=tuple(notice for notice in notices if notice))


def _present(file: Path) -> bool:
    """Whether the file is there, readable or not."""
    try:
        os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _exposed(file: Path, config: Config) -> str:
    """A notice where a file with a secret in it is for everybody to read; else ""."""
    if not any(batch.index.api_key or batch.index.password for batch in config.batches):
        return ""
    try:
        mode = os.stat(file).st_mode
    except OSError:  # it has been read, so it went away meanwhile
        return ""
    return f"{file} holds a secret and every user may read it: chmod o= {file}" if mode & 0o004 else ""


def _file(flags: Flags, environ: Mapping[str, str], system_file: Path) -> Path | None:
    """The file to read: the one asked for, or the system's where nothing describes a pair or a batch."""
    if flags.config is not None:
        return flags.config
    if flags.pair.given() or variables.given(environ, variables.SECTION_VARIABLES):
        return None
    return system_file if _present(system_file) else None


def _override_file(draft: Draft, flags: PairFlags, environ: Mapping[str, str]) -> list[str]:
    """Let the flags that fit any pair override those of a file; name the variables that do not count."""
    for place, pair in enumerate(draft.pairs()):
        for key, (value, label) in _traits(flags).items():
            pair[key] = value
            draft.labels[f"pair[{place}].{key}"] = label
    for section in (*draft.pairs(), *draft.batches()):
        for key in ("region", "endpoint_url"):
            if getattr(flags, key) is not None:
                section.pop(key, None)
    ignored = variables.given(environ, (*variables.SECTION_VARIABLES, *variables.SEARCH))
    return [f"ignored, because a file describes pairs and batches: {', '.join(ignored)}"] if ignored else []


def _describe(draft: Draft, flags: PairFlags, environ: Mapping[str, str], cwd: Path, findings: Findings) -> list[str]:
    """Make the sections of flags and variables, a pair, a batch or one of each; return notices."""
    notices = [describe_batch(draft, environ, cwd, findings)]
    if not draft.batches() or _names_a_pair(flags, environ):
        return [*notices, *_describe_pair(draft, flags, environ, cwd, findings)]
    _put_storage_class(draft, environ)
    stray = variables.given(environ, variables.TRAITS)
    return [*notices, f"ignored, because no pair is described: {', '.join(stray)}" if stray else ""]


def _describe_pair(
    draft: Draft, flags: PairFlags, environ: Mapping[str, str], cwd: Path, findings: Findings
) -> list[str]:
    """Make the one pair of flags and variables; return notices."""
    if not flags.given() and not variables.given(environ, variables.PAIR_VARIABLES):
        environ = _default_buckets(environ)
    named = _with_flags(variables.naming(environ, findings), flags, environ, findings)
    buckets = named.traits.get("layout") == "buckets"
    if not named.bucket and not buckets:
        findings.add_plain(_no_bucket(flags, environ))
    if not named.local:
        findings.add_plain("SOURCE_DIR is not set: say which folder goes up")
    remote = "s3://" if buckets else UNNAMED
    if named.bucket and not buckets:
        remote = variables.join_remote(named.bucket, named.prefix, named.labels["remote"], findings) or UNNAMED
    draft.tables["pair"] = [
        {
            "name": "buckets" if buckets else "default",
            "local": variables.absolute(named.local, cwd, environ) if named.local else "/unnamed",
            "remote": remote,
            **named.traits,
        }
    ]
    draft.labels.update({f"pair[0].{key}": label for key, label in named.labels.items()})
    stray = variables.put_traits(environ, draft, findings)
    for key, (value, label) in _traits(flags).items():
        draft.pairs()[0][key] = value
        draft.labels[f"pair[0].{key}"] = label
    _put_storage_class(draft, environ)
    return [f"ignored, because they belong to the pair of S3_BUCKET: {', '.join(stray)}"] if stray else []


def _put_storage_class(draft: Draft, environ: Mapping[str, str]) -> None:
    """Set what S3_STORAGE_CLASS says."""
    if variables.given(environ, ("S3_STORAGE_CLASS",)):
        draft.put("s3", "storage_class", environ["S3_STORAGE_CLASS"].strip(), "S3_STORAGE_CLASS")


def _names_a_pair(flags: PairFlags, environ: Mapping[str, str]) -> bool:
    """Whether anything asks for a pair besides a batch: a flag that means nothing without one, a folder, a bucket."""
    naming = (*variables.FIRST, *variables.SECOND, *variables.BUCKETS)
    asking = set(flags.given()) - {"--region", "--endpoint-url"}
    return bool(asking or variables.given(environ, naming) or environ.get("S3_SYNC_BUCKETS_FOLDER") == "")


def _default_buckets(environ: Mapping[str, str]) -> Mapping[str, str]:
    """S3_SYNC_BUCKETS_FOLDER set to nothing, and nothing else: its old default below the home."""
    if environ.get("S3_SYNC_BUCKETS_FOLDER") == "" and environ.get("HOME", "").startswith("/"):
        return {**environ, "S3_SYNC_BUCKETS_FOLDER": f"{environ['HOME'].rstrip('/')}/s3_buckets/sync"}
    return environ


def _with_flags(named: Naming, flags: PairFlags, environ: Mapping[str, str], findings: Findings) -> Naming:
    """The flags' bucket, folder and prefix in place of the variables'."""
    if named.traits.get("layout") == "buckets" and (flags.bucket is not None or flags.prefix is not None):
        findings.add_plain("--bucket and --prefix name another pair than S3_SYNC_BUCKETS_FOLDER; keep one")
    labels = dict(named.labels)
    if flags.bucket:
        labels["remote"] = "--bucket"
    elif flags.prefix:
        labels["remote"] = "--prefix"
    if flags.logs is not None:
        labels["local"] = "--logs"
    return replace(
        named,
        bucket=named.bucket if flags.bucket is None else flags.bucket,
        local=named.local if flags.logs is None else str(flags.logs),
        prefix=named.prefix if flags.prefix is None else flags.prefix,
        labels=labels,
    )


def _traits(flags: PairFlags) -> dict[str, tuple[object, str]]:
    """The keys of a pair that flags set, with the flag."""
    traits: dict[str, tuple[object, str]] = {}
    if flags.hash_type is not None:
        traits["hash"] = (flags.hash_type, "--hash-type")
    if flags.cleanup:
        traits["cleanup"] = (True, "--cleanup")
    if flags.upload_only or flags.download_only:
        mode = "upload" if flags.upload_only else "download"
        traits["mode"] = (mode, f"--{mode}-only")
    if flags.conflict is not None:
        traits["conflict"] = (flags.conflict, "--conflict")
    if flags.interval is not None:
        traits["interval"] = (flags.interval, "--interval")
    return traits


def _put_flags(draft: Draft, flags: Flags, cwd: Path) -> None:
    """Set what flags say of `[daemon]` and `[s3]`; they come last, over variables and file."""
    if flags.pair.region is not None:
        draft.put("s3", "region", flags.pair.region, "--region")
    if flags.pair.endpoint_url is not None:
        draft.put("s3", "endpoint_url", flags.pair.endpoint_url, "--endpoint-url")
    if flags.state_dir is not None:
        draft.put("daemon", "state_dir", str(cwd / flags.state_dir), "--state-dir")
    if flags.socket is not None:
        draft.put("daemon", "socket", str(cwd / flags.socket), "--socket")
    if flags.verbose:
        draft.put("daemon", "log_level", "debug", "--verbose")


def _no_bucket(flags: PairFlags, environ: Mapping[str, str]) -> str:
    """What to do where no bucket is named."""
    given = (*flags.given(), *variables.given(environ, variables.PAIR_VARIABLES))
    because = f" ({', '.join(given)} describe a pair, so no file was read)" if given else ""
    variable = "BUCKET_NAME" if variables.given(environ, variables.SECOND) else "S3_BUCKET"
    return f"no bucket{because}: name one with -b BUCKET or {variable}, or write {SYSTEM_FILE} or pass --config FILE"


def _finish(draft: Draft, findings: Findings, environ: Mapping[str, str], *, hostname: str, source: str) -> Config:
    """Parse the tables, and find the places that they imply, so that all problems come at once."""
    try:
        fallback = find_state_dir(flag=None, configured=None, environ=environ)
    except ConfigError:
        fallback = None  # where the document names no folder either, `locate` says so below
    findings.label(draft.labels)
    config = collect(draft.tables, findings, hostname=hostname, source=source, state_dir=fallback)
    try:
        locate(config, environ)
    except ConfigError as error:
        findings.add_plain(str(error))
    findings.raise_if_any()
    return config
