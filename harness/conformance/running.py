"""Execution of the checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from harness.choices import Adapter
from harness.conformance.check import CheckFailed, Finding, NotApplicable
from harness.conformance.check_functions import CHECKS
from harness.conformance.trial_runner import TrialRunner
from harness.core import hardware
from harness.core.progress import Progress, Step
from harness.runners.base import Runner
from harness.runs.config import RunConfig
from harness.runs.runner_choice import choose_runners


@contextmanager
def opened(
    plugin: str, runner: str, options: Mapping[str, Any], progress: Progress, adapter: Adapter = "auto"
) -> Iterator[TrialRunner]:
    """Yield the trial runner for a plugin.

    Args:
        plugin: name, path of a .py file, notebook, wheel or source directory, or name==version.
        runner: runner of the plugin.
        options: options of the plugin, as of ``--set``.
        progress: receives the progress of builds, and notices.
        adapter: how to call the function of a .py file or notebook.

    Raises:
        HarnessError: see :func:`harness.runs.runner_choice.choose_runners` and its result.
    """
    # Small networks are fastest on one core, and sums are reproducible there.
    config = RunConfig(plugin=plugin, adapter=adapter, runner=runner, options=dict(options), gpus="none", cpus=1)
    cpu_runner, facts = choose_runners(config, progress).runner_for(plugin)

    def gpu_runner() -> Runner:
        return choose_runners(replace(config, gpus="1"), progress).runner_for(plugin)[0]

    with TrialRunner(cpu_runner, facts, options, gpu_runner if hardware.gpu_names() else None) as trials:
        yield trials


class Examination:
    """The findings of all checks on one plugin; each check runs once, after the checks that it needs.

    Args:
        trials: trial runner of the plugin.
    """

    def __init__(self, trials: TrialRunner) -> None:
        self._bench = trials
        self._findings: dict[str, Finding] = {}

    def finding(self, name: str) -> Finding:
        """Return the finding of the check ``name``."""
        if name not in self._findings:
            self._findings[name] = self._look(name)
        return self._findings[name]

    def findings(self, step: Step | None = None) -> list[Finding]:
        """Return the findings of all checks, in order; ``step`` is told the name of each and counts them."""
        found = []
        for name in CHECKS:
            if step is not None:
                step.tell(name)
            found.append(self.finding(name))
            if name == "finite" and found[-1].status == "ok":
                self._bench.warm_up()
            if step is not None:
                step.advance()
        return found

    def _look(self, name: str) -> Finding:
        check = CHECKS[name]
        for needed in check.needs:
            if self.finding(needed).status != "ok":
                return Finding(check, "skipped", f"it needs {needed}, which does not hold")
        try:
            return Finding(check, "ok", check.look(self._bench))
        except NotApplicable as reason:
            return Finding(check, "skipped", str(reason))
        except CheckFailed as broken:
            return Finding(check, "fail", broken.detail, broken.advice)
