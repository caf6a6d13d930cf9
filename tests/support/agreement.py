"""Whether several hosts and a bucket agree, as far as the modes of the hosts say that they must."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from support.ledger import Ledger
from support.variants import Part, Variant

BUCKET = "bucket"

Tree = Mapping[str, str]
"""Path to SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What may differ in the end, and why. `on_s3`: whether a version is anywhere on S3, live or kept aside."""

    variant: Variant
    ledger: Ledger
    deletes_travel: bool  # the endpoint can delete without loss
    on_s3: Callable[[str], bool]

    def broken(self, trees: Mapping[str, Tree]) -> list[str]:
        """The paths that differ and must not, in words."""
        bucket = trees[BUCKET]
        return [
            f"{path!r}: {part.name} has {trees[part.name].get(path, '-')[:8]}, the bucket {bucket.get(path, '-')[:8]}"
            for part in self.variant.hosts
            for path in _differing(trees[part.name], bucket)
            if not self._may_differ(part, path, trees[part.name].get(path), bucket.get(path))
        ]

    def _may_differ(self, part: Part, path: str, here: str | None, there: str | None) -> bool:
        match part.mode, here, there:
            case "upload", None, _:  # its own deletions stay here, and it fetches nothing
                return True
            case "upload", str(), _:  # another host replaced it, or took it away, and keeps it aside
                return (there is not None or self.variant.deletes == "propagate") and self.on_s3(here)
            case "download", str(), _:  # edited here, and this host may not say so
                return self.ledger.wrote(part.name, here)
            case "bidirectional", None, str() if part.cleanup:
                return True
            case _, None, str():
                return self._means_it(part, path)
            case _:
                return False

    def _means_it(self, part: Part, path: str) -> bool:
        """Whether the host may lack what vanished from it: with `deletes = "keep"` a second time, or left for good."""
        gone = self.ledger.vanished(part.name, path)
        if self.variant.deletes == "keep":
            return gone > 1
        return gone > 0 and not self.deletes_travel and part.mode == "bidirectional"


def _differing(one: Tree, other: Tree) -> Iterator[str]:
    return (path for path in sorted({*one, *other}) if one.get(path) != other.get(path))
