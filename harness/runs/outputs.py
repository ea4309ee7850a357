"""Outputs of trained models as named arrays: what ``harness score`` reads and ``harness outputs`` writes.

The arrays are members of an ``.npz`` file, or ``.npy`` files of one folder, which are mapped into memory instead of read. With
N models, n examples and C classes:

- ``POPULATION.SPLIT.logits`` (N, n, C), or ``POPULATION.SPLIT.phi`` (N, n): the logits, or only the logit-scaled confidence of
  the true class, log p_y - log(1 - p_y). Populations: original, retrained, control, unlearned; splits: forget, retain, test,
  validation. ``unlearned.forget`` and ``retrained.forget`` are required.
- ``SPLIT.labels`` (n,): the classes that the models were trained on; required beside logits.
- Optional: ``SPLIT.ids``, ``SPLIT.subjects`` and ``SPLIT.true_labels`` (n,); ``class_names`` (C,); ``unlearned_from`` (N,): the
  original of each unlearned model; ``design`` and ``seed``; ``POPULATION.forget.logits.QUERY``: answers to a changed input;
  ``forget.twins.SPLIT`` (n_forget,), ``validation.never_trained`` (n_validation,) and ``altered``, as of
  :class:`~harness.evaluation.Evidence`.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from harness.choices import Design
from harness.core.files import write_error
from harness.core.reading import foreign, reason
from harness.errors import OutputsInvalidError, OutputUnwritableError
from harness.evaluation import SPLITS, Evidence, Population, Timings, phi
from harness.tasks.yaml.wording import near_match, with_faults

POPULATIONS: tuple[Population, ...] = get_args(Population)
OF_SPLITS = ("labels", "true_labels", "ids", "subjects")
SINGLE = ("class_names", "unlearned_from", "design", "seed", "altered")
TWINS, NEVER_TRAINED = "forget.twins.", "validation.never_trained"
MASKS = (*(f"{TWINS}{split}" for split in SPLITS if split != "forget"), NEVER_TRAINED)
"""Arrays of truth values, one for each example of the split that their name begins with."""
REQUIRED: tuple[Population, ...] = ("unlearned", "retrained")
PAIR = ("true class", "other classes")
"""Names of the two classes of evidence that has phi alone."""

Array = NDArray[Any]
Arrays = Mapping[str, Array]


def read_outputs(path: Path) -> Evidence:
    """Read an ``.npz`` file or a folder of ``.npy`` files and check it.

    Raises:
        OutputsInvalidError: it cannot be read, or its arrays do not fit together; all faults are named.
    """
    if path.is_dir():
        files = {file.stem: file for file in sorted(path.glob("*.npy"))}
        if not files:
            raise OutputsInvalidError(f"{path} has no .npy files. See `harness score --help` for their names.")
        found = _loaded(str(path), files, lambda name: np.load(files[name], mmap_mode="r", allow_pickle=False))
    elif path.is_file():
        found = _unpacked(path)
    else:
        raise OutputsInvalidError(f"{path} does not exist. Pass an .npz file, or a folder of .npy files.")
    return evidence_of(found, str(path))


def _unpacked(path: Path) -> dict[str, Array]:
    """Return the arrays of an ``.npz`` file."""
    advice = "Write one with numpy.savez, or pass a folder of .npy files."
    with foreign(f"{path} is not an .npz file", OutputsInvalidError, advice), path.open("rb") as file:
        archive = np.load(file, allow_pickle=False)
        return _loaded(str(path), archive.files, archive.__getitem__)


def _loaded(place: str, names: Iterable[str], load: Callable[[str], Array]) -> dict[str, Array]:
    """Return the arrays by name; raise OutputsInvalidError with the names of all that cannot be read."""
    found: dict[str, Array] = {}
    faults: list[str] = []
    for name in names:
        try:
            found[name] = load(name)
        except Exception as error:  # numpy, zipfile and other libraries' arrays raise many kinds
            faults.append(f"{name}: cannot be read: {reason(error)}")
    if faults:
        raise OutputsInvalidError(with_faults(place, faults))
    return found


def evidence_of(arrays: Arrays, place: str = "The mapping of arrays") -> Evidence:
    """Return the evidence that named arrays give.

    If any population has phi alone, all others are reduced to it: the evidence then has two classes, the true one and all
    others, and ``phi_only`` is True.

    Args:
        arrays: by name.
        place: where they are from, for messages.

    Raises:
        OutputsInvalidError: they do not fit together; all faults are named.
    """
    read = _Read(_as_arrays(arrays, place))
    read.check_names()
    read.check_splits()
    read.check_populations()
    if read.faults:
        raise OutputsInvalidError(with_faults(place, read.faults))
    with np.errstate(over="ignore", invalid="ignore"):  # evaluators warn of logits that are not finite
        return read.evidence()


def _as_arrays(values: Mapping[str, Any], place: str) -> dict[str, Array]:
    """Return values as arrays by name: lists, numbers and tensors are converted, bytes are decoded as UTF-8."""

    def load(name: str) -> Array:
        array = np.asanyarray(values[name])
        return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array

    for name in values:
        if not isinstance(name, str):
            raise OutputsInvalidError(f"{place}: the name {name!r} is not a text.")
    return _loaded(place, values, load)


def arrays_of(evidence: Evidence) -> dict[str, Array]:
    """Return the named arrays of a run's evidence; times are left out."""
    found: dict[str, Array] = {}
    for population, by_split in evidence.logits.items():
        found |= {f"{population}.{split}.logits": logits for split, logits in by_split.items() if len(logits)}
    for query, by_population in evidence.queries.items():
        found |= {f"{name}.forget.logits.{query}": logits for name, logits in by_population.items()}
    kinds = {"labels": evidence.labels, "true_labels": evidence.true_labels, "ids": evidence.ids}
    for kind, values in {**kinds, "subjects": evidence.subjects}.items():
        found |= {f"{split}.{kind}": array for split, array in values.items()}
    found |= {f"{TWINS}{split}": array for split, array in evidence.twins.items()}
    found |= {NEVER_TRAINED: evidence.never_trained} if evidence.never_trained.size else {}
    found |= {"altered": np.array(evidence.altered)} if evidence.altered else {}
    return found | {
        "class_names": np.array(evidence.class_names),
        "unlearned_from": evidence.unlearned_from,
        "design": np.array(evidence.design),
        "seed": np.array(evidence.seed),
    }


