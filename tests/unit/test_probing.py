"""What the host computes from the weights of all models, for evaluators that need more than outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from harness.core.outcomes import ModelOutcome, Status
from harness.core.progress import SilentProgress
from harness.errors import EvaluatorError
from harness.evaluation import probed
from harness.probes.features import FEATURES
from harness.probes.registry import probes_of
from harness.references.identity import ROLES
from harness.references.populations import References
from harness.references.probing import Probing
from harness.runs.probing import probe_run
from harness.runs.store import RunStore
from harness.tasks.task import SisaRequest
from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import normalise
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


@pytest.fixture
def known() -> References:
    found = references()
    found.populations(MODELS, SilentProgress())
    return found


def test_features_of_all_populations_are_what_the_last_layer_reads(known: References, tmp_path: Path) -> None:
    unlearned = states(MODELS, first=50)
    store = store_with(tmp_path / "run", unlearned)

    found = probe_run([FEATURES], known, MODELS, outcomes(*[Status.OK] * MODELS), store, "missing", SilentProgress())[
        "features"
    ]

    assert set(found) == {*ROLES, "unlearned"}
    assert found["control"]["test"].shape == (MODELS, len(DATA.test), 2)
    for index, state in enumerate(unlearned):
        np.testing.assert_allclose(found["unlearned"]["forget"][index], hidden(known, state, "forget"), atol=1e-6)
    originals = known.population("original", MODELS)
    state = {name: torch.from_numpy(array) for name, array in originals.state(2).items()}
    np.testing.assert_allclose(found["original"]["retain"][2], hidden(known, state, "retain"), atol=1e-6)


def test_what_was_computed_is_neither_computed_again_nor_needs_weights(known: References, tmp_path: Path) -> None:
    store = store_with(tmp_path / "run", states(2))
    ended = outcomes(Status.OK, Status.OK)
    before = probe_run([FEATURES], known, MODELS, ended, store, "missing", SilentProgress())
    assert Probing(known, FEATURES).missing(MODELS) == 0

    store.drop_weights()
    again = probe_run([FEATURES], known, MODELS, ended, store, "missing", SilentProgress())

    assert not list((tmp_path / "run").rglob("weights.safetensors"))
    np.testing.assert_array_equal(again["features"]["unlearned"]["test"], before["features"]["unlearned"]["test"])


def test_a_failed_model_counts_as_its_original_only_if_it_is_asked_to(known: References, tmp_path: Path) -> None:
    store = store_with(tmp_path / "run", states(1))
    ended = outcomes(Status.OK, Status.TIMEOUT)

    missing = probe_run([FEATURES], known, MODELS, ended, store, "missing", SilentProgress())["features"]
    noop = probe_run([FEATURES], known, MODELS, ended, store, "noop", SilentProgress())["features"]

    assert len(missing["unlearned"]["test"]) == 1
    assert len(noop["unlearned"]["test"]) == 2
    np.testing.assert_array_equal(noop["unlearned"]["test"][1], noop["original"]["test"][1])


def test_without_the_weights_of_a_model_the_probe_is_left_out_with_what_to_do(
    known: References, tmp_path: Path
) -> None:
    store, progress = store_with(tmp_path / "run", states(1)), Notices()

    found = probe_run([FEATURES], known, MODELS, outcomes(Status.OK, Status.OK), store, "missing", progress)

    assert found == {}
    assert len(progress.told) == 1
    assert "--keep-weights" in progress.told[0]


def test_a_network_of_shards_has_no_features() -> None:
    assert "shard" in FEATURES.refuses(references(sisa=SisaRequest(2, 1)).task)


def test_an_unknown_probe_is_refused_with_those_there_are() -> None:
    with pytest.raises(EvaluatorError, match=r"mine asks for the probe 'feature'; there are: features"):
        probes_of(["feature"], "mine")


def test_examples_of_a_probe_are_a_fixed_choice() -> None:
    assert probed(5, 5).tolist() == [0, 1, 2, 3, 4]
    chosen = probed(1000, 10)
    assert len(set(chosen.tolist())) == 10
    assert chosen.tolist() == sorted(chosen.tolist()) == probed(1000, 10).tolist()


def test_a_damaged_result_is_told_with_its_place(known: References, tmp_path: Path) -> None:
    store = store_with(tmp_path / "run", states(1))
    save_file({}, store.probe_file(0, "features"))
    store.probe_file(0, "features").write_bytes(b"no")

    with pytest.raises(Exception, match="is damaged"):
        probe_run([FEATURES], known, MODELS, outcomes(Status.OK), store, "missing", SilentProgress())
