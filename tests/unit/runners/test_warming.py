"""Guests in stock: when they warm up, on which cores, and that none outlives its session."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.core.hardware import usable_cores
from harness.core.outcomes import Status
from harness.errors import GpuUnavailableError, HarnessError, NoSpaceError, SandboxError
from harness.posts.dispatch import Crew, Seat, share_out
from harness.posts.local import Equipment, LocalPost
from harness.posts.post import UnlearnTask
from harness.posts.queue import Queue
from harness.runners.cores import CoreSet
from harness.runners.process_handle import ProcessHandle
from harness.runners.session.guest_pool import StoppedError
from harness.runners.session.session import Session
from harness.runners.session.weights import Manifest
from harness_guest.protocol import Hello
from tests.unit.runners.test_session import DATA, GOOD, PRELUDE, READY, STATE, TO_IMPORTED

# Each guest says in a file of its own where it runs when it is ready and when it is told to start.
TELLING = """
def tell(when):
    with open(f"{NOTES}/{os.getpid()}", "a") as file:
        file.write(f"{when} {','.join(map(str, sorted(os.sched_getaffinity(0))))}\\n")

get(); tell("ready"); put(Kind.READY, READY); get()
get(); get(); put(Kind.IMPORTING, {"index": 0}); put(Kind.IMPORTED, {"index": 0})
get(); tell("started"); put(Kind.RESULT, {"index": 0, "peak_gpu_mib": None})
weights(); put(Kind.ENDED, ENDED)
"""
HANGING = TO_IMPORTED + "time.sleep(600)\n"
OWN, OTHER = usable_cores()[0], usable_cores()[-1]
two_cores = pytest.mark.skipif(OWN == OTHER, reason="needs two cores")


class Hall:
    """Sessions with scripted guests, and where those said that they ran."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "notes"
        self.notes.mkdir()
        self._folder, self._numbers = folder, count()
        self.pids: list[int] = []
        self.sessions: list[Session] = []

    def session(self, script: str, core_set: CoreSet, models: int, **options: Any) -> tuple[Session, list[int]]:
        """Return a session of ``--isolation model``, and a countdown of the remaining models."""
        left = [models]
        source = f"NOTES, READY = {str(self.notes)!r}, {READY!r}\n{script}"

        def start() -> ProcessHandle:
            folder = self._folder / f"guest-{next(self._numbers)}"
            folder.mkdir()
            handle = ProcessHandle(folder, {}, ("-c", PRELUDE + textwrap.dedent(source)), cores=core_set.waiting)
            self.pids.append(handle._process.pid)
            return handle

        hello = Hello("p", None, {}, {}, log_head_bytes=100, log_tail_bytes=0)
        session = Session(
            start,
            hello,
            data=DATA,
            manifest=Manifest.of(STATE),
            isolation="model",
            core_set=core_set,
            due=lambda: left[0],
            **options,
        )
        self.sessions.append(session)
        return session, left

    def unlearn(self, script: str, core_set: CoreSet, models: int) -> Session:
        """Unlearn so many models."""
        session, left = self.session(script, core_set, models)
        for _ in range(models):
            left[0] -= 1
            outcome, _ = session.unlearn(0, 0, STATE, 60.0)
            assert outcome.status is Status.OK, outcome
        return session

    def told(self, when: str) -> set[str]:
        """On which cores guests were at that moment."""
        lines = [line for file in self.notes.iterdir() for line in file.read_text().splitlines()]
        return {line.partition(" ")[2] for line in lines if line.startswith(when)}

    def living(self) -> list[int]:
        """Guests that have not ended."""
        return [pid for pid in self.pids if Path(f"/proc/{pid}").exists()]


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    hall = Hall(tmp_path)
    yield hall
    for session in hall.sessions:
        session.close()


