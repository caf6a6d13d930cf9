"""On what it was measured."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import ssl
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import boto3

from bench.peers import Peers
from syncd import __version__


def described() -> dict[str, Any]:
    """When, cores, processor, memory, kernel. No name of a host: the file is published."""
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cores": os.cpu_count(),
        "processor": cpu.group(1).strip() if cpu else platform.processor(),
        "memory_mib": int(memory.group(1)) // 1024 if memory else 0,
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 2),
    }


def versions(peers: Peers) -> dict[str, str]:
    """Of all programs that take part."""
    return {
        "syncd": __version__,
        "python": platform.python_version(),
        "boto3": boto3.__version__,
        "openssl": ssl.OPENSSL_VERSION,
        "sqlite": sqlite3.sqlite_version,
        **peers.versions,
    }


def slug(document: dict[str, Any]) -> str:
    """`<date>-<machine>`: as files are called after it."""
    machine = document["machine"]
    processor = re.sub(r"[^a-z0-9]+", "-", machine["processor"].lower()).strip("-")
    return f"{machine['at'][:10]}-{machine['cores']}x-{processor}{'-quick' if document['quick'] else ''}"
