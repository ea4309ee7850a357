"""How much each part does: on a GPU, and in a dry run on the CPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Compared:
    """Sizes of the study that is judged on both devices.

    Attributes:
        examples: of each split that are judged.
        models: of each population.
        width: of its ResNet-9.
        trained: retained examples to train on; None for all.
    """

    examples: int
    models: int
    width: int
    trained: int | None


@dataclass(frozen=True)
class Sizes:
    """Sizes of a proof.

    Attributes:
        name: of these sizes.
        device: that everything is computed on.
        images: number of training examples whose steps are timed.
        networks: names of the timed networks, each with its width; None for the network's own.
        chunks: numbers of models that are trained side by side, ascending.
        cell_s: seconds for each timed cell.
        compiled: also time ``torch.compile``.
        methods: that are run.
        scales: sizes of the judged run, largest first: models, epochs, and the width of the ResNet-18.
        train_size: training examples of the judged run; None for all.
        compared: sizes of the study whose logits are computed on both devices.
    """

    name: str
    device: str
    images: int
    networks: tuple[tuple[str, int | None], ...]
    chunks: tuple[int, ...]
    cell_s: float
    compiled: bool
    methods: tuple[str, ...]
    scales: tuple[tuple[int, int, int], ...]
    train_size: int | None
    compared: Compared


FULL = Sizes(
    name="full",
    device="cuda",
    images=20_000,
    networks=(("patch-cnn", None), ("small-cnn", None), ("resnet9", None), ("resnet18", None)),
    chunks=(4, 16, 64),
    cell_s=2.0,
    compiled=True,
    methods=("noop", "finetune", "scrub", "salun"),
    scales=((64, 15, 64), (64, 5, 64), (64, 5, 32), (64, 5, 16), (64, 3, 8), (32, 3, 8)),
    train_size=None,
    compared=Compared(examples=1000, models=16, width=32, trained=None),
)
DRY = Sizes(
    name="dry run",
    device="cpu",
    images=40,
    networks=(("patch-cnn", 4), ("resnet9", 2)),
    chunks=(2, 4),
    cell_s=0.02,
    compiled=False,
    methods=("noop",),
    scales=((2, 1, 2),),
    train_size=200,
    compared=Compared(examples=40, models=2, width=2, trained=100),
)