def write_outputs(evidence: Evidence, path: Path) -> None:
    """Write a run's outputs to ``path``: an ``.npz`` file if it ends so, else a folder of ``.npy`` files.

    Raises:
        OutputUnwritableError: it exists already, or cannot be written.
        NoSpaceError: the disk is full.
    """
    if path.exists():
        raise OutputUnwritableError(f"{path} exists already. Choose another name, or remove it.")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    arrays = arrays_of(evidence)
    try:
        if path.suffix == ".npz":
            with temporary.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stubs see allow_pickle in every name
        else:
            temporary.mkdir()
            for name, array in arrays.items():
                np.save(temporary / f"{name}.npy", array, allow_pickle=False)
        temporary.rename(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.unlink(missing_ok=True)


@dataclass
class _Read:
    """Named arrays while they are checked.

    Attributes:
        arrays: as supplied.
        faults: what is wrong, a phrase each.
        examples: number of examples, by split.
        models: number of models, by population.
        classes: number of classes of the logits; None before any were seen.
    """

    arrays: Arrays
    faults: list[str] = field(default_factory=list)
    examples: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    classes: int | None = None

    @property
    def phi_only(self) -> bool:
        """Return True if any population has phi and no logits."""
        return any(name.endswith(".phi") for name in self.arrays)

    def check_names(self) -> None:
        """Note names that mean nothing, and required ones that are missing."""
        outputs = [f"{population}.{split}" for population in POPULATIONS for split in SPLITS]
        allowed = [*(f"{name}.{kind}" for name in outputs for kind in ("logits", "phi")), *SINGLE]
        allowed += [*MASKS, *(f"{split}.{kind}" for split in SPLITS for kind in OF_SPLITS)]
        for name in self.arrays:
            head, _, query = name.partition(".forget.logits.")
            if name not in allowed and not (head in POPULATIONS and query):
                self.faults.append(f"{name}: no such name{near_match(name, allowed)}")
        for population in REQUIRED:
            if self._named(population, "forget") is None:
                self.faults.append(f"{population}.forget.logits: is required (or {population}.forget.phi)")

    def check_splits(self) -> None:
        """Check what belongs to the examples of each split, and count these."""
        for split in SPLITS:
            given = [found for population in POPULATIONS if (found := self._named(population, split))]
            shapes = [self.arrays[name].shape for name in given]
            labels = self.arrays.get(f"{split}.labels")
            if labels is None and any(name.endswith(".logits") for name in given):
                self.faults.append(f"{split}.labels: is required beside logits")
            if not given:
                self.faults += [
                    f"{split}.{kind}: no model has outputs on this split"
                    for kind in OF_SPLITS
                    if f"{split}.{kind}" in self.arrays
                ]
                continue
            length = len(labels) if labels is not None and labels.ndim == 1 else shapes[0][1:2]
            self.examples[split] = length if isinstance(length, int) else (length[0] if length else 0)
            for kind in OF_SPLITS:
                self._check_of_split(split, kind)
        for name in MASKS:
            mask, count = self.arrays.get(name), self.examples.get(name.split(".")[0], 0)
            if mask is not None and (mask.dtype != np.bool_ or mask.shape != (count,)):
                self.faults.append(f"{name}: has type {mask.dtype} and shape {mask.shape}; it must be bool, ({count},)")

    def _check_of_split(self, split: str, kind: str) -> None:
        name, count = f"{split}.{kind}", self.examples[split]
        array = self.arrays.get(name)
        if array is None:
            return
        if array.shape != (count,):
            self.faults.append(f"{name}: has shape {array.shape}; it must be ({count},)")
        elif kind in ("ids", "subjects"):
            if array.dtype.kind not in "US":
                self.faults.append(f"{name}: has type {array.dtype}; it must be text")
            elif kind == "ids" and len(np.unique(array)) != count:
                self.faults.append(f"{name}: an id occurs twice")
        elif array.dtype.kind not in "iu" or (count and int(array.min()) < 0):
            self.faults.append(f"{name}: must be whole numbers, 0 for the first class")

    def check_populations(self) -> None:
        """Check the shapes of outputs, and what belongs to models or classes."""
        for population in POPULATIONS:
            for split in SPLITS:
                if name := self._named(population, split):
                    self._check_outputs(name, population, split)
            if population in self.models and self._named(population, "forget") is None:
                self.faults.append(f"{population}.forget.logits: is required, since {population} models have others")
        for name in self.arrays:
            head, _, query = name.partition(".forget.logits.")
            if query and head in POPULATIONS:
                self._check_outputs(name, head, "forget")
        for name in (f"{split}.{kind}" for split in self.examples for kind in ("labels", "true_labels")):
            labels = self.arrays.get(name)
            if labels is not None and self.classes and labels.size and labels.dtype.kind in "iu":
                top = int(labels.max())
                if top >= self.classes:
                    self.faults.append(f"{name}: has class {top}, and the logits have {self.classes} classes")
        self._check_single()

    def _check_outputs(self, name: str, population: str, split: str) -> None:
        array, is_phi = self.arrays[name], name.endswith(".phi")
        words = "(models, examples)" if is_phi else "(models, examples, classes)"
        if array.dtype.kind != "f":
            self.faults.append(f"{name}: has type {array.dtype}; it must be a floating-point type")
        if array.ndim != (2 if is_phi else 3):
            self.faults.append(f"{name}: has shape {array.shape}; it must be {words}")
            return
        models = self.models.setdefault(population, len(array))
        if len(array) != models or not models:
            self.faults.append(f"{name}: has {len(array)} models; expected {models or 'at least one'}")
        if array.shape[1] != self.examples.get(split) or not array.shape[1]:
            self.faults.append(
                f"{name}: has {array.shape[1]} examples; expected {self.examples.get(split) or 'at least one'}"
            )
        if not is_phi:
            self.classes = self.classes or array.shape[2]
            if array.shape[2] != self.classes or self.classes < 2:
                self.faults.append(f"{name}: has {array.shape[2]} classes; expected {max(self.classes, 2)}")

    def _check_single(self) -> None:
        names, origins = self.arrays.get("class_names"), self.arrays.get("unlearned_from")
        if names is not None and (names.dtype.kind not in "US" or (self.classes and names.shape != (self.classes,))):
            self.faults.append(f"class_names: must be {self.classes or ''} texts".replace("  ", " "))
        if origins is not None:
            count, originals = self.models.get("unlearned"), self.models.get("original")
            if (
                origins.dtype.kind not in "iu"
                or origins.shape != (count,)
                or (count and not 0 <= int(origins.min()) <= int(origins.max()) <= np.iinfo(np.int64).max)
            ):
                self.faults.append(f"unlearned_from: must be {count} whole numbers, 0 for the first original")
            elif originals is not None and count and int(origins.max()) >= originals:
                self.faults.append(f"unlearned_from: has {int(origins.max())}, and there are {originals} originals")
        design = self.arrays.get("design")
        if design is not None and (design.ndim or str(design) not in get_args(Design)):
            self.faults.append(f"design: must be one of {', '.join(get_args(Design))}")
        for name in ("seed", "altered"):
            one = self.arrays.get(name)
            if one is not None and (one.ndim or one.dtype.kind not in "iu" or int(one) < 0):
                self.faults.append(f"{name}: must be a whole number of at least 0")

    def _named(self, population: str, split: str) -> str | None:
        """Return the name of a population's outputs on a split: logits, else phi; None without either."""
        names = (f"{population}.{split}.{kind}" for kind in ("logits", "phi"))
        return next((name for name in names if name in self.arrays), None)

    def evidence(self) -> Evidence:
        """Return the evidence of arrays without faults."""
        phi_only, count = self.phi_only, self.models["unlearned"]
        classes = 2 if phi_only else self.classes or 2
        empty = {split: np.zeros((0, n, classes), dtype=np.float32) for split, n in self.examples.items()}
        names = self.arrays.get("class_names")
        return Evidence(
            n_classes=classes,
            ids={split: self._text(f"{split}.ids", split) for split in self.examples},
            labels={split: self._labels(split) for split in self.examples},
            logits={name: self._outputs(name) if name in self.models else empty for name in POPULATIONS},
            unlearned_from=self.arrays.get("unlearned_from", np.arange(count)).astype(np.int64),
            timings=no_times(count),
            seed=int(self.arrays.get("seed", 0)),
            class_names=self._class_names(names, classes),
            design=str(self.arrays.get("design", "per-original")),  # type: ignore[arg-type]
            true_labels={} if phi_only else self._optional("true_labels", np.dtype(np.int64)),
            subjects=self._optional("subjects", np.dtype(np.str_)),
            queries={} if phi_only else self._queries(),
            twins={name.removeprefix(TWINS): array for name, array in self.arrays.items() if name.startswith(TWINS)},
            never_trained=self.arrays.get(NEVER_TRAINED, np.zeros(0, dtype=np.bool_)),
            altered=int(self.arrays.get("altered", 0)),
            phi_only=phi_only,
        )

    def _outputs(self, population: str) -> dict[str, NDArray[np.float32]]:
        """Return a population's logits by split; pairs (phi, 0) if any population has phi alone."""
        names = {split: name for split in self.examples if (name := self._named(population, split))}
        if not self.phi_only:
            return {split: np.asanyarray(self.arrays[name], dtype=np.float32) for split, name in names.items()}
        return {split: _pair(self._phi(name, split)) for split, name in names.items()}

    def _phi(self, name: str, split: str) -> Array:
        array = self.arrays[name]
        return array if name.endswith(".phi") else phi(array, self.arrays[f"{split}.labels"])

    def _labels(self, split: str) -> NDArray[np.int64]:
        if self.phi_only:
            return np.zeros(self.examples[split], dtype=np.int64)
        return self.arrays[f"{split}.labels"].astype(np.int64)

    def _class_names(self, names: Array | None, classes: int) -> tuple[str, ...]:
        if self.phi_only:
            return PAIR
        return tuple(map(str, range(classes))) if names is None else tuple(names.astype(np.str_).tolist())

    def _text(self, name: str, split: str) -> NDArray[np.str_]:
        count = self.examples[split]
        found = self.arrays.get(name)
        return np.array([f"{split}-{i}" for i in range(count)]) if found is None else found.astype(np.str_)

    def _optional(self, kind: str, dtype: np.dtype[Any]) -> dict[str, Any]:
        found = {split: self.arrays.get(f"{split}.{kind}") for split in self.examples}
        return {split: array.astype(dtype) for split, array in found.items() if array is not None}

    def _queries(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        found: dict[str, dict[str, NDArray[np.float32]]] = {}
        for name, array in self.arrays.items():
            population, _, query = name.partition(".forget.logits.")
            if query:
                found.setdefault(query, {})[population] = np.asanyarray(array, dtype=np.float32)
        return found


def _pair(values: Array) -> NDArray[np.float32]:
    """Return logits of two classes whose phi for class 0 is ``values``, shape (N, n) to (N, n, 2)."""
    found = np.zeros((*values.shape, 2), dtype=np.float32)
    found[..., 0] = values
    return found


def no_times(models: int) -> Timings:
    """Return the times of models whose times are unknown."""
    unknown = np.full(models, np.nan)
    return Timings(unknown, np.empty(0), None, unknown, unknown)
