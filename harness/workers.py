"""Work shared out among sandboxes that run side by side, each fed by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from harness.runners.seats import Seat, pinned
from harness.runners.session import Session
from harness.runners.warming import StoppedError

Work = Callable[[Session, int], None]


class Queue:
    """Numbers to be worked on, each given to one worker.

    Args:
        numbers: in the order in which they are to be begun.
    """

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = list(numbers)[::-1]
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._numbers)

    def take(self) -> int | None:
        """The next number; None when there is no more."""
        with self._lock:
            return self._numbers.pop() if self._numbers else None

    def clear(self) -> None:
        """Let no more be begun."""
        with self._lock:
            self._numbers.clear()


def share_out(
    queue: Queue,
    sessions: Sequence[Session],
    seats: Sequence[Seat],
    work: Work,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Do ``work`` for every number of the queue, as many at a time as there are sessions, each on the cores of its seat.

    With one session everything is done in this thread. ``on_stop`` is called when the sessions are stopped, from this thread.

    Raises:
        BaseException: the first that a piece of work raised, or that interrupted this thread; the others are stopped then, and
            what they had begun is not ended.
    """
    if len(sessions) == 1:
        _work_off(queue, sessions[0], work)
        return
    threads = _Threads(queue, sessions, work)
    try:
        threads.run(seats)
    except BaseException:
        threads.stop(on_stop)
        raise


def _work_off(queue: Queue, session: Session, work: Work) -> None:
    while (number := queue.take()) is not None:
        work(session, number)


class _Threads:
    def __init__(self, queue: Queue, sessions: Sequence[Session], work: Work) -> None:
        self._queue, self._sessions, self._work = queue, sessions, work
        self._errors: list[BaseException] = []
        self._changed = threading.Condition()
        self._running = 0
        self._threads: list[threading.Thread] = []

    def run(self, seats: Sequence[Seat]) -> None:
        """Start all, and wait until all have ended or one has failed."""
        for number, (session, seat) in enumerate(zip(self._sessions, seats, strict=True)):
            thread = threading.Thread(target=self._live, args=(session, seat), name=f"worker {number}", daemon=True)
            self._running += 1
            self._threads.append(thread)
            thread.start()
        with self._changed:
            while self._running and not self._errors:
                self._changed.wait()
        if self._errors:
            raise self._errors[0]

    def stop(self, on_stop: Callable[[], None]) -> None:
        """Let nothing more be begun, kill what runs, and wait until all threads have ended."""
        self._queue.clear()
        for session in self._sessions:
            session.stop()
        on_stop()
        for thread in self._threads:
            thread.join()

    def _live(self, session: Session, seat: Seat) -> None:
        try:
            # What the host computes for this worker, it computes on this worker's cores: others are being measured.
            with pinned(seat.cores):
                _work_off(self._queue, session, self._work)
        except StoppedError:
            pass
        except BaseException as error:
            with self._changed:
                self._errors.append(error)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