@pytest.mark.parametrize("ahead", [1, 3, 9])
def test_no_more_guests_are_started_than_there_are_models(hall: Hall, ahead: int) -> None:
    hall.unlearn(GOOD, CoreSet(ahead=ahead), 4)

    assert len(hall.pids) == 4


@two_cores
def test_with_a_spare_core_no_more_guests_are_started_than_there_are_models(hall: Hall) -> None:
    hall.unlearn(GOOD, CoreSet((OWN,), (OTHER,), ahead=2), 4)

    assert len(hall.pids) == 4


@pytest.mark.parametrize("ahead", [1, 3])
def test_without_a_spare_core_no_guest_warms_up_while_a_model_is_measured(hall: Hall, ahead: int) -> None:
    spans = hall.unlearn(TELLING, CoreSet((OWN,), ahead=ahead), 4).spans

    assert sorted(span.kind for span in spans) == ["measured"] * 4 + ["warming"] * 4
    assert not any(one.disturbs(other) for one in spans for other in spans)
    assert hall.told("ready") == hall.told("started") == {str(OWN)}


@two_cores
def test_guests_warm_up_on_the_spare_core_and_are_measured_on_their_own(hall: Hall) -> None:
    spans = hall.unlearn(TELLING, CoreSet((OWN,), (OTHER,), ahead=2), 4).spans

    assert hall.told("ready") == {str(OTHER)}
    assert hall.told("started") == {str(OWN)}
    assert not any(one.disturbs(other) for one in spans for other in spans)
    # Some did warm up while others were measured, or nothing would be won.
    measured = [span for span in spans if span.kind == "measured"]
    assert any(
        one.began_s < other.began_s and other.ended_s < one.ended_s
        for one in spans if one.kind == "warming" for other in measured
    )  # fmt: skip


def test_guests_that_no_model_came_for_are_gone_when_the_session_is_closed(hall: Hall) -> None:
    session, _ = hall.session(GOOD, CoreSet(ahead=3), 5)
    session.unlearn(0, 0, STATE, 60.0)
    assert len(hall.living()) == 2

    session.close()

    assert hall.living() == []


