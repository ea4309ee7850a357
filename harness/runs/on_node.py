"""The post of a run on another machine: what is sent there, and how it is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.core import hardware
from harness.core.tensors import map_tensors
from harness.errors import SandboxError
from harness.posts.local import Equipment, LocalPost
from harness.posts.post import Method
from harness.references.originals import untrained
from harness.references.populations import References
from harness.references.queries import QueryPlan
from harness.references.worker_pool import ORDER
from harness.runners.base import PluginFacts, Runner
from harness.runs.config import RunConfig
from harness.runs.placement import gpus_to_share, plan_core_sets, unpinned
from harness.runs.prepare import Prepared, host_device
from harness.runs.reaping import reap_all
from harness.runs.remote_runners import RunnerOrder, remade
from harness.runs.unlearning_setup import UnlearningSetup
from harness.tasks.deletions import data_of
from harness.tasks.task import Split, Task, TaskData


@dataclass(frozen=True)
class NodeOrder:
    """What a node needs for a run, besides files.

    Attributes:
        config: the user's options.
        task: the task, without what loads its data.
        data: the data, without inputs.
        digest: of the whole data.
        data_file: with the inputs; a path on the program's machine.
        queries: plan of the queries.
        run_id: for labels of containers.
        probes: whether probes need the weights of returned models.
        methods: how each method's runner is made.
    """

    config: RunConfig
    task: Task
    data: TaskData
    digest: str
    data_file: str
    queries: QueryPlan
    run_id: str
    probes: bool
    methods: Mapping[Method, tuple[RunnerOrder, PluginFacts]]


def order_of(setup: UnlearningSetup, methods: Mapping[Method, tuple[RunnerOrder, PluginFacts]]) -> NodeOrder:
    """Return what nodes need for a run."""
    references = setup.references
    data = references.data
    bare: dict[str, Any] = {name: _without_inputs(data.split(name)) for name in ORDER}
    return NodeOrder(
        setup.config,
        replace(setup.task, load=_not_loaded, choice=None),
        replace(data, **bare),
        references.data_digest,
        str(references.data_file()),
        references.queries,
        setup.run_id,
        setup.probes,
        methods,
    )


def _without_inputs(split: Split) -> Split:
    inputs = np.empty((0, *split.inputs.shape[1:]), split.inputs.dtype)
    return Split(split.ids, inputs, split.labels, split.subjects, split.true_labels)


def _not_loaded() -> TaskData:
    raise SandboxError("The data of a run come from the program that hands out its work.")


def _with_inputs(data: TaskData, file: Path) -> TaskData:
    sizes = [len(data.split(name).labels) for name in ORDER]
    parts = np.split(map_tensors(file)["inputs"], np.cumsum(sizes)[:-1])
    splits: dict[str, Any] = {}
    for name, inputs in zip(ORDER, parts, strict=True):
        split = data.split(name)
        splits[name] = Split(split.ids, inputs, split.labels, split.subjects, split.true_labels)
    return replace(data, **splits)


def open_post(order: NodeOrder, files: Mapping[str, Path], cores: Sequence[int]) -> LocalPost:
    """Return the post of a run on this machine; remove what killed runs left here.

    Raises:
        HarnessError: the node has too few cores, no engine for the sandbox, or another image.
        SandboxError: the data are not those of the program.
    """
    config = order.config
    data = _with_inputs(order.data, files[order.data_file])
    references = References(order.task, data, device=host_device(config), queries=order.queries)
    if references.data_digest != order.digest:
        raise SandboxError("The data on this node are not those of the program that hands out the work.")
    made: dict[Method, Equipment] = {}

    def equip(method: Method) -> Equipment:
        if method not in made:
            recipe, facts = order.methods[method]
            runner: Runner = remade(recipe, config, len(cores), files.get(recipe.archive))
            made[method] = Equipment(runner, facts, config.options if method == "plugin" else {})
        return made[method]

    reap_all()
    plugin = equip("plugin")
    core_sets = plan_core_sets(config, cores, hardware.memory_mib(), gpus_to_share(config))
    found = Prepared(
        config,
        references.task,
        data_of(data, order.task.request),
        plugin.runner,
        plugin.facts,
        references,
        None,
        references.device,
        int(config.limits(len(cores)).cpus or 1),
        order.run_id,
        core_sets if plugin.runner.pins else unpinned(core_sets),
    )
    setup = UnlearningSetup.of(found, untrained(references), references.query_pictures(), probes=order.probes)
    return LocalPost(setup, equip)
