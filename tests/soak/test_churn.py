"""The soak's own parts: an editor repeats itself exactly by its seed, and the account of versions sees a loss."""

from __future__ import annotations

import json
from pathlib import Path

from support.agreement import Agreement
from support.churn import Editor, digests
from support.ledger import Ledger
from support.variants import Part, Variant

OPERATIONS = 400


def edited(folder: Path, seed: int) -> tuple[dict[str, str], list[list[str]]]:
    """The tree after that seed's operations on an empty folder, and what the ledger says of them."""
    root, stash = folder / "root", folder / "stash"
    root.mkdir(parents=True)
    stash.mkdir()
    with Ledger(folder / "ledger", once=False) as ledger:
        editor = Editor("one", root, stash, ledger, seed=seed, pace_s=0)
        for _ in range(OPERATIONS):
            editor.step()
    rows = [json.loads(line) for line in (folder / "ledger").read_text().splitlines()]
    return dict(digests(root)), [[row[name] for name in ("what", "path", "sha256")] for row in rows]


def test_a_seed_repeats_every_operation(tmp_path: Path) -> None:
    tree, ledger = edited(tmp_path / "a", 7)
    assert (tree, ledger) == edited(tmp_path / "b", 7)
    assert len(ledger) > OPERATIONS
    assert tree != edited(tmp_path / "c", 8)[0]


def test_an_operation_does_not_hang_on_what_became_of_those_before(tmp_path: Path) -> None:
    """Another file in the folder, or one that a daemon took away, changes no other choice."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    written = []
    for name, take in (("a", False), ("b", True)):
        root, stash = tmp_path / name / "root", tmp_path / name / "stash"
        root.mkdir()
        stash.mkdir()
        with Ledger(tmp_path / name / "ledger", once=False) as ledger:
            editor = Editor("one", root, stash, ledger, seed=7, pace_s=0)
            for number in range(OPERATIONS):
                editor.step()
                if take and number % 5 == 0:
                    for path, _ in list(digests(root))[:1]:
                        (root / path).unlink()
        rows = [json.loads(line) for line in (tmp_path / name / "ledger").read_text().splitlines()]
        written.append({row["sha256"] for row in rows if row["what"] == "closed"})
    common = written[0] & written[1]
    assert len(common) > len(written[0]) / 3


def agreement(ledger: Ledger, *hosts: Part, deletes: str = "keep", on_s3: tuple[str, ...] = ()) -> Agreement:
    variant = Variant(name="v", hosts=hosts, deletes=deletes, versioned=True)
    return Agreement(variant=variant, ledger=ledger, deletes_travel=True, on_s3=on_s3.__contains__)


def test_hosts_agree_only_as_far_as_their_modes_say(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger", once=False) as ledger:
        both = agreement(ledger, Part(name="a"))
        assert both.broken({"a": {"p": "1"}, "bucket": {"p": "1"}}) == []
        for here, there in (({"p": "1"}, {}), ({}, {"p": "1"}), ({"p": "1"}, {"p": "2"})):
            assert len(both.broken({"a": here, "bucket": there})) == 1

        up = agreement(ledger, Part(name="a", mode="upload"), on_s3=("1",))
        assert up.broken({"a": {}, "bucket": {"p": "1"}}) == []
        assert up.broken({"a": {"p": "1"}, "bucket": {"p": "2"}}) == []
        assert len(up.broken({"a": {"p": "3"}, "bucket": {"p": "2"}})) == 1  # never sent
        assert len(up.broken({"a": {"p": "1"}, "bucket": {}})) == 1  # nobody may take it away

        down = agreement(ledger, Part(name="a", mode="download"))
        assert len(down.broken({"a": {"p": "1"}, "bucket": {"p": "2"}})) == 1
        ledger.closed("a", "p", "1")
        assert down.broken({"a": {"p": "1"}, "bucket": {"p": "2"}}) == []
        assert len(down.broken({"a": {}, "bucket": {"p": "2"}})) == 1


def test_a_host_may_lack_what_vanished_from_it_twice_and_only_where_deletes_are_kept(tmp_path: Path) -> None:
    lacking = {"a": {}, "bucket": {"p": "1"}}
    with Ledger(tmp_path / "ledger", once=False) as ledger:
        for digest, broken in (("1", 1), ("2", 0)):
            assert ledger.may_vanish("a", "p", digest)
            assert len(agreement(ledger, Part(name="a")).broken(lacking)) == broken
        assert len(agreement(ledger, Part(name="a"), deletes="propagate").broken(lacking)) == 1
