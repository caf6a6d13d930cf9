"""The supervisor in its own process's main thread, with real workers and a real notify socket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.processes import eventually
from support.recorded import KeptEvents, NotifySocket, notify_socket
from syncd import events
from syncd.errors import ConfigError, FatalError
from syncd.lifecycle.clock import SystemClock
from syncd.lifecycle.mailbox import Payloads
from syncd.lifecycle.notify import Notifier
from syncd.lifecycle.stop import Stop
from syncd.runtime.restarts import RestartPolicy
from syncd.runtime.signals import Signals
from syncd.runtime.stages import StopStage, closing_stage, worker_stage
from syncd.runtime.supervisor import Duties, Supervisor
from syncd.workers.base import Worker

QUICK = RestartPolicy(first_s=0.01, longest_s=0.02, healthy_s=300, window_s=600, most=3)


class Errand(Worker):
    """A worker whose round is a function."""

    def __init__(self, do: Callable[[Errand], float | None], *, said: KeptEvents, deadline: float = 10) -> None:
        super().__init__("errand", deadline=deadline, stop=Stop(), events=said, clock=SystemClock())
        self.do = do
        self.rounds = 0

    def run_once(self, reasons: frozenset[str], payloads: Payloads) -> float | None:
        self.rounds += 1
        return self.do(self)


class House:
    """A supervisor and what it is given; `run` in the main thread while `meanwhile` runs beside it."""

    def __init__(self, signals: Signals, notifier: Notifier) -> None:
        self.signals = signals
        self.notifier = notifier
        self.said = KeptEvents()
        self.order: list[str] = []
        self.supervisor: Supervisor | None = None

    def errand(self, do: Callable[[Errand], float | None], *, deadline: float = 10) -> Errand:
        return Errand(do, said=self.said, deadline=deadline)

    def run(self, duties: Duties, meanwhile: Callable[[Supervisor], object] = lambda _: None) -> int:
        supervisor = self.supervisor = Supervisor(
            duties,
            signals=self.signals,
            notifier=self.notifier,
            events=self.said,
            clock=SystemClock(),
            restarts=QUICK,
            abandon_s=0.2,
        )
        failures: list[BaseException] = []

        def beside() -> None:
            try:
                meanwhile(supervisor)
            except BaseException as error:
                failures.append(error)
                supervisor.request_stop(now=True)

        thread = threading.Thread(target=beside)
        thread.start()
        try:
            return supervisor.run()
        finally:
            thread.join(30)
            if failures:
                raise failures[0]


@contextmanager
def house(notifier: Notifier | None = None) -> Iterator[House]:
    with Signals() as signals:
        yield House(signals, notifier or Notifier(SystemClock(), {}))


@contextmanager
def managed(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, NotifySocket]]:
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    with ExitStack() as stack:
        manager = stack.enter_context(notify_socket(path))
        notifier = Notifier(SystemClock())
        stack.callback(notifier.close)
        yield stack.enter_context(house(notifier)), manager


def stage(
    name: str, order: list[str], *, drain_s: float = 10, ended: Callable[[float], bool] = lambda _: True
) -> StopStage:
    return StopStage(
        name=name,
        drain=lambda: order.append(f"drain {name}"),
        ended=ended,
        abandon=lambda: order.append(f"abandon {name}"),
        drain_s=drain_s,
    )


def test_ready_is_said_when_everything_stands_and_stopping_before_anything_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with managed(tmp_path / "n", monkeypatch) as (home, manager):
        home.order = []
        startup = [lambda: home.order.append(f"socket {manager.heard}"), lambda: home.order.append("database")]
        stop = [closing_stage("store", lambda: home.order.append(f"store {'STOPPING=1' in manager.heard}"))]
        code = home.run(
            Duties(startup=startup, stop=stop, status=lambda: "2 pairs"),
            lambda supervisor: (
                eventually(lambda: "READY=1" in manager.heard, within=5, what="READY") or supervisor.request_stop()
            ),
        )
        assert code == 0
        assert home.order == ["socket []", "database", "store True"]
        assert manager.heard[:2] == ["READY=1", "STATUS=2 pairs"]
    assert home.said.names() == [events.DAEMON_READY, events.DAEMON_STOPPING, events.DAEMON_STOPPED]


def test_a_start_up_that_fails_never_says_ready_closes_and_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ConfigError(["socket: too long"])

    with managed(tmp_path / "n", monkeypatch) as (home, manager):
        with pytest.raises(ConfigError, match="too long"):
            home.run(Duties(startup=[fail], stop=[stage("store", home.order)]))
        assert "READY=1" not in manager.heard
    assert home.order == ["drain store"]


def test_a_crashed_worker_is_started_again_and_told() -> None:
    with house() as home:

        def once(worker: Errand) -> None:
            if worker.rounds == 1:
                raise ValueError("a bug")

        worker = home.errand(once)
        duties = Duties(workers=[worker], stop=[worker_stage("w", [worker], drain_s=5)])
        code = home.run(
            duties,
            lambda supervisor: (
                eventually(lambda: worker.rounds == 2, within=5, what="a restart") or supervisor.request_stop()
            ),
        )
    assert code == 0
    assert worker.restarts == 1
    assert home.said.of(events.WORKER_RESTARTED) == [{"worker": "errand", "restarts": 1}]


def test_too_many_crashes_end_the_process_in_order_with_one() -> None:
    with house() as home:

        def always(worker: Errand) -> None:
            raise ValueError("a bug")

        worker = home.errand(always)
        assert home.run(Duties(workers=[worker], stop=[stage("store", home.order)])) == 1
        assert home.supervisor is not None
        assert "a bug" in str(home.supervisor.fatal)
    assert worker.restarts == QUICK.most
    assert home.order == ["drain store"]


def test_a_fatal_error_ends_the_process_at_once_with_one() -> None:
    with house() as home:

        def broken(worker: Errand) -> None:
            raise FatalError("the database is broken")

        worker = home.errand(broken)
        assert home.run(Duties(workers=[worker], stop=[stage("store", home.order)])) == 1
    assert worker.restarts == 0
    assert home.order == ["drain store"]


def test_the_watchdog_is_pinged_for_idle_and_waiting_workers_and_not_for_a_silent_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang, go = threading.Event(), threading.Event()

    def do(worker: Errand) -> None:
        with worker.progress.waiting("s3"):
            assert hang.wait(30)
        assert go.wait(30)

    with managed(tmp_path / "n", monkeypatch) as (home, manager):
        worker = home.errand(do, deadline=0.1)

        def pings() -> int:
            return manager.heard.count("WATCHDOG=1")

        def watch(supervisor: Supervisor) -> None:
            eventually(lambda: pings() > 5, within=10, what="pings while it waits on s3")
            hang.set()
            eventually(lambda: home.said.of(events.WORKER_STALLED), within=10, what="the stall is said")
            before = pings()
            assert not threading.Event().wait(0.5)
            assert pings() == before
            go.set()
            eventually(lambda: pings() > before + 2, within=10, what="pings when it is idle again")
            supervisor.request_stop()

        home.run(Duties(workers=[worker], stop=[worker_stage("w", [worker], drain_s=5)]), watch)
    assert len(home.said.of(events.WORKER_STALLED)) == 1


def test_stages_end_one_after_the_other_even_when_one_raises() -> None:
    with house() as home:

        def fail() -> None:
            home.order.append("drain b")
            raise OSError("the socket is gone")

        bad = StopStage(name="b", drain=fail, ended=lambda _: True, abandon=lambda: None, drain_s=1)
        stages = [stage("a", home.order), bad, stage("c", home.order)]
        with pytest.raises(OSError, match="gone"):
            home.run(Duties(stop=stages), lambda supervisor: supervisor.request_stop())
    assert home.order == ["drain a", "drain b", "drain c"]
    assert home.said.names()[-1] == events.DAEMON_STOPPED


def test_what_does_not_drain_in_time_is_abandoned() -> None:
    gone = threading.Event()
    with house() as home:

        def stubborn(worker: Errand) -> None:
            worker.stop.wait_abandoned(30)
            gone.set()

        worker = home.errand(stubborn)
        duties = Duties(workers=[worker], stop=[worker_stage("w", [worker], drain_s=0.1)])
        assert home.run(duties, lambda supervisor: supervisor.request_stop()) == 0
        assert gone.is_set()


def test_what_does_not_even_end_when_abandoned_is_named_and_the_rest_still_closes() -> None:
    with house() as home:
        stages = [stage("mount", home.order, drain_s=0.1, ended=lambda _: False), stage("store", home.order)]
        assert home.run(Duties(stop=stages), lambda supervisor: supervisor.request_stop()) == 1
        assert home.supervisor is not None
        assert home.supervisor.hung == ("mount",)
    assert home.order == ["drain mount", "abandon mount", "drain store"]


def test_asked_to_stop_now_it_does_not_wait_for_the_drain() -> None:
    with house() as home:
        worker = home.errand(lambda worker: None if worker.stop.wait_abandoned(30) else 0.0)
        duties = Duties(workers=[worker], stop=[worker_stage("w", [worker], drain_s=3600)])

        def hurry(supervisor: Supervisor) -> None:
            eventually(lambda: worker.rounds == 1, within=5, what="the round")
            supervisor.request_stop()
            eventually(lambda: worker.stop.stopped(), within=5, what="the drain")
            supervisor.request_stop(now=True)

        assert home.run(duties, hurry) == 0
    assert home.said.of(events.DAEMON_STOPPED)[0]["abandoned"] is True


def test_a_reload_is_framed_for_the_manager_and_a_refused_one_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with managed(tmp_path / "n", monkeypatch) as (home, manager):
        answers: list[ConfigError | None] = [ConfigError(["pair.logs.mode: sideways"]), None]

        def reload() -> None:
            if (error := answers.pop(0)) is not None:
                raise error

        def ask(supervisor: Supervisor) -> None:
            supervisor.request_reload()
            eventually(lambda: home.said.of(events.CONFIG_REFUSED), within=5, what="refused")
            supervisor.request_reload()
            eventually(lambda: home.said.of(events.CONFIG_RELOADED), within=5, what="reloaded")
            eventually(lambda: manager.heard.count("READY=1") == 3, within=5, what="READY after each")
            supervisor.request_stop()

        assert home.run(Duties(reload=reload), ask) == 0
        heard = [word for word in manager.heard if word in {"READY=1", "RELOADING=1", "STOPPING=1"}]
        assert heard == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_the_status_is_sent_on_change_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with managed(tmp_path / "n", monkeypatch) as (home, manager):
        monkeypatch.setattr("syncd.runtime.supervisor.STATUS_SECONDS", 0.01)
        text = ["scanning"]

        def watch(supervisor: Supervisor) -> None:
            eventually(lambda: manager.heard.count("WATCHDOG=1") > 4, within=5, what="some ticks")
            text[0] = "idle"
            eventually(lambda: "STATUS=idle" in manager.heard, within=5, what="the new status")
            supervisor.request_stop()

        home.run(Duties(status=lambda: text[0]), watch)
        said = [word for word in manager.heard if word in {"STATUS=scanning", "STATUS=idle"}]
    assert said == ["STATUS=scanning", "STATUS=idle"]
