"""Processes of the program that need not load its libraries: forked from one that has loaded them and done nothing else.

What costs a command its first seconds of processor time is torch and SciPy. Here they are loaded once for all commands
of a test worker; the program's own modules, its variables, working directory, session, streams and exit status are each
process's own. ``python -m tests.forks ADDRESS`` is the process to fork from.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

LIBRARIES = (
    *("torch", "torch.func", "scipy.special", "scipy.linalg", "safetensors.numpy", "safetensors.torch"),
    *("click", "docker", "jinja2", "jsonschema", "packaging.version", "platformdirs", "pluggy", "pydantic"),
    *("rich.console", "rich.progress", "rich.table", "yaml", "importlib.metadata"),
)
OWN = ("harness", "harness_guest", "harness_evaluators", "harness_unlearners", "reference_models")
READ_AT_START = ("PYTHON", "LD_", "OMP_", "MKL_", "OPENBLAS_", "NUMBA_", "TORCH", "LANG", "LC_")
"""Beginnings of the names of variables that Python and the libraries read once."""
SET_LATER = ("PYTHONPATH", "OMP_WAIT_POLICY")
"""Those among them that a fork follows, or that the program sets itself, always alike."""


@dataclass(frozen=True)
class Order:
    """One process.

    Attributes:
        arguments: of the program.
        environment: all of its variables.
        folder: its working directory.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str


class Fork:
    """A process that carries out an order.

    Args:
        order: what it is to do.
        streams: descriptors of its standard streams; where the first is a terminal, it becomes the process's own.
    """

    def __init__(self, order: Order, streams: tuple[int, int, int]) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(_server())
        socket.send_fds(self._connection, [b"."], streams)
        self._connection.sendall(json.dumps(vars(order)).encode() + b"\n")
        self._answers = self._connection.makefile()
        self.pid = int(self._answers.readline())

    def wait(self, longest_s: float) -> int:
        """Its exit status, or the negative number of the signal that ended it; killed where it takes longer."""
        self._connection.settimeout(longest_s)
        try:
            return int(self._answers.readline())
        except TimeoutError:
            os.killpg(self.pid, signal.SIGKILL)
            raise
        finally:
            self._answers.close()
            self._connection.close()


def possible(environment: Mapping[str, str]) -> bool:
    """Whether a process with these variables would find its libraries as the one that has loaded them did."""
    return _read_at_start(environment) == _read_at_start(os.environ)


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    names = [name for name in environment if name.startswith(READ_AT_START) and name not in SET_LATER]
    return {name: environment[name] for name in names}


@functools.cache
def _server() -> str:
    """The address of this process's own server, which is started when it is first asked for."""
    folder = tempfile.mkdtemp(prefix="forks-")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.forks", f"{folder}/socket"],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},  # as the program has it
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )

    def end() -> None:
        server.communicate()  # it ends when its standard input does
        Path(folder, "socket").unlink(missing_ok=True)
        Path(folder).rmdir()

    atexit.register(end)
    assert server.stdout is not None
    assert server.stdout.readline(), "the process with the libraries has ended"
    return f"{folder}/socket"


def _serve(address: str) -> None:
    """Fork a process for every order until standard input ends."""
    for name in LIBRARIES:
        import_module(name)
    assert not set(OWN) & sys.modules.keys()
    gc.collect()
    gc.freeze()  # else the first collection of every fork copies all pages
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while sys.stdin not in (ready := select.select([listener, sys.stdin], [], [])[0]):
            if listener in ready:
                _answer(listener)
    _bury()


def _answer(listener: socket.socket) -> None:
    """Let a process of its own see to the next order."""
    connection, _ = listener.accept()
    with connection:
        if os.fork() == 0:
            listener.close()
            _see_to(connection)
    _bury()


def _bury() -> None:
    """Wait for what has ended, so that its processor time is counted."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue


def _see_to(connection: socket.socket) -> NoReturn:
    """Carry one order out and tell how it ended."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile() as lines:
        order = Order(**json.loads(lines.readline()))
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(order, streams)
    for stream in streams:
        os.close(stream)
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):  # nobody may want to know
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(order: Order, streams: Sequence[int]) -> NoReturn:
    """Be the program, and end as an interpreter does."""
    os.setsid()
    os.chdir(order.folder)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.path[0:1] = [order.folder, *filter(None, order.environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv[1:] = order.arguments
    status: object = 1
    try:
        runpy.run_module("harness", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        status = ended.code
    except BaseException:  # whatever it is, an interpreter would show it
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for text in (sys.stdout, sys.stderr):
        text.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    _serve(sys.argv[1])
