"""``harness shell`` and ``harness run --pdb``: interactive access to model, data and plugin of one model of a run.

``python -m harness_guest.shell FOLDER`` runs on the user's own terminal, without the guest's protocol, while the guest is idle.
The engine starts it inside the guest's container (``docker exec``), the process runner in the guest's folder. FOLDER contains
the files of :mod:`harness_guest.shell_order`.
"""

from __future__ import annotations

import bdb
import code as interpreter
import contextlib
import dataclasses
import os
import pdb  # noqa: T100 -- it is what this is for
import shutil
import signal
import sys
import time
import traceback
import types
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import nn

from harness_guest.__main__ import prepare
from harness_guest.child import (
    CONTAINER_INIT,
    FIRST_TO_GO,
    FOLDERS,
    Files,
    Prepared,
    _blank,
    _context,
    _load,
    path_of,
    seed_everything,
)
from harness_guest.confine import confine
from harness_guest.data import SplitData
from harness_guest.plugin import load_unlearner
from harness_guest.protocol import Job
from harness_guest.shell_order import DATA, FAILED, JOURNAL, ORDER, ORIGINAL, ShellOrder
from harness_guest.state import chosen_model, read_state, serialise
from reference_models.networks.architectures import build_model

ACCURACY_BATCH = 500


def main(folder: Path) -> int:
    """Execute the order in ``folder`` and return the exit status."""
    order = ShellOrder.read(folder / ORDER)
    _settle()
    if order.program == "sh":
        _sh(order, folder)
    names = Names(prepare(order.hello), order.job, _files(order.job, folder))
    if order.contained:
        confine((CONTAINER_INIT,))
    return _debug(names) if order.program == "pdb" else _python(order, names)


def _settle() -> None:
    """Raise this process's OOM score and create its folders, as a model's process does."""
    with contextlib.suppress(OSError):  # without this file the kernel may kill the guest instead
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
    for name in FOLDERS:
        with contextlib.suppress(KeyError, OSError):  # a plugin that needs the folder fails with its own error
            Path(os.environ[name]).mkdir(parents=True, exist_ok=True)


def _files(job: Job, folder: Path) -> Files:
    """Open the files that a model's process receives at its start."""
    names = (DATA, ORIGINAL, JOURNAL) if job.journal_bytes else (DATA, ORIGINAL)
    return Files(*(os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC) for name in names))


def _python(order: ShellOrder, names: Names) -> int:
    """Execute the order's code, or read code from the terminal."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    if order.code is not None:
        names.load()
        vars(module).update(names.table())
        exec(compile(order.code, "<command>", "exec"), vars(module))  # noqa: S102 -- it is what the user asked for
        return 0
    with contextlib.suppress(ImportError):
        import readline
        import rlcompleter

        readline.set_completer(rlcompleter.Completer(vars(module)).complete)
        readline.parse_and_bind("tab: complete")
    sys.stdout.write(f"{order.about}\n")
    try:
        names.load()
    except BaseException:
        traceback.print_exc()
        sys.stdout.write("\nThe plugin could not be loaded, see above: there is no `unlearn`.\n")
    vars(module).update(names.table())
    interpreter.InteractiveConsole(vars(module)).interact(names.banner(), exitmsg="")
    return 0


def _sh(order: ShellOrder, folder: Path) -> NoReturn:
    """Replace this process by the system's shell, which inherits the filter of system calls."""
    if order.contained:
        confine((CONTAINER_INIT,))
    hello, program = order.hello, shutil.which("bash") or "/bin/sh"
    bare = ["--norc", "--noprofile"] if program.endswith("bash") else []
    if hello.plugin_path is not None:
        os.environ["PYTHONPATH"] = hello.plugin_path
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', os.defpath)}"  # noqa: PTH120
    if order.code is not None:
        os.execv(program, [program, *bare, "-c", order.code])  # noqa: S606
    os.environ["PS1"] = "sandbox$ "
    sys.stdout.write(
        f"{order.about}\n`python` has torch and the plugin's modules ({hello.plugin_path or 'installed here'}); the data is "
        f"{(folder / DATA).absolute()}. `exit` or Ctrl-D leaves.\n"
    )
    sys.stdout.flush()
    os.execv(program, [program, *bare, "-i"])  # noqa: S606


