"""Preparation shared by runs, shells and debugging: task, data, runner and reference models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.core import gpu, hardware
from harness.core.progress import Progress
from harness.errors import GpuUnavailableError
from harness.references.own_network import OwnNetwork
from harness.references.populations import References
from harness.references.worker_pool import Trainers, Workers
from harness.runners.base import PluginFacts, Runner
from harness.runners.cores import CoreSet
from harness.runs.config import RunConfig
from harness.runs.forget_choice import with_forget_set
from harness.runs.placement import unpinned
from harness.runs.runner_choice import RunnerFactory
from harness.tasks.checking import load_data
from harness.tasks.deletions import data_of
from harness.tasks.task import Task, TaskData
from reference_models.networks.recipe import ModelSpec


@dataclass(frozen=True)
class Prepared:
    """Everything that the guests of a run need except the models.

    Attributes:
        config: the user's options.
        task, data: the task and its data; at a request of a stream, the forget set is what this request deletes.
        runner, facts: the plugin's runner and metadata.
        references: the task's reference models, on ``device``.
        architecture: folder with the code and initial weights of the task's own network; None if it has none.
        device: the host's device for logits.
        cores: number of cores of a guest.
        run_id: for labels of containers.
        core_sets: one per worker; without cores if the runner cannot pin guests.
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

    @property
    def spec(self) -> ModelSpec:
        """Return the network's specification."""
        return self.references.spec

    @property
    def own_network(self) -> bool:
        """Return True if the network is not built in, or begins with weights of the task."""
        return bool(self.references.task.architecture.digest or self.references.task.architecture.init)


def prepare(
    config: RunConfig,
    task: Task,
    runners: RunnerFactory,
    run_id: str,
    progress: Progress,
    core_sets: tuple[CoreSet, ...] = (CoreSet(),),
    trainers: Callable[[], Trainers] = Workers,
    machine_cores: int | None = None,
) -> Prepared:
    """Load the task's data and prepare the plugin's runner; train the models that choose the forget set, if there are any.

    Args:
        config: the user's options.
        task: of the run.
        runners: makes runners.
        run_id: for labels of containers.
        progress: shows the steps.
        core_sets: one per worker.
        trainers: makes what trains reference models.
        machine_cores: cores of the machine on which guests run; None for this one's.

    Raises:
        HarnessError: the data, the plugin or its image is invalid or unavailable.
    """
    check_gpu(config, gpu.read(), progress)
    own = OwnNetwork.of(task)  # before any data is loaded
    own = with_forget_set(own, host_device(config), progress)
    references = load_references(config, own, trainers)
    runner, facts = runners.runner_for(config.plugin)
    cores = int(config.limits(machine_cores or hardware.available_cores()).cpus or 1)
    architecture = own.site(runners.python, runners.present)
    if not runner.pins:
        core_sets = unpinned(core_sets)
    return Prepared(
        config,
        references.task,
        data_of(references.data, task.request),
        runner,
        facts,
        references,
        architecture,
        references.device,
        cores,
        run_id,
        core_sets,
    )


def check_gpu(config: RunConfig, facts: gpu.GpuFacts, progress: Progress) -> None:
    """Tell what is wrong with the machine's cards, before anything is trained or timed.

    Raises:
        GpuUnavailableError: cards were asked for, or would be used, and cannot compute.
    """
    for one in gpu.findings(facts) if config.gpus != "none" else ():
        text = f"{one.detail}. {one.advice}"
        if one.kind == "kernels" or (one.serious and config.gpus != "auto"):
            raise GpuUnavailableError(text)
        progress.notice(f"{text} This run computes on the CPU." if one.serious else text)


def host_device(config: RunConfig) -> str:
    """Return the host's device for training and logits, "cpu" or "cuda"."""
    return "cuda" if hardware.gpu_names() and config.gpus != "none" else "cpu"


def load_references(config: RunConfig, own: OwnNetwork, trainers: Callable[[], Trainers] = Workers) -> References:
    """Load a task's data and return its reference models, none of them trained yet.

    Raises:
        HarnessError: the task's data is invalid or unavailable.
    """
    return References(own.task, load_data(own.task), device=host_device(config), own=own, trainers=trainers)
