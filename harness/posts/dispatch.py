"""Distribution of model numbers among the seats of posts, each driven by its own thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from harness.errors import SandboxError
from harness.posts.post import Method, Post, PostLostError
from harness.posts.queue import Queue
from harness.runners.cores import pinned

MOST_SEATS = 10_000
MAX_NODES = 2
"""Nodes on which a model may be lost: one that kills nodes must not take the whole cluster down."""


@dataclass(frozen=True)
class Seat:
    """A seat of a post."""

    post: Post
    number: int


@dataclass
class Crew:
    """The posts that work on a run.

    Attributes:
        posts: all posts so far, lost ones included.
        arrivals: returns posts that came since the last call; waits up to so many seconds for one. None if none can come.
        poll_s: seconds between two looks for arrivals.
        patience_s: seconds without a post after which a run stops.
    """

    posts: list[Post]
    arrivals: Callable[[float], Sequence[Post]] | None = None
    poll_s: float = 10.0
    patience_s: float = 60.0
    told: list[str] = field(default_factory=list)

    def seats(self, posts: Sequence[Post] | None = None) -> list[Seat]:
        """Return the seats of these posts, or of all that are not lost."""
        living = [post for post in (self.posts if posts is None else posts) if not post.lost]
        return [Seat(post, number) for post in living for number in range(post.seats)]

    def arrived(self, wait_s: float = 0.0) -> list[Seat]:
        """Return the seats of posts that came since the last call."""
        new = list(self.arrivals(wait_s)) if self.arrivals is not None else []
        self.posts += new
        return self.seats(new)

    def alone(self) -> Crew:
        """Return a crew of the first post alone."""
        return Crew([next(post for post in self.posts if not post.lost)])

    def shut(self, method: Method) -> None:
        """Dismiss the guests of a method on all posts."""
        for post in self.posts:
            if not post.lost:
                post.shut(method)

    def stop(self) -> None:
        """End all work soon, and refuse more."""
        for post in self.posts:
            post.stop()


def share_out(
    queue: Queue,
    crew: Crew,
    work: Callable[[Seat, int], None],
    lose: Callable[[int, str, int], bool] = lambda _number, _reason, nodes: nodes < MAX_NODES,
) -> None:
    """Process every number of the queue, one thread per seat; a thread with a seat of this machine is pinned to its cores.

    A single seat works in the calling thread. A number whose post was lost goes to the end of the queue, for another node.

    Args:
        queue: the numbers.
        crew: whose seats do the work.
        work: does a number.
        lose: called with a number whose post was lost, the reason, and on how many nodes it has been lost; returns True if it is
            to be done again.

    Raises:
        BaseException: the first exception of any work, or an interrupt of this thread. All posts are stopped first, and the
            numbers in progress remain unfinished.
        SandboxError: all posts were lost.
    """
    seats = crew.seats()
    if len(seats) == 1 and crew.arrivals is None:
        queue.join(seats[0].post.node)
        _work_off(queue, seats[0], work, lose)
        _check_done(queue)
        return

    def run(seat: Seat) -> None:
        # The host's own work for this worker must not disturb measurements on other workers' cores.
        with pinned(seat.post.cores(seat.number)):
            _work_off(queue, seat, work, lose)

    def begin(seats: Sequence[Seat]) -> set[Future[None]]:
        for seat in seats:
            queue.join(seat.post.node)
        return {pool.submit(run, seat) for seat in seats}

    with ThreadPoolExecutor(MOST_SEATS, thread_name_prefix="worker") as pool:
        try:
            running = begin(seats)
            while running or (len(queue) and crew.arrivals is not None and not queue.closed):
                ended, running = wait(running, crew.poll_s if crew.arrivals else None, FIRST_COMPLETED)
                for one in ended:
                    one.result()
                if len(queue) and not queue.closed:
                    came = begin(crew.arrived(0.0 if running else crew.patience_s))
                    if not came and not running:
                        break
                    running |= came
            _check_done(queue)
        except BaseException:
            queue.close()  # no further work starts
            crew.stop()
            raise


def _check_done(queue: Queue) -> None:
    if len(queue) and not queue.closed:
        raise SandboxError(f"All nodes were lost, and {len(queue)} models are left.")


def _work_off(
    queue: Queue, seat: Seat, work: Callable[[Seat, int], None], lose: Callable[[int, str, int], bool]
) -> None:
    node = seat.post.node
    try:
        while not seat.post.lost and (number := queue.take(node)) is not None:
            try:
                work(seat, number)
            except PostLostError as error:
                if lose(number, error.reason, queue.lose(number, node)):
                    queue.extend([number])
            finally:
                queue.done()
    finally:
        queue.leave(node)
