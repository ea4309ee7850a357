"""Sizes of a convolution's arrays, channels last, with zeros around pictures and gradients so that no sum needs a border case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """Every ``stride``-th place of one dimension of the input, which are reached by the same taps of the kernel.

    Attributes:
        first: the first such place.
        count: how many there are.
        taps: (place in the kernel, output that reaches ``first`` through it); the next place of the phase has the next output.
    """

    first: int
    count: int
    taps: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Axis:
    """One dimension of pictures under a convolution: how long they are, and the kernel, its stride and its padding."""

    size: int
    kernel: int
    stride: int
    padding: int

    @property
    def out(self) -> int:
        """Length of the output."""
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def padded(self) -> int:
        """Length with the zeros that are read."""
        return max((self.out - 1) * self.stride + self.kernel, self.size + self.padding)

    def phases(self) -> list[Phase]:
        """All places of the input, by what reaches them: out * stride + tap = place + padding."""
        found = []
        for remainder in range(self.stride):
            turn = max(0, -((remainder - self.padding) // self.stride))
            first = self.stride * turn + remainder - self.padding
            if first < self.size:
                taps = tuple((tap, turn - i) for i, tap in enumerate(range(remainder, self.kernel, self.stride)))
                found.append(Phase(first, (self.size - 1 - first) // self.stride + 1, taps))
        return found

    def margins(self) -> tuple[int, int]:
        """Zeros before and behind an output's gradient, for the outputs that do not exist."""
        reached = [out + i for phase in self.phases() for _, out in phase.taps for i in (0, phase.count - 1)]
        return max(0, -min(reached, default=0)), max(0, max(reached, default=0) - self.out + 1)


@dataclass(frozen=True)
class ConvolutionShape:
    """A convolution of pictures (rows, columns, in_channels); lengths are numbers of float32."""

    in_channels: int
    out_channels: int
    rows: Axis
    columns: Axis

    @property
    def run(self) -> int:
        """Neighbouring numbers of one row that a kernel takes at a time."""
        return self.columns.kernel * self.in_channels

    @property
    def n_weights(self) -> int:
        """Of one member."""
        return self.rows.kernel * self.run * self.out_channels

    @property
    def padded_row(self) -> int:
        """A row of a picture with zeros around."""
        return self.columns.padded * self.in_channels

    @property
    def padded_picture(self) -> int:
        """A picture with zeros around."""
        return self.rows.padded * self.padded_row

    @property
    def output_row(self) -> int:
        """A row of an output."""
        return self.columns.out * self.out_channels

    @property
    def output_picture(self) -> int:
        """An output."""
        return self.rows.out * self.output_row

    @property
    def input_picture(self) -> int:
        """A picture as it comes."""
        return self.rows.size * self.columns.size * self.in_channels

    @property
    def gradient_row(self) -> int:
        """A row of an output's gradient with zeros around."""
        return (self.columns.out + sum(self.columns.margins())) * self.out_channels

    @property
    def gradient_picture(self) -> int:
        """An output's gradient with zeros around."""
        return (self.rows.out + sum(self.rows.margins())) * self.gradient_row

    @property
    def gradient_start(self) -> int:
        """Where the gradient begins behind the zeros before it."""
        return self.rows.margins()[0] * self.gradient_row + self.columns.margins()[0] * self.out_channels


def convolution_shape(
    channels: tuple[int, int], size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> ConvolutionShape:
    """The shape of a convolution from and to so many ``channels``; the others are of rows and columns."""
    rows, columns = (Axis(*each) for each in zip(size, kernel, stride, padding, strict=True))
    return ConvolutionShape(*channels, rows, columns)
