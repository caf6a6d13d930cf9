"""Opening: what a person is told when the file cannot be used, and the schema it ends with."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.errors import ConfigError, FatalError
from syncd.ports import Clock, Commit
from syncd.store import mounts
from syncd.store.database import Database
from syncd.store.migration import APPLICATION_ID, migrate, migrations
from syncd.store.pairs import PairStore, RecordSetIdentity


def schema(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT type || ' ' || name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {name: " ".join(sql.split()) for name, sql in rows}


def test_the_migrated_schema_is_schema_sql(path: Path) -> None:
    migrated, written = sqlite3.connect(path, isolation_level=None), sqlite3.connect(":memory:")
    migrate(migrated, path)
    written.executescript(Path(mounts.__file__).with_name("schema.sql").read_text())
    found, expected = schema(migrated), schema(written)
    migrated.close()
    written.close()
    assert "table record" in found
    assert found == expected


def test_every_table_is_strict(database: Database, path: Path) -> None:
    with_reader = sqlite3.connect(path)
    tables = [(row[1], row[5]) for row in with_reader.execute("PRAGMA table_list") if not row[1].startswith("sqlite_")]
    with_reader.close()
    assert len(tables) > 10
    assert [name for name, strict in tables if not strict] == []


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    assert [step.number for step in migrations()] == list(range(1, len(migrations()) + 1))


def test_the_file_carries_our_mark_uses_a_log_and_is_private(database: Database, path: Path) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations()),)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_closed_database_leaves_one_file_and_opens_again(path: Path, clock: Clock) -> None:
    Database.open(path, clock=clock).close()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    Database.open(path, clock=clock).close()


def refusal(path: Path, clock: Clock) -> str:
    with pytest.raises(FatalError) as caught:
        Database.open(path, clock=clock)
    return str(caught.value)


def test_a_file_that_is_no_database_says_where_it_is_and_that_it_may_go(path: Path, clock: Clock) -> None:
    path.write_bytes(b"this was never a database, but it is long enough to have a header of one" * 100)
    before = path.read_bytes()
    message = refusal(path, clock)
    assert "corrupt" in message
    assert f"move {path} away" in message
    assert "deletes nothing" in message
    assert path.read_bytes() == before


def test_another_programs_database_is_left_as_it_is(path: Path, clock: Clock) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    message = refusal(path, clock)
    assert "another program" in message
    assert str(path) in message
    assert path.read_bytes() == before


def test_a_newer_database_asks_for_the_newer_syncd(path: Path, clock: Clock) -> None:
    Database.open(path, clock=clock).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    message = refusal(path, clock)
    assert "newer syncd" in message
    assert "99" in message
    assert str(path) in message


def test_a_page_that_rotted_is_told_when_it_is_read(
    path: Path, clock: Clock, identity: RecordSetIdentity, record: Callable[..., object]
) -> None:
    with Database.open(path, clock=clock) as database:
        pair = database.pair("logs", identity)
        futures = [pair.commit(Commit(put=record(f"file-{number:05}"))) for number in range(3000)]  # type: ignore[arg-type]
        [future.result(timeout=30) for future in futures]
    with path.open("r+b") as file:
        size = path.stat().st_size
        for page in range(40 * 4096, size, 4096):
            file.seek(page)
            file.write(b"\xff" * 512)
    with pytest.raises(FatalError, match="corrupt") as caught, Database.open(path, clock=clock) as database:
        list(database.pair("logs", identity).walk())
    assert f"move {path} away" in str(caught.value)


def test_a_missing_folder_is_a_fault_of_the_configuration(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(ConfigError, match="is not a folder"):
        Database.open(tmp_path / "nowhere" / "state.db", clock=clock)


@pytest.mark.parametrize("type", ["nfs", "nfs4", "cifs", "smb3", "fuse", "fuseblk", "fuse.sshfs"])
def test_a_folder_on_a_remote_file_system_is_refused(path: Path, tmp_path: Path, clock: Clock, type: str) -> None:
    doctored = tmp_path / "mountinfo"
    lines = mounts.MOUNTINFO.read_text().splitlines()
    doctored.write_text("\n".join(f"{line.split(' - ')[0]} - {type} server:/export rw" for line in lines))
    with pytest.raises(ConfigError, match=f"is on a {type} file system"):
        Database.open(path, clock=clock, mountinfo=doctored)
    assert not path.exists()


def test_the_mount_of_a_folder_is_found_by_its_id_past_optional_fields() -> None:
    table = (
        "36 35 98:0 / / rw,noatime master:1 - ext4 /dev/root rw\n"
        "97 36 0:50 / /state\\040dir rw shared:1 propagate_from:2 - nfs4 server:/x rw\n"
    )
    assert mounts.file_system_type(table, 97) == "nfs4"
    assert mounts.file_system_type(table, 36) == "ext4"
    assert mounts.file_system_type(table, 7) == ""


def test_local_file_systems_are_taken() -> None:
    assert [type for type in ("ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "") if mounts.is_remote(type)] == []


def test_everything_after_close_is_a_fatal_error_and_a_second_close_is_none(
    path: Path, clock: Clock, identity: RecordSetIdentity, record: Callable[..., object]
) -> None:
    database = Database.open(path, clock=clock)
    pair: PairStore = database.pair("logs", identity)
    database.close()
    database.close()
    for ask in (
        pair.seq,
        lambda: next(pair.walk()),
        lambda: pair.commit(Commit(put=record())),  # type: ignore[arg-type]
        pair.clear_plans,
        database.pauses.all,
    ):
        with pytest.raises(FatalError, match="closed"):
            ask()
