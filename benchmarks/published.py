"""Numbers that others published beside ours, on the files that they published; nothing is trained and nothing is fetched::

    python benchmarks/published.py FOLDER

Every row of ``published.csv`` is printed with the published number, ours and the difference, or with the reason why it is
skipped. FOLDER has one folder for each source; any of them may be missing:

- ``easydub``: the data set of EasyDUB (``hf download --repo-type dataset easydub/EasyDUB-dataset --include 'margins/*'
  'forget_sets/*' --local-dir FOLDER/easydub``). KLoM of 100 originals against 100 oracles on forget set 2, 95th percentile.
  Ours is EasyDUB's released estimate (``klom.*_p95_easydub``); the last column has our own estimate.
- ``open-unlearning``: evaluation logs of TOFU (``hf download --repo-type dataset open-unlearning/eval --local-dir
  FOLDER/open-unlearning``). P-values of two-sample Kolmogorov-Smirnov tests. Where the logs are missing, ours is the nearest of
  the p-values that n + n values can have: it shows that the exact distribution is the same, not that the data are.
- ``resnet18``: checkpoints of ResNet-18 in which one class of CIFAR-10 was left out of training or forgotten (``hf download`` of
  jaeunglee/resnet18-cifar10-unlearning and Yurim0507/{SALUN,CF-k,AdvNegGrad,Selective_Synapse_Dampening}). Accuracy in % and
  mean cross-entropy on the test images of the forgotten class and on all others.
- ``cifar10``: the test images, ``cifar-10-batches-bin`` or ``cifar-10-batches-py``; needed by ``resnet18``.

Sources of the published numbers, as of November 2026: README.md of github.com/easydub/EasyDUB-code, docs/repro.md of
github.com/locuslab/open-unlearning, and the model cards of the repositories above.
"""

from __future__ import annotations

import argparse
import csv
import functools
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.references.checkpoints import CheckpointReader
from harness.tasks.datasets.cifar10 import CLASS_NAMES, cifar10_examples
from harness.tasks.task import Split
from harness_evaluators.klom import histograms, released
from harness_evaluators.ks import null_distribution, sample_distances
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec
from reference_models.training.prediction import stacked_logits

Values = NDArray[np.float64]

TABLE = Path(__file__).with_suffix(".csv")
MODELS, FORGET_SET = 100, 2
"""EasyDUB's published numbers are those of the first 100 models of each kind, for forget set 2."""

TOFU = {"forget01": 40, "forget05": 200, "forget10": 400}
"""Number of truth ratios on each side of the test, by forget set."""

RESNET = ModelSpec(
    ArchitectureSpec("resnet18"), (3, 32, 32), 10, mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010)
)


@dataclass(frozen=True)
class Published:
    """A row of ``published.csv``: the number as it was printed."""

    source: str
    item: str
    quantity: str
    published: str


@dataclass(frozen=True)
class Ours:
    """Our number for a row; None with a reason if there is none. The note may hold a second number."""

    value: float | None
    note: str = ""


class MissingError(Exception):
    """Published files are missing or damaged; the message is the reason why a row is skipped."""


def rows() -> list[Published]:
    """Return the published numbers."""
    with TABLE.open(newline="") as file:
        return [Published(**row) for row in csv.DictReader(file)]


def easydub(folder: Path, row: Published) -> Ours:
    """Compute KLoM of the originals' margins against the oracles', 95th percentile over a split."""
    forget = f"forget_{FORGET_SET}"
    base = folder / "margins" / "cifar10"
    originals = _margins(base / "pretrain" / (forget if row.item == "forget" else row.item))
    oracles = _margins(base / "oracle" / forget / row.item)
    if row.item == "retain" and originals.shape[1] > oracles.shape[1]:  # the originals' have the forgotten examples too
        place = folder / "forget_sets" / "cifar10" / f"forget_set_{FORGET_SET}.npy"
        originals = np.delete(originals, _array(place).astype(np.int64), axis=1)
    if originals.shape != oracles.shape:
        raise MissingError(f"shapes differ: originals {originals.shape}, oracles {oracles.shape}")
    theirs, ours = (np.quantile(of(originals, oracles), 0.95) for of in (released.divergences, histograms.divergences))
    return Ours(float(theirs), f"our own estimate: {ours:.4f}")


def _margins(folder: Path) -> Values:
    """Return the margins of the first MODELS models, shape (MODELS, n)."""
    return np.stack([_array(folder / "resnet9" / f"id_{i}_epoch_23.npy") for i in range(MODELS)])


def _array(path: Path) -> NDArray[Any]:
    if not path.is_file():
        raise MissingError(f"{path} is missing")
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise MissingError(f"{path} cannot be read: {error}") from error


def open_unlearning(folder: Path, row: Published) -> Ours:
    """Compute the p-value of a test on truth ratios, or the nearest p-value that so many values can have."""
    _, model, split, _ = row.item.split("_", 3)
    n = TOFU[split]
    try:
        mine = truth_ratios(_log(folder, row.item))
        theirs = truth_ratios(_log(folder, f"tofu_{model}_retain{100 - int(split.removeprefix('forget'))}"))
    except MissingError as missing:
        near = nearest(float(row.published), n)
        return Ours(float(p_values(n)[near]), f"the exact p of D = {near + 1}/{n}; not from logs: {missing}")
    distance = np.abs(sample_distances.distances(mine[:, None], theirs[:, None]))
    return Ours(float(null_distribution.p_values(distance, len(mine), len(theirs))[0]), "from logs")


