"""Fixtures of the whole suite, a clean environment for it, and the closing account of what did not run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from support.ceph import CephServer, ceph_gap
from support.gaps import GAPS, missing
from support.localstack import LocalStackServer
from support.told import TOLD

# what our programs and boto3 read from the environment: a developer's own settings must not decide a test
FOREIGN = ("AWS_", "S3_", "S5CMD_", "CUSTOMER_S3_", "ELASTICSEARCH_", "RSYSLOG_", "SYNCD_", "SYNCTL_")
FOREIGN_NAMES = (
    *("LOGS_DIR", "HASH_TYPE", "CLEANUP_LOCAL", "UPLOAD_ONLY", "DOWNLOAD_ONLY", "DEBUG", "SOURCE_DIR", "BUCKET_NAME"),
    *("MAX_BATCH_SIZE_MB", "MANIFEST_FALLBACK_BUCKET", "FILE_MANAGER_API_URL", "MOCK_API_URL", "SYNC_INTERVAL"),
    *("DATABASE_PATH", "LIVE_RELOAD", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "STATE_DIRECTORY"),
    *("RUNTIME_DIRECTORY", "CONFIGURATION_DIRECTORY", "LOGS_DIRECTORY", "INVOCATION_ID", "JOURNAL_STREAM"),
)
OWN = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",  # an invented credential for servers on the loopback
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def pytest_configure(config: pytest.Config) -> None:
    """Give the suite and every child of it an environment that is the same everywhere."""
    for name in tuple(os.environ):
        if name.startswith(FOREIGN) or name in FOREIGN_NAMES:
            del os.environ[name]
    os.environ.update(OWN)
    # A shell ignores SIGINT in what it runs in the background, and every child would inherit that: Ctrl-C is tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `root` run as root or are accounted for as a gap."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        missing(item.path.stem.removeprefix("test_"), "needs root")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands over what it has to say at the end."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput |= {"gaps": GAPS, "told": TOLD}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker handed over is said with our own."""
    handed = getattr(node, "workeroutput", {})  # nothing of one that crashed
    GAPS.update(handed.get("gaps", {}))
    TOLD.extend(handed.get("told", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the long runs have to tell, and what did not run here: one line for each suite."""
    for line in TOLD:
        terminalreporter.write_line(line)
    for suite, reason in sorted(GAPS.items()):
        terminalreporter.write_line(f"NOT RUN: {suite} ({reason})", yellow=True)


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CephServer]:
    """One real radosgw for the whole session (some 15 s); tests take buckets of their own from it."""
    gap = ceph_gap()
    if gap:
        missing("ceph", gap)
    with CephServer(tmp_path_factory.mktemp("ceph") / "cluster") as server:
        yield server


@pytest.fixture(scope="session")
def localstack() -> Iterator[LocalStackServer]:
    """One LocalStack for the whole session; left out, and named, where its Python is not on this machine."""
    with LocalStackServer() as server:
        yield server
