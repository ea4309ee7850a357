"""``harness run --pdb``: a plugin on its models, one after another, until it fails; then its author is there."""

from __future__ import annotations

import os
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from harness import hardware
from harness.config import RunConfig
from harness.discovery import find_task
from harness.errors import InterruptedRunError, UsageError
from harness.originals import few_originals
from harness.outcomes import ModelOutcome
from harness.own_architectures import carried
from harness.progress import Progress
from harness.references import References
from harness.report.model import utc_now
from harness.runners.selection import choose_workshop
from harness.runners.terminal import kept_terminal
from harness.store import RunStore, default_run_folder
from harness.tasks.checking import load_data
from harness.workplace import Workplace, guest_data
from reference_models.recipe import derive_seed

DAY_S = 86_400.0


@dataclass(frozen=True)
class Debugged:
    """What came of it.

    Attributes:
        folder: of the run, without a report.
        models: how many were unlearned, the failed one among them.
        failed: the model that the plugin failed on; None where it failed on none.
    """

    folder: Path
    models: int
    failed: ModelOutcome | None


def debug(config: RunConfig, progress: Progress) -> Debugged:
    """Unlearn originals in the process runner, without a limit, up to the first failure, which is debugged on the terminal.

    Models are those that are cheap to have (see :func:`~harness.originals.few_originals`) unless the user names their number.

    Raises:
        UsageError: there is no terminal.
        InterruptedRunError: Ctrl-C.
    """
    terminal = terminal_path()
    config = config.with_absolute_paths()
    task = find_task(config.task)
    workshop = choose_workshop(config, progress)
    store = RunStore.create(Path(config.output) if config.output else default_run_folder(config.plugin, task.name))
    run_id = uuid.uuid4().hex[:12]
    store.write_run({"format": 1, "config": config.to_json(), "run_id": run_id, "created": utc_now()})
    data = load_data(task)
    runner, facts = workshop.runner_for(config.plugin)
    device = "cuda" if hardware.gpu_names() and config.gpus != "none" else "cpu"
    references = References(task, data, device=device)
    originals = few_originals(references, config.models, progress)
    cores = int(config.limits(hardware.available_cores()).cpus or 1)
    file = guest_data(data, data.digest())
    place = Workplace(
        task,
        data,
        references.spec,
        file,
        originals,
        config,
        cores,
        run_id,
        device,
        terminal,
        architecture=carried(task),
    )
    try:
        with store.held(), kept_terminal(), place.session(runner, facts, config.options, DAY_S) as session:
            for index, original in enumerate(config.plan(len(originals.seeds))):
                store.begin_model(index)
                seed = derive_seed("unlearn", config.seed, index)
                outcome, _ = session.unlearn(index, seed, originals.state(original), None, originals.journal(original))
                store.finish_model(outcome, None)
                if not outcome.status.finished:
                    return Debugged(store.folder, index + 1, outcome)
    except KeyboardInterrupt:
        raise InterruptedRunError(f"Stopped. A run with --pdb is not scored; {store.folder} has no report.") from None
    return Debugged(store.folder, index + 1, None)


def terminal_path() -> str:
    """The terminal that the user sits at.

    Raises:
        UsageError: standard input is none, or it has no name here.
    """
    try:
        return os.ttyname(sys.stdin.fileno())
    except OSError as error:
        raise UsageError(f"--pdb needs a terminal, and standard input is none that can be opened: {error}.") from error
