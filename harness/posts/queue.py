"""The queue of model numbers that the seats of all posts share."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator


class Queue:
    """Model numbers in the order in which to start them, and how many are in progress. Thread-safe.

    A number whose post was lost goes to the end. It is not given to the same node again while there is another.
    """

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._waiting = deque(numbers)
        self._in_progress = 0
        self._nodes: Counter[str] = Counter()
        self._lost: dict[int, list[str]] = {}
        self._changed = threading.Condition()
        self.closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[int]:
        return iter(tuple(self._waiting))

    def join(self, node: str) -> None:
        """Count a seat of a node as one that takes numbers."""
        with self._changed:
            self._nodes[node] += 1

    def leave(self, node: str) -> None:
        """Count a seat of a node as gone."""
        with self._changed:
            self._nodes -= Counter([node])
            self._changed.notify_all()

    def take(self, node: str = "") -> int | None:
        """Return the next number for a node; wait while numbers in progress may come back. None if none is left."""
        with self._changed:
            while not self.closed:
                number = next((one for one in self._waiting if self._may_run(one, node)), None)
                if number is not None:
                    self._waiting.remove(number)
                    self._in_progress += 1
                    return number
                if not self._waiting and not self._in_progress:
                    return None
                self._changed.wait()
            return None

    def done(self) -> None:
        """Count a number as no longer in progress."""
        with self._changed:
            self._in_progress -= 1
            self._changed.notify_all()

    def lose(self, number: int, node: str) -> int:
        """Record that a number's node was lost; return on how many nodes it has been lost."""
        with self._changed:
            before = self._lost.setdefault(number, [])
            before.append(node)
            return len(before)

    def extend(self, numbers: Iterable[int]) -> None:
        """Append numbers."""
        with self._changed:
            self._waiting.extend(numbers)
            self._changed.notify_all()

    def clear(self) -> None:
        """Remove all numbers; those in progress go on."""
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Give out no further number."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def _may_run(self, number: int, node: str) -> bool:
        before = self._lost.get(number, ())
        return node not in before or not set(self._nodes) - set(before)