def _debug(names: Names) -> int:
    """Call the plugin once; if it fails, open the debugger where the exception was raised."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the whole run: the host is in the same foreground group
    try:
        names.load()
        names.run(names.model)
    except BaseException as error:  # SystemExit and KeyboardInterrupt are the plugin's failures too
        if not isinstance(error, bdb.BdbQuit):
            traceback.print_exception(type(error), error, error.__traceback__)
            sys.stderr.write(
                "The plugin failed. Post-mortem debugger: `w` where, `u` and `d` up and down, `q` quits.\n"
            )
            sys.stderr.flush()
            pdb.post_mortem(error.__traceback__)
        return FAILED
    return 0


class Names:
    """Names that a Python shell defines.

    Args:
        prepared, job, files: as for a model's process.
    """

    def __init__(self, prepared: Prepared, job: Job, files: Files) -> None:
        self._prepared, self._job, self._files = prepared, job, files
        self._hook: Any = None
        self._plugin: dict[str, Any] = {}
        self.model = _blank(prepared, job)
        self.splits = _load(prepared, job, self.model, files)
        self.context = _context(prepared, job, files)

    def load(self) -> None:
        """Import the plugin, as the last step before it is called.

        Raises:
            Exception: as :func:`harness_guest.plugin.load_unlearner`.
        """
        hello = self._prepared.hello
        self._hook = load_unlearner(hello.plugin, hello.distribution, hello.plugin_path)
        implementation = self._hook.get_hookimpls()[-1]
        self._plugin = {"unlearn": implementation.function, "plugin": implementation.plugin, "run": self.run}

    def table(self) -> dict[str, Any]:
        """Return all names."""
        helpers = {"original": self.original, "accuracy": self.accuracy, "torch": torch}
        return {"model": self.model, **self.splits, "context": self.context, **self._plugin, **helpers}

    def run(self, model: nn.Module | None = None, **options: Any) -> nn.Module:
        """Call the plugin as a run does: set the seeds, start the clock, pass all requested arguments, check the result.

        Args:
            model: another model to unlearn; a fresh copy of the original by default.
            options: options as in ``--set``, instead of those of the command line.

        Returns:
            The unlearned model.

        Raises:
            Exception: any exception of the plugin, or OutputInvalidError for a result that a run would reject.
        """
        model = self.original() if model is None else model
        seed_everything(self._job.seed)
        set_to = options or self.context.options
        context = dataclasses.replace(self.context, options=set_to, started_s=time.monotonic())
        unlearned = chosen_model(model, self._hook(model=model, **self.splits, context=context))
        serialise(unlearned, self._job.max_weights_bytes)
        sys.stdout.write(f"{context.elapsed_s:.3f} s\n")
        return unlearned

    def original(self) -> nn.Module:
        """Return a fresh copy of the original."""
        fresh = build_model(self._prepared.spec, seed=None)
        fresh.load_state_dict(read_state(path_of(self._files.weights)))
        return fresh.to(self.context.device).eval()

    def accuracy(self, model: nn.Module, split: SplitData) -> float:
        """Return the share of a split that a model classifies correctly, in eval mode."""
        training, right = model.training, 0
        model.eval()
        with torch.no_grad():
            for images, labels in split.loader(batch_size=ACCURACY_BATCH):
                right += int((model(images).argmax(1) == labels).sum())
        model.train(training)
        return right / len(split) if len(split) else float("nan")

    def banner(self) -> str:
        """Return a description of the names, to be printed at the start."""
        shape = " x ".join(map(str, next(iter(self.splits.values())).inputs.shape[1:]))
        sizes = ", ".join(f"{name} ({len(split)})" for name, split in self.splits.items())
        lines = [
            f"  model                {type(self.model).__name__}, {_count(self.model)} parameters, in eval mode",
            f"  {sizes}",
            f"                       examples of {shape}; split.loader(batch_size=64, shuffle=True)",
            f"  context              device {self.context.device}, seed {self.context.seed}, {len(self.context.options)} options",
        ]
        if self._plugin:
            lines += [
                f"  unlearn              the plugin's own function, {self._prepared.hello.plugin}; plugin: its module",
                "  run()                calls it as a run does, on a fresh copy; returns the unlearned model",
            ]
        lines += [
            "  original()           a fresh copy of the original; accuracy(model, split): a share",
            "  After an error: import pdb; pdb.pm().  Ctrl-D leaves.",
        ]
        return "\n".join(lines)


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
