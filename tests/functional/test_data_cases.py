"""Odd data from outside, tried with the whole program: what is wrong is told by line, and nothing is trained on it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.program import Program, report_of

COUNT = 48
NAMES = [f"{index:03}.png" for index in range(COUNT)]
RAMP = np.linspace(0, 60000, 576).reshape(24, 24)
RUN = ("run", "--plugin", "noop", "--runner", "process", "--cpus", "1", "--time-limit", "60")


class Pictures:
    """A folder of random pictures with a CSV and a task file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = folder / "pictures"
        self.place.mkdir()
        rng = np.random.default_rng(0)
        for name in NAMES:
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(self.place / name)

    def task(
        self, labels: Sequence[str] = ("dog", "cat"), extra: Sequence[str] = (), forget: str = "{by: random, count: 8}"
    ) -> Path:
        rows = [f"{name},{labels[index % len(labels)]}" for index, name in enumerate(NAMES)]
        text = "\n".join(["file,label", *rows, *extra]) + "\n"
        (self.folder / "labels.csv").write_text(text, encoding="utf-8")
        path = self.folder / "own.yaml"
        path.write_text(
            "extends: image-folder\nname: own\n"
            "dataset: {kind: image-folder, directory: ./pictures, labels: ./labels.csv, size: 8}\n"
            f"forget: {forget}\narchitecture: {{name: mlp, options: {{hidden: [8]}}}}\n"
            "recipe: {epochs: 1}\nmodels: 2\n",
            encoding="utf-8",
        )
        return path


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    return Pictures(tmp_path)


def refused(program: Program, task: Path, code: int = 23) -> str:
    """Return the message of a run that must end before it writes results."""
    ended = program(*RUN, "--task", task, "--output", "out")
    assert ended.code == code, ended.err
    assert "Traceback" not in ended.err
    return " ".join(ended.err.split())


def test_pictures_of_16_bits_of_points_and_of_glass_are_refused_together(program: Program, pictures: Pictures) -> None:
    Image.fromarray(RAMP.astype("uint16")).save(pictures.place / "deep.png")
    Image.fromarray((RAMP / 60000).astype("float32")).save(pictures.place / "float.tif")
    glass = np.zeros((24, 24, 4), np.uint8)
    glass[8:16, 8:16] = [255, 0, 0, 255]
    Image.fromarray(glass).save(pictures.place / "glass.png")

    told = refused(program, pictures.task(extra=["deep.png,dog", "float.tif,dog", "glass.png,dog"]))

    assert "labels.csv has 3 faults: line 50: 'deep.png' is not supported: it has 16 bits per channel" in told
    assert "line 51: 'float.tif' is not supported: it has 32 bits per channel" in told
    assert "line 52: 'glass.png' is not supported: a share of 0.89 of its pixels is transparent" in told


def test_one_file_under_four_names_is_refused_four_times(program: Program, pictures: Pictures) -> None:
    (pictures.place / "s").mkdir()
    os.link(pictures.place / "000.png", pictures.place / "hard.png")
    (pictures.place / "soft.png").symlink_to("000.png")
    names = ["./000.png", "s/../000.png", "hard.png", "soft.png"]

    told = refused(program, pictures.task(extra=[f"{name},cat" for name in names]))

    assert "has 4 faults" in told
    assert [
        f"line {line}: '{name}' is the same file as '000.png' on line 2" in told for line, name in enumerate(names, 50)
    ]


def test_a_copy_of_a_forgotten_picture_is_warned_of_and_counted(program: Program, pictures: Pictures) -> None:
    shutil.copy(pictures.place / "000.png", pictures.place / "copy.png")
    task = pictures.task(extra=["copy.png,cat"], forget="{by: ids, ids: [000.png]}")
    task.write_text(task.read_text().replace("models: 2", "models: 2\nsplits: {validation: 1, test: 1, seed: 3}"))

    built = program("references", "build", task)
    ended = program(*RUN, "--task", task, "--output", "out")

    assert built.err.index("1 of 1 examples to forget") < built.err.index("training reference models")
    assert ended.code == 0, ended.err
    shown = " ".join((ended.out + ended.err).split())
    assert "1 of 1 examples to forget have a TWIN IN THE RETAIN SET (1 equal and 0 nearly equal, 1" in shown
    report = report_of(program.folder / "out")
    assert report["task"]["twins"][0] == {
        "split": "forget",
        "twin_in": "retain",
        "equal": 1,
        "near": 0,
        "other_label": 1,
        "pairs": {"000.png": "copy.png"},
    }
    assert any(text.startswith("1 of 1 examples to forget") for text in report["warnings"])
    assert "1 of 1 examples to forget have a twin in the retain set: no method can forget them" in shown


