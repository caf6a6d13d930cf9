"""Random days of up to four hosts around one bucket, as a state machine: people, tools, daemons and bad luck."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from support.fake_store import EVERYTHING
from support.model_fuse import EVERYWHERE, LOCAL, LOOKS, READS, RECORDS, WRITES, Crash, Trouble
from support.model_host import ModelHost, Passed
from support.model_world import Manner, World
from syncd.core.model import ConflictPolicy, Deletes, HashType, KeepVersions, Mode
from syncd.errors import ItemError, RemoteError, RemoteKind
from syncd.ports import Capabilities

ROUNDS = 14
"""So many rounds of passes everything must have come to rest in."""

ODD = ["d/\N{SNOWMAN}", "d b/a+c&d=%41?#.log", "-rf", "e\u0301", "two\nlines", "n" * 250, "a.conflict-0123456789ab"]
PATHS = st.sampled_from(["a", "a", "a", "a", "b.log", "d/x", "d/e/x", "a/b"]) | st.sampled_from(ODD)
FOLDERS = st.sampled_from(["d", "d/e", "a", "d b", "moved"])
HOSTS = st.integers(0, 3)
CONTENTS = st.sampled_from(["same-size", "same-size", "longer", "common", "empty"])
HOW = st.sampled_from(["in-place", "replaced", "old"])
PICKS = st.sampled_from([0, 0, 0, 1, 2, 3, 4])
PAUSES = st.sampled_from([0, 3, 3, 100])
HEARD = st.lists(PATHS | FOLDERS, min_size=1, max_size=6)
"""What a watcher tells of: in any order, more than once, of what did not change, of folders, not of all there is."""


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
        max_delete=draw(st.sampled_from([None, None, None, 0, 1])),
    )


@st.composite
def endpoints(draw: st.DrawFn) -> Capabilities:
    """What a store may honour."""
    if draw(st.booleans()):
        return replace(EVERYTHING, versioned=draw(st.booleans()))
    flags = ("put_if_none_match", "put_if_match", "delete_if_match", "copy_if_match", "copy")
    more = ("etag_is_md5", "stores_checksum", "versioned", "rejects_wrong_crc64nvme", "rejects_wrong_payload")
    honoured = {name: draw(st.booleans()) for name in (*flags, *more)}
    if not honoured["versioned"]:
        honoured["copy"] = True  # nothing can be kept aside there: what displaces fails, and stays as it is
    return Capabilities(probed_at=1.0, **honoured)


SEVERAL = st.sampled_from([1, 2, 2, 2, 3, 3, 4])
HOUSEHOLDS = SEVERAL.flatmap(lambda count: st.lists(manners(), min_size=count, max_size=count))


@dataclass(frozen=True, slots=True, repr=False)
class Mishap:
    """What goes wrong during a pass: at the `nth` call of those `among`, `before` or after its effect."""

    kind: str
    among: frozenset[str]
    nth: int
    before: bool

    def __repr__(self) -> str:
        among = next(name for name, calls in AMONG.items() if calls == self.among)
        return f"Mishap({self.kind!r}, AMONG[{among!r}], {self.nth}, {self.before})"


AMONG = {
    "writes": WRITES,
    "reads": READS,
    "list": frozenset({"list"}),
    "get": frozenset({"get"}),
    "changes": WRITES | LOCAL | RECORDS,
    "everywhere": EVERYWHERE,
    "local": LOCAL | frozenset({"temporary"}),
    "looks": LOOKS - {"scan"},
}
KINDS = {
    "crash": ("changes", "changes", "everywhere", "writes", "reads"),
    "line": ("writes", "writes", "reads", "list"),
    "throttled": ("writes", "reads"),
    "denied": ("writes", "reads", "list"),
    "expired": ("writes", "reads"),
    "corrupt": ("get",),
    "disk full": ("local",),
    "unreadable": ("looks",),
    "meddler": ("changes", "everywhere"),
    "stop": ("changes", "everywhere"),
}
REMOTE = {
    "line": RemoteKind.UNAVAILABLE,
    "throttled": RemoteKind.THROTTLED,
    "denied": RemoteKind.DENIED,
    "expired": RemoteKind.EXPIRED,
}


@st.composite
def mishaps(draw: st.DrawFn) -> Mishap:
    """Any of them."""
    kind = draw(st.sampled_from(["crash", "crash", "crash", "line", "line", "meddler", *KINDS]))
    among = AMONG[draw(st.sampled_from(KINDS[kind]))]
    before = kind in {"corrupt", "disk full", "unreadable"} or draw(st.booleans())
    return Mishap(kind, among, draw(st.sampled_from([1, 1, 1, 2, 2, 3, 4, 6])), before)


@dataclass(frozen=True, slots=True)
class Meddling:
    """What somebody does in the midst of a pass."""

    what: str
    path: str
    kind: str


MEDDLINGS = st.builds(Meddling, st.sampled_from(["write", "delete", "put", "take"]), PATHS, CONTENTS)


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that people or tools do: on the host at work, or on S3; at a new path, or at one of those there."""

    what: str
    pick: int
    path: str
    kind: str
    how: str


