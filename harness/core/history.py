"""Durations of earlier work on this machine, to estimate those of the next run: one small file in the cache directory."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from harness.core.cache import cache_root, key_of
from harness.core.files import atomic_write_json
from harness.core.locks import HeldError, locked
from harness.errors import HarnessError

FILE = "history.json"
FORMAT = 1
KEPT_VALUES = 5
KEPT_ENTRIES = 1_000

_FILE = TypeAdapter(dict[str, list[float]])


class History:
    """Measured values by the work that they belong to. It is a convenience: what cannot be read or written is ignored.

    Args:
        folder: folder of the file; default: the cache directory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_root()

    def expected(self, kind: str, inputs: Mapping[str, Any]) -> float | None:
        """Return the median of the last values; None if there are none."""
        values = self._read().get(_key(kind, inputs))
        return statistics.median(values) if values else None

    def add(self, kind: str, inputs: Mapping[str, Any], value: float) -> None:
        """Add a value; the last five are kept."""
        with suppress(OSError, HeldError, HarnessError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with locked(self._folder / f".{FILE}.lock"):
                found, key = self._read(), _key(kind, inputs)
                values = [*found.pop(key, []), value][-KEPT_VALUES:]
                entries = dict([*found.items(), (key, values)][-KEPT_ENTRIES:])
                atomic_write_json(self._folder / FILE, {"format": FORMAT, "entries": entries})

    def _read(self) -> dict[str, list[float]]:
        try:
            content = json.loads((self._folder / FILE).read_bytes())
            return _FILE.validate_python(content["entries"]) if content["format"] == FORMAT else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):  # missing, damaged, or of another version
            return {}


def _key(kind: str, inputs: Mapping[str, Any]) -> str:
    return f"{kind} {key_of(inputs)[:24]}"
