"""The keys of a task file as pydantic models; a test compares them with ``docs/reference/tasks.md``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from harness.tasks.architectures import ArchitectureSection
from harness.tasks.dataset_sections import Dataset, inputs_of
from harness.tasks.fitting import misfits
from harness.tasks.forget_sections import BY_MODELS, Corrupt, Forget, ForgetCorrupted
from harness.tasks.yaml.fields import Amount, Section, Seed, SomeAmount
from reference_models.networks.recipe import Recipe

# Repeated here so that task files are validated without importing torch; a test compares it with reference_models.
RECIPE_AT_MOST = {"epochs": 100_000, "batch_size": 10_000_000, "lr": 1e6, "weight_decay": 1e6, "chunk": 10_000}
MOST_REQUESTS = 20


def _check_recipe(value: Recipe) -> Recipe:
    """Refuse numbers above the bounds; the recipe itself refuses numbers below them."""
    for name, most in RECIPE_AT_MOST.items():
        if getattr(value, name) > most:
            raise ValueError(f"{name} must be at most {most:g}, not {getattr(value, name):g}")
    return value


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