DEEDS = st.builds(
    Deed,
    st.sampled_from(["write", "edit", "edit", "delete", "delete", "rename", "put", "replace", "take", "touch"]),
    PICKS,
    PATHS,
    CONTENTS,
    HOW,
)


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

    @initialize(endpoint=endpoints(), hosts=HOUSEHOLDS, in_parts=st.booleans())
    def begin(self, endpoint: Capabilities, hosts: list[Manner], in_parts: bool) -> None:
        with self._acting():
            if self.strict:
                hosts = [replace(manner, keep_versions=KeepVersions.ALL) for manner in hosts]
            self.world = World(endpoint, hosts, in_parts=in_parts)

    def host(self, number: int) -> ModelHost:
        return self.world.hosts[number % len(self.world.hosts)]

    # --- people and tools ---------------------------------------------------------------------------------

    @rule(number=HOSTS, path=PATHS, kind=CONTENTS, how=HOW)
    def write(self, number: int, path: str, kind: str, how: str) -> None:
        with self._acting():
            self.world.write(self.host(number), path, self.world.content(kind), how)

    @rule(number=HOSTS, paths=st.lists(PATHS, min_size=2, max_size=5), kind=CONTENTS)
    def write_several(self, number: int, paths: list[str], kind: str) -> None:
        with self._acting():
            for path in paths:
                self.world.write(self.host(number), path, self.world.content(kind), "in-place")

    @rule(number=HOSTS, pick=PICKS, kind=CONTENTS, how=HOW)
    def edit(self, number: int, pick: int, kind: str, how: str) -> None:
        with self._acting():
            for path in self._picked(self.host(number).files(), pick):
                self.world.write(self.host(number), path, self.world.content(kind), how)

    @rule(number=HOSTS, pick=PICKS)
    def delete(self, number: int, pick: int) -> None:
        with self._acting():
            for path in self._picked(self.host(number).files(), pick):
                self.world.delete(self.host(number), path)

    @rule(number=HOSTS, pick=PICKS, to=PATHS)
    def rename(self, number: int, pick: int, to: str) -> None:
        with self._acting():
            for path in self._picked(self.host(number).files(), pick):
                self.world.rename(self.host(number), path, to)

    @rule(number=HOSTS, folder=FOLDERS, to=FOLDERS)
    def rename_folder(self, number: int, folder: str, to: str) -> None:
        with self._acting():
            self.world.rename_folder(self.host(number), folder, to)

    @rule(number=HOSTS, pick=PICKS)
    def touch(self, number: int, pick: int) -> None:
        with self._acting():
            for path in self._picked(self.host(number).files(), pick):
                self.world.touch(self.host(number), path)

    @rule(path=PATHS, kind=CONTENTS, timed=st.booleans())
    def foreign_put(self, path: str, kind: str, timed: bool) -> None:
        with self._acting():
            metadata = {"mtime": str(int(self.world.clock.now()) - 50)} if timed else {}
            self.world.foreign_put(path, self.world.content(kind), metadata)

    @rule(pick=PICKS)
    def foreign_delete(self, pick: int) -> None:
        with self._acting():
            for path in self._picked(self.world.objects(), pick):
                self.world.foreign_delete(path)

    def _picked(self, side: dict[str, bytes], pick: int) -> list[str]:
        return [sorted(side)[pick % len(side)]] if side else []

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
            if self.host(writer) is self.host(deleter):
                self.world.foreign_delete(path)
            elif path in self.host(deleter).files():
                self.world.delete(self.host(deleter), path)

    @rule(number=HOSTS, passes=st.integers(0, 2), deeds=st.lists(DEEDS, min_size=1, max_size=3), dry=st.booleans())
    def act_and_run(self, number: int, passes: int, deeds: list[Deed], dry: bool) -> None:
        with self._acting():
            self._prepare(self.host(number), passes, deeds)
            self._pass(self.host(number), 3, dry=dry)

    def _prepare(self, host: ModelHost, passes: int, deeds: list[Deed]) -> None:
        for _ in range(passes):
            for each in self.world.hosts:
                self._pass(each, 3)
        for deed in deeds:
            self._do(host, deed)

    def _do(self, host: ModelHost, deed: Deed) -> None:
        world = self.world
        on_s3 = deed.what in {"replace", "take"}
        found = self._picked(world.objects() if on_s3 else host.files(), deed.pick)
        path = deed.path if deed.what in {"write", "put"} or not found else found[0]
        match deed.what:
            case "write":
                world.write(host, path, world.content(deed.kind), deed.how)
            case "put" | "replace":
                world.foreign_put(path, world.content(deed.kind), {})
            case "take":
                world.foreign_delete(path)
            case _ if not found:
                return
            case "edit":
                world.write(host, path, world.content(deed.kind), deed.how)
            case "delete":
                world.delete(host, path)
            case "rename":
                world.rename(host, path, deed.path)
            case "touch":
                world.touch(host, path)

    def _pass(self, host: ModelHost, pause: int, *, dry: bool = False) -> bool:
        """Whether it was not halted. A person accepts what halted it."""
        world = self.world
        world.clock.seconds += pause
        planned = self._dry_pass(host) if dry else None
        before = host.files(), world.objects()
        with world.watching(host) as watch:
            passed = host.run_pass()
            watch.halted = bool(passed.report.halted_plan)
        note(f"{host.name}: {passed.steps} {passed.report.halt_reason}")
        if passed.report.halted_plan:
            self._check_halt(host, before)
            assert host.records.accept_plan(passed.report.halted_plan)
        elif planned is not None and not self._clashes(host, planned):
            assert planned.steps == passed.steps, f"planned {planned.steps}, done {passed.steps}"
        return not passed.report.halted_plan

    def _clashes(self, host: ModelHost, planned: Passed) -> bool:
        """Whether a file is meant to be where a folder is or was: which of them comes first shows when it is done."""
        paths = self.world.objects().keys() | host.files().keys() | {path for path, _ in planned.steps}
        return any(path.startswith(f"{other}/") for path in paths for other in paths)

    def _dry_pass(self, host: ModelHost) -> Passed:
        world = self.world
        before, seq = (world.state(), world.findable()), host.records.seq()
        planned = host.run_pass(dry=True)
        assert (world.state(), world.findable()) == before, "a dry pass changed something"
        assert host.records.seq() == seq, "a dry pass wrote a record"
        return planned

    def _check_halt(self, host: ModelHost, before: tuple[dict[str, bytes], dict[str, bytes]]) -> None:
        """What a guard halted neither removed nor replaced anything, but what a person had accepted before."""
        if host.records.accepted_plan():
            return
        for then, now in zip(before, (host.files(), self.world.objects())):
            changed = {path for path, content in then.items() if now.get(path) != content}
            assert not changed, f"{host.name} halted and took {sorted(changed)}"

    @rule(number=HOSTS, paths=HEARD, pause=PAUSES)
    def run_hot(self, number: int, paths: list[str], pause: int) -> None:
        with self._acting():
            self.world.clock.seconds += pause
            with self.world.watching(self.host(number), hot=paths):
                self.host(number).run_hot(*paths)

    @rule(number=HOSTS, paths=st.lists(PATHS, min_size=1, max_size=4), kind=CONTENTS, lost=st.booleans())
    def write_and_hear(self, number: int, paths: list[str], kind: str, lost: bool) -> None:
        with self._acting():
            for path in paths:
                self.world.write(self.host(number), path, self.world.content(kind), "replaced")
            heard = list(reversed(paths))[1 if lost else 0 :]
            with self.world.watching(self.host(number), hot=heard):
                self.host(number).run_hot(*heard)

    # --- bad luck -----------------------------------------------------------------------------------------

    @rule(
        number=HOSTS,
        passes=st.sampled_from([0, 0, 1, 1, 2]),
        deeds=st.lists(DEEDS, min_size=1, max_size=3),
        mishap=mishaps(),
        hot=st.none() | st.none() | st.just(["a"]) | HEARD,
        meddling=MEDDLINGS,
        again=st.sampled_from([None, None, 1, 2, 3]),
    )
    def act_and_run_into_trouble(
        self,
        number: int,
        passes: int,
        deeds: list[Deed],
        mishap: Mishap,
        hot: list[str] | None,
        meddling: Meddling,
        again: int | None,
    ) -> None:
        with self._acting():
            self._prepare(self.host(number), passes, deeds)
            for further in range(len(self.world.hosts)):  # whoever comes by that call first
                if self._trouble(self.host(number + further), mishap, hot, meddling, again):
                    break

    def _trouble(
        self, host: ModelHost, mishap: Mishap, hot: list[str] | None, meddling: Meddling, again: int | None
    ) -> bool:
        """A pass with a mishap on its way; whether it happened."""
        self.world.clock.seconds += 3
        trouble = Trouble(mishap.among, mishap.nth, mishap.before, self._happening(host, mishap, meddling))
        host.fuse.arm(trouble)
        with self.world.watching(host, hot=hot, trouble=True):
            try:
                host.run_pass() if hot is None else host.run_hot(*hot)
            except (Crash, RemoteError, ItemError) as error:
                note(f"{host.name}: {error!r}")
            happened = not host.fuse.armed
            if host.fuse.blown or mishap.kind == "stop":
                self._start_again(host, again)
            host.fuse.arm(None)
        return happened

    def _happening(self, host: ModelHost, mishap: Mishap, meddling: Meddling) -> Callable[[], object]:
        def unreachable() -> None:
            raise RemoteError(REMOTE[mishap.kind], "trouble on the line")

        def broken() -> None:
            code = errno.ENOSPC if mishap.kind == "disk full" else errno.EIO
            raise ItemError("", os.strerror(code)) from OSError(code, os.strerror(code))

        if mishap.kind in REMOTE:
            return unreachable
        if mishap.kind in {"disk full", "unreadable"}:
            return broken
        match mishap.kind:
            case "crash":
                return host.fuse.blow
            case "corrupt":
                return lambda: self.world.bucket.flip_next_read(host.fuse.reading)
            case "stop":
                return host.context.stop.drain
            case _:
                return lambda: self._meddle(host, meddling)

    def _start_again(self, host: ModelHost, again: int | None) -> None:
        """A new process; it may die while it tidies up, too."""
        if again is not None:
            try:
                host.restart(Trouble(LOCAL | RECORDS, again, True, host.fuse.blow))
            except Crash:
                note(f"{host.name}: crashed while it started")
        host.restart()

    def _meddle(self, host: ModelHost, meddling: Meddling) -> None:
        """Somebody acts in the midst of it. On S3 only where the store lets nobody overwrite what he did not see."""
        world, path, honours = self.world, meddling.path, self.world.bucket.capabilities
        guarded = honours.put_if_match and honours.put_if_none_match and honours.copy_if_match
        match meddling.what:
            case "write":
                world.meddling(lambda: world.write(host, path, world.content(meddling.kind), "replaced"))
            case "delete" if path in host.files():
                world.meddling(lambda: world.delete(host, path))
            case "put" if guarded or honours.versioned:
                world.meddling(lambda: world.foreign_put(path, world.content(meddling.kind), {}))
            case "take":
                world.meddling(lambda: world.foreign_delete(path))

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
            before = world.state(), world.rows()
            through = [self._pass(host, 3) for host in world.hosts]
            if all(through) and (world.state(), world.rows()) == before:
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
