"""Progress bars on standard error, so that standard output can be piped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from typing_extensions import Self

from harness.core.progress import Step


class _RichStep:
    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, amount: int = 1) -> None:
        """Advance the bar by ``amount`` units."""
        self._bars.advance(self._task, amount)

    def tell(self, text: str) -> None:
        """Show what is being done now behind the bar."""
        self._bars.update(self._task, now=text)


class RichProgress:
    """A :class:`harness.core.progress.Progress` of bars; without a terminal, it prints a line per step and notice."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[now]}", markup=False),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bars.stop()

    @contextmanager
    def step(self, description: str, total: int | None) -> Iterator[Step]:
        """Yield a step that is drawn as a bar."""
        if not self._console.is_terminal:
            self._console.print(f"{description} ...", markup=False, highlight=False)
        task = self._bars.add_task(description, total=total, now="")
        try:
            yield _RichStep(self._bars, task)
        finally:
            self._bars.update(task, now="")

    def notice(self, text: str) -> None:
        """Print a sentence above the bars."""
        self._console.print(f"Note: {text}", markup=False, highlight=False)
