"""No-op: return the original untouched, the upper end of what is remembered."""

from __future__ import annotations

from typing import Any

import pluggy

from harness_unlearners._options import read_options

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS: dict[str, dict[str, Any]] = {}


@hookimpl
def unlearn(context: Any) -> None:
    """Do nothing. No options."""
    read_options(context.options, HARNESS_OPTIONS)
