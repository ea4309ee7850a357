"""What the host computes from the weights of all models, for evaluators that need more than outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.core.outcomes import ModelOutcome, Status
from harness.core.progress import SilentProgress
from harness.core.tensors import map_tensors
from harness.errors import EvaluatorError, TaskInvalidError
from harness.evaluation import probed
from harness.probes import features
from harness.probes.difference import DIFFERENCE
from harness.probes.features import FEATURES, SPLITS, _cut, check_layers, compute, layers_of
from harness.probes.probe import ProbeInputs
from harness.probes.registry import probes_of
from harness.references import probing
from harness.references.identity import ROLES
from harness.references.populations import References
from harness.references.probe_jobs import ProbeJob, probe_into
from harness.references.probing import Probing
from harness.references.worker_pool import WEIGHTS, Workers
from harness.runs.probing import probe_run
from harness.runs.store import RunStore
from harness.tasks.task import SisaRequest
from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import ArchitectureSpec
from reference_models.training.states import stack_states
from tests.unit.supplied.worlds import DATA, references, states

MODELS = 3  # two chunks


class Notices(SilentProgress):
    def __init__(self) -> None:
        self.told: list[str] = []

    def notice(self, text: str) -> None:
        self.told.append(text)


def outcomes(*statuses: Status) -> list[ModelOutcome]:
    return [ModelOutcome(index, 7, status, original=index) for index, status in enumerate(statuses)]


def store_with(folder: Path, kept: list[dict[str, torch.Tensor]]) -> RunStore:
    store = RunStore.create(folder)
    for index, state in enumerate(kept):
        store.keep_weights(index, {name: tensor.numpy() for name, tensor in state.items()})
    return store


def hidden(known: References, state: dict[str, torch.Tensor], split: str) -> np.ndarray[Any, Any]:
    """Return what the last layer of the two-layer network reads, by its own formula."""
    model = build_model(known.spec, None)
    model.load_state_dict(state)
    inputs = normalise(torch.from_numpy(np.asarray(DATA.split(split).inputs)), known.spec.mean, known.spec.std)
    layers = [part for part in model.modules() if isinstance(part, torch.nn.Linear)]
    features: np.ndarray[Any, Any] = torch.relu(layers[0](inputs.flatten(1))).detach().numpy()
    return features


def data(job: ProbeJob) -> Mapping[str, np.ndarray[Any, Any]]:
    return map_tensors(Path(job.data_file))


@pytest.fixture
def known() -> References:
    found = references()
    found.populations(MODELS, SilentProgress())
    return found


def test_features_of_all_populations_are_what_the_last_layer_reads(known: References, tmp_path: Path) -> None:
    unlearned = states(MODELS, first=50)
    store = store_with(tmp_path / "run", unlearned)

    found = probe_run(
        [FEATURES], known, MODELS, outcomes(*[Status.OK] * MODELS), store, "missing", SilentProgress()
    ).arrays["features"]

    assert set(found) == {*ROLES, "unlearned"}
    assert found["control"]["test"].shape == (MODELS, len(DATA.test), 2)
    for index, state in enumerate(unlearned):
        np.testing.assert_allclose(found["unlearned"]["forget"][index], hidden(known, state, "forget"), atol=1e-6)
    originals = known.population("original", MODELS)
    state = {name: torch.from_numpy(array) for name, array in originals.state(2).items()}
    np.testing.assert_allclose(found["original"]["retain"][2], hidden(known, state, "retain"), atol=1e-6)


def test_a_paired_probe_compares_each_model_with_its_own_original(known: References, tmp_path: Path) -> None:
    """Also if the originals of models that are probed together are in several chunks."""
    unlearned, origin = states(MODELS, first=50), [2, 0, 0]
    ended = [ModelOutcome(index, 7, Status.OK, original=one) for index, one in enumerate(origin)]

    found = probe_run(
        [DIFFERENCE], known, MODELS, ended, store_with(tmp_path / "run", unlearned), "missing", SilentProgress()
    ).arrays["difference"]

    originals = known.population("original", MODELS)
    for index, one in enumerate(origin):
        wanted = distance(originals.state(one), {name: tensor.numpy() for name, tensor in unlearned[index].items()})
        assert found["unlearned"]["distance"][index] == pytest.approx(wanted, rel=1e-6)
    for chunk in known.chunks("retrained", MODELS):
        stacked = map_tensors(known.folder(chunk)[0] / WEIGHTS)
        for row in range(chunk.models):
            number, state = chunk.first + row, {name: array[row] for name, array in stacked.items()}
            wanted = distance(originals.state(number), state)
            assert found["retrained"]["distance"][number] == pytest.approx(wanted, rel=1e-6)
    assert not found["original"]["distance"].any()


def distance(one: Mapping[str, np.ndarray[Any, Any]], other: Mapping[str, np.ndarray[Any, Any]]) -> float:
    return float(sum(((one[name].astype(float) - other[name]) ** 2).sum() for name in one) ** 0.5)


def test_what_was_computed_is_neither_computed_again_nor_needs_weights(known: References, tmp_path: Path) -> None:
    store = store_with(tmp_path / "run", states(2))
    ended = outcomes(Status.OK, Status.OK)
    before = probe_run([FEATURES], known, MODELS, ended, store, "missing", SilentProgress())
    assert Probing(known, FEATURES).missing(MODELS) == 0

    store.drop_weights()
    again = probe_run([FEATURES], known, MODELS, ended, store, "missing", SilentProgress())

    assert not list((tmp_path / "run").rglob("weights.safetensors"))
    np.testing.assert_array_equal(
        again.arrays["features"]["unlearned"]["test"], before.arrays["features"]["unlearned"]["test"]
    )


def test_a_failed_model_counts_as_its_original_only_if_it_is_asked_to(known: References, tmp_path: Path) -> None:
    store = store_with(tmp_path / "run", states(1))
    ended = outcomes(Status.OK, Status.TIMEOUT)

    missing = probe_run([FEATURES], known, MODELS, ended, store, "missing", SilentProgress()).arrays["features"]
    noop = probe_run([FEATURES], known, MODELS, ended, store, "noop", SilentProgress()).arrays["features"]

    assert len(missing["unlearned"]["test"]) == 1
    assert len(noop["unlearned"]["test"]) == 2
    np.testing.assert_array_equal(noop["unlearned"]["test"][1], noop["original"]["test"][1])


def test_without_the_weights_of_a_model_the_probe_is_left_out_with_what_to_do(
    known: References, tmp_path: Path
) -> None:
    store, progress = store_with(tmp_path / "run", states(1)), Notices()

    found = probe_run([FEATURES], known, MODELS, outcomes(Status.OK, Status.OK), store, "missing", progress)

    assert found.arrays == {}
    assert "--keep-weights" in found.reasons["features"]
    assert len(progress.told) == 1
    assert "--keep-weights" in progress.told[0]


def test_a_network_of_shards_has_no_features() -> None:
    assert "shard" in FEATURES.refuses(references(sisa=SisaRequest(2, 1)).task)


def test_a_probe_of_few_models_has_the_first_ones_in_whole_chunks(known: References, tmp_path: Path) -> None:
    few = replace(FEATURES, models=1)
    store = store_with(tmp_path / "run", states(MODELS))
    ended = outcomes(*[Status.OK] * MODELS)

    every = probe_run([FEATURES], known, MODELS, ended, store, "missing", SilentProgress()).arrays["features"]
    first = probe_run([few], known, MODELS, ended, store, "missing", SilentProgress()).arrays["features"]

    covered = known.task.recipe.chunk
    assert few.covered(MODELS, covered) == covered < MODELS
    for population, arrays in first.items():
        assert len(arrays["forget"]) == covered, population
        np.testing.assert_array_equal(arrays["forget"], every[population]["forget"][:covered])


def test_results_in_this_process_are_those_of_a_worker(known: References, tmp_path: Path) -> None:
    ended = outcomes(Status.OK, Status.OK)
    heavy = replace(FEATURES, light=False)
    found = []
    for name, probe in (("worker", heavy), ("here", FEATURES)):  # the first one computes reference models, too
        store = store_with(tmp_path / name, states(2))
        found.append(probe_run([probe], known, MODELS, ended, store, "missing", SilentProgress()).arrays["features"])
    for split in ("forget", "retain", "test"):
        np.testing.assert_array_equal(found[0]["unlearned"][split], found[1]["unlearned"][split])


def test_results_of_other_code_or_layers_are_not_taken(known: References, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Probing(known, FEATURES).name
    named = Probing(known, replace(FEATURES, options=lambda _task: {"layers": ["1"]})).name
    monkeypatch.setattr(probing, "probe_code_digest", lambda: "other")
    assert len({before, named, Probing(known, FEATURES).name}) == 3


def test_a_probe_without_results_says_why(known: References, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "last_linear", lambda _model, _classes: None)
    monkeypatch.setattr(
        Workers, "work", lambda _self, folder, job, on_step: probe_into(folder, job, data(job), on_step)
    )
    monkeypatch.setattr(features, "layers_of", lambda _model, _named, _bundled: [])
    monkeypatch.setattr(probing, "probe_code_digest", lambda: "another")  # nothing of it is cached

    store, progress = store_with(tmp_path / "run", states(1)), Notices()
    found = probe_run([FEATURES], known, MODELS, outcomes(Status.OK), store, "missing", progress)

    assert found.arrays == {}
    assert "no linear layer" in found.reasons["features"]
    assert progress.told == [f"The probe features is not computed: {FEATURES.nothing}."]


@pytest.mark.parametrize(
    ("architecture", "shape", "expected"),
    [
        (ArchitectureSpec("mlp", {"hidden": [3, 4, 5]}), (1, 2, 2), ["2", "4"]),
        (ArchitectureSpec("patch-cnn", {"hidden": [6]}), (3, 16, 16), ["2", "5"]),
        (ArchitectureSpec("small-cnn", {"width": 2}), (3, 16, 16), ["2", "5"]),
        (ArchitectureSpec("resnet18", {"width": 2}), (3, 16, 16), ["layer1", "layer2", "layer3", "layer4"]),
    ],
)
def test_layers_of_bundled_networks_are_found(
    architecture: ArchitectureSpec, shape: tuple[int, ...], expected: list[str]
) -> None:
    spec = replace(
        references().spec, architecture=architecture, input_shape=shape, mean=(0.0,) * shape[0], std=(1.0,) * shape[0]
    )
    model = build_model(spec, 0)
    assert layers_of(model, [], bundled=True) == expected
    assert layers_of(model, [], bundled=False) == []
    inputs = np.zeros((5, *shape), dtype=np.uint8)
    given = ProbeInputs(spec, references().task.recipe, dict.fromkeys(SPLITS, inputs), {}, [0], {"layers": []})
    found = compute(given, stack_states([model.state_dict()]))
    assert [name for name in found if name.startswith("forget@")] == [f"forget@{name}" for name in expected]
    assert all(array.ndim == 3 and array.shape[:2] == (1, 5) for array in found.values())


def test_layers_that_a_task_names_are_checked_before_training() -> None:
    known = references()
    with pytest.raises(TaskInvalidError, match=r"architecture\.layers: there is no module '11'; did you mean '1'\?"):
        check_layers(replace(known.task, layers=("11",)), known.spec)
    with pytest.raises(TaskInvalidError, match=r"architecture\.layers: there is no module 'fc'"):
        References(replace(known.task, layers=("fc",)), DATA).check_network()
    check_layers(replace(known.task, layers=("1", "2")), known.spec)


def test_wide_features_are_of_fewer_examples() -> None:
    for width, expected in ((8, 512), (512, 256), (1 << 20, 64)):
        rows = _cut(np.broadcast_to(np.arange(512, dtype=np.float32)[:, None], (512, width)), 1000)
        assert len(rows) == expected
        assert probed(1000, 512)[rows[:, 0].astype(int)].tolist() == probed(1000, expected).tolist()


def test_an_unknown_probe_is_refused_with_those_there_are() -> None:
    with pytest.raises(EvaluatorError, match=r"mine asks for the probe 'feature'; there are: difference, features"):
        probes_of(["feature"], "mine")


def test_examples_of_a_probe_are_a_fixed_choice() -> None:
    assert probed(5, 5).tolist() == [0, 1, 2, 3, 4]
    chosen = probed(1000, 10)
    assert len(set(chosen.tolist())) == 10
    assert chosen.tolist() == sorted(chosen.tolist()) == probed(1000, 10).tolist()


def test_a_damaged_result_is_told_with_its_place(known: References, tmp_path: Path) -> None:
    store = store_with(tmp_path / "run", states(1))
    store.probe_file(0, Probing(known, FEATURES).name).write_bytes(b"no")

    with pytest.raises(Exception, match="is damaged"):
        probe_run([FEATURES], known, MODELS, outcomes(Status.OK), store, "missing", SilentProgress())
