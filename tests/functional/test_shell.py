"""``harness shell`` with the process runner: what is there, how it ends, and that nothing is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.functional.killing import processes_of
from tests.program import Ended, Program
from tests.terminals import OnTerminal

PROCESS = ("--runner", "process", "--cpus", "1")


def _shell(program: Program, task: Path, code: str, *more: str | Path, plugin: str | Path = "noise") -> Ended:
    return program("shell", plugin, "--task", task, *PROCESS, *more, "-c", code)


def _open(program: Program, task: Path, *more: str | Path, plugin: str | Path = "noise") -> OnTerminal:
    arguments = ("shell", plugin, "--task", task, *PROCESS, *more)
    return OnTerminal(*arguments, environment=program.environment, folder=program.folder)


def test_the_names_are_what_the_hook_gets(program: Program, task: Path) -> None:
    code = (
        "import inspect\n"
        "print(len(retain), len(forget), len(validation), model.training, sorted(context.options.items()))\n"
        "print(plugin.__name__, unlearn is plugin.unlearn, list(inspect.signature(unlearn).parameters)[0])\n"
        "print(context.time_limit_s, type(context).__name__)\n"
    )
    ended = _shell(program, task, code, "--set", "sigma=0.5", "--time-limit", "7")

    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        "144 36 24 False [('sigma', 0.5)]",
        "harness_unlearners.noise True model",
        "7.0 Context",
    ]


@pytest.mark.slow
def test_run_gives_the_very_weights_that_a_run_gives(program: Program, task: Path, tmp_path: Path) -> None:
    run = ("run", *PROCESS, "--time-limit", "60", "--plugin", "noise", "--task", task, "--keep-weights")
    assert program(*run, "--output", tmp_path / "r").code == 0
    weights = load_file(tmp_path / "r" / "models" / "0000" / "weights.safetensors")

    code = "import torch\nfor name, t in run().state_dict().items(): print('=', name, t.double().sum().item().hex())"
    ended = _shell(program, task, code)

    assert ended.code == 0, ended.err
    found = dict(line.split()[1:] for line in ended.out.splitlines() if line.startswith("="))
    assert found == {name: float(array.astype("float64").sum()).hex() for name, array in weights.items()} or (
        _close(found, {name: float(array.astype("float64").sum()) for name, array in weights.items()})
    )


def _close(found: dict[str, str], wanted: dict[str, float]) -> bool:
    """Compare with a tolerance, since torch and numpy add in different orders."""
    return found.keys() == wanted.keys() and all(
        float.fromhex(found[name]) == pytest.approx(value, rel=1e-12, abs=1e-12) for name, value in wanted.items()
    )


def test_the_exit_status_is_passed_on(program: Program, task: Path) -> None:
    assert _shell(program, task, "raise SystemExit(7)").code == 7


def test_an_error_ends_with_1_and_its_traceback_on_the_error_stream(program: Program, task: Path) -> None:
    ended = _shell(program, task, "print('before')\n1 / 0")

    assert (ended.code, ended.out) == (1, "before\n")
    assert "ZeroDivisionError" in ended.err


def test_code_on_standard_input_is_carried_out(program: Program, task: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "harness", "shell", "noise", "--task", str(task), *PROCESS],
        input="print(len(forget))\nraise SystemExit(3)\n",
        capture_output=True,
        text=True,
        cwd=program.folder,
        env=program.environment,
        timeout=300,
        check=False,
    )

    assert (process.returncode, process.stdout) == (3, "36\n"), process.stderr


def test_the_systems_shell_has_torch_and_the_plugin(program: Program, task: Path, wheel: Callable[[str], Path]) -> None:
    source = 'import pluggy\nWORD = "found"\n@pluggy.HookimplMarker("harness")\ndef unlearn(model):\n    pass\n'
    code = 'python -c "import torch, stranger_method; print(stranger_method.WORD)"; exit 9'
    ended = _shell(program, task, code, "--sh", "--untrained", plugin=wheel(source))

    assert (ended.code, ended.out) == (9, "found\n"), ended.err


def test_an_untrained_network_costs_no_training(program: Program, task: Path, tmp_path: Path) -> None:
    ended = _shell(program, task, "print(accuracy(model, retain) < 0.3)", "--untrained")

    assert ended.code == 0, ended.err
    assert ended.out == "True\n"
    assert "training" not in ended.err


def test_a_plugin_that_cannot_be_loaded_ends_a_command(
    program: Program, task: Path, wheel: Callable[[str], Path]
) -> None:
    ended = _shell(program, task, "print('not reached')", "--untrained", plugin=wheel("import nosuchmodule\n"))

    assert (ended.code, ended.out) == (1, "")
    assert "nosuchmodule" in ended.err


def test_a_plugin_that_cannot_be_loaded_still_gives_a_prompt(
    program: Program, task: Path, wheel: Callable[[str], Path]
) -> None:
    with _open(program, task, "--untrained", plugin=wheel("import nosuchmodule\n")) as terminal:
        terminal.until("there is no `unlearn`")
        terminal.answer(">>> ", "'unlearn' in globals(), len(forget)")
        terminal.until("(False, 36)")
        terminal.answer(">>> ", "exit(4)")

        assert terminal.end() == 4


def test_a_prompt_says_what_is_there_and_takes_ctrl_c(program: Program, task: Path) -> None:
    with _open(program, task) as terminal:
        for part in ("noise (unlearning-harness", "Runner process", "retain (144), forget (36)", "run()"):
            terminal.until(part)
        terminal.answer(">>> ", "import time; print('go' + 'ing'); time.sleep(1000)")
        terminal.until("going")
        terminal.type("\x03")
        terminal.until("KeyboardInterrupt")
        terminal.answer(">>> ", "1 / 0")
        terminal.until("ZeroDivisionError")
        terminal.answer(">>> ", "import pdb; pdb.pm()")
        terminal.answer("(Pdb) ", "q")
        terminal.answer(">>> ", "exit(5)")

        assert terminal.end() == 5
    assert processes_of(Path(program.environment["TMPDIR"])) == []


def test_names_are_completed_and_the_terminal_is_as_it_was_afterwards(program: Program, task: Path) -> None:
    with _open(program, task, "--untrained") as terminal:
        terminal.until(">>> ")
        assert terminal.settings_now() != terminal.settings
        terminal.type("print(len(ret\tain))\n")
        terminal.until("\n144")
        terminal.until(">>> ")
        terminal.type("\x04")

        assert terminal.end() == 0
        assert terminal.settings_now() == terminal.settings


def test_the_size_of_the_terminal_is_known_inside_and_follows(program: Program, task: Path) -> None:
    size = "import os; print(tuple(os.get_terminal_size()))"
    with _open(program, task, "--untrained") as terminal:
        terminal.until(">>> ")
        terminal.resize(33, 111)
        terminal.type(f"{size}\n")
        terminal.until("(111, 33)")
        terminal.resize(44, 122)
        terminal.type(f"\n{size}\n")
        terminal.until("(122, 44)")
        terminal.answer(">>> ", "exit()")

        assert terminal.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_shell_leaves_nothing(program: Program, task: Path, number: signal.Signals) -> None:
    with _open(program, task, "--untrained") as terminal:
        terminal.answer(">>> ", "import subprocess; p = subprocess.Popen(['sleep', '1000'], start_new_session=True)")
        terminal.until(">>> ")
        os.kill(terminal.pid, number)

        assert terminal.end() == 130
        assert terminal.settings_now() == terminal.settings
    assert processes_of(Path(program.environment["TMPDIR"])) == []
    assert list(Path(program.environment["TMPDIR"]).glob("harness*")) == []


def test_a_closed_terminal_leaves_nothing(program: Program, task: Path) -> None:
    with _open(program, task, "--untrained") as terminal:
        terminal.until(">>> ")
        assert processes_of(Path(program.environment["TMPDIR"]))
        terminal.close()
        terminal.end()
    assert processes_of(Path(program.environment["TMPDIR"])) == []
    assert list(Path(program.environment["TMPDIR"]).glob("harness*")) == []


def test_what_a_command_prints_is_harmless_on_a_terminal(program: Program, task: Path) -> None:
    code = "import sys; print('\\x1b]0;title\\x07shown'); print('\\x1b[2Jwarned', file=sys.stderr); exit(6)"
    with _open(program, task, "--untrained", "-c", code) as terminal:
        assert terminal.end() == 6
    assert "shown" in terminal.text
    assert "warned" in terminal.text
    assert [part for part in ("\x1b]0;", "\x1b[2J", "\x07") if part in terminal.raw] == []


def test_much_output_and_much_input_pass_whole(program: Program, task: Path) -> None:
    pasted = "".join(f"x = {number}; y = 'a long line that is pasted'\n" for number in range(300))
    with _open(program, task, "--untrained") as terminal:
        terminal.until(">>> ")
        terminal.type(pasted)
        terminal.type("print('x' * 200_000 + 'END', x)\n")
        terminal.until("xxxEND 299")
        terminal.answer(">>> ", "exit()")

        assert terminal.end() == 0
