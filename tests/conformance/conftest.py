"""A trial runner shared by all tests: its guests stay warm, and every test rewrites the plugin module in them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from harness.conformance.check import Finding
from harness.conformance.running import Examination
from harness.conformance.trial_runner import TrialRunner
from harness.runners.base import Limits, PluginFacts
from harness.runners.process import ProcessRunner
from tests.unit.guest.lab import write_distribution

PREAMBLE = """
import copy, os, time
import pluggy
import torch
from torch.nn.functional import cross_entropy
hookimpl = pluggy.HookimplMarker("harness")

def train(model, split, batch_size=32, drop_last=True):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    model.train()
    for images, labels in split.loader(batch_size, shuffle=True, drop_last=drop_last):
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimizer.step()
    model.eval()
"""


class Stand:
    """Examines pieces of plugin code in guests that are started once for all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        write_distribution(folder)
        facts = PluginFacts("probe", "probe", "probe", "1.0", "source", str(folder))
        gpu_runner = partial(ProcessRunner, folder, 1, Limits(), "cuda") if torch.cuda.is_available() else None
        self.trials = TrialRunner(ProcessRunner(folder, 1, Limits()), facts, gpu_runner=gpu_runner)

    def examination(self, source: str) -> Examination:
        """Of a module of source code as the plugin."""
        (self._folder / "probe.py").write_text(PREAMBLE + textwrap.dedent(source))
        self.trials.forget_trials()
        return Examination(self.trials)

    def findings(self, source: str) -> dict[str, Finding]:
        """All findings by name of the check."""
        return {finding.check.name: finding for finding in self.examination(source).findings()}


@pytest.fixture(scope="package", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's cache."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="package")
def stand(tmp_path_factory: pytest.TempPathFactory, _own_cache: None) -> Iterator[Stand]:
    """Return this worker's stand."""
    stand = Stand(tmp_path_factory.mktemp("plugin"))
    with stand.trials:
        yield stand
