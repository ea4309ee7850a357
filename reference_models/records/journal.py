"""The journal of a training: initial weights, examples of each batch, and updates of the weights.

There is one safetensors file per model, written during training. Its size is known before the first step, since batches
are drawn from the seed alone. So the header is written first, every row is written at its own offset, and at most two
states of the population are held in memory. A file gets its final name once it is complete.

Tensors of a file, for T steps of at most B examples, U of them stored, and C checkpoints:

====================  ================  ========================================================================================
name                  shape             what
====================  ================  ========================================================================================
``initial/NAME``      as the state      every tensor of the state before the first step
``batches``           (T, B), int32     positions in the training set, retain first; -1 where a batch is smaller than B
``stored``            (U,), int64       numbers of the stored steps, ascending
``updates/NAME``      (U, ...)          state after a stored step minus the state before it; buffers too, by their names
``shards``            (n,), int32       which constituent has seen an example; this and what follows for SISA alone
``slices``            (n,), int32       in which slice of its shard an example is
``checkpoints/NAME``  (C, ...)          the state before stage c of the training of each shard, c from 0; row 0 is
                                        ``initial``
====================  ================  ========================================================================================
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from reference_models.networks.recipe import Recipe
from reference_models.training.sampling import member_batches
from reference_models.training.states import Manifest, StackedState

FORMAT = "training journal 1"
Updates = Literal["touched", "all"]
Layout = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]
DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""torch's dtype -> safetensors' name."""


def journal_name(member: int) -> str:
    """Return the file name of one member of a chunk."""
    return f"journal-{member:04d}.safetensors"


@dataclass(frozen=True)
class JournalPlan:
    """The contents of a journal of an ordinary training.

    Attributes:
        n_retain: the training set's examples from this position on are the forget set.
        updates: stored updates: of batches that contain a forget example ("touched"), or of all batches.
    """

    n_retain: int
    updates: Updates


class TensorFile:
    """A safetensors file with tensors written row by row, in any order.

    Args:
        path: its final path; until it is complete, it has a temporary name.
        layout: dtype and shape of each tensor.
        metadata: metadata of the header.

    Raises:
        OSError: from any method, if the disk is full or the folder is not writable.
    """

    def __init__(self, path: Path, layout: Layout, metadata: Mapping[str, str]) -> None:
        self._path, self._partial = path, path.with_name(f".{path.name}.partial")
        self._layout = layout
        self._offsets: dict[str, int] = {}
        head = self._header(metadata)
        self._missing = self._end - len(head)
        self._fd = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        _write_at(self._fd, head, 0)
        os.ftruncate(self._fd, self._end)

    def _header(self, metadata: Mapping[str, str]) -> bytes:
        """Return the header and set the offsets; wide dtypes come first, so that every tensor is aligned."""
        entries: dict[str, object] = {"__metadata__": dict(metadata)}
        at = 0
        for name in sorted(self._layout, key=lambda name: (-self._layout[name][0].itemsize, name)):
            dtype, shape = self._layout[name]
            end = at + _n_bytes(dtype, shape)
            entries[name] = {"dtype": DTYPES[dtype], "shape": list(shape), "data_offsets": [at, end]}
            self._offsets[name], at = at, end
        text = json.dumps(entries).encode()
        text += b" " * (-len(text) % 8)
        head = struct.pack("<Q", len(text)) + text
        self._offsets = {name: offset + len(head) for name, offset in self._offsets.items()}
        self._end = len(head) + at
        return head

    def write(self, name: str, tensor: Tensor, row: int | None = None) -> None:
        """Write a tensor, or one row of it along its first dimension; each must be written once."""
        dtype, shape = self._layout[name]
        expected = shape if row is None else shape[1:]
        if tensor.dtype != dtype or tuple(tensor.shape) != expected:
            raise ValueError(
                f"{name} must be {dtype} of shape {expected}, not {tensor.dtype} of shape {tuple(tensor.shape)}"
            )
        n_bytes = _n_bytes(dtype, expected)
        if n_bytes:
            raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
            _write_at(self._fd, raw.data, self._offsets[name] + n_bytes * (row or 0))
        self._missing -= n_bytes

    def close(self) -> None:
        """Rename the complete file to its final name.

        Raises:
            RuntimeError: if the file is incomplete; it is then removed.
        """
        os.close(self._fd)
        if self._missing:
            self._partial.unlink()
            raise RuntimeError(f"{self._path.name} lacks {self._missing} bytes: not every step was recorded")
        self._partial.rename(self._path)


def layout_bytes(layout: Layout) -> int:
    """Return the size of all tensors of a file in bytes, without its header."""
    return sum(_n_bytes(dtype, shape) for dtype, shape in layout.values())


