"""Carries the checks out and says what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from harness import hardware
from harness.choices import RunnerName
from harness.config import RunConfig
from harness.conformance.bench import Bench
from harness.conformance.demands import CHECKS
from harness.conformance.model import Broken, Finding, NotApplicable
from harness.progress import Progress
from harness.runners.base import Runner
from harness.runners.selection import choose_workshop


@contextmanager
def opened(plugin: str, runner: RunnerName, options: Mapping[str, Any], progress: Progress) -> Iterator[Bench]:
    """A bench for a plugin.

    Args:
        plugin: name, path of a wheel or source directory, or name==version.
        runner: where it runs.
        options: for the plugin, as of ``--set``.
        progress: told of building and of notices.

    Raises:
        HarnessError: as :func:`harness.runners.selection.choose_workshop` and its workshop say.
    """
    # On one core, small networks are fastest, and sums are added up in one order.
    config = RunConfig(plugin=plugin, runner=runner, options=dict(options), gpus="none", cpus=1)
    cpu_runner, facts = choose_workshop(config, progress).runner_for(plugin)

    def gpu_runner() -> Runner:
        return choose_workshop(replace(config, gpus="1"), progress).runner_for(plugin)[0]

    with Bench(cpu_runner, facts, options, gpu_runner if hardware.gpu_names() else None) as bench:
        yield bench


class Examination:
    """The checks on one bench, each made once, those it needs before it.

    Args:
        bench: with the plugin.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._findings: dict[str, Finding] = {}

    def finding(self, name: str) -> Finding:
        """What the check ``name`` finds."""
        if name not in self._findings:
            self._findings[name] = self._look(name)
        return self._findings[name]

    def findings(self) -> list[Finding]:
        """What all checks find, in order."""
        if self.finding("finite").status == "ok":
            self._bench.warm_up()
        return [self.finding(name) for name in CHECKS]

    def _look(self, name: str) -> Finding:
        check = CHECKS[name]
        for needed in check.needs:
            if self.finding(needed).status != "ok":
                return Finding(check, "skipped", f"it builds on {needed}, which does not hold")
        try:
            return Finding(check, "ok", check.look(self._bench))
        except NotApplicable as reason:
            return Finding(check, "skipped", str(reason))
        except Broken as broken:
            return Finding(check, "fail", broken.detail, broken.advice)
