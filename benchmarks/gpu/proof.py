"""The parts of a proof: done in order within a time, and written to one file as they end."""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu.sizes import DRY, FULL, Sizes
from harness.core.files import atomic_write_json
from harness.errors import HarnessError, UsageError

FILE = "gpu.json"


@dataclass(frozen=True)
class Given:
    """What a part is given.

    Attributes:
        sizes: how much to do.
        folder: of the proof, for files of its own.
        data: folder of Fashion-MNIST's files; None for the usual places.
        until: end of its time, of ``time.monotonic``; it stops by itself.
        before: what the parts before found, by name.
        keep: writes what it has found so far; a part that is stopped starts with it in ``begun``.
        begun: what it had found when it was stopped.
    """

    sizes: Sizes
    folder: Path
    data: Path | None
    until: float
    before: Mapping[str, Any]
    keep: Callable[[dict[str, Any]], None]
    begun: dict[str, Any]

    @property
    def left_s(self) -> float:
        """Return the seconds that are left."""
        return self.until - time.monotonic()


@dataclass(frozen=True)
class Part:
    """A part of the proof.

    Attributes:
        name: of the part.
        share: of the time that is left, against the shares of the parts after it.
        work: does it, and returns JSON values.
    """

    name: str
    share: float
    work: Callable[[Given], dict[str, Any]]


class Proof:
    """What has been found, in ``gpu.json``.

    Args:
        folder: of the file.
        identity: what all parts of one proof have in common.

    Raises:
        UsageError: the folder has another proof.

    Attributes:
        found: the file's content.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._file = folder, folder / FILE
        self.found: dict[str, Any] = {"identity": dict(identity), "parts": {}}
        if not self._file.exists():
            return
        try:
            self.found = json.loads(self._file.read_text())
        except ValueError as error:
            raise UsageError(f"{self._file} is damaged ({error}). Delete it, or pass another --output.") from None
        if self.found.get("identity") != dict(identity):
            raise UsageError(
                f"{self._file} is of another proof ({self.found.get('identity')}, not {dict(identity)}). Pass another --output."
            )

    def go_on(self, parts: Sequence[Part], options: argparse.Namespace, seconds: float) -> None:
        """Do the parts that have not ended; one that fails is told with its error, and the others go on."""
        end = time.monotonic() + seconds
        missing = [part for part in parts if self.found["parts"].get(part.name, {}).get("status") != "done"]
        for number, part in enumerate(missing):
            now = time.monotonic()
            share = part.share / sum(other.share for other in missing[number:])
            print(f"{part.name}: {max(0.0, (end - now) * share):.0f} s", file=sys.stderr, flush=True)
            if end - now <= 0:
                self._keep(part.name, "no time left", self._begun(part.name), 0.0)
                continue
            self._do(part, self._given(part, options, now + (end - now) * share), now)

    def _given(self, part: Part, options: argparse.Namespace, until: float) -> Given:
        before = {name: one["found"] for name, one in self.found["parts"].items()}
        began = time.monotonic()

        def keep(found: dict[str, Any]) -> None:
            self._keep(part.name, "stopped", found, time.monotonic() - began)

        sizes = DRY if options.dry_run else FULL
        return Given(sizes, self.folder, options.data, until, before, keep, self._begun(part.name))

    def _do(self, part: Part, given: Given, began: float) -> None:
        try:
            found, status = part.work(given), "done"
        except Exception as error:  # parts are independent: the reason is part of the proof
            found, status = self._begun(part.name), f"failed: {type(error).__name__}: {error}"
            if not isinstance(error, HarnessError):
                traceback.print_exc()
        self._keep(part.name, status, found, time.monotonic() - began)

    def _begun(self, name: str) -> dict[str, Any]:
        begun: dict[str, Any] = self.found["parts"].get(name, {}).get("found", {})
        return begun

    def _keep(self, name: str, status: str, found: dict[str, Any], seconds: float) -> None:
        self.found["parts"][name] = {"status": status, "seconds": round(seconds, 1), "found": found}
        atomic_write_json(self._file, self.found)
