"""What must hold, whatever happens: book-keeping of contents at paths, which knows nothing of how syncd works.

It knows hosts by name and their settings in plain words; records, rules, digests and ETags are no concern of it. It
asks a `Scene` what lies where. `tests/arch/test_reference.py` holds that nothing here comes from `syncd`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One host's settings in words: `mode` upload, download or bidirectional; `conflict` newer, local, remote…"""

    name: str
    mode: str
    conflict: str
    hash: str
    cleans: bool
    keeps_all: bool


class Scene(Protocol):
    """What can be seen of the world from outside."""

    def here(self, name: str) -> dict[str, bytes]:
        """What a person sees in a host's folder."""
        ...

    def there(self) -> dict[str, bytes]:
        """What a person sees below the prefix."""
        ...

    def findable(self) -> set[bytes]:
        """Every content that can be had somewhere: live, displaced, staged, or as a previous version."""
        ...

    def ever_stored(self) -> set[bytes]:
        """Every content that S3 ever took."""
        ...

    def blocked(self, name: str, path: str) -> bool:
        """Whether a file cannot be at that path of a host: a folder is there, or a file on the way to it."""
        ...


@dataclass
class Expected:
    """The last write of a path, while nothing but deletions of older content happened to it since."""

    name: str
    content: bytes


@dataclass
class Notebook:
    """What is known of one host: per path, the content that it and S3 last both had.

    `unsure`: paths of which the host may have missed that. `touched`: paths that a person wrote or removed there.
    `met`: what both sides had of a path while somebody meddled, one after the other perhaps; the host may have seen it.
    """

    agreed: dict[str, bytes] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    backup: tuple[dict[str, bytes], set[str]] | None = None
    met: dict[str, set[bytes]] = field(default_factory=dict)

    def knows(self, path: str, content: bytes | None) -> bool:
        """Whether the host surely knows that both sides have that content."""
        return path not in self.unsure and self.agreed.get(path) == content


