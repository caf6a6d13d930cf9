"""New settings in a living process: what runs ends as it began, what comes next uses them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.small_section import SmallSection, small_section
from syncd.core.model import Deletes, Mode
from syncd.core.paths import RelPath
from syncd.engine.context import Context, Endpoint
from syncd.ports import ObjectHeaders

PATH = RelPath("big")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallSection]:
    """An upload pair after its first pass."""
    with small_section(tmp_path, mode=Mode.UPLOAD) as made:
        made.section.run_pass()
        yield made


def opened(small: SmallSection) -> Context:
    context = small.section.context
    assert context is not None
    return context


def uploading(small: SmallSection) -> None:
    """An upload in parts has begun."""
    context = opened(small)
    context.records.journal_upload("p/big", context.objects.create_multipart("p/big", headers=ObjectHeaders()))


CHANGES = [{"interval": timedelta(seconds=30)}, {"prefix": "q/"}, {"bucket": "other"}]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_partial_file_that_is_being_written_survives_a_reload(small: SmallSection, change: dict[str, object]) -> None:
    with opened(small).tree.temporary() as temporary:
        temporary.write(b"half of it")
        small.section.reconfigure(replace(small.section.pair, **change))  # type: ignore[arg-type]  # fields of Pair
        small.section.run_pass()
        temporary.finish(mtime_ns=None)
        assert len(list((small.root / ".syncd" / "tmp").iterdir())) == 1


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_an_upload_in_parts_that_runs_survives_a_reload(small: SmallSection, change: dict[str, object]) -> None:
    uploading(small)
    small.section.reconfigure(replace(small.section.pair, **change))  # type: ignore[arg-type]  # fields of Pair
    small.section.run_pass()
    assert small.bucket.open_uploads() == ["p/big"]


def test_an_upload_in_parts_survives_a_world_that_is_opened_anew(small: SmallSection) -> None:
    uploading(small)
    small.section.close()
    small.section.run_pass()
    assert small.bucket.open_uploads() == ["p/big"]


def test_what_an_earlier_process_left_is_tidied_by_the_first_pass(tmp_path: Path) -> None:
    with small_section(tmp_path, mode=Mode.UPLOAD) as small:
        context = small.section.open()
        context.records.journal_upload("p/big", context.objects.create_multipart("p/big", headers=ObjectHeaders()))
        left = small.root / ".syncd" / "tmp" / "left"
        left.write_bytes(b"half")
        small.section.run_pass()
        assert small.bucket.open_uploads() == []
        assert not left.exists()


def test_what_lies_staged_of_lost_records_is_in_the_trash_after_the_first_pass(tmp_path: Path) -> None:
    with small_section(tmp_path, mode=Mode.UPLOAD, cleanup=True) as small:
        orphan = small.root / ".syncd" / "cleaning" / ("0" * 64)
        orphan.parent.mkdir(parents=True)
        orphan.write_bytes(b"nobody knows of it")
        small.section.run_pass()
        assert not orphan.exists()
        assert [kept.read_bytes() for kept in (small.root / ".syncd" / "trash").iterdir()] == [b"nobody knows of it"]


def test_what_is_being_cleaned_stays_staged_over_the_first_pass_of_the_next_process(tmp_path: Path) -> None:
    with small_section(tmp_path, mode=Mode.UPLOAD, cleanup=True) as small:
        small.write("a", b"a")
        small.section.run_pass()
        small.section.run_pass()
        (staged,) = (small.root / ".syncd" / "cleaning").iterdir()
        small.section._tidied.clear()  # as a new process finds it
        small.section.prepare()
        assert staged.exists()


def test_nothing_hot_is_sent_before_the_first_pass_has_tidied(tmp_path: Path) -> None:
    """Or its upload would be taken for one that an earlier process left."""
    with small_section(tmp_path, mode=Mode.UPLOAD) as small:
        assert not small.section.working
        small.section.run_pass()
        assert small.section.working


def test_claims_outlive_a_reload(small: SmallSection) -> None:
    assert opened(small).claims.take(PATH)
    small.section.reconfigure(replace(small.section.pair, interval=timedelta(seconds=30)))
    small.write("big", b"written meanwhile")
    small.section.run_pass()
    assert not opened(small).claims.take(PATH)
    assert small.objects() == {}


@pytest.mark.parametrize("met", [True, False], ids=["opened by the hot folder meanwhile", "not opened yet"])
def test_settings_that_change_during_the_probe_are_those_in_use_after_it(tmp_path: Path, met: bool) -> None:
    unprobed = replace(EVERYTHING, probed_at=0.0)
    probes = []

    def probe(small: SmallSection, context: Context) -> Context:
        probes.append(context.pair.deletes)
        if len(probes) == 1:
            small.section.reconfigure(replace(context.pair, deletes=Deletes.KEEP))
            if met:
                small.section.open()
        return replace(context, endpoint=Endpoint(EVERYTHING))

    bucket = FakeObjects(capabilities=unprobed)
    with small_section(tmp_path, bucket=bucket, probe=probe, mode=Mode.UPLOAD, deletes=Deletes.PROPAGATE) as small:
        context = small.section.prepare()
        assert context.pair.deletes is Deletes.KEEP
        assert opened(small) is context
        assert context.capabilities.probed_at
        assert small.section.state == "idle"


def test_a_root_that_another_daemon_worked_on_is_united_by_the_next_pass(tmp_path: Path) -> None:
    with small_section(tmp_path, mode=Mode.UPLOAD, deletes=Deletes.PROPAGATE) as small:
        small.write("a", b"a")
        small.write("b", b"b")
        small.section.run_pass()
        marker = opened(small).tree.marker()
        assert marker is not None
        opened(small).tree.write_marker(replace(marker, generation=50))
        (small.root / "a").unlink()
        small.reconciler.run_once(frozenset({"start"}), {})
        assert small.section.state == "halted"
        assert "another syncd" in small.section.last_error
        small.reconciler.run_once(frozenset({"due"}), {})
        assert (small.section.state, small.section.last_error) == ("idle", "")
        assert small.objects() == {"a": b"a", "b": b"b"}
        after = opened(small).tree.marker()
        assert after is not None
        assert after.generation >= 50
