"""Progress of library calls: bars in a notebook or on a terminal, the log, or the caller's own display."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, Literal

from harness.core.progress import Progress, SilentProgress, Step
from harness.errors import UsageError

ShownProgress = Progress | Literal["auto", "rich"] | None
REFRESH_S = 0.2
"""Least time between two changes of a notebook's bar, s."""

_log = logging.getLogger("harness")


@contextmanager
def shown(progress: ShownProgress) -> Iterator[Progress]:
    """Yield the display that a caller chose, within a ``with`` block.

    Raises:
        UsageError: it is none of the known words.
    """
    if progress == "auto":
        if (display := notebook_display()) is not None:
            yield NotebookProgress(display)
            return
        progress = "rich" if sys.stderr is not None and sys.stderr.isatty() else None
    if progress is None:
        yield LoggedProgress()
    elif progress == "rich":
        from harness.core.progress_bars import RichProgress

        with RichProgress() as bars:
            yield bars
    elif isinstance(progress, str):
        raise UsageError(
            f'progress is "auto", "rich", None or an object with the methods of a Progress, not {progress!r}.'
        )
    else:
        yield progress


class LoggedProgress(SilentProgress):
    """A progress display that draws nothing and logs notices."""

    def notice(self, text: str) -> None:
        """Log the notice."""
        _log.warning("%s", text)


def notebook_display() -> Callable[..., Any] | None:
    """Return IPython's function ``display`` if this code runs in a notebook's kernel, else None."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display  # of the kernel that runs this code

    return display


class _Markup:
    """HTML for IPython's ``display``, with a plain text for front ends without HTML."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


class NotebookProgress:
    """A :class:`harness.core.progress.Progress` of bars in the output of a notebook's cell.

    Args:
        display: IPython's ``display``.
        clock: monotonic seconds.
    """

    def __init__(self, display: Callable[..., Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._display, self._clock = display, clock

    @contextmanager
    def step(self, description: str, total: int | None) -> Iterator[Step]:
        """Yield a step that is drawn as a bar; it stays, with its last count, when the step ends."""
        bar = _Bar(self._display, self._clock, description, total)
        try:
            yield bar
        finally:
            bar.draw()

    def notice(self, text: str) -> None:
        """Show a sentence below what is there."""
        self._display(_Markup(f"<div>Note: {escape(text)}</div>", f"Note: {text}"))


class _Bar:
    def __init__(self, display: Callable[..., Any], clock: Callable[[], float], name: str, total: int | None) -> None:
        self._clock, self._name, self._total = clock, name, total
        self._done, self._now, self._drawn_at = 0, "", clock()
        self._handle = display(self._markup(), display_id=True)

    def advance(self, amount: int = 1) -> None:
        """Advance the bar by ``amount`` units."""
        self._done += amount
        self._draw_sometimes()

    def tell(self, text: str) -> None:
        """Show what is being done now behind the bar."""
        self._now = text
        self._draw_sometimes()

    def draw(self) -> None:
        """Draw the bar as it is now."""
        self._drawn_at = self._clock()
        self._handle.update(self._markup())

    def _draw_sometimes(self) -> None:
        if self._clock() - self._drawn_at >= REFRESH_S:
            self.draw()

    def _markup(self) -> _Markup:
        count = f"{self._done}/{self._total}" if self._total else f"{self._done}"
        text = f"{self._name}: {count} {self._now}".rstrip()
        ends = f' value="{self._done}" max="{self._total}"' if self._total else ""
        bar = f'<progress aria-label="{escape(self._name)}" style="width:16em;vertical-align:middle"{ends}></progress>'
        return _Markup(f"<div>{escape(self._name)} {bar} {escape(f'{count} {self._now}')}</div>", text)
