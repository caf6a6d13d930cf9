"""The archiver dies at each call that leaves it, before or after its effect: the next process loses nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from support.batch_desk import BatchDesk
from support.model_fuse import Crash, Trouble
from syncd.config.types import S3

Versions = Counter[tuple[str, bytes]]

FILES = {
    "logs/one": b"1" * 700,
    "logs/two": b"",
    "other/three": b"3" * 40,
    "top": b"0",
    "large": b"L" * 5000,  # over max_size: it goes up alone
}
STREAMED = {"logs/one": b"1" * 700, "logs/two": b"2" * (6 << 20), "top": b"0"}  # one in parts, one in one request
S3_PARTS = S3(endpoint_url="http://s3", part_size=5 << 20)
MOST = 2000


def desk_with(place: Path, *, streaming: bool) -> tuple[BatchDesk, Versions]:
    if streaming:
        desk, files = BatchDesk(place, streaming=True, s3=S3_PARTS), STREAMED
    else:
        desk, files = BatchDesk(place, max_size=4000, manifest_bucket="manifests"), FILES
    for path, body in files.items():
        desk.write(path, body)
    return desk, Counter(files.items())


def where(desk: BatchDesk) -> Versions:
    """Every version in a proven archive, alone on S3 as the records know it, or on disk where it is in neither."""
    safe = desk.proven()
    for key, body in desk.bucket.contents().items():
        if not key.endswith((".tar", ".manifest.json")):
            safe[key, body] += 1
    for path, body in desk.files().items():
        if not safe[path, body]:
            safe[path, body] += 1
    return safe


class EveryCall(frozenset[str]):
    """Whatever it is called."""

    def __contains__(self, _: object) -> bool:
        return True


def dies(desk: BatchDesk, nth: int, *, before: bool) -> bool:
    """Run until nothing is left to do, with a death at the nth call. False: there were fewer calls."""
    desk.fuse.arm(Trouble(EveryCall(), nth, before, desk.fuse.blow))
    try:
        desk.finish()
    except Crash:
        return True
    return False


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("streaming", [False, True], ids=["spooled", "streamed"])
def test_a_death_at_any_call_loses_nothing_and_doubles_nothing(
    tmp_path: Path, *, streaming: bool, before: bool
) -> None:
    for nth in range(1, MOST):
        desk, versions = desk_with(tmp_path / str(nth), streaming=streaming)
        try:
            died = dies(desk, nth, before=before)
            at = desk.fuse.last
            assert Counter(where(desk)) >= versions, f"call {nth}, {at}: lost at once"
            desk.restart()
            desk.finish()
            assert where(desk) == versions, f"call {nth}, {at}"
            assert not desk.files(), f"call {nth}, {at}: left on disk"
            assert not desk.staged(), f"call {nth}, {at}: left in staging"
            assert not desk.trash(), f"call {nth}, {at}: in trash"
            assert desk.spooled() == [], f"call {nth}, {at}: left in the spool"
            nameless = at in {"objects.create_multipart", "records.journal_upload"}  # nobody knows its id yet
            assert nameless or desk.bucket.open_uploads() == [], f"call {nth}, {at}: an upload was left"
            assert len(desk.archives()) == len(desk.proven_keys()), f"call {nth}, {at}: an archive that nobody knows"
        finally:
            desk.close()
        if not died:
            assert nth > 100
            return
    raise AssertionError("it never ran to its end")
