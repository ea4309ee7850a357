"""Preparation shared by runs, shells and debugging: task, data, runner and reference models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.core import hardware
from harness.references.populations import Population, References
from harness.references.queries import Pictures
from harness.runners.base import PluginFacts, Runner
from harness.runners.cores import CoreSet
from harness.runs.config import RunConfig
from harness.runs.placement import unpinned
from harness.runs.runner_choice import RunnerFactory
from harness.runs.unlearning_setup import UnlearningSetup, guest_data
from harness.tasks.checking import load_data
from harness.tasks.own_architectures import carried
from harness.tasks.task import Task, TaskData


@dataclass(frozen=True)
class Prepared:
    """Everything that a guest needs except the models.

    Attributes:
        config: the user's options.
        task, data: the task and its data.
        runner, facts: the plugin's runner and metadata.
        references: the task's reference models, on ``device``.
        architecture: folder with the module of the task's own network; None if it has none.
        device: the host's device for logits.
        cores: number of cores of a guest.
        run_id: for labels of containers.
        core_sets: one per worker.
    """

    config: RunConfig
    task: Task
    data: TaskData
    runner: Runner
    facts: PluginFacts
    references: References
    architecture: Path | None
    device: str
    cores: int
    run_id: str
    core_sets: tuple[CoreSet, ...]

    def setup(self, originals: Population, queries: Pictures | None = None) -> UnlearningSetup:
        """Return the setup shared by guests of these originals.

        Args:
            originals: the models to unlearn.
            queries: inputs of every query of a returned model; None for none.
        """
        return UnlearningSetup(
            self.task,
            self.data,
            self.references.spec,
            guest_data(self.data, self.data.digest()),
            originals,
            self.config,
            self.cores,
            self.run_id,
            self.device,
            core_sets=self.core_sets if self.runner.pins else unpinned(self.core_sets),
            queries=queries or {},
            architecture=self.architecture,
        )


def prepare(
    config: RunConfig, task: Task, runners: RunnerFactory, run_id: str, core_sets: tuple[CoreSet, ...] = (CoreSet(),)
) -> Prepared:
    """Load the task's data and prepare the plugin's runner.

    Raises:
        HarnessError: the data, the plugin or its image is invalid or unavailable.
    """
    architecture = carried(task)
    data = load_data(task)
    runner, facts = runners.runner_for(config.plugin)
    device = "cuda" if hardware.gpu_names() and config.gpus != "none" else "cpu"
    cores = int(config.limits(hardware.available_cores()).cpus or 1)
    references = References(task, data, device=device)
    return Prepared(config, task, data, runner, facts, references, architecture, device, cores, run_id, core_sets)
