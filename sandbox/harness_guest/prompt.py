"""What somebody finds in ``harness shell``: model, data and plugin of one model of a run, ready to be called and looked at."""

from __future__ import annotations

import code as interpreter
import contextlib
import dataclasses
import fcntl
import os
import shutil
import sys
import termios
import time
import traceback
import types
from typing import Any, NoReturn

import torch
from torch import nn

from harness_guest.child import (
    CONTAINER_INIT,
    ChildEnds,
    Files,
    Prepared,
    _blank,
    _context,
    _detach,
    _flush_output,
    _load,
    path_of,
    seed_everything,
)
from harness_guest.confine import confine
from harness_guest.data import SplitData
from harness_guest.plugin import load_unlearner
from harness_guest.protocol import Job, Shell
from harness_guest.state import chosen_model, read_state, serialise
from reference_models.architectures import build_model

NONE = -1
ACCURACY_BATCH = 500


def run_shell(
    prepared: Prepared, shell: Shell, job: Job, files: Files, inside: tuple[int, int], parent: int
) -> NoReturn:
    """The life of a shell's process; it never returns to its caller.

    Args:
        prepared, job, files: as for a model's process.
        shell: what is wanted.
        inside: descriptors to write output and errors to; one and the same terminal, or two pipes.
        parent: process id of the guest.
    """
    status = 1
    try:
        _take_streams(inside, shell, parent)
        status = (
            _python(prepared, shell, job, files, parent) if shell.program == "python" else _sh(prepared, shell, files)
        )
    except SystemExit as leaving:
        status = _status_of(leaving)
    except BaseException:
        traceback.print_exc()
    finally:
        _flush_output()
        os._exit(status)


def _take_streams(inside: tuple[int, int], shell: Shell, parent: int) -> None:
    """Become a process as every model's is, but on the terminal, or with an error stream apart."""
    out, error = inside
    _detach(ChildEnds(NONE, NONE, NONE, out), parent)
    if shell.code is not None:
        os.dup2(error, 2)
        os.close(error)
        return
    fcntl.ioctl(1, termios.TIOCSCTTY, 0)
    os.dup2(1, 0)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    os.environ["TERM"] = shell.term


def _python(prepared: Prepared, shell: Shell, job: Job, files: Files, parent: int) -> int:
    names = Names(prepared, job, files)
    if parent == CONTAINER_INIT:
        confine((parent,))
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    if shell.code is not None:
        names.load()
        vars(module).update(names.table())
        exec(compile(shell.code, "<command>", "exec"), vars(module))  # noqa: S102 -- it is what the user asked for
        return 0
    with contextlib.suppress(ImportError):
        import readline
        import rlcompleter

        readline.set_completer(rlcompleter.Completer(vars(module)).complete)
        readline.parse_and_bind("tab: complete")
    sys.stdout.write(f"{shell.about}\n")
    try:
        names.load()
    except BaseException:
        traceback.print_exc()
        sys.stdout.write("\nThe plugin could not be loaded, see above: there is no `unlearn`.\n")
    vars(module).update(names.table())
    interpreter.InteractiveConsole(vars(module)).interact(names.banner(), exitmsg="")
    return 0


def _sh(prepared: Prepared, shell: Shell, files: Files) -> int:
    """Become the system's shell; it inherits the filter of system calls."""
    if os.getppid() == CONTAINER_INIT:
        confine((CONTAINER_INIT,))
    os.set_inheritable(files.data, True)
    hello, program = prepared.hello, shutil.which("bash") or "/bin/sh"
    bare = ["--norc", "--noprofile"] if program.endswith("bash") else []
    if hello.plugin_path is not None:
        os.environ["PYTHONPATH"] = hello.plugin_path
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', os.defpath)}"  # noqa: PTH120
    if shell.code is not None:
        os.execv(program, [program, *bare, "-c", shell.code])  # noqa: S606
    os.environ["PS1"] = "sandbox$ "
    sys.stdout.write(
        f"{shell.about}\n`python` has torch and the plugin's modules ({hello.plugin_path or 'installed here'}); the data is "
        f"{path_of(files.data)}. `exit` or Ctrl-D leaves.\n"
    )
    sys.stdout.flush()
    os.execv(program, [program, *bare, "-i"])  # noqa: S606


def _status_of(leaving: SystemExit) -> int:
    """As the interpreter itself would end."""
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        return leaving.code & 0xFF
    sys.stderr.write(f"{leaving.code}\n")
    return 1


class Names:
    """What is there in a Python shell, by name.

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
        """Import the plugin, as the last thing before it is called.

        Raises:
            Exception: as :func:`harness_guest.plugin.load_unlearner`.
        """
        hello = self._prepared.hello
        self._hook = load_unlearner(hello.plugin, hello.distribution, hello.plugin_path)
        implementation = self._hook.get_hookimpls()[-1]
        self._plugin = {"unlearn": implementation.function, "plugin": implementation.plugin, "run": self.run}

    def table(self) -> dict[str, Any]:
        """All names."""
        helpers = {"original": self.original, "accuracy": self.accuracy, "torch": torch}
        return {"model": self.model, **self.splits, "context": self.context, **self._plugin, **helpers}

    def run(self, model: nn.Module | None = None, **options: Any) -> nn.Module:
        """Do what a run does with one model: seed, start the clock, call the plugin with all it asks for, check what comes back.

        Args:
            model: another model to unlearn; a fresh copy of the original by default.
            options: as of ``--set``, instead of those the shell was started with.

        Returns:
            The unlearned model.

        Raises:
            Exception: whatever the plugin raises, or OutputInvalidError for what a run would refuse.
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
        """Give the original anew, untouched by what was done to ``model``."""
        fresh = build_model(self._prepared.spec, seed=None)
        fresh.load_state_dict(read_state(path_of(self._files.weights)))
        return fresh.to(self.context.device).eval()

    def accuracy(self, model: nn.Module, split: SplitData) -> float:
        """Tell the share of a split that a model classifies rightly; in eval mode, whatever mode it is in."""
        training, right = model.training, 0
        model.eval()
        with torch.no_grad():
            for images, labels in split.loader(batch_size=ACCURACY_BATCH):
                right += int((model(images).argmax(1) == labels).sum())
        model.train(training)
        return right / len(split) if len(split) else float("nan")

    def banner(self) -> str:
        """What is there, for the eyes."""
        shape = " x ".join(map(str, next(iter(self.splits.values())).images.shape[1:]))
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
                "  run()                calls it as a run does, on a fresh copy; gives the unlearned model",
            ]
        lines += [
            "  original()           a fresh copy of the original; accuracy(model, split): a share",
            "  After an error: import pdb; pdb.pm().  Ctrl-D leaves.",
        ]
        return "\n".join(lines)


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