@functools.cache
def p_values(n: int) -> Values:
    """Return P(D >= k / n) of two samples of n, for k = 1 to n."""
    return null_distribution.tail_probabilities(n * np.arange(1, n + 1), n, n)


def nearest(published: float, n: int) -> int:
    """Return the index in :func:`p_values` of the p-value that is nearest to a published one, on a logarithmic scale."""
    return int(np.abs(np.log(p_values(n)) - np.log(published)).argmin())


def _log(folder: Path, run: str) -> Path:
    """Return the evaluation log of a run, in a folder of its name or in ``evals`` in it."""
    for place in sorted(folder.rglob("TOFU_EVAL.json")):
        if run in place.parts:
            return place
    raise MissingError(f"no TOFU_EVAL.json of {run} in {folder}")


def truth_ratios(log: Path) -> Values:
    """Return the truth ratio of every forgotten question in an evaluation log of open-unlearning, shape (n,)."""
    try:
        by_question = json.loads(log.read_bytes())["forget_truth_ratio"]["value_by_index"]
        return np.array([float(one["score"]) for one in by_question.values()])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MissingError(f"{log} has no forget_truth_ratio of single questions ({type(error).__name__})") from error


def resnet18(folder: Path, row: Published) -> Ours:
    """Compute accuracy in %, or mean cross-entropy, on the forgotten class or on the others."""
    found = next(iter(sorted(folder.rglob(row.item))), None)
    if found is None:
        raise MissingError(f"no {row.item} in {folder}")
    part, _, what = row.quantity.partition("_")
    logits, labels = _logits(found, folder.parent / "cifar10")
    chosen = (labels == forgotten_class(row.item)) == (part == "forget")
    return Ours(
        _accuracy(logits[chosen], labels[chosen]) if what == "accuracy" else _loss(logits[chosen], labels[chosen])
    )


def forgotten_class(name: str) -> int | None:
    """Return the number of the class that a checkpoint has forgotten, by its file's name; None for the original."""
    word = Path(name).stem.rpartition("_")[2]
    if word.isdigit():
        return int(word)
    return CLASS_NAMES.index(word) if word in CLASS_NAMES else None


def _accuracy(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    return float(100 * (logits.argmax(axis=1) == labels).mean())


def _loss(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    z = logits.astype(np.float64)
    top = z.max(axis=1)
    return float((np.log(np.exp(z - top[:, None]).sum(axis=1)) + top - z[np.arange(len(z)), labels]).mean())


@functools.lru_cache(maxsize=1)
def _logits(checkpoint: Path, images: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return a checkpoint's logits on the test images, shape (n, 10), and their classes."""
    import torch

    test = _test_images(images)
    expected = {name: tensor.numpy() for name, tensor in build_model(RESNET, 0).state_dict().items()}
    with CheckpointReader(expected) as reader:
        try:
            state = reader.read(checkpoint)
        except ValueError as error:
            raise MissingError(f"{checkpoint} {error}") from error
    stacked = {name: torch.from_numpy(array)[None] for name, array in state.items()}
    return stacked_logits(RESNET, stacked, test.inputs)[0], test.labels


@functools.lru_cache(maxsize=1)
def _test_images(folder: Path) -> Split:
    try:
        return cifar10_examples(folder).test
    except HarnessError as error:
        raise MissingError(str(error)) from error


SOURCES: Mapping[str, Callable[[Path, Published], Ours]] = {
    "easydub": easydub,
    "open-unlearning": open_unlearning,
    "resnet18": resnet18,
}


def compared(folder: Path, wanted: Sequence[Published]) -> Iterator[tuple[Published, Ours]]:
    """Yield every row with our number, or with the reason why there is none."""
    for row in wanted:
        try:
            yield row, SOURCES[row.source](folder / row.source, row)
        except MissingError as reason:
            yield row, Ours(None, f"skipped: {reason}")


def line(row: Published, ours: Ours) -> str:
    """Return a row of the printed table."""
    numbers = ("", "") if ours.value is None else (f"{ours.value:.5g}", f"{ours.value - float(row.published):+.2g}")
    return f"{row.source:<15} {row.item:<47} {row.quantity:<15} {row.published:>10} {numbers[0]:>12} {numbers[1]:>9}  {ours.note}"


def main() -> None:
    """Print all rows; exit with 1 if none could be computed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with the published files")
    parser.add_argument("--source", choices=sorted(SOURCES), action="append", help="only this source; may be repeated")
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder. Pass the folder that has the published files.")
    print(f"{'source':<15} {'item':<47} {'quantity':<15} {'published':>10} {'ours':>12} {'difference':>10}")
    computed = 0
    for row, ours in compared(options.folder, [row for row in rows() if row.source in (options.source or SOURCES)]):
        computed += ours.value is not None
        print(line(row, ours).rstrip(), flush=True)
    print(f"{computed} rows computed.")
    sys.exit(computed == 0)


if __name__ == "__main__":
    main()
