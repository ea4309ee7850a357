"""The method of a new package: it trains, stops in time, and refuses options that make no sense."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from harness.errors import UsageError
from harness.newplugin.naming import names_of
from harness.newplugin.rendering import NewPlugin, render
from harness.plugins.options import check_options, read_declaration
from harness_guest.data import Normalisation, SplitData

NAME = "newly_made_method"


@dataclasses.dataclass
class CountedContext:
    """A context whose time passes by one second whenever somebody looks."""

    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    time_limit_s: float | None = None
    looks: int = 0

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def remaining_s(self) -> float:
        self.looks += 1
        return float("inf") if self.time_limit_s is None else self.time_limit_s - self.looks


@pytest.fixture
def method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    files = render(NewPlugin(names_of(NAME), "MIT", None, 2026))
    source = next(text for path, text in files.items() if path.name == "__init__.py")
    (tmp_path / f"{NAME}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    return importlib.import_module(NAME)


@pytest.fixture
def retain() -> SplitData:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (33, 1, 4, 4), generator=generator, dtype=torch.uint8)
    return SplitData(images, torch.randint(0, 3, (33,), generator=generator), 3, Normalisation((0.5,), (0.25,)))


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).eval()


def steps(model: nn.Module) -> int:
    """BatchNorm counts the batches it has seen."""
    return int(next(value for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")))


def test_it_trains_for_as_many_epochs_as_asked_and_leaves_the_model_in_eval_mode(
    method: Any, model: nn.Module, retain: SplitData
) -> None:
    context = CountedContext({"epochs": 3, "batch_size": 16})
    method.unlearn(model, retain, context)

    assert steps(model) == 6  # of 33 examples one is left over in every epoch
    assert not any(module.training for module in model.modules())


def test_it_stops_when_a_tenth_of_its_time_is_left(method: Any, model: nn.Module, retain: SplitData) -> None:
    method.unlearn(model, retain, CountedContext({"epochs": 1000, "batch_size": 16}, time_limit_s=20.0))

    assert steps(model) == 18
    assert not model.training


def test_a_split_smaller_than_a_batch_is_used(method: Any, model: nn.Module, retain: SplitData) -> None:
    method.unlearn(model, retain, CountedContext({"batch_size": 500}))

    assert steps(model) == 1


def test_a_learning_rate_that_is_far_too_large_gives_no_nan(method: Any, model: nn.Module, retain: SplitData) -> None:
    method.unlearn(model, retain, CountedContext({"lr": 1e4, "epochs": 5}))

    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())


@pytest.mark.parametrize(
    "given", [{"speed": 1}, {"lr": 0}, {"lr": "fast"}, {"epochs": 1.5}, {"epochs": 0}, {"batch_size": "8"}]
)
def test_the_host_refuses_an_option_that_makes_no_sense_by_name(method: Any, given: dict[str, Any]) -> None:
    declared = read_declaration(Path(method.__file__).read_bytes(), NAME)

    assert declared is not None
    with pytest.raises(UsageError, match=next(iter(given))):
        check_options(declared, given, NAME)
    check_options(declared, {"lr": 0.5, "epochs": 3, "batch_size": 8}, NAME)
