"""Networks of every kind that a task's author may bring, by name; see test_trial.py and test_own_networks.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

N_CLASSES = 3
N_INPUTS = 36
"""Inputs have the shape (1, 6, 6)."""


class Layers(nn.Module):
    """A hidden layer and a last one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(N_INPUTS, 8), nn.Linear(8, N_CLASSES)

    def hidden(self, x: Tensor) -> Tensor:
        return F.relu(self.first(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.hidden(x))
        return out


class Tied(Layers):
    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Linear(8, 8, bias=False)
        self.third = nn.Linear(8, 8, bias=False)
        self.third.weight = self.second.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.third(F.relu(self.second(self.hidden(x)))))
        return out


class Frozen(Layers):
    def __init__(self) -> None:
        super().__init__()
        self.first.requires_grad_(False)


class Branching(Layers):
    def forward(self, x: Tensor) -> Tensor:
        hidden = self.hidden(x)
        return self.last(hidden if hidden.sum() > 0 else -hidden)  # type: ignore[no-any-return]


class BranchingChain(nn.Module):
    """A chain of layers that all have a K-fold form, with a branch that hardly ever differs between members."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.flatten, self.last = nn.Conv2d(1, 8, 3, 3), nn.Flatten(), nn.Linear(32, N_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        values = self.first(x)
        return self.last(self.flatten(values if values.mean() > -50 else -values))  # type: ignore[no-any-return]


class FunctionalDropout(Layers):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.dropout(self.hidden(x), 0.5, self.training))  # type: ignore[no-any-return]


class Attention(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, dropout=dropout, batch_first=True)
        self.last = nn.Linear(6, N_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        rows = x[:, 0]
        return self.last(self.attention(rows, rows, rows, need_weights=False)[0].mean(1))  # type: ignore[no-any-return]


class Counting(Layers):
    """Counts its training steps in a buffer that every step replaces."""

    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps = self.steps + 1
        return super().forward(x)


class Constants(Layers):
    """Has buffers without running statistics: a mask, a position and a table outside the state."""

    mask: Tensor
    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.arange(8) % 3 > 0)
        self.register_buffer("table", torch.linspace(0, 1, 8), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.hidden(x) * self.mask + self.table)  # type: ignore[no-any-return]


class RandomTable(Layers):
    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.randn(8), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.hidden(x) + self.table)  # type: ignore[no-any-return]


class Moving(Layers):
    """Moves a buffer in evaluation mode, too."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.hidden(x)
        self.mean = self.mean + hidden.detach().mean(0)
        return self.last(hidden - self.mean)  # type: ignore[no-any-return]


class Root(nn.Module):
    """The square root of something negative."""

    def forward(self, x: Tensor) -> Tensor:
        return (-1 - x.abs()).sqrt()


class NotANumber(Layers):
    def __init__(self) -> None:
        super().__init__()
        self.root = Root()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.root(self.hidden(x)))  # type: ignore[no-any-return]


class SteepRoot(Layers):
    """Finite, with an infinite gradient: the square root at 0."""

    def forward(self, x: Tensor) -> Tensor:
        return self.last((self.first(x.flatten(1)) * 0).sqrt())  # type: ignore[no-any-return]


class Lazy(Layers):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.LazyLinear(8)


class CalledLazy(Lazy):
    def __init__(self) -> None:
        super().__init__()
        self(torch.zeros(2, 1, 6, 6))


class DoubleInside(Layers):
    def __init__(self) -> None:
        super().__init__()
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.double()).float()


class Double(Layers):
    def __init__(self) -> None:
        super().__init__()
        self.double()


class DoubleLogits(DoubleInside):
    def forward(self, x: Tensor) -> Tensor:
        return Layers.forward(self, x.double())


class Attribute(Layers):
    """Has a random tensor that is neither parameter nor buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.rand(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.hidden(x) * self.scale)  # type: ignore[no-any-return]


class CountingCalls(Layers):
    """Counts its calls outside of its state."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x) * self.calls


