"""Random days of one to three hosts around one bucket: whatever happens, no version is lost, and it comes to rest.

`MODEL_EXAMPLES` raises the number of days (then other ones each time), `MODEL_SHRINK` shortens a failure; a failure
prints the blob that brings it back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from support.fake_store import EVERYTHING
from support.model_fuse import LOCAL, READS, RECORDS, WRITES, Crash, Trouble
from support.model_host import ModelHost
from support.model_world import Manner, World
from syncd.core.model import ConflictPolicy, Deletes, HashType, KeepVersions, Mode
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import Capabilities

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "0"))
ROUNDS = 12
"""So many rounds of passes everything must have come to rest in."""

PATHS = st.sampled_from(["a", "a", "a", "b.log", "d/\N{SNOWMAN}"])
HOSTS = st.integers(0, 2)
CONTENTS = st.sampled_from(["same-size", "same-size", "longer", "common", "empty"])
HOW = st.sampled_from(["in-place", "replaced", "old"])
PICKS = st.sampled_from([0, 0, 0, 1, 2, 3, 4])
PAUSES = st.sampled_from([0, 3, 3, 100])


@st.composite
def manners(draw: st.DrawFn) -> Manner:
    """How a host may be set up."""
    mode = draw(st.sampled_from(Mode))
    return Manner(
        mode=mode,
        deletes=draw(st.sampled_from(Deletes)),
        conflict=draw(st.sampled_from(ConflictPolicy)),
        keep_versions=draw(st.sampled_from(KeepVersions)),
        hash=draw(st.sampled_from([HashType.SHA256, HashType.SHA256, HashType.SHA256, HashType.MD5])),
        cleanup=mode is not Mode.DOWNLOAD and draw(st.booleans()),
        skew=draw(st.sampled_from([0, 0, 90, -90])),
    )


@st.composite
def endpoints(draw: st.DrawFn) -> Capabilities:
    """What a store may honour."""
    if draw(st.booleans()):
        return EVERYTHING
    flags = ("put_if_none_match", "put_if_match", "delete_if_match", "copy_if_match", "copy")
    more = ("etag_is_md5", "stores_checksum", "versioned", "rejects_wrong_crc64nvme", "rejects_wrong_payload")
    honoured = {name: draw(st.booleans()) for name in (*flags, *more)}
    if not honoured["versioned"]:
        honoured["copy"] = True  # nothing can be kept aside there: what displaces fails, and stays as it is
    return Capabilities(probed_at=1.0, **honoured)


def lost_line() -> None:
    """The endpoint does not answer."""
    raise RemoteError(RemoteKind.UNAVAILABLE, "no answer")


@st.composite
def troubles(draw: st.DrawFn) -> tuple[str, frozenset[str], int, bool]:
    """What goes wrong during a pass: a crash or a lost line, at which call, before or after its effect."""
    kind = draw(st.sampled_from(["crash", "line"]))
    among = draw(st.sampled_from([WRITES, READS, WRITES | LOCAL | RECORDS] if kind == "crash" else [WRITES, READS]))
    return kind, among, draw(st.integers(1, 6)), draw(st.booleans())


class Days(RuleBasedStateMachine):
    """What people, tools, daemons and bad luck do, in any order."""

    strict = False
    world: World

    def __init__(self) -> None:
        super().__init__()
        self._sound = False

    @contextmanager
    def _acting(self) -> Iterator[None]:
        self._sound = False
        yield
        self._sound = True

    @initialize(endpoint=endpoints(), hosts=st.lists(manners(), min_size=1, max_size=3))
    def begin(self, endpoint: Capabilities, hosts: list[Manner]) -> None:
        with self._acting():
            if self.strict:
                hosts = [replace(manner, keep_versions=KeepVersions.ALL) for manner in hosts]
            self.world = World(endpoint, hosts)

    def host(self, number: int) -> ModelHost:
        return self.world.hosts[number % len(self.world.hosts)]

    # --- people and tools ---------------------------------------------------------------------------------

    @rule(number=HOSTS, path=PATHS, kind=CONTENTS, how=HOW)
    def write(self, number: int, path: str, kind: str, how: str) -> None:
        with self._acting():
            self.world.write(self.host(number), path, self.world.content(kind), how)

    @rule(number=HOSTS, pick=PICKS, kind=CONTENTS, how=HOW)
    def edit(self, number: int, pick: int, kind: str, how: str) -> None:
        with self._acting():
            files = sorted(self.host(number).files())
            if files:
                self.world.write(self.host(number), files[pick % len(files)], self.world.content(kind), how)

    @rule(number=HOSTS, pick=PICKS)
    def delete(self, number: int, pick: int) -> None:
        with self._acting():
            files = sorted(self.host(number).files())
            if files:
                self.world.delete(self.host(number), files[pick % len(files)])

    @rule(number=HOSTS, pick=PICKS, to=PATHS)
    def rename(self, number: int, pick: int, to: str) -> None:
        with self._acting():
            files = sorted(self.host(number).files())
            if files:
                self.world.rename(self.host(number), files[pick % len(files)], to)

    @rule(number=HOSTS, pick=PICKS)
    def touch(self, number: int, pick: int) -> None:
        with self._acting():
            files = sorted(self.host(number).files())
            if files:
                self.world.touch(self.host(number), files[pick % len(files)])

    @rule(path=PATHS, kind=CONTENTS, timed=st.booleans())
    def foreign_put(self, path: str, kind: str, timed: bool) -> None:
        with self._acting():
            metadata = {"mtime": str(int(self.world.clock.now()) - 50)} if timed else {}
            self.world.foreign_put(path, self.world.content(kind), metadata)

    @rule(pick=PICKS)
    def foreign_delete(self, pick: int) -> None:
        with self._acting():
            objects = sorted(self.world.objects())
            if objects:
                self.world.foreign_delete(objects[pick % len(objects)])

    # --- the daemons --------------------------------------------------------------------------------------

    @rule(number=HOSTS, pause=PAUSES, dry=st.booleans())
    def run_pass(self, number: int, pause: int, dry: bool) -> None:
        with self._acting():
            self._pass(self.host(number), pause, dry=dry)

    @rule(pause=PAUSES)
    def run_everybody(self, pause: int) -> None:
        with self._acting():
            for host in self.world.hosts:
                self._pass(host, pause)

    @rule(writer=HOSTS, deleter=HOSTS, path=PATHS)
    def write_here_and_delete_there(self, writer: int, deleter: int, path: str) -> None:
        with self._acting():
            for _ in range(2):
                for host in self.world.hosts:
                    self._pass(host, 3)
            if path in self.host(writer).files():
                self.world.write(self.host(writer), path, self.world.content("longer"), "in-place")
            if writer % len(self.world.hosts) != deleter % len(self.world.hosts):
                if path in self.host(deleter).files():
                    self.world.delete(self.host(deleter), path)
            else:
                self.world.foreign_delete(path)

    @rule(number=HOSTS, path=PATHS, kind=CONTENTS)
    def write_and_run(self, number: int, path: str, kind: str) -> None:
        with self._acting():
            self.world.write(self.host(number), path, self.world.content(kind), "in-place")
            self._pass(self.host(number), 3)

    def _pass(self, host: ModelHost, pause: int, *, dry: bool = False) -> None:
        world = self.world
        world.clock.seconds += pause
        planned = None
        if dry:
            before, seq = (world.state(), world.findable()), host.records.seq()
            planned = host.run_pass(dry=True)
            assert (world.state(), world.findable()) == before, "a dry pass changed something"
            assert host.records.seq() == seq, "a dry pass wrote a record"
        with world.watching(host):
            passed = host.run_pass()
        note(f"{host.name}: {passed.steps} {passed.report.halt_reason}")
        if passed.report.halted_plan:
            assert host.records.accept_plan(passed.report.halted_plan)
        elif planned is not None:
            assert planned.steps == passed.steps, f"planned {planned.steps}, done {passed.steps}"

    @rule(number=HOSTS, path=PATHS, pause=PAUSES)
    def run_hot(self, number: int, path: str, pause: int) -> None:
        with self._acting():
            self.world.clock.seconds += pause
            with self.world.watching(self.host(number), hot=path):
                self.host(number).run_hot(path)

    @rule(number=HOSTS, pause=PAUSES, trouble=troubles(), hot=st.none() | PATHS)
    def run_into_trouble(
        self, number: int, pause: int, trouble: tuple[str, frozenset[str], int, bool], hot: str | None
    ) -> None:
        with self._acting():
            kind, among, nth, before = trouble
            host = self.host(number)
            self.world.clock.seconds += pause
            self.world.expected.clear()
            host.fuse.arm(Trouble(among, nth, before, host.fuse.blow if kind == "crash" else lost_line))
            with self.world.watching(host, hot=hot, trouble=True):
                try:
                    host.run_pass() if hot is None else host.run_hot(hot)
                except (Crash, RemoteError) as error:
                    note(f"{host.name}: {error!r}")
                if host.fuse.blown:
                    host.restart()
                host.fuse.arm(None)

    @rule(number=HOSTS)
    def restart(self, number: int) -> None:
        with self._acting():
            self.host(number).restart()

    @rule(number=HOSTS)
    def lose_records(self, number: int) -> None:
        with self._acting():
            self.world.lose_records(self.host(number))

    @rule(number=HOSTS)
    def back_up_records(self, number: int) -> None:
        with self._acting():
            self.world.back_up_records(self.host(number))

    @rule(number=HOSTS)
    def restore_records(self, number: int) -> None:
        with self._acting():
            self.world.restore_records(self.host(number))

    # --- rest ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self._sound)
    @rule()
    def everybody_rests(self) -> None:
        with self._acting():
            self._come_to_rest()

    def _come_to_rest(self) -> None:
        world = self.world
        for _ in range(ROUNDS):
            before = world.state(), [host.records.seq() for host in world.hosts]
            for host in world.hosts:
                self._pass(host, 3)
            if (world.state(), [host.records.seq() for host in world.hosts]) == before:
                break
        else:
            raise AssertionError(f"no rest after {ROUNDS} rounds")
        for host in world.hosts:  # whose stats were still young
            self._pass(host, 200)
        world.check_rest()
        world.check_survivors()
        world.check_agreement()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            if self._sound:
                self._come_to_rest()
        finally:
            self.world.close()


class DaysWithAllVersionsKept(Days):
    """The same where every host keeps every version: nothing at all may go."""

    strict = True


PHASES = [Phase.explicit, Phase.generate]  # a failure is seconds away then; shrinking it takes minutes
PROFILE = settings(
    max_examples=EXAMPLES or 300,
    stateful_step_count=25,
    deadline=None,
    derandomize=not EXAMPLES,
    database=None,
    print_blob=True,
    report_multiple_bugs=False,
    phases=[*PHASES, Phase.shrink] if "MODEL_SHRINK" in os.environ else PHASES,
    suppress_health_check=list(HealthCheck),
)

TestAllVersionsKept = DaysWithAllVersionsKept.TestCase
TestAllVersionsKept.settings = PROFILE
TestConflictsKept = Days.TestCase
TestConflictsKept.settings = PROFILE
