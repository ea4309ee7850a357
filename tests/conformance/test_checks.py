"""Each check is failed by a plugin that does the one wrong thing, and by no other check's; good plugins pass all."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
import torch

from harness.conformance.check_functions import CHECKS
from tests.conformance.conftest import Stand
from tests.conformance.mutants import MUTANTS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "conformance.md"
GPU_ONLY = {"works-on-cuda"}
GUESTS_OF_THEIR_OWN = {"small-cnn", "resnet18", "one-left-over", "empty-validation-set"}
"""These need guests that no other plugin does, seconds each."""
GOOD = {
    "changes the model in place": """
        @hookimpl
        def unlearn(model, retain):
            train(model, retain)
        """,
    "returns another model": """
        @hookimpl
        def unlearn(retain, context):
            model = context.new_model()
            train(model, retain)
            return model
        """,
    "returns a copy and leaves the original in training mode": """
        @hookimpl
        def unlearn(model, retain):
            copied = copy.deepcopy(model)
            train(copied, retain)
            model.train()
            return copied
        """,
    "trains nothing and adds noise": """
        @hookimpl
        def unlearn(model):
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter += 0.01 * torch.randn_like(parameter)
        """,
    "is the bundled ssd": "from harness_unlearners.ssd import unlearn",
}
VARIANTS = {
    "takes the state for the model": (
        "keeps-the-architecture",
        """
        @hookimpl
        def unlearn(model):
            return model.state_dict()
        """,
    ),
    "leaves finite weights with which a pass overflows": (
        "finite",
        """
        @hookimpl
        def unlearn(model):
            for parameter in model.parameters():
                parameter.data.mul_(1e30)
        """,
    ),
    "blackens the pictures": (
        "leaves-the-data-alone",
        """
        @hookimpl
        def unlearn(model, retain):
            train(model, retain)
            retain.images.zero_()
        """,
    ),
    "puts other data into a split": (
        "leaves-the-data-alone",
        """
        @hookimpl
        def unlearn(model, retain, validation):
            train(model, retain)
            validation.labels = validation.labels + 1
        """,
    ),
    "marks no hook": ("loads", "def unlearn(model): pass"),
    "ends its process": (
        "unlearns",
        """
        @hookimpl
        def unlearn(model):
            os._exit(0)
        """,
    ),
}


def _failed(stand: Stand, source: str) -> set[str]:
    return {name for name, finding in stand.findings(source).items() if finding.status == "fail"}


@pytest.mark.parametrize("name", sorted(MUTANTS.keys() - GPU_ONLY - GUESTS_OF_THEIR_OWN))
def test_a_plugin_with_one_fault_fails_the_one_check_for_it(name: str, stand: Stand) -> None:
    assert _failed(stand, MUTANTS[name]) == {name}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(GUESTS_OF_THEIR_OWN))
def test_a_plugin_that_fails_on_an_architecture_fails_the_one_check_for_it(name: str, stand: Stand) -> None:
    assert _failed(stand, MUTANTS[name]) == {name}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
@pytest.mark.parametrize("name", GPU_ONLY)
def test_a_plugin_that_forgets_the_device_fails_on_a_gpu_alone(name: str, stand: Stand) -> None:
    assert _failed(stand, MUTANTS[name]) == {name}


@pytest.mark.parametrize("what", VARIANTS)
def test_another_way_of_doing_wrong_is_found_as_well(what: str, stand: Stand) -> None:
    name, source = VARIANTS[what]

    assert stand.examination(source).finding(name).status == "fail"


@pytest.mark.parametrize("what", GOOD)
def test_a_good_plugin_passes_every_check(what: str, stand: Stand) -> None:
    findings = stand.findings(GOOD[what])

    assert {name for name, finding in findings.items() if finding.status != "ok"} <= GPU_ONLY


def test_a_method_that_draws_nothing_is_called_deterministic_and_passes(stand: Stand) -> None:
    finding = stand.examination("@hookimpl\ndef unlearn(model): pass").finding("another-seed-another-result")

    assert finding.status == "ok"
    assert finding.detail.startswith("deterministic")


def test_a_method_that_says_it_is_for_pictures_alone_is_not_tried_on_vectors(stand: Stand) -> None:
    source = """
        @hookimpl
        def unlearn(model, retain):
            if retain.inputs.dim() != 4:
                raise NotImplementedError("flips pictures")
            train(model, retain)
        """

    finding = stand.examination(source).finding("vectors")

    assert (finding.status, finding.detail) == ("skipped", "flips pictures")


def test_what_builds_on_a_failed_check_is_skipped_and_names_it(stand: Stand) -> None:
    finding = stand.examination(MUTANTS["loads"]).finding("quiet")

    assert finding.status == "skipped"
    assert "finite, which does not hold" in finding.detail


def test_a_failure_says_what_was_seen_and_what_to_do(stand: Stand) -> None:
    finding = stand.examination(MUTANTS["unlearns"]).finding("unlearns")

    assert "RuntimeError: no such thing" in finding.detail
    assert finding.advice


def test_every_check_has_a_plugin_that_fails_it() -> None:
    assert MUTANTS.keys() == CHECKS.keys()


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_demands_something_in_one_sentence(name: str) -> None:
    demand = CHECKS[name].demand

    assert demand[0].isupper()
    assert demand.count(". ") == 0
    assert demand.endswith(".")


def test_checks_build_on_earlier_ones_alone() -> None:
    earlier = [set(itertools.islice(CHECKS, number)) for number in range(len(CHECKS))]

    assert [one.name for one, known in zip(CHECKS.values(), earlier, strict=True) if not set(one.needs) <= known] == []


def test_the_reference_lists_every_check_with_its_demand_and_no_other() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", PAGE.read_text(), flags=re.MULTILINE)

    assert rows == [(check.name, check.demand) for check in CHECKS.values()]
