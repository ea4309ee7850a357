"""Neighbouring layers of pictures in chains of K members, computed by machine code on the CPU.

They are computed member by member, so that what a member passes from layer to layer stays in the processor's cache.
Calls of machine code are listed once, with all addresses, and repeated in every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from reference_models.chain_layers import Layer
from reference_models.machine_code import CompiledFunction, address


@dataclass(frozen=True)
class Call:
    """A compiled function, and what it is called with for each member.

    Attributes:
        function: the function.
        arrays: shape (m, ...), or (1, ...) where all members share one.
        count: what it is told besides.
        once: whether the first member's call does it for all.
    """

    function: CompiledFunction
    arrays: tuple[Tensor, ...]
    count: tuple[int, ...]
    once: bool = False

    def arguments(self, member: int) -> tuple[int, ...]:
        """For one of the m members."""
        steps = (0 if len(array) == 1 else array.stride(0) * array.element_size() for array in self.arrays)
        return (*(address(a) + member * step for a, step in zip(self.arrays, steps, strict=True)), *self.count)


@dataclass(frozen=True)
class StoredPictures:
    """Pictures that are normalised when they are read.

    Attributes:
        table: shape (n, H, W, C), uint8.
        numbers: which of them, shape (g, B), int64.
        scale: factors of a row's values, shape (W * C,), float32.
        shift: added to them, likewise.
    """

    table: Tensor
    numbers: Tensor
    scale: Tensor
    shift: Tensor


Pictures: TypeAlias = "Tensor | StoredPictures"
"""What a layer reads: shape (g, B, H, W, C), float32, or stored pictures (g, B)."""

Calls: TypeAlias = "tuple[list[Call], Tensor]"
"""What computes something, and where it will be."""


class PictureLayer(Layer):
    """One layer of a :class:`PictureStack`.

    Attributes:
        reads_stored: whether it takes :class:`StoredPictures`.
    """

    reads_stored = False

    def forward_calls(self, x: Pictures, members: slice, training: bool) -> Calls:
        """What computes the outputs (m, B, H', W', C') of x (g, B, H, W, C), and where they will be."""
        raise NotImplementedError

    def backward_calls(self, gradient: Tensor, members: slice, wanted: bool) -> tuple[list[Call], Tensor | None]:
        """What computes all gradients, for the latest :meth:`forward_calls`, and where that of x will be, if it is wanted."""
        raise NotImplementedError

    def note_step(self, members: slice) -> None:
        """Members are trained once more."""


class _Tape:
    """Calls for m members, all of one member before those of the next."""

    def __init__(self, calls: Sequence[Call], n_members: int) -> None:
        self._calls = calls  # they hold the arrays
        self._all = [
            (call.function.call, call.arguments(member))
            for member in range(n_members)
            for call in calls
            if member == 0 or not call.once
        ]

    def run(self) -> None:
        """All calls, in order."""
        for function, arguments in self._all:
            function(*arguments)


@dataclass(frozen=True)
class _Pass:
    """What is done for some members with arrays at certain places; ``gradient`` to ``backward`` are there in training alone.

    Attributes:
        source: address of the inputs.
        forward: the calls.
        out: outputs.
        gradient: where the outputs' gradient is read.
        backward: the calls.
        of_inputs: where the inputs' gradient will be, if it is wanted.
    """

    source: int
    forward: _Tape
    out: Tensor
    gradient: Tensor | None = None
    backward: _Tape | None = None
    of_inputs: Tensor | None = None


class PictureStack(Layer):
    """Neighbouring picture layers, computed together.

    Args:
        layers: in their order.
        wanted: whether the gradient of the inputs is.
    """

    def __init__(self, layers: Sequence[PictureLayer], wanted: bool) -> None:
        super().__init__()
        self._layers, self._wanted = tuple(layers), wanted
        self._passes: dict[tuple[object, ...], _Pass] = {}
        self._latest: _Pass | None = None
        self._numbers: dict[tuple[object, ...], Tensor] = {}

    @property
    def reads_stored(self) -> bool:
        """Whether it takes :class:`StoredPictures`."""
        return self._layers[0].reads_stored

    def forward(self, x: Pictures, members: slice, training: bool) -> Tensor:
        """(g, B, H, W, C), or stored pictures (g, B), to (m, B, H', W', C')."""
        if isinstance(x, Tensor):
            own = self._scratch.take("x", tuple(x.shape)).copy_(x)  # always at one address, and kept until the way back
            return self._run(own, own.data_ptr(), tuple(x.shape), members, training)
        key = (members.start, x.numbers.shape)
        if key not in self._numbers:
            self._numbers[key] = torch.empty_like(x.numbers, memory_format=torch.contiguous_format)
        numbers = self._numbers[key].copy_(x.numbers)
        return self._run(replace(x, numbers=numbers), x.table.data_ptr(), tuple(numbers.shape), members, training)

    def _run(self, x: Pictures, source: int, shape: tuple[int, ...], members: slice, training: bool) -> Tensor:
        key = (members.start, members.stop, shape, training)
        self._latest = self._passes.get(key)
        if self._latest is None or self._latest.source != source:
            self._latest = self._passes[key] = self._prepared(x, source, members, training)
        if training:
            for layer in self._layers:
                layer.note_step(members)
        self._latest.forward.run()
        return self._latest.out

    def backward(self, gradient: Tensor, members: slice, wanted: bool) -> Tensor | None:  # noqa: ARG002
        """See :class:`Layer`."""
        latest = self._latest
        if latest is None or latest.gradient is None or latest.backward is None:
            raise RuntimeError("there is no forward pass in training to go back through")
        latest.gradient.copy_(gradient)
        latest.backward.run()
        return latest.of_inputs

    def _prepared(self, x: Pictures, source: int, members: slice, training: bool) -> _Pass:
        n_members = members.stop - members.start
        calls: list[Call] = []
        out: Pictures = x
        for layer in self._layers:
            own, out = layer.forward_calls(out, members, training)
            calls += own
        assert isinstance(out, Tensor)  # noqa: S101  (there are layers)
        forward = _Tape(calls, n_members)
        if not training:
            return _Pass(source, forward, out)
        begin = self._scratch.take("gradient", tuple(out.shape))
        calls = []
        gradient: Tensor | None = begin
        for place, layer in reversed(list(enumerate(self._layers))):
            assert gradient is not None  # noqa: S101  (asked for wherever there is a layer before)
            own, gradient = layer.backward_calls(gradient, members, self._wanted or place > 0)
            calls += own
        return _Pass(source, forward, out, begin, _Tape(calls, n_members), gradient)