def test_an_interruption_leaves_no_guest(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    session, _ = hall.session(GOOD, CoreSet(ahead=3), 5)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.runners.session.session.Attempt.run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        session.unlearn(0, 0, STATE, 60.0)

    assert len(hall.pids) == 3
    assert hall.living() == []


def test_a_guest_that_does_not_become_ready_leaves_none_of_the_others(hall: Hall) -> None:
    session, _ = hall.session("get(); sys.exit(9)", CoreSet(ahead=2), 5)

    with pytest.raises(SandboxError, match="exit status 9"):
        session.unlearn(0, 0, STATE, 60.0)

    assert hall.living() == []


def test_a_guest_that_died_in_stock_costs_no_model(hall: Hall) -> None:
    session, left = hall.session(GOOD, CoreSet(ahead=2), 2)
    left[0] = 1
    session.unlearn(0, 0, STATE, 60.0)
    (waiting,) = hall.living()
    os.kill(waiting, 9)
    left[0] = 0

    outcome, _ = session.unlearn(0, 0, STATE, 60.0)

    assert (outcome.status, outcome.attempts) == (Status.OK, 2)


def test_all_guests_that_died_in_stock_cost_no_model(hall: Hall) -> None:
    session, left = hall.session(GOOD, CoreSet(ahead=3), 3)
    left[0] = 2
    session.unlearn(0, 0, STATE, 60.0)
    for waiting in hall.living():
        os.kill(waiting, 9)
    left[0] = 1

    outcome, _ = session.unlearn(0, 0, STATE, 60.0)

    assert (outcome.status, outcome.attempts) == (Status.OK, 2)


@two_cores
def test_a_guest_that_died_while_it_warmed_up_on_a_spare_core_costs_no_model(hall: Hall) -> None:
    second_dies = """
    number = len(os.listdir(NOTES))
    open(f"{NOTES}/{os.getpid()}", "w").close()
    if number == 1:
        sys.exit(9)
    """
    session, left = hall.session(textwrap.dedent(second_dies) + GOOD, CoreSet((OWN,), (OTHER,)), 2)
    for due in (1, 0):
        left[0] = due
        outcome, _ = session.unlearn(0, 0, STATE, 60.0)
        assert (outcome.status, outcome.attempts) == (Status.OK, 1)

    assert len(hall.pids) == 3


@pytest.mark.parametrize("error", [SandboxError, NoSpaceError, GpuUnavailableError])
def test_a_guest_that_cannot_be_started_for_a_later_model_costs_the_one_that_has_ended_nothing(
    hall: Hall, error: type[HarnessError]
) -> None:
    session, left = hall.session(GOOD, CoreSet(), 2)
    left[0] = 1

    def fail() -> ProcessHandle:
        raise error("broken")

    def due() -> int:
        session._guests._start = fail if hall.pids else session._guests._start
        return left[0]

    session._due = due
    outcome, _ = session.unlearn(0, 0, STATE, 60.0)

    assert outcome.status is Status.OK
    with pytest.raises(error):
        session.unlearn(0, 0, STATE, 60.0)


def test_all_seconds_of_a_model_are_accounted_for(hall: Hall) -> None:
    seconds = iter(range(1000))
    session, _ = hall.session(GOOD, CoreSet(), 1, clock=lambda: float(next(seconds)))
    before = next(seconds)

    outcome, _ = session.unlearn(0, 0, STATE, None)

    parts = (outcome.start_s, outcome.prepare_s, outcome.charged_s, outcome.after_s)
    assert all(part is not None and part > 0 for part in parts)
    assert before < sum(part or 0.0 for part in parts) < next(seconds) - before


TASK = UnlearnTask("plugin", 0, 0, STATE, None, None, "wall", None, 60.0, judged=False)


class _Bench:
    """These sessions, each with its seat."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.core_sets = tuple(session.core_set for session in sessions)
        self._sessions = sessions

    def session(self, *given: Any) -> Session:
        return next(one for one in self._sessions if one.core_set is given[4])

    def judge(self, *_: Any) -> dict[str, Any]:
        raise AssertionError


def post_of(*sessions: Session) -> LocalPost:
    """Return a post of this machine with a seat for each session."""
    return LocalPost(_Bench(sessions), lambda _method: cast("Equipment", SimpleNamespace(runner=0, facts=0, options=0)))


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_what_goes_wrong_in_one_worker_stops_the_others(hall: Hall, error: BaseException) -> None:
    good, _ = hall.session(GOOD, CoreSet(), 1)
    endless, _ = hall.session(HANGING, CoreSet(ahead=2), 5)
    ended: list[BaseException] = []

    def work(seat: Seat, _number: int) -> None:
        if seat.number == 0:
            while len(hall.pids) < 2:
                os.sched_yield()
            raise error
        try:
            seat.post.unlearn(seat.number, TASK)
        except BaseException as caught:
            ended.append(caught)
            raise

    with pytest.raises(type(error)):
        share_out(Queue(range(2)), Crew([post_of(good, endless)]), work)

    assert [type(caught) for caught in ended] == [StoppedError]
    assert hall.living() == []


def test_every_number_is_worked_on_once_by_a_worker_that_stays_on_its_cores(hall: Hall) -> None:
    core_sets = [CoreSet((OWN,)), CoreSet((OTHER,))]
    sessions = [hall.session(GOOD, core_set, 0)[0] for core_set in core_sets]
    done: list[tuple[int, bool]] = []
    before = os.sched_getaffinity(0)

    def work(seat: Seat, number: int) -> None:
        done.append((number, os.sched_getaffinity(0) == set(core_sets[seat.number].cores or ())))

    share_out(Queue(range(50)), Crew([post_of(*sessions)]), work)

    assert sorted(done) == [(number, True) for number in range(50)]
    assert os.sched_getaffinity(0) == before
