"""Where faults are tried: one task, one plugin, and the numbers that they must give whatever happens."""

from __future__ import annotations

from pathlib import Path

from tests.functional.killing import Chain
from tests.program import Program, make_wheel, numbers_of

MEASURED = ("--budget-fraction", "300")  # a limit that is measured, and never reached
EVALUATORS = ("--evaluator", "lira", "--evaluator", "ks", "--evaluator", "accuracy")


class Ground:
    """A task and a plugin.

    Attributes:
        folder: for all files of the trials.
        program: as it ran undisturbed, with a cache that is warm since.
        order: the arguments of ``harness run`` but for ``--output``.
        undisturbed: run folder of the undisturbed run.
        numbers: of its report.
    """

    def __init__(self, folder: Path, program: Program, task: str, plugin: str) -> None:
        self.folder, self.program = folder, program
        (folder / "tiny.yaml").write_text(task)
        plain = ("--runner", "process", "--cpus", "1", "--plugin", make_wheel(folder, plugin))
        self.order = (*plain, "--task", folder / "tiny.yaml", *MEASURED, *EVALUATORS)
        self.undisturbed = folder / "undisturbed"
        ended = program("run", *self.order, "--output", self.undisturbed)
        assert ended.code == 0, ended.err
        self.numbers = numbers_of(self.undisturbed)

    def elsewhere(self, name: str, cache: Path | None = None) -> Program:
        """Return the program in a new folder with a separate scratch folder, and with another cache if given."""
        place = self.folder / name
        (place / "scratch").mkdir(parents=True)
        environment = {**self.program.environment, "TMPDIR": str(place / "scratch")}
        if cache is not None:
            environment["HARNESS_CACHE_DIR"] = str(cache)
        return Program(environment, place)

    def chain(self, name: str, *, cold: bool, forked: bool = False) -> Chain:
        """Return a chain of kills; if ``cold``, with a separate empty cache."""
        return Chain(self.elsewhere(name, self.folder / name / "cache" if cold else None), self.order, forked)
