"""Distribution of work among parallel sandboxes, each driven by its own thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from harness.runners.cores import CoreSet, pinned
from harness.runners.session.session import Session

Work = Callable[[Session, int], None]
Queue = deque[int]
"""Model numbers, in the order in which to start them; threads share it, since a deque's methods are atomic."""


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

    def run(session: Session, core_set: CoreSet) -> None:
        # The host's own work for this worker must not disturb measurements on other workers' cores.
        with pinned(core_set.cores):
            _work_off(queue, session, work)

    with ThreadPoolExecutor(len(sessions), thread_name_prefix="worker") as pool:
        try:
            workers = [pool.submit(run, *pair) for pair in zip(sessions, core_sets, strict=True)]
            for ended in wait(workers, return_when=FIRST_EXCEPTION).done:
                ended.result()
        except BaseException:
            queue.clear()  # no further work starts
            for session in sessions:
                session.stop()
            on_stop()
            raise


def _work_off(queue: Queue, session: Session, work: Work) -> None:
    while True:
        try:
            number = queue.popleft()
        except IndexError:
            return
        work(session, number)
