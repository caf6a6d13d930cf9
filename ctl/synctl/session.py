"""One run of synctl: its arguments, its streams, and the way to the daemon."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from typing import Any, NamedTuple, TextIO

from synctl.screen import Look, look_of
from syncwire.client import Client, connect
from syncwire.names import SCHEMA_VERSION
from syncwire.places import candidates


class Session(NamedTuple):
    """What a verb works with. `out` takes the answer alone, `err` everything else."""

    arguments: Namespace
    environ: Mapping[str, str]
    out: TextIO
    err: TextIO

    @property
    def look(self) -> Look:
        """How to draw on `out`, as it is now."""
        return look_of(self.out, self.environ, no_color=self.arguments.no_color)

    def connect(self) -> Client:
        """A connection to the daemon. NotRunning, NotAllowed or NoAnswer where there is none."""
        return connect(candidates(self.arguments.socket, self.environ))

    def answer(self, text: str) -> None:
        """The answer for a person."""
        self.out.write(text)

    def answer_json(self, answer: Mapping[str, Any]) -> None:
        """The answer for a program: one object, its schema_version first."""
        self.out.write(json.dumps({"schema_version": SCHEMA_VERSION, **answer}, indent=2) + "\n")

    def say(self, text: str) -> None:
        """A message beside the answer."""
        self.err.write(f"synctl: {text}\n")
