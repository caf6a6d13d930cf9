"""The worlds of the soak: which hosts share a prefix, how each is set, and whether they are killed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One host's part: how its pair is set, and over which plane it goes. `archives`: it has a `[[batch]]`, too."""

    name: str
    mode: str = "bidirectional"
    conflict: str = "newer"
    cleanup: bool = False
    archives: bool = False
    plane: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to run it. `kills`: one host after the other is killed all the while. `share` of the time it gets."""

    name: str
    hosts: tuple[Part, ...]
    deletes: str
    versioned: bool
    kills: bool = False
    share: float = 1.0


def _alike(*names: str, conflict: str = "newer") -> tuple[Part, ...]:
    """The first over the lean client, the others by boto3."""
    return tuple(
        Part(name=name, conflict=conflict, plane="boto3" if number else "auto") for number, name in enumerate(names)
    )


VARIANTS = (
    Variant(name="kept-versioned", hosts=_alike("one", "two"), deletes="keep", versioned=True),
    Variant(name="kept-plain", hosts=_alike("one", "two", conflict="keep-both"), deletes="keep", versioned=False),
    Variant(
        name="propagated-versioned",
        hosts=_alike("one", "two", conflict="keep-both"),
        deletes="propagate",
        versioned=True,
    ),
    Variant(
        name="propagated-plain-killed",
        hosts=(Part(name="one", archives=True, plane="boto3"), Part(name="two", cleanup=True)),
        deletes="propagate",
        versioned=False,
        kills=True,
        share=1.5,
    ),
    Variant(
        name="three-modes-killed",
        hosts=(
            Part(name="both", conflict="newer"),
            Part(name="up", mode="upload", conflict="keep-both", cleanup=True),
            Part(name="down", mode="download", conflict="remote", plane="boto3"),
        ),
        deletes="keep",
        versioned=False,
        kills=True,
        share=2.0,
    ),
    Variant(
        name="three-policies-killed",
        hosts=(
            Part(name="newer", conflict="newer", archives=True),
            Part(name="local", conflict="local", cleanup=True, plane="boto3"),
            Part(name="both", conflict="keep-both"),
        ),
        deletes="propagate",
        versioned=True,
        kills=True,
        share=2.5,
    ),
)

SHARES = sum(variant.share for variant in VARIANTS)


def seed_for(variant: Variant) -> int:
    """The seed of a run: CHURN_SEED, or one of the variant's own that never changes."""
    return int(os.environ.get("CHURN_SEED") or hashlib.sha256(variant.name.encode()).hexdigest()[:8], 16)
