"""An endpoint where a delete could lose what somebody just wrote: deletions stay here, and that is told once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from support.fake_store import EVERYTHING, FakeObjects
from support.small_section import small_section
from syncd import events
from syncd.core.model import Deletes, Mode


def test_objects_stay_where_no_delete_is_safe_and_that_is_told_once(tmp_path: Path) -> None:
    bucket = FakeObjects(capabilities=replace(EVERYTHING, delete_if_match=False, versioned=False))
    with small_section(tmp_path, bucket=bucket, mode=Mode.UPLOAD, deletes=Deletes.PROPAGATE) as small:
        for name in ("a.log", "b.log", "c.log"):
            small.write(name, name.encode())
        small.section.run_pass()
        for name in ("a.log", "b.log"):
            (small.root / name).unlink()
            small.section.run_pass()
        assert set(small.objects()) == {"a.log", "b.log", "c.log"}
        told = small.said.of(events.ENDPOINT_DEGRADED)
        assert [row["capability"] for row in told] == ["delete_if_match"]
