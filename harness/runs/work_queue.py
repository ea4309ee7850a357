"""Distribution of work among parallel sandboxes, each driven by its own thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from harness.runners.cores import CoreSet, pinned
from harness.runners.session.guest_pool import StoppedError
from harness.runners.session.session import Session

Work = Callable[[Session, int], None]


class Queue:
    """A thread-safe queue of model numbers.

    Args:
        numbers: model numbers, in the order in which to start them.
    """

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = list(numbers)[::-1]
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._numbers)

    def take(self) -> int | None:
        """Return the next number; None if the queue is empty."""
        with self._lock:
            return self._numbers.pop() if self._numbers else None

    def clear(self) -> None:
        """Remove all numbers, so that no further work starts."""
        with self._lock:
            self._numbers.clear()


def share_out(
    queue: Queue,
    sessions: Sequence[Session],
    core_sets: Sequence[CoreSet],
    work: Work,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Process every number of the queue, one session per thread, each pinned to the cores of its core set.

    A single session runs in the calling thread. ``on_stop`` is called from the calling thread when the sessions are stopped.

    Raises:
        BaseException: the first exception of any work, or an interrupt of this thread. All other sessions are stopped first, and
            their current models remain unfinished.
    """
    if len(sessions) == 1:
        _work_off(queue, sessions[0], work)
        return
    threads = _Threads(queue, sessions, work)
    try:
        threads.run(core_sets)
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

    def run(self, core_sets: Sequence[CoreSet]) -> None:
        """Start all threads; wait until all have ended or any has failed."""
        for number, (session, core_set) in enumerate(zip(self._sessions, core_sets, strict=True)):
            thread = threading.Thread(
                target=self._run_worker, args=(session, core_set), name=f"worker {number}", daemon=True
            )
            self._running += 1
            self._threads.append(thread)
            thread.start()
        with self._changed:
            while self._running and not self._errors:
                self._changed.wait()
        if self._errors:
            raise self._errors[0]

    def stop(self, on_stop: Callable[[], None]) -> None:
        """Clear the queue, stop all sessions and wait for the threads."""
        self._queue.clear()
        for session in self._sessions:
            session.stop()
        on_stop()
        for thread in self._threads:
            thread.join()

    def _run_worker(self, session: Session, core_set: CoreSet) -> None:
        try:
            # The host's own work for this worker must not disturb measurements on other workers' cores.
            with pinned(core_set.cores):
                _work_off(self._queue, session, self._work)
        except StoppedError:  # another worker failed or the user interrupted: the cause is recorded there
            pass
        except BaseException as error:
            with self._changed:
                self._errors.append(error)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