class Reference:
    """The book-keeper. People and tools are told to it before they act; `watching` stands around what a daemon does."""

    def __init__(self, scene: Scene, parties: Iterable[Party], *, tells_contents_apart: bool) -> None:
        """`tells_contents_apart`: the store shows of a foreign object more than its size and time."""
        self._scene = scene
        self._parties = {party.name: party for party in parties}
        self._tells_contents_apart = tells_contents_apart
        self.notebooks = {name: Notebook() for name in self._parties}
        self.expected: dict[str, Expected] = {}
        self.deleted: set[str] = set()  # paths that somebody or something removed on some side, ever
        self.opaque: set[str] = set()  # paths where a tool left an object that only size and time can be compared of
        self._watched: Watch | None = None

    # --- people and tools ---------------------------------------------------------------------------------

    def writes(self, name: str, path: str, content: bytes) -> None:
        """A person is about to write. Expect it to survive deletions, unless other content is under way to that path.

        What the host agreed on with S3 and comes back (a file renamed away and back) is no write: its deletion holds.
        """
        self.notebooks[name].touched.add(path)
        mine = self._scene.here(name).get(path)
        self.expected.pop(path, None)
        agreed = self.notebooks[name].agreed.get(path)
        if content not in {mine, agreed} and self._settled(path, mine):
            self.expected[path] = Expected(name, content)

    def removes(self, name: str, path: str) -> None:
        """A person is about to delete a file, or to rename it away."""
        self.notebooks[name].touched.add(path)
        self._removed(path, self._scene.here(name)[path])

    def stores(self, path: str) -> None:
        """Another tool is about to write an object."""
        self.expected.pop(path, None)
        if not self._tells_contents_apart:
            self.opaque.add(path)

    def unstores(self, path: str) -> None:
        """Another tool is about to delete an object."""
        found = self._scene.there().get(path)
        if found is not None:
            self._removed(path, found)

    def _settled(self, path: str, content: bytes | None) -> bool:
        """Whether all copies of the path are that content, and every host knows that its own is."""
        if len({party.hash for party in self._parties.values()}) > 1:
            return False  # what another host puts back under its own hash type cannot be told from new content
        if path in self.opaque:
            return False  # that both sides are equal is only known to us: an edit there is a conflict, which S3 may win
        sides = {name: self._scene.here(name) for name in self._parties}
        copies = [side[path] for side in (self._scene.there(), *sides.values()) if path in side]
        if any(copy != content for copy in copies):
            return False
        return all(self.notebooks[name].knows(path, content) for name, side in sides.items() if path in side)

    def _removed(self, path: str, content: bytes) -> None:
        self.deleted.add(path)
        if path in self.expected and self.expected[path].content == content:
            del self.expected[path]

    # --- bad luck -----------------------------------------------------------------------------------------

    def forgets(self, name: str) -> None:
        """A host's database is gone."""
        notebook = self.notebooks[name]
        notebook.agreed.clear()
        notebook.unsure.clear()
        notebook.met.clear()
        self.expected.clear()

    def backs_up(self, name: str) -> None:
        """Somebody copies a host's database."""
        notebook = self.notebooks[name]
        notebook.backup = dict(notebook.agreed), set(notebook.unsure)

    def goes_back(self, name: str, *, believed: bool) -> None:
        """A host's database comes back from the copy; not `believed`: its root has seen removals since."""
        notebook = self.notebooks[name]
        if notebook.backup is not None and believed:
            agreed, unsure = notebook.backup
            notebook.agreed, notebook.unsure = dict(agreed), set(unsure)
            self.expected.clear()
        else:
            self.forgets(name)

    # --- daemons ------------------------------------------------------------------------------------------

    @contextmanager
    def watching(self, name: str, *, hot: Iterable[str] | None = None, trouble: bool = False) -> Iterator[Watch]:
        """Whatever the host does within loses no content, but what an ordinary edit of its lineage superseded.

        `hot`: it looks at those paths alone, not at all there is. `trouble`: it may not come to its end.
        """
        looked = None if hot is None else set(hot)
        if trouble:
            self.expected.clear()
        self._watched = watch = Watch(name, self._scene.findable(), dict(self.notebooks[name].agreed))
        watch.look(self._scene)
        apart = self._apart(name)
        try:
            yield watch
            self._check_kept(watch)
        finally:
            self._watched = None
        if trouble:
            self._meet(watch)
            self._agree_in_trouble(name, looked)
        else:
            self._agree(watch, looked, apart)

    def meddling(self, act: Callable[[], None]) -> None:
        """Somebody else acts while a daemon works: what is lost so far is the daemon's doing, what they take theirs."""
        watch = self._watched
        assert watch is not None
        self._check_kept(watch)
        watch.superseded |= self._superseded(watch)
        watch.look(self._scene)
        act()
        watch.look(self._scene)
        watch.before = self._scene.findable()

    def _check_kept(self, watch: Watch) -> None:
        lost = watch.before - self._scene.findable()
        if lost and not self._parties[watch.name].keeps_all:
            lost -= watch.superseded | self._superseded(watch)
        assert not lost, f"{watch.name} lost {sorted(lost)}"

    def _superseded(self, watch: Watch) -> set[bytes]:
        """What both sides had and other content has taken the place of."""
        here, there = self._scene.here(watch.name), self._scene.there()
        met = [(path, content) for path, contents in self.notebooks[watch.name].met.items() for content in contents]
        return {
            content
            for path, content in [*watch.agreed.items(), *met]
            if any(side.get(path, content) != content for side in (here, there))
        }

    def _apart(self, name: str) -> set[str]:
        """The paths that the host and S3 have not both with the same content."""
        here, there = self._scene.here(name), self._scene.there()
        return {path for path in here.keys() | there.keys() if here.get(path) != there.get(path)}

    def _agree(self, watch: Watch, hot: set[str] | None, apart: set[str]) -> None:
        """Note what both have, and what went. `apart`: what they had not before (a hot look may end at the stat)."""
        name = watch.name
        notebook, here, there = self.notebooks[name], self._scene.here(name), self._scene.there()
        for path in here.keys() | there.keys() | notebook.agreed.keys() if hot is None else hot:
            if path in here and path in there:
                if here[path] == there[path]:
                    if hot is None or path in apart:
                        notebook.unsure.discard(path)
                        notebook.met.pop(path, None)
                    elif notebook.agreed.get(path) != here[path]:
                        notebook.unsure.add(path)
                    notebook.agreed[path] = here[path]
            elif watch.halted:
                notebook.unsure.add(path)
            elif hot is None and path in notebook.agreed and (path in here or not self._parties[name].cleans):
                del notebook.agreed[path]  # where it was cleaned, what comes in its place passes for its edit

    def _meet(self, watch: Watch) -> None:
        """Note what was on both sides of a path at some time of the pass."""
        watch.look(self._scene)
        met = self.notebooks[watch.name].met
        for path in {path for look in watch.looks for path in look[0]}:
            sides = [{look[side][path] for look in watch.looks if path in look[side]} for side in (0, 1)]
            met.setdefault(path, set()).update(sides[0] & sides[1])

    def _agree_in_trouble(self, name: str, hot: set[str] | None) -> None:
        """Note what both have by now; what changed may have come to pass without a record of it."""
        notebook, here, there = self.notebooks[name], self._scene.here(name), self._scene.there()
        for path in here.keys() | there.keys() | notebook.agreed.keys() if hot is None else hot:
            content = here.get(path)
            if content is None or content != there.get(path):
                notebook.unsure.add(path)
            elif notebook.agreed.get(path) != content:
                notebook.unsure.add(path)
                notebook.agreed[path] = content

    # --- what must hold -----------------------------------------------------------------------------------

    def check_survivors(self) -> None:
        """A deletion never beat a write."""
        for path, expected in self.expected.items():
            loads = self._parties[expected.name].mode == "download"
            side = self._scene.here(expected.name) if loads else self._scene.there()
            assert side.get(path) == expected.content, (
                f"{path}: {expected.content!r} of {expected.name} fell to a deletion"
            )

    def check_agreement(self) -> None:
        """All that is settled agrees, as far as each host's mode goes."""
        there, stored = self._scene.there(), self._scene.ever_stored()
        for party in self._parties.values():
            here = self._scene.here(party.name)
            for path in (here.keys() | there.keys()) - self.opaque:
                if not self._agrees(party, path, here.get(path), there.get(path), stored):
                    where = f"{here.get(path)!r} here and {there.get(path)!r} on S3"
                    raise AssertionError(f"{party.name}: {path} is {where}")

    def _agrees(self, party: Party, path: str, here: bytes | None, there: bytes | None, stored: set[bytes]) -> bool:
        if here == there or (here is None and self._scene.blocked(party.name, path)):
            return True
        match party.mode:
            case "bidirectional":
                gone = path in self.deleted or (party.cleans and here is None)
                return gone and None in (here, there)
            case "upload":
                return here is None or here in stored
            case _:
                if there is None or path in self.deleted:
                    return True
                return path in self.notebooks[party.name].touched or self._may_win(party, path, here)

    def _may_win(self, party: Party, path: str, here: bytes | None) -> bool:
        """Whether the host's file may stand against the object: no record says surely that it only came from there."""
        unknown = here is not None and not self.notebooks[party.name].knows(path, here)
        return unknown and party.conflict in {"newer", "local"}


@dataclass
class Watch:
    """One look at a daemon: what could be found before, and what has been superseded in the ordinary way since.

    `halted`, to be said by who watches: a guard let the daemon carry nothing over, so that what went is not noted yet.
    """

    name: str
    before: set[bytes]
    agreed: dict[str, bytes]
    superseded: set[bytes] = field(default_factory=set)
    halted: bool = False
    looks: list[tuple[dict[str, bytes], dict[str, bytes]]] = field(default_factory=list)

    def look(self, scene: Scene) -> None:
        """Take down what is on both sides now."""
        self.looks.append((scene.here(self.name), scene.there()))
