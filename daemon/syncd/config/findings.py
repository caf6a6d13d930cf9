"""The problems of one reading, collected so that a person sees all of them at once."""

from __future__ import annotations

from collections.abc import Mapping

from syncd.errors import ConfigError


class Findings:
    """Problems by dotted key. `labels` say where a value came from if not from that key (a flag, a variable)."""

    def __init__(self, labels: Mapping[str, str] | None = None) -> None:
        self.problems: list[str] = []
        self._labels = dict(labels or {})
        self._names: dict[str, str] = {}

    def label(self, labels: Mapping[str, str]) -> None:
        """Say of more dotted keys where their values came from."""
        self._labels.update(labels)

    def name(self, section: str, name: str) -> None:
        """Let what is said of `pair[0]` also carry the name that it gave itself."""
        self._names[section] = name

    def where(self, key: str) -> str:
        """The key as a person finds it: `pair[0].interval (pair "logs")`, or the flag or variable."""
        if key in self._labels:
            return self._labels[key]
        section = key.partition(".")[0]
        name = self._names.get(section)
        return f'{key} ({section.partition("[")[0]} "{name}")' if name else key

    def add(self, key: str, text: str) -> None:
        """Note a problem with what stands under a dotted key."""
        self.problems.append(f"{self.where(key)}: {text}")

    def add_plain(self, text: str) -> None:
        """Note a problem that has no key."""
        self.problems.append(text)

    def raise_if_any(self) -> None:
        """Raise ConfigError with every problem, once each, in the order in which they were met."""
        if self.problems:
            raise ConfigError(list(dict.fromkeys(self.problems)))
