"""The keys of a task file as pydantic models; a test compares them with ``docs/reference/tasks.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from harness.tasks.architectures import ArchitectureSection
from harness.tasks.fitting import Kind, misfits
from harness.tasks.yaml.fields import Amount, ClassRef, Name, Noise, Section, Seed, Sized, SomeAmount
from reference_models.networks.recipe import Recipe

# Repeated here so that task files are validated without importing torch; a test compares it with reference_models.
RECIPE_AT_MOST = {"epochs": 100_000, "batch_size": 10_000_000, "lr": 1e6, "weight_decay": 1e6, "chunk": 10_000}
MOST_FACES = 1_000_000
MOST_REQUESTS = 20


def _check_recipe(value: Recipe) -> Recipe:
    """Refuse numbers above the bounds; the recipe itself refuses numbers below them."""
    for name, most in RECIPE_AT_MOST.items():
        if getattr(value, name) > most:
            raise ValueError(f"{name} must be at most {most:g}, not {getattr(value, name):g}")
    return value


Column: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000)]
Vocabulary: TypeAlias = Annotated[int, Field(ge=2, le=10_000_000)]
Length: TypeAlias = Annotated[int, Field(ge=1, le=65_536)]
FirstModels: TypeAlias = Annotated[int, Field(ge=8, le=10_000, multiple_of=4)]
"""Models in all four groups of a first population; each group needs two or more."""


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


class ForgetRandom(SomeAmount):
    """Examples chosen uniformly at random."""

    by: Literal["random"]


class ForgetClass(Sized):
    """All examples of certain classes, or a random choice of them."""

    by: Literal["class"]
    classes: Annotated[tuple[ClassRef, ...], Field(min_length=1)]


class ForgetSubject(Sized):
    """All examples of certain subjects, named or chosen at random."""

    by: Literal["subject"]
    subjects: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ForgetSubject:
        if (self.subjects is None) == (self.amount is None):
            raise ValueError("by: subject needs either subjects, or count or fraction (of the subjects)")
        return self


class ForgetIds(Section):
    """The examples with certain ids."""

    by: Literal["ids"]
    ids: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    ids_file: Path | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ForgetIds:
        if (self.ids is None) == (self.ids_file is None):
            raise ValueError("by: ids needs either ids or ids_file")
        return self


class ForgetCorrupted(Section):
    """Exactly the examples with corrupted labels."""

    by: Literal["corrupted"]


class ForgetScored(SomeAmount):
    """The examples with the highest, or lowest, score by models that are trained for this choice."""

    by: Literal["memorised", "easy", "influential"]
    models: FirstModels = 32


class ForgetWorst(SomeAmount):
    """The examples of which most is left after models that are trained for this choice are trained on with the others."""

    by: Literal["worst_case"]
    models: Annotated[int, Field(ge=8, le=10_000, multiple_of=8)] = 32


class ForgetSimilar(SomeAmount):
    """One example and those that models trained for this choice treat most like it."""

    by: Literal["similar"]
    example: Name | None = None
    models: FirstModels = 32


BY_MODELS = (ForgetScored, ForgetWorst, ForgetSimilar)
"""Rules whose examples are chosen by models that are trained for it."""

Forget: TypeAlias = Annotated[
    ForgetRandom
    | ForgetClass
    | ForgetSubject
    | ForgetIds
    | ForgetCorrupted
    | ForgetScored
    | ForgetWorst
    | ForgetSimilar,
    Field(discriminator="by"),
]


class CorruptSwap(SomeAmount):
    """Swap the labels of two classes for a count or fraction of the examples of each."""

    how: Literal["swap"]
    classes: Annotated[tuple[ClassRef, ...], Field(min_length=2, max_length=2)]


class CorruptRandom(SomeAmount):
    """Change the labels of a count or fraction of the training set to another class, drawn uniformly."""

    how: Literal["random"]


Corrupt: TypeAlias = Annotated[CorruptSwap | CorruptRandom, Field(discriminator="how")]


class Splits(Section):
    """Held-out examples, from the dataset's official test set if it has one, else from all examples."""

    validation: Amount = 0.1
    test: Amount = 0.15
    by: Literal["example", "subject"] = "example"
    seed: Seed = 0


class Normalization(Section):
    """Constants per channel for images scaled to [0, 1], instead of those of the training set."""

    mean: Annotated[tuple[Annotated[float, Field(ge=-1000, le=1000)], ...], Field(min_length=1)]
    std: Annotated[tuple[Annotated[float, Field(ge=1e-4, le=1000)], ...], Field(min_length=1)]


class JournalSection(Section):
    """The record of the originals' training."""

    updates: Literal["touched", "all"] = "touched"


