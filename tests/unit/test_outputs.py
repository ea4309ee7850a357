"""Supplied outputs: what is refused and how it is named, what is read, and what phi alone gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.comparing import LoadedReport, compare
from harness.core.progress import SilentProgress
from harness.errors import NotComparableError, OutputsInvalidError, OutputUnwritableError
from harness.evaluation import Evidence, phi
from harness.leaderboards.rows import _excluded
from harness.library.calls import score
from harness.runs.evaluators import digest
from harness.runs.outputs import arrays_of, evidence_of, read_outputs, write_outputs
from harness.runs.score_outputs import score as score_in

CLASSES, MODELS, FORGET = 3, 5, 8
Arrays = dict[str, Any]


def outputs(**changes: Any) -> Arrays:
    """Four populations on two splits; a change of None removes an array."""
    rng = np.random.default_rng(0)
    found: Arrays = {
        f"{population}.{split}.logits": rng.normal(size=(MODELS, count, CLASSES)).astype(np.float32)
        for population in ("original", "retrained", "control", "unlearned")
        for split, count in (("forget", FORGET), ("test", 6))
    }
    found |= {"forget.labels": rng.integers(CLASSES, size=FORGET), "test.labels": rng.integers(CLASSES, size=6)}
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value for name, value in {**found, **named}.items() if value is not None}


def with_phi(**changes: Any) -> Arrays:
    found = outputs()
    for name in [name for name in found if name.endswith(".logits")]:
        split = name.split(".")[1]
        found[name.replace(".logits", ".phi")] = phi(found.pop(name), found[f"{split}.labels"])
    return {**found, **changes}


LOGITS = np.zeros((MODELS, FORGET, CLASSES), np.float32)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"retrained__forget__logits": None}, "retrained.forget.logits: is required"),
        ({"unlearned__forget__logits": None}, "unlearned.forget.logits: is required"),
        ({"control__forget__logits": None}, "control.forget.logits: is required, since control models have others"),
        ({"forget__labels": None}, "forget.labels: is required beside logits"),
        ({"unlearned__forget__logit": LOGITS}, "no such name; did you mean 'unlearned.forget.logits'?"),
        ({"unlearned__forget__logits": LOGITS[..., 0]}, "it must be (models, examples, classes)"),
        ({"unlearned__forget__logits": LOGITS[:, :4]}, "has 4 examples; expected 8"),
        ({"unlearned__forget__logits": LOGITS[..., :2]}, "has 2 classes; expected 3"),
        ({"unlearned__forget__logits": LOGITS[:3]}, "unlearned.test.logits: has 5 models; expected 3"),
        ({"unlearned__forget__logits": LOGITS[:0], "unlearned__test__logits": None}, "expected at least one"),
        ({"unlearned__forget__logits": LOGITS.astype(int)}, "must be a floating-point type"),
        ({"forget__labels": np.full(FORGET, 3)}, "forget.labels: has class 3, and the logits have 3 classes"),
        ({"forget__labels": np.full(FORGET, -1)}, "must be whole numbers, 0 for the first class"),
        ({"forget__labels": np.zeros(FORGET)}, "must be whole numbers, 0 for the first class"),
        ({"forget__labels": np.zeros((FORGET, 1), int)}, "forget.labels: has shape (8, 1); it must be (8,)"),
        ({"forget__ids": np.full(FORGET, "a")}, "forget.ids: an id occurs twice"),
        ({"forget__ids": np.arange(FORGET)}, "forget.ids: has type int64; it must be text"),
        ({"retain__labels": np.zeros(4, int)}, "retain.labels: no model has outputs on this split"),
        ({"class_names": np.array(["a", "b"])}, "class_names: must be 3 texts"),
        ({"unlearned_from": np.arange(4)}, "unlearned_from: must be 5 whole numbers"),
        ({"unlearned_from": np.arange(1, 6)}, "unlearned_from: has 5, and there are 5 originals"),
        ({"design": np.array("both")}, "design: must be one of per-original, one-original"),
        ({"seed": np.array(-1)}, "seed: must be a whole number of at least 0"),
        ({"altered": np.array(-1)}, "altered: must be a whole number of at least 0"),
        (
            {"forget__twins__test": np.ones(3, bool)},
            "forget.twins.test: has type bool and shape (3,); it must be bool, (8,)",
        ),
        ({"forget__twins__retain": np.ones(FORGET)}, "forget.twins.retain: has type float64"),
        ({"forget__twins__forget": np.ones(FORGET, bool)}, "forget.twins.forget: no such name"),
        (
            {"validation__never_trained": np.ones(3, bool)},
            "validation.never_trained: has type bool and shape (3,); it must be",
        ),
        ({"original__forget__logits__flip": LOGITS[:, :3]}, "original.forget.logits.flip: has 3 examples; expected 8"),
    ],
)
def test_what_does_not_fit_is_named(changes: Arrays, fault: str) -> None:
    with pytest.raises(OutputsInvalidError) as refused:
        evidence_of(outputs(**changes))

    assert fault in str(refused.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(OutputsInvalidError, match="has 2 faults") as refused:
        evidence_of(outputs(seed=np.array(0.5), nonsense=np.zeros(1)), "mine.npz")

    assert "mine.npz" in str(refused.value)


@pytest.mark.parametrize("name", ["o.npz", "folder"])
def test_what_is_written_is_read_back_unchanged(name: str, tmp_path: Path) -> None:
    extra = {"forget__subjects": np.array(list("aabbccdd")), "forget__true_labels": np.zeros(FORGET, int)}
    extra |= {"forget__twins__test": np.arange(FORGET) < 2, "altered": np.array(3)}
    extra |= {f"{role}__validation__logits": LOGITS for role in ("original", "retrained", "control", "unlearned")}
    extra |= {"validation__labels": np.zeros(FORGET, int), "validation__never_trained": np.arange(FORGET) % 2 == 0}
    one = evidence_of(outputs(**extra, retrained__forget__logits__flip=LOGITS, seed=np.array(7)))
    write_outputs(one, tmp_path / name)
    again = read_outputs(tmp_path / name)

    assert {key: value.tolist() for key, value in arrays_of(again).items()} == {
        key: value.tolist() for key, value in arrays_of(one).items()
    }
    assert (again.twins["test"].sum(), again.never_trained.sum(), again.altered) == (2, 4, 3)
    with pytest.raises(OutputUnwritableError, match="exists already"):
        write_outputs(one, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_is_mapped_and_not_read(tmp_path: Path) -> None:
    write_outputs(evidence_of(outputs()), tmp_path / "folder")
    found = read_outputs(tmp_path / "folder").logits["original"]["forget"]

    assert isinstance(found, np.memmap)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "does not exist"),
        (b"", "is not an .npz file"),
        (b"PK\x03\x04 damaged", "is not an .npz file"),
        ("pickle", "unlearned.forget.logits: cannot be read"),
        ("npy", "is not an .npz file"),
        ("empty", "has no .npy files"),
        ("cut", "unlearned.forget.logits: cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(content: object, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "o.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "pickle":
        np.savez(path, **{"unlearned.forget.logits": np.array([{}], dtype=object)}, allow_pickle=True)
    elif content == "npy":
        with path.open("wb") as file:
            np.save(file, LOGITS)
    elif content == "empty":
        path.mkdir()
    elif content == "cut":
        write_outputs(evidence_of(outputs()), tmp_path / "folder")
        path = tmp_path / "folder"
        whole = (path / "unlearned.forget.logits.npy").read_bytes()
        (path / "unlearned.forget.logits.npy").write_bytes(whole[:-4])

    with pytest.raises(OutputsInvalidError, match=fault.replace(".", r"\.")):
        read_outputs(path)


def test_phi_alone_is_kept_to_single_precision() -> None:
    given = with_phi()
    found = evidence_of(given)

    assert found.phi_only
    assert found.n_classes == 2
    np.testing.assert_array_equal(
        found.phi("unlearned", "forget"), given["unlearned.forget.phi"].astype(np.float32).astype(np.float64)
    )


def test_phi_in_one_place_reduces_all_to_phi() -> None:
    logits = outputs()["control.forget.logits"]
    given = with_phi()
    del given["control.forget.phi"]
    found = evidence_of({**given, "control.forget.logits": logits})

    assert found.phi("control", "forget") == pytest.approx(phi(logits, given["forget.labels"]), rel=1e-6)


def test_evaluators_that_need_logits_say_so_and_the_others_give_what_they_give_for_logits(tmp_path: Path) -> None:
    whole = score(outputs(), output=tmp_path / "logits")
    reduced = score(with_phi(), output=tmp_path / "phi")

    for name in ("accuracy", "divergence", "membership"):
        record = reduced.evaluator(name)
        assert record is not None
        assert not record.metrics
        assert record.warnings == (f"{name}: not computed: it needs logits, and only phi was supplied.",)
    for name in ("forgetting_quality.f_exact", "klom.forget_median", "lira.auc", "ks.mean_d"):
        one, other = whole.named(name), reduced.named(name)
        assert one is not None
        assert other is not None
        assert other.value == pytest.approx(one.value, abs=0.05)
    told = next(text for text in reduced.warnings if text.startswith("Only phi was supplied"))
    assert "accuracy" in told
    assert "lira" not in told
    missing = reduced.named("ks.mean_d_logits")
    assert missing is not None
    assert missing.value is None
    assert "needs logits" in missing.note


def test_the_report_says_that_nothing_was_run(tmp_path: Path) -> None:
    report = score(outputs(), output=tmp_path / "r", name="mine", task="ours", evaluators=["lira"])

    assert (report.plugin.name, report.plugin.origin, report.task.name) == ("mine", "outputs", "ours")
    assert report.warnings[0] == "Outputs supplied; not run here; no time measured."
    assert report.runner.name == "none"
    assert {model.charged_s for model in report.models} == {None}
    assert report.folder == tmp_path / "r"
    assert "Outputs supplied; not run here" in (tmp_path / "r" / "report.html").read_text()
    assert "Time: not measured." in str(report)


def test_methods_are_compared_against_the_same_reference_models_alone_and_never_ranked_with_runs(
    tmp_path: Path,
) -> None:
    given = outputs()
    theirs = {**given, "unlearned.forget.logits": given["unlearned.forget.logits"] + 1}
    easier = {**given, "retrained.forget.logits": given["unlearned.forget.logits"]}
    one, same, other = (
        score(arrays, output=tmp_path / name, name=name, evaluators=["lira"])
        for name, arrays in (("one", given), ("same", theirs), ("other", easier))
    )
    assert len(compare([LoadedReport(one), LoadedReport(same)]).methods) == 2
    with pytest.raises(NotComparableError, match="reference models"):
        compare([LoadedReport(one), LoadedReport(other)])
    assert _excluded(one, "lira.auc") == "not ranked: its outputs were supplied, not made here under a limit"


def test_without_control_and_originals_the_report_says_what_is_missing(tmp_path: Path) -> None:
    given = {name: array for name, array in outputs().items() if not name.startswith(("control", "original"))}
    report = score(given, output=tmp_path / "r")

    assert [text for text in report.warnings if text.startswith("There are no ")] == [
        "There are no control models, so no metric shows what perfect unlearning would score.",
        "There are no original models, so no metric shows what doing nothing would score.",
    ]
    assert not [one.name for one in report.evaluators if one.error]


@pytest.mark.parametrize("kept", [("forget",), ("forget", "test")])
@pytest.mark.parametrize("models", [1, 3, 4])
def test_few_models_and_splits_make_a_report_without_errors(kept: tuple[str, ...], models: int, tmp_path: Path) -> None:
    given = {
        name: array[:models] if name.endswith(".logits") else array
        for name, array in outputs().items()
        if set(kept) & set(name.split("."))
    }
    report = score(given, output=tmp_path / "r")

    assert [one.error for one in report.evaluators if one.error] == []


def test_a_folder_with_content_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")

    with pytest.raises(OutputUnwritableError, match="already contains other files"):
        score_in(outputs(), tmp_path, (), SilentProgress())
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_evidence_is_of_the_arrays_themselves() -> None:
    given = outputs()

    found: Evidence = evidence_of(given)
    assert np.shares_memory(found.logits["original"]["forget"], given["original.forget.logits"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38])
def test_logits_that_are_not_finite_are_reported(value: float, tmp_path: Path) -> None:
    logits = outputs()["unlearned.forget.logits"].copy()
    logits[0, 0] = value
    report = score(outputs(unlearned__forget__logits=logits), output=tmp_path / "r")

    assert not [record.error for record in report.evaluators if record.error]
    assert report.examples is None or np.isfinite(value)
    assert np.isfinite(value) or any("NaN" in text for text in report.warnings)


def test_lists_numbers_bytes_and_tensors_are_read_as_arrays() -> None:
    arrays = outputs(class_names=np.array(["é", "b", "c"]), seed=np.array(3), design=np.array("one-original"))
    plain: Arrays = {name: value.tolist() for name, value in arrays.items() if not name.endswith(".logits")}
    tensors = {name: torch.from_numpy(value) for name, value in arrays.items() if name.endswith(".logits")}
    plain["class_names"] = np.array([name.encode() for name in plain["class_names"]])

    assert digest(evidence_of(plain | tensors)) == digest(evidence_of(arrays))


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("class_names", np.array([b"\xff", b"b", b"c"]), "class_names: cannot be read: 'utf-8' codec"),
        ("unlearned_from", np.full(MODELS, 2**64 - 1, dtype=np.uint64), "unlearned_from: must be 5 whole numbers"),
        ("unlearned.forget.logits", [[1.0], [1.0, 2.0]], "unlearned.forget.logits: cannot be read"),
        (3, LOGITS, "the name 3 is not a text"),
    ],
)
def test_what_is_no_array_is_named(name: Any, value: Any, fault: str) -> None:
    without_originals = {key: array for key, array in outputs().items() if not key.startswith("original")}
    with pytest.raises(OutputsInvalidError) as refused:
        evidence_of({**without_originals, name: value})

    assert fault in str(refused.value)
