"""The training journal of an original, for methods that undo training instead of training against it.

A task with ``journal`` or ``sisa`` passes it as ``context.journal``; otherwise that is None. It belongs to the model that is to
be unlearned. :mod:`reference_models.records.journal` documents the file format; here it is read from memory, one tensor at
a time.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

FORMAT = "training journal 1"
ROWS_BYTES = 1 << 25
"""Bytes read at once when updates are summed."""
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class JournalUnreadableError(Exception):
    """The bytes are not a journal of this format."""


@dataclass(frozen=True)
class Sharding:
    """How a network with several constituents was trained (SISA): each on its own shard, slice by slice.

    Attributes:
        constituents: name of each constituent's submodule; "" is the network itself.
        shards: shape (n,), int64, on the CPU: the constituent trained on each example, retain first, then forget.
        slices: shape (n,), int64: the example's slice within its shard. Stage r, from 0, trained on slices 0 to r.
        n_slices: number of slices, and of stages.
    """

    constituents: tuple[str, ...]
    shards: Tensor
    slices: Tensor
    n_slices: int


class Journal:
    """The journal of one original's training. Tensors are copies on ``device``; states are dicts with the model's state names.

    Args:
        memory: a whole journal file; it has to stay open.
        device: of returned tensors.

    Attributes:
        updates: stored updates: "touched" (batches with a forget example), "all", or "none" (SISA).
        n_retain: training examples are numbered, retain first: number i is ``retain[i]``, or ``forget[i - n_retain]``.
            None for SISA.
        batches: shape (T, B), int64, on the CPU: the examples of each of the T steps, padded with -1. Empty for SISA.
        stored: shape (U,), int64, on the CPU: the steps with a stored update, ascending.
        touched: shape (V,), int64, on the CPU: the steps whose batch has a forget example.
        sharding: for SISA; else None.
        n_bytes: size of the file.

    Raises:
        JournalUnreadableError: the memory is not a journal.
    """

    def __init__(self, memory: mmap.mmap, device: torch.device) -> None:
        self._memory, self._device = memory, device
        self.n_bytes = len(memory)
        self._entries, metadata, self._start = _header(memory)
        if metadata.get("format") != FORMAT:
            raise JournalUnreadableError(f"the journal's format is {metadata.get('format')!r}, not {FORMAT!r}")
        self.updates = metadata.get("updates", "none")
        ordinary = "batches" in self._entries
        self.n_retain = int(metadata["n_retain"]) if ordinary else None
        self.batches = self._view("batches").long() if ordinary else torch.empty((0, 0), dtype=torch.int64)
        self.stored = self._view("stored").clone() if ordinary else torch.empty(0, dtype=torch.int64)
        self.touched = (self.batches >= (self.n_retain or 0)).any(1).nonzero().flatten()
        self._row = {step: row for row, step in enumerate(self.stored.tolist())}
        self.sharding = self._sharding(metadata) if "shards" in self._entries else None

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return positions in retain (r,) and in forget (f,) of a step's examples, int64, unordered."""
        row = self.batches[step]
        n_retain = self.n_retain or 0
        return row[(row >= 0) & (row < n_retain)], row[row >= n_retain] - n_retain

    def initial(self) -> dict[str, Tensor]:
        """Return the state before the first step.

        Raises:
            KeyError: for SISA; see :meth:`checkpoint`.
        """
        return self._state("initial", None)

    def update(self, step: int) -> dict[str, Tensor]:
        """Return the state after a step minus the state before it, including BatchNorm statistics and counters.

        Raises:
            KeyError: the step's update is not stored.
        """
        return self._state("updates", self._row[step])

    def total(self, steps: Tensor) -> dict[str, Tensor]:
        """Return the sum of the updates of ``steps``, (n,) int64, all of them stored; zeros if ``steps`` is empty.

        Raises:
            KeyError: the update of a step is not stored.
        """
        rows = torch.tensor([self._row[step] for step in steps.tolist()], dtype=torch.int64)
        return {name: self._total(f"updates/{name}", rows).to(self._device) for name in self._names("updates")}

    def checkpoint(self, stage: int) -> dict[str, Tensor]:
        """Return the state of the whole network before a stage (SISA only); stage 0 is the initialisation."""
        return self._state("checkpoints", stage)

    def _names(self, part: str) -> Iterator[str]:
        return (name[len(part) + 1 :] for name in self._entries if name.startswith(f"{part}/"))

    def _state(self, part: str, row: int | None) -> dict[str, Tensor]:
        names = list(self._names(part))
        if not names:
            raise KeyError(f"this journal has no {part}")
        views = {name: self._view(f"{part}/{name}") for name in names}
        chosen = views if row is None else {name: view[row] for name, view in views.items()}
        return {name: view.to(self._device, copy=True) for name, view in chosen.items()}

    def _view(self, name: str) -> Tensor:
        entry = self._entries[name]
        begin, end = entry["data_offsets"]
        dtype, shape = DTYPES[entry["dtype"]], entry["shape"]
        if begin == end:
            return torch.empty(shape, dtype=dtype)
        count = (end - begin) // dtype.itemsize
        return torch.frombuffer(self._memory, dtype=dtype, count=count, offset=self._start + begin).view(shape)

    def _total(self, name: str, rows: Tensor) -> Tensor:
        """Sum row by row in float64, so that the order of steps matters only within rounding."""
        view = self._view(name)
        exact = torch.float64 if view.is_floating_point() else torch.int64
        total = torch.zeros(view.shape[1:], dtype=exact)
        at_once = max(1, ROWS_BYTES // max(1, total.numel() * 8))
        for some in torch.split(rows, at_once) if len(rows) else ():
            total += view[some].sum(0, dtype=exact)
        return total.to(view.dtype)

    def _sharding(self, metadata: dict[str, str]) -> Sharding:
        return Sharding(
            constituents=tuple(metadata["constituents"].split(",")),
            shards=self._view("shards").long(),
            slices=self._view("slices").long(),
            n_slices=int(metadata["n_slices"]),
        )


def _header(memory: mmap.mmap) -> tuple[dict[str, Any], dict[str, str], int]:
    """Return the entries, the metadata, and the offset of the data."""
    try:
        (length,) = struct.unpack("<Q", memory[:8])
        entries = json.loads(memory[8 : 8 + length])
        return entries, entries.pop("__metadata__", {}), 8 + length
    except (struct.error, ValueError, AttributeError) as error:
        raise JournalUnreadableError(f"the journal cannot be read: {error}") from error