LABELS: dict[str, tuple[Sequence[str], str]] = {
    "equal numbers": (("1", "01", "2"), "line 3: the label '01' can be confused with '1' on line 2"),
    "wide digits": (("1", "\uff11", "2"), "line 3: the label '\\uff11' can be confused with '1' on line 2"),
    "two forms": (("caf\u00e9", "cafe\u0301"), "all labels are"),
    "unseen": (("cat", "cat\u200b"), "line 3: the label 'cat\\u200b' contains U+200B"),
    "direction": (("cat", "cat\u202e"), "line 3: the label 'cat\\u202e' contains U+202E"),
    "too long": (("1" * 5000, "2"), "line 2: the label '1111"),
    "nothing seen": (("cat", "\u00a0"), "line 3: the label '\\xa0' contains U+00A0"),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_that_cannot_be_told_apart_are_refused(case: str, program: Program, pictures: Pictures) -> None:
    labels, words = LABELS[case]

    assert words in refused(program, pictures.task(labels))


def test_a_name_in_another_unicode_form_is_offered_as_it_is_on_disk(program: Program, pictures: Pictures) -> None:
    shutil.copy(pictures.place / "000.png", pictures.place / "e\u0301.png")
    (pictures.place / "000.png").rename(pictures.place / "Zero.png")

    told = refused(program, pictures.task(extra=["\u00e9.png,cat"]))

    assert (
        "line 50: '\u00e9.png' does not exist; there is 'e\\u0301.png', the same name in another Unicode form" in told
    )
    assert "line 2: '000.png' cannot be read as an image: there is no such file in" in told


def test_a_store_of_links_is_told_with_what_to_do(program: Program, pictures: Pictures) -> None:
    (pictures.place / "000.png").rename(program.folder / "real.png")
    (pictures.place / "000.png").symlink_to("../real.png")
    (pictures.place / "001.png").unlink()
    (pictures.place / "001.png").symlink_to("../gone.png")
    (pictures.place / "002.png").unlink()
    (pictures.place / "002.png").symlink_to("objects/gone.png")

    told = refused(program, pictures.task())

    assert (
        f"line 2: '000.png' is outside the dataset directory {pictures.place}: it is a link to {program.folder}/real.png"
        in told
    )
    assert "line 3: '001.png' is outside the dataset directory" in told
    assert f"line 4: '002.png' is a link to {pictures.place}/objects/gone.png, which does not exist" in told
    assert "replace it by a copy" in told


TIMES = {
    "run_id", "created", "finished", "charged_s", "prepare_s", "start_s", "after_s", "judge_s", "cpu_s", "elapsed_s",
    "dead_s", "import_s", "cpu_pressure", "peak_rss_mib", "phases", "times", "seconds", "undependable_because", "dependable",
}  # fmt: skip
UNLIKE: tuple[dict[str, str], ...] = (
    {},  # forked, with hash seed 0
    {"PYTHONHASHSEED": "2", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "FAR-05:45"},
)


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_times(one) for name, one in value.items() if name not in TIMES}
    if isinstance(value, list):
        return [without_times(one) for one in value if not of_times(one)]
    return value.replace("Times are not dependable.", "").strip() if isinstance(value, str) else value


def of_times(value: Any) -> bool:
    """Return whether a part of a report speaks of times alone: efficiency's metrics, a warning about a busy machine."""
    if isinstance(value, dict):
        return value.get("name") == "efficiency"
    return isinstance(value, str) and value.startswith(("Times are not dependable:", "efficiency:"))


@pytest.mark.slow  # test_running.py compares the numbers alone, of another hash seed alone
def test_two_hash_seeds_locales_and_time_zones_give_one_report(program: Program, pictures: Pictures) -> None:
    task = pictures.task(("-1", "10", "2", "9"))
    (pictures.folder / "labels.csv").write_text(
        (pictures.folder / "labels.csv").read_text().replace(",9\n", ",na\u00efve caf\u00e9\n"), encoding="utf-8"
    )
    texts = []
    for number, environment in enumerate(UNLIKE):
        own = {**environment, "HARNESS_CACHE_DIR": str(program.folder / f"cache{number}")}
        ended = program(*RUN, "--task", task, "--output", f"out{number}", **own)
        assert ended.code == 0, ended.err
        report = without_times(report_of(program.folder / f"out{number}"))
        texts.append(json.dumps(report, indent=1).replace(f"out{number}", "out"))

    assert texts[0].splitlines() == texts[1].splitlines()
    assert json.loads(texts[0])["task"]["class_names"] == ["-1", "10", "2", "na\u00efve caf\u00e9"]


NUMBERS: dict[str, tuple[Sequence[str], int, str]] = {
    "a limit beyond all clocks": (("--time-limit", "1e308"), 2, "--time-limit must be a number above 0 to 604800"),
    "a limit that is none": (("--time-limit", "nan"), 2, "--time-limit must be a number above 0"),
    "models without end": (("--models", "1000000000"), 2, "--models must be a whole number from 1 to 10000"),
    "a fraction beyond all": (("--budget-fraction", "1e308"), 2, "--budget-fraction must be a number above 0 to 1000"),
    "workers without end": (("--workers", "1000000"), 2, "--workers must be a whole number from 1 to 100000"),
    "GPUs by another digit": (("--gpus", "\u00b2"), 2, "--gpus"),
    "an option that is none": (("--set", "lr=NaN"), 2, "--set lr must be finite"),
    "an option without end": (("--set", "lr=" + "[" * 20_000), 2, "--set lr is nested too deeply"),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_a_number_beyond_its_bounds_is_refused_before_anything_begins(case: str, program: Program, task: Path) -> None:
    options, code, words = NUMBERS[case]

    ended = program("run", "--plugin", "noop", "--runner", "process", "--task", task, "--output", "out", *options)

    assert (ended.code, "Traceback" in ended.err) == (code, False)
    assert words in " ".join(ended.err.split())
    assert not (program.folder / "out").exists()