class AlwaysDropout(Layers):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.dropout(self.hidden(x), 0.5, True))  # type: ignore[no-any-return]


class WithoutStatistics(Layers):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.hidden(x)))  # type: ignore[no-any-return]


class InPlace(Layers):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(2))


class Probabilities(Layers):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).softmax(1)


class Checkpointed(Layers):
    """Computes its first layer again in the backward pass."""

    def forward(self, x: Tensor) -> Tensor:
        return self.last(checkpoint(self.hidden, x, use_reentrant=False))  # type: ignore[no-any-return]


class Expanded(Layers):
    """A buffer whose elements share memory, so that no state can be loaded into it."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.rand(1, 2).expand(3, 2))


class Threads(Layers):
    def forward(self, x: Tensor) -> Tensor:
        torch.set_num_threads(torch.get_num_threads() + 1)
        return super().forward(x)


def double_by_default() -> nn.Module:
    torch.set_default_dtype(torch.float64)
    return Layers()


def seeded() -> nn.Module:
    torch.manual_seed(3)
    return Layers()


def drawn_by_numpy() -> nn.Module:
    network = Layers()
    nn.init.constant_(network.first.bias, float(np.random.default_rng().random()))
    return network


ONE = Layers()


def with_buffer(name: str, value: Tensor) -> Callable[[], nn.Module]:
    """Return a factory of a network with a further tensor in its state."""

    def make() -> nn.Module:
        network = Layers()
        network.first.register_buffer(name, value)
        return network

    return make


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "Layers": Layers,
    "Tied": Tied,
    "Frozen": Frozen,
    "Branching": Branching,
    "BranchingChain": BranchingChain,
    "FunctionalDropout": FunctionalDropout,
    "Attention": Attention,
    "AttentionDropout": lambda: Attention(0.5),
    "Counting": Counting,
    "Constants": Constants,
    "RandomTable": RandomTable,
    "Moving": Moving,
    "NotANumber": NotANumber,
    "SteepRoot": SteepRoot,
    "Lazy": Lazy,
    "CalledLazy": CalledLazy,
    "DoubleInside": DoubleInside,
    "Double": Double,
    "DoubleLogits": DoubleLogits,
    "Attribute": Attribute,
    "CountingCalls": CountingCalls,
    "AlwaysDropout": AlwaysDropout,
    "WithoutStatistics": WithoutStatistics,
    "InPlace": InPlace,
    "Probabilities": Probabilities,
    "Checkpointed": Checkpointed,
    "Expanded": Expanded,
    "Threads": Threads,
    "DoubleByDefault": double_by_default,
    "Seeded": seeded,
    "DrawnByNumpy": drawn_by_numpy,
    "OneForAll": lambda: ONE,
    "Scripted": lambda: torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(N_INPUTS, N_CLASSES))),
    "Compiled": lambda: torch.compile(nn.Sequential(nn.Flatten(), nn.Linear(N_INPUTS, N_CLASSES))),
    "Complex": with_buffer("phase", torch.zeros(2, dtype=torch.complex64)),
    "Float8": with_buffer("scale", torch.zeros(2, dtype=torch.float8_e4m3fn)),
    "Quantised": lambda: with_buffer("codes", torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8))(),
    "Sparse": with_buffer("edges", torch.eye(2).to_sparse()),
    "Meta": with_buffer("shape", torch.zeros(2, device="meta")),
}


def network(n_classes: int, *, kind: str) -> nn.Module:
    """Return a network of a kind."""
    assert n_classes == N_CLASSES
    return NETWORKS[kind]()


class Made:
    """A factory as an attribute of a class."""

    @staticmethod
    def network(n_classes: int) -> nn.Module:
        """Return the simplest network."""
        assert n_classes == N_CLASSES
        return Layers()