def _n_bytes(dtype: torch.dtype, shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count * dtype.itemsize


def _write_at(fd: int, data: bytes | memoryview, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def drawn_batches(recipe: Recipe, n_examples: int, seed: int) -> Tensor:
    """Return the positions of each step's examples, (T, B) int32; -1 pads batches smaller than B."""
    rows = [batch.index for batch in member_batches(recipe, n_examples, seed)]
    batches = torch.full((len(rows), max(len(row) for row in rows)), -1, dtype=torch.int32)
    for step, row in enumerate(rows):
        batches[step, : len(row)] = row
    return batches


def stored_steps(batches: Tensor, plan: JournalPlan) -> Tensor:
    """Return the numbers of the steps with a stored update, (U,) int64."""
    if plan.updates == "all":
        return torch.arange(len(batches))
    return (batches >= plan.n_retain).any(1).nonzero().flatten()


def journal_layout(state: Manifest, batches: Tensor, n_stored: int) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    """Return the dtype and shape of every tensor of a journal of an ordinary training."""
    layout: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
        "batches": (torch.int32, tuple(batches.shape)),
        "stored": (torch.int64, (n_stored,)),
    }
    layout |= {f"initial/{name}": form for name, form in state.items()}
    return layout | {f"updates/{name}": (dtype, (n_stored, *shape)) for name, (dtype, shape) in state.items()}


class _MemberJournal:
    """The journal file of one member, and its stored steps."""

    def __init__(self, path: Path, state: Manifest, batches: Tensor, plan: JournalPlan) -> None:
        stored = stored_steps(batches, plan)
        self.rows = {step: row for row, step in enumerate(stored.tolist())}
        metadata = {"format": FORMAT, "n_retain": str(plan.n_retain), "updates": plan.updates}
        self.file = TensorFile(path, journal_layout(state, batches, len(stored)), metadata)
        self.file.write("batches", batches)
        self.file.write("stored", stored)

    def update(self, name: str, change: Tensor, step: int) -> None:
        """Write the update of one tensor if this file stores the step."""
        if step in self.rows:
            self.file.write(f"updates/{name}", change, self.rows[step])


class Recorder:
    """A recorder that writes the journals of members that are trained together.

    It receives the states before and after each step (:func:`reference_models.training.loop.recorded`) and does not change
    them. Files are complete after the last step.

    Args:
        folder: folder of the files, which are named by :func:`journal_name`.
        plan: contents of the journals.
        batches: batches of each member, from :func:`drawn_batches`.
        first: number of the first member, for file names.
    """

    def __init__(self, folder: Path, plan: JournalPlan, batches: Sequence[Tensor], first: int = 0) -> None:
        self._folder, self._plan, self._batches, self._first = folder, plan, batches, first
        self._members: list[_MemberJournal] = []
        self._before: tuple[int, StackedState] = (-1, {})

    @classmethod
    def of(cls, folder: Path, plan: JournalPlan, recipe: Recipe, n_examples: int, seeds: Sequence[int]) -> Recorder:
        """Return a recorder for the members of ``seeds``, trained by ``recipe`` on ``n_examples`` examples."""
        return cls(folder, plan, [drawn_batches(recipe, n_examples, seed) for seed in seeds])

    def only(self, member: int) -> Recorder:
        """Return a recorder of one member, for members that are trained one after another."""
        return Recorder(self._folder, self._plan, [self._batches[member]], self._first + member)

    def before(self, step: int, state: Callable[[], StackedState]) -> None:
        """Keep the state before a stored step, unless it is kept from the previous step; write it before step 0."""
        if (step == 0 or self._wants(step)) and self._before[0] != step:
            self._before = (step, state())
        if step == 0:
            self._begin(self._before[1])

    def after(self, step: int, state: Callable[[], StackedState]) -> None:
        """Write the update of a stored step; close the files after the last step."""
        if self._wants(step):
            before, now = self._before[1], state()
            for name, tensor in now.items():
                change = tensor ^ before[name] if tensor.dtype == torch.bool else tensor - before[name]
                for number, journal in enumerate(self._members):
                    journal.update(name, change[number], step)
            self._before = (step + 1, now)
        if step == len(self._batches[0]) - 1:
            for journal in self._members:
                journal.file.close()

    def _begin(self, state: StackedState) -> None:
        form = {name: (tensor.dtype, tuple(tensor.shape[1:])) for name, tensor in state.items()}
        for number, batches in enumerate(self._batches):
            path = self._folder / journal_name(self._first + number)
            self._members.append(_MemberJournal(path, form, batches, self._plan))
            for name, tensor in state.items():
                self._members[-1].file.write(f"initial/{name}", tensor[number])

    def _wants(self, step: int) -> bool:
        return any(step in journal.rows for journal in self._members)
