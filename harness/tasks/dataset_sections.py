"""The keys of the section ``dataset`` of a task file, by kind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from harness.tasks.fitting import Kind
from harness.tasks.yaml.fields import Amount, Noise, Section, Seed

MOST_FACES = 1_000_000

Column: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000)]
Vocabulary: TypeAlias = Annotated[int, Field(ge=2, le=10_000_000)]
Length: TypeAlias = Annotated[int, Field(ge=1, le=65_536)]


class FacesDataset(Section):
    """Generated face images; nothing to download."""

    kind: Literal["faces"]
    persons: Annotated[int, Field(ge=1, le=100_000)] = 520
    pictures: Annotated[int, Field(ge=1, le=1000)] = 4
    seed: Seed = 0
    label_noise: Noise = 0.0
    looks_spread: Annotated[float, Field(ge=0, le=1000)] = 1.0
    nuisance: Annotated[float, Field(ge=0, le=2)] = 0.5
    noise: Annotated[float, Field(ge=0, le=255)] = 4.0

    @model_validator(mode="after")
    def _not_too_many(self) -> FacesDataset:
        if self.persons * self.pictures > MOST_FACES:
            raise ValueError(f"persons times pictures must be at most {MOST_FACES}, not {self.persons * self.pictures}")
        return self


class FashionMnistDataset(Section):
    """Fashion-MNIST: 60,000 + 10,000 greyscale images of clothes, 28x28, ten classes."""

    kind: Literal["fashion-mnist"]
    directory: Path | None = None
    download: bool = False
    train_size: Amount | None = None
    test_size: Amount | None = None
    label_noise: Noise = 0.0
    seed: Seed = 0


class Cifar10Dataset(Section):
    """CIFAR-10: 50,000 + 10,000 colour images, 32x32, ten classes."""

    kind: Literal["cifar10"]
    directory: Path | None = None
    download: bool = False
    train_size: Amount | None = None
    test_size: Amount | None = None
    label_noise: Noise = 0.0
    seed: Seed = 0


class ImageFolderDataset(Section):
    """A user's own images: a directory and a CSV of labels."""

    kind: Literal["image-folder"]
    directory: Path | None = None
    labels: Path = Path("labels.csv")
    size: Annotated[int, Field(ge=4, le=1024)] = 32
    grey: bool = False
    label_noise: Noise = 0.0
    seed: Seed = 0


class ArraysDataset(Section):
    """Named arrays: an .npz file, a folder of .npy files, or a safetensors file."""

    kind: Literal["arrays"]
    file: Path
    normalise: bool | None = None
    vocabulary: Vocabulary | None = None
    label_noise: Noise = 0.0
    seed: Seed = 0


class TableDataset(Section):
    """A CSV or Parquet file of numeric and categorical columns."""

    kind: Literal["table"]
    file: Path
    label: Column = "label"
    id: Column | None = None
    subject: Column | None = None
    split: Column | None = None
    numeric: tuple[Column, ...] = ()
    categorical: tuple[Column, ...] = ()
    ignore: tuple[Column, ...] = ()
    missing: tuple[str, ...] = ()
    label_noise: Noise = 0.0
    seed: Seed = 0


class TextDataset(Section):
    """A CSV or Parquet file of texts."""

    kind: Literal["text"]
    file: Path
    text: Column = "text"
    label: Column = "label"
    id: Column | None = None
    subject: Column | None = None
    split: Column | None = None
    length: Length = 64
    vocabulary: Vocabulary = 5000
    label_noise: Noise = 0.0
    seed: Seed = 0


class HuggingfaceDataset(Section):
    """A data set that the library ``datasets`` has saved on disk."""

    kind: Literal["huggingface"]
    directory: Path
    image: Column | None = None
    text: Column | None = None
    features: tuple[Column, ...] = ()
    label: Column = "label"
    id: Column | None = None
    subject: Column | None = None
    split: Column | None = None
    size: Annotated[int, Field(ge=4, le=1024)] = 32
    grey: bool = False
    length: Length = 64
    vocabulary: Vocabulary = 5000
    label_noise: Noise = 0.0
    seed: Seed = 0

    @model_validator(mode="after")
    def _one_input(self) -> HuggingfaceDataset:
        if (self.image is not None) + (self.text is not None) + bool(self.features) != 1:
            raise ValueError("dataset needs one of image, text and features: the column, or columns, of the inputs")
        return self


class ScikitLearnDataset(Section):
    """A data set that is part of scikit-learn."""

    kind: Literal["scikit-learn"]
    name: Literal["digits", "breast-cancer", "wine", "iris"]
    label_noise: Noise = 0.0
    seed: Seed = 0


class PluginDataset(Section):
    """A dataset of an installed plugin; ``kind`` is the name of its entry point in the group ``harness.datasets``."""

    kind: str
    options: dict[str, Any] = Field(default_factory=dict)
    label_noise: Noise = 0.0
    seed: Seed = 0


PLUGIN = "plugin"
"""Tag of :class:`PluginDataset`; no value of ``kind``."""


def kind_of(value: object) -> str | None:
    """Return the tag of a dataset section: its ``kind`` if that is bundled or unknown, :data:`PLUGIN` if it is installed."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    if not isinstance(kind, str) or kind in DATASETS:
        return None if kind is None else str(kind)
    from harness.tasks.datasets.installed import installed_kinds

    return PLUGIN if kind in installed_kinds() else kind


Dataset: TypeAlias = Annotated[
    Annotated[FacesDataset, Tag("faces")]
    | Annotated[FashionMnistDataset, Tag("fashion-mnist")]
    | Annotated[Cifar10Dataset, Tag("cifar10")]
    | Annotated[ImageFolderDataset, Tag("image-folder")]
    | Annotated[ArraysDataset, Tag("arrays")]
    | Annotated[TableDataset, Tag("table")]
    | Annotated[TextDataset, Tag("text")]
    | Annotated[HuggingfaceDataset, Tag("huggingface")]
    | Annotated[ScikitLearnDataset, Tag("scikit-learn")]
    | Annotated[PluginDataset, Tag(PLUGIN)],
    Discriminator(kind_of),
]
DATASETS: dict[str, type[Section]] = {
    tag.tag: model for model, tag in map(get_args, get_args(get_args(Dataset)[0])) if tag.tag != PLUGIN
}
"""Bundled kinds of datasets, with their keys."""


def inputs_of(dataset: Dataset) -> Kind | None:
    """Return what inputs a dataset has; None if that is known only once it is read."""
    if isinstance(dataset, TableDataset):
        return "numbers"
    if isinstance(dataset, TextDataset) or (isinstance(dataset, HuggingfaceDataset) and dataset.text is not None):
        return "tokens"
    if isinstance(dataset, ScikitLearnDataset):
        return "pictures" if dataset.name == "digits" else "numbers"
    if isinstance(dataset, HuggingfaceDataset):
        return "pictures" if dataset.image is not None else None
    return None if isinstance(dataset, ArraysDataset | PluginDataset) else "pictures"
