"""dict -> Config, every problem at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from syncd.config.across import check_folders, check_names, check_territories, follow_symlinks
from syncd.config.batches import read_batch
from syncd.config.findings import Findings
from syncd.config.pairs import read_pair
from syncd.config.tables import check_class, check_sections, read, several, single
from syncd.config.types import S3, Config, Daemon, Syslog

NOTHING = (
    "nothing is configured: add a [[pair]] with name, local and remote, or a [[batch]] with name and root "
    "(etc/syncd.toml shows every key)"
)


def parse(
    raw: Mapping[str, object],
    *,
    hostname: str,
    source: str = "",
    labels: Mapping[str, str] | None = None,
    state_dir: Path | None = None,
    resolve: Callable[[Path], Path] | None = None,
) -> Config:
    """Read the tables of a document. Raises ConfigError with every problem.

    `hostname` fills `{host}`; `labels` name a flag or variable by the dotted key that it stands for; `state_dir` is
    the state folder where the document names none; `resolve` follows symlinks (by default in the file system).
    """
    findings = Findings(labels)
    config = collect(raw, findings, hostname=hostname, source=source, state_dir=state_dir, resolve=resolve)
    findings.raise_if_any()
    return config


def collect(
    raw: Mapping[str, object],
    findings: Findings,
    *,
    hostname: str,
    source: str = "",
    state_dir: Path | None = None,
    resolve: Callable[[Path], Path] | None = None,
) -> Config:
    """As `parse`, but leave the problems in `findings`; what was wrong has its default in the answer."""
    later = check_sections(raw, findings)
    daemon = Daemon(**read(single(raw, "daemon", findings), ("daemon",), "daemon", findings))
    syslog = Syslog(**read(single(raw, "syslog", findings), ("syslog",), "syslog", findings))
    s3 = S3(**read(single(raw, "s3", findings), ("s3",), "s3", findings))
    check_class(s3, "s3", findings)
    pairs = [read_pair(one, place, s3, hostname, findings) for place, one in enumerate(several(raw, "pair", findings))]
    batches = [read_batch(one, place, s3, findings) for place, one in enumerate(several(raw, "batch", findings))]
    if not pairs and not batches and not later and not findings.problems:
        findings.add_plain(NOTHING)
    check_names([*pairs, *batches], findings)
    check_folders(pairs, batches, daemon.state_dir or state_dir, findings, resolve or follow_symlinks)
    check_territories(pairs, findings)
    return Config(
        daemon=daemon,
        s3=s3,
        pairs=tuple(draft.pair for draft in pairs if draft.pair is not None),
        batches=tuple(draft.batch for draft in batches if draft.batch is not None),
        syslog=syslog,
        source=source,
    )
