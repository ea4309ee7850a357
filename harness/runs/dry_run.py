"""A run's checks and plan, without the run."""

from __future__ import annotations

from pathlib import Path

from harness.core import hardware
from harness.core.progress import Progress
from harness.plugins.discovery import choose_evaluators, find_task
from harness.references.originals import untrained
from harness.references.own_network import OwnNetwork
from harness.runs.config import RunConfig
from harness.runs.evaluators import limit_in_force_s
from harness.runs.forget_choice import planned_forget_set
from harness.runs.placement import gpus_to_share, plan_core_sets
from harness.runs.plan import Plan, Work, make_plan
from harness.runs.prepare import host_device, load_references
from harness.runs.probing import names_of_run, probes_for
from harness.runs.runner_choice import check_runner
from harness.runs.store import check_new_folder
from harness.runs.streams import check_options
from harness.tasks.checking import load_data
from harness.tasks.loading import request_task
from harness.tasks.task import Request


def dry_run(config: RunConfig, progress: Progress) -> Plan:
    """Check everything that can be checked without a sandbox, and return the plan of the run.

    Nothing is trained, built or run, and no run folder is made. The task's data is loaded, because the cache depends on it.

    Raises:
        HarnessError: the first fault that the run would end with.
    """
    config = config.with_absolute_paths()
    task = find_task(config.task)
    if task.deletions:
        check_options(config, task)
        load_data(task)
        task = request_task(task, Request(1, task.deletions))
    plan_core_sets(config, hardware.usable_cores(), hardware.memory_mib(), gpus_to_share(config))
    limit_in_force_s()
    evaluators, _ = choose_evaluators(names_of_run(config, task))
    runner = check_runner(config, progress)
    if config.output:
        check_new_folder(Path(config.output), replace=config.force)
    own, choice = planned_forget_set(OwnNetwork.of(task), host_device(config), progress)
    references = load_references(config, own)
    references.check_journals(config.models or task.models, config.memory_mib)
    work, network = Work.of(config, references, runner), untrained(references)
    plan = make_plan(config, task, references, work, network, probes_for(evaluators), choice=choice)
    plan.check()
    return plan