def _journal(value: object) -> object:
    """Convert ``true`` into the default journal and ``false`` into none."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


class SisaSection(Section):
    """SISA training: each constituent of the network is trained on its own shard, in slices."""

    shards: Annotated[int, Field(ge=1, le=64)] = 5
    slices: Annotated[int, Field(ge=1, le=64)] = 2
    by: Literal["example", "subject"] = "example"


class NeverTrainedSection(SomeAmount):
    """Examples that methods are also asked to forget, though no model was trained on them: held out, or altered copies."""

    noise: Annotated[float, Field(gt=0, le=100)] | None = None


class BudgetSection(Section):
    """The time limit of a method, relative to retraining."""

    fraction: Annotated[float, Field(gt=0, le=1000)] = 0.2
    measurements: Annotated[int, Field(ge=1, le=100)] = 3


class MarginsSection(Section):
    """Margins of the verdict: remaining memory and loss of utility."""

    memory: Annotated[float, Field(gt=0, lt=1)] = 0.05
    shift_sd: Annotated[float, Field(gt=0, le=1000)] = 0.1
    utility_points: Annotated[float, Field(ge=0, le=100)] = 2.0


class TaskFile(Section):
    """A complete task file."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
    description: str = ""
    dataset: Dataset
    forget: Forget | None = None
    deletions: Annotated[tuple[Forget, ...], Field(min_length=2, max_length=MOST_REQUESTS)] | None = None
    never_trained: NeverTrainedSection | None = None
    corrupt: Corrupt | None = None
    splits: Splits = Splits()
    normalization: Normalization | None = None
    architecture: ArchitectureSection = ArchitectureSection()
    recipe: Annotated[Recipe, AfterValidator(_check_recipe)] = Recipe()
    journal: Annotated[JournalSection | None, BeforeValidator(_journal)] = None
    sisa: SisaSection | None = None
    models: Annotated[int, Field(ge=2, le=10_000)] = 32
    budget: BudgetSection = BudgetSection()
    margins: MarginsSection = MarginsSection()
    evaluators: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = ()
    seed: Seed = 0
    secret: bool = False

    @property
    def rules(self) -> tuple[Forget, ...]:
        """Return the rules that choose what is forgotten: one, or one for each request of a stream."""
        return (self.forget,) if self.forget is not None else self.deletions or ()

    @model_validator(mode="after")
    def _forgets_in_one_way(self) -> TaskFile:
        if (self.forget is None) == (self.deletions is None):
            raise ValueError("a task needs either forget (a single request) or deletions (a stream of requests)")
        if self.deletions is not None and (self.journal is not None or self.sisa is not None):
            raise ValueError(
                "deletions cannot be combined with journal or sisa, which record the training of the originals: later requests "
                "are made to other models; remove journal and sisa"
            )
        unfit = (ForgetCorrupted, *BY_MODELS)
        if other := next((rule for rule in self.deletions or () if isinstance(rule, unfit)), None):
            raise ValueError(f"deletions cannot be by: {other.by}; use forget, or name the examples with by: ids")
        return self

    @model_validator(mode="after")
    def _network_reads_inputs(self) -> TaskFile:
        kind = inputs_of(self.dataset)
        if kind is not None and (reason := misfits(kind, self.architecture.network, self.recipe.augment)):
            raise ValueError(reason)
        return self

    @model_validator(mode="after")
    def _never_trained_alone(self) -> TaskFile:
        others = {"deletions": self.deletions, "journal": self.journal, "sisa": self.sisa}
        if self.never_trained is not None and (other := next((key for key, value in others.items() if value), None)):
            raise ValueError(
                f"never_trained cannot be combined with {other}, which has a number for each example that methods are asked to "
                f"forget; remove {other} or never_trained"
            )
        if self.never_trained is not None and self.never_trained.noise and inputs_of(self.dataset) == "tokens":
            raise ValueError(
                "never_trained.noise cannot be added to token ids; leave it out, for requests for validation examples"
            )
        return self

    @model_validator(mode="after")
    def _one_record(self) -> TaskFile:
        if self.journal is not None and self.sisa is not None:
            raise ValueError(
                "sisa has its own journal, with the network before every stage; remove journal ('journal: false')"
            )
        return self

    @model_validator(mode="after")
    def _one_start(self) -> TaskFile:
        if self.sisa is not None and self.architecture.layers is not None:
            raise ValueError(
                "layers of constituents cannot be compared; remove layers from architecture, or remove sisa"
            )
        if self.sisa is not None and self.architecture.init is not None:
            raise ValueError("sisa trains its constituents from scratch; remove init from architecture, or remove sisa")
        return self

    @model_validator(mode="after")
    def _corrupt_and_forget_agree(self) -> TaskFile:
        forgets_corrupted = isinstance(self.forget, ForgetCorrupted)
        if forgets_corrupted and self.corrupt is None:
            raise ValueError(
                "forget by: corrupted needs corrupted labels; add a corrupt section, e.g. "
                "corrupt: {how: random, fraction: 0.05}"
            )
        if self.corrupt is not None and not forgets_corrupted:
            raise ValueError(
                "corrupt requires forget: {by: corrupted}, since retrained models must not see the wrong labels; set that, "
                "or remove corrupt ('corrupt: null' in a file that extends another). For wrong labels that stay in the "
                "retain set, use dataset.label_noise"
            )
        return self
