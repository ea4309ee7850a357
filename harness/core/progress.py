"""Progress reporting of long work; the CLI draws it, a library user may ignore it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Step(Protocol):
    """A running piece of work."""

    def advance(self, amount: int = 1) -> None:
        """Advance the count of finished units by ``amount``."""

    def tell(self, text: str) -> None:
        """Show what is being done now, in a few words."""


class Progress(Protocol):
    """A receiver of progress reports."""

    def step(self, description: str, total: int | None) -> AbstractContextManager[Step]:
        """Return a context manager that yields a :class:`Step` of ``total`` units (None: unknown)."""

    def notice(self, text: str) -> None:
        """Show a sentence to the user, whether or not progress is drawn."""


class _SilentStep:
    def advance(self, amount: int = 1) -> None:
        """Do nothing."""

    def tell(self, text: str) -> None:
        """Do nothing."""


class SilentProgress:
    """A progress receiver that draws nothing and collects the notices."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    @contextmanager
    def step(self, description: str, total: int | None) -> Iterator[Step]:  # noqa: ARG002
        """Yield a step that draws nothing."""
        yield _SilentStep()

    def notice(self, text: str) -> None:
        """Append the sentence to ``notices``."""
        self.notices.append(text)
