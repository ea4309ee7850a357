"""What long work says about itself while it goes on; the CLI draws it, a library user may ignore it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Step(Protocol):
    """A piece of work under way."""

    def advance(self, amount: int = 1) -> None:
        """So many more units are done."""

    def tell(self, text: str) -> None:
        """What is being done right now, a few words."""


class Progress(Protocol):
    """Where work reports itself."""

    def step(self, description: str, total: int | None) -> AbstractContextManager[Step]:
        """A context manager around one piece of work of ``total`` units (None: not known), yielding a :class:`Step`."""

    def notice(self, text: str) -> None:
        """A sentence that the user should read whether or not progress is drawn."""


class _SilentStep:
    def advance(self, amount: int = 1) -> None:
        """Nothing is drawn."""

    def tell(self, text: str) -> None:
        """Nothing is drawn."""


class SilentProgress:
    """Draws nothing and keeps the notices."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    @contextmanager
    def step(self, description: str, total: int | None) -> Iterator[Step]:  # noqa: ARG002
        """A step that draws nothing."""
        yield _SilentStep()

    def notice(self, text: str) -> None:
        """Keep the sentence."""
        self.notices.append(text)
