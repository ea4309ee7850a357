"""Progress bars of the commands, on standard error."""

from __future__ import annotations

from harness.core.progress_bars import RichProgress

__all__ = ["RichProgress"]
