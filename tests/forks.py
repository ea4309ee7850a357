"""Processes of the program that need not load its libraries: forked from one that has loaded them and done nothing else.

What costs a command, a guest or a worker that trains its first seconds of CPU time is importing torch and SciPy.
Here they are imported once for all of them; variables, working directory, session, streams and exit status are each
process's own. ``python -m tests.forks ADDRESS`` is the process to fork from.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import functools
import gc
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import site
import socket
import subprocess
import sys
import sysconfig
import tempfile
import termios
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NoReturn

LIBRARIES = (
    *("torch", "torch.func", "torch._dynamo", "scipy.special", "scipy.linalg", "scipy.stats"),
    *("safetensors.numpy", "safetensors.torch"),
    *("click", "docker", "jinja2", "jsonschema", "packaging.version", "platformdirs", "pluggy", "pydantic"),
    *("rich.console", "rich.progress", "rich.table", "yaml", "importlib.metadata"),
)
OWN = (
    *(
        "harness.runs.pipeline",
        "harness.library.calls",
        "harness.cli",
        "harness.references.worker_pool",
        "reference_models.training.loop",
    ),
    *("harness_guest.spawn", "harness_guest.watch", "harness_guest.state", "harness_evaluators"),
)
PROGRAM = "harness"
FORKED = ("harness_guest", "harness.references.worker", "harness.references.read_checkpoint")
"""Modules that the program runs in processes of their own."""
SHELL = "harness_guest.shell"
CODE = "-c"
READ_AT_START = ("PYTHON", "LD_", "OMP_", "MKL_", "OPENBLAS_", "NUMBA_", "TORCH", "LANG", "LC_")
"""Beginnings of the names of variables that Python and the libraries read once."""
SET_LATER = ("PYTHONPATH", "OMP_WAIT_POLICY", "TORCHINDUCTOR_CACHE_DIR")
"""Those among them that a fork follows, or that the program or torch's optimisers set themselves, always alike."""
PR_SET_THP_DISABLE = 41
END_S = 20.0
_address: str | None = None
"""Where the process to fork from listens, in that process, its forks, and those that were told (see ``use``)."""


@dataclass(frozen=True)
class Order:
    """One process.

    Attributes:
        module: what it runs, as ``python -m`` does; CODE for the text that is its argument.
        arguments: of the module.
        environment: all of its variables.
        folder: its working directory.
        cores: that it may run on.
    """

    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    cores: Sequence[int]

    @classmethod
    def of(cls, module: str, arguments: Sequence[str], environment: Mapping[str, str], folder: str | Path) -> Order:
        """Return the order for a process on the cores of this thread."""
        return cls(module, [*arguments], dict(environment), str(folder), sorted(os.sched_getaffinity(0)))


class Fork:
    """A process that carries out an order, with what this project uses of ``subprocess.Popen``.

    Args:
        order: what it is to do.
        streams: descriptors of its standard streams; where the first is a terminal, it becomes the process's own.
        server: address of another process's server.
    """

    stdin: IO[Any] | None = None
    stdout: IO[Any] | None = None

    def __init__(self, order: Order, streams: tuple[int, int, int], server: str = "") -> None:
        self.returncode: int | None = None
        self._lock = threading.Lock()
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(server or address())
        socket.send_fds(self._connection, [b"."], streams)
        self._connection.sendall(json.dumps(asdict(order)).encode() + b"\n")
        self._answers = self._connection.makefile()
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        """Return the exit status, or the negative number of the signal that ended it; None while it runs."""
        return self._status(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the same.

        Raises:
            subprocess.TimeoutExpired: it takes longer.
        """
        status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return status

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def communicate(self) -> tuple[Any, Any]:
        """Close its input, wait for the end and return what it printed where that is a pipe; its errors are not read."""
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.stdin.close()
        printed = None
        if self.stdout is not None:
            with self.stdout:
                printed = self.stdout.read()
        self.wait()
        return printed, None

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _status(self, timeout_s: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._connection], [], [], timeout_s)[0]:
                self.returncode = int(self._answers.readline())
                self._answers.close()
                self._connection.close()
            return self.returncode


def popen(command: Sequence[str], **options: Any) -> Any:
    """Start a process as ``subprocess.Popen`` does, forked where it is one of FORKED or a text of code."""
    if command[-2] == "-m" and command[-1] in FORKED:
        what, arguments = command[-1], []
    elif command[-2] == CODE:
        what, arguments = CODE, command[-1:]
    else:
        return subprocess.Popen(command, **options)
    order = Order.of(what, arguments, options.get("env") or os.environ, options.get("cwd") or Path.cwd())
    ours: dict[str, IO[Any]] = {}
    with contextlib.ExitStack() as theirs:
        streams = []
        for name, mode in (("stdin", "w"), ("stdout", "r"), ("stderr", "r")):
            given = options[name]
            if given == subprocess.PIPE:
                read, write = os.pipe()
                inside, outside = (read, write) if mode == "w" else (write, read)
                ours[name] = open(outside, mode)  # noqa: SIM115, PTH123 -- closed by whoever started the process
                theirs.callback(os.close, inside)
                streams.append(inside)
            elif given == subprocess.DEVNULL:
                streams.append(theirs.enter_context(Path(os.devnull).open("r+b")).fileno())
            else:
                streams.append(given if isinstance(given, int) else given.fileno())
        fork = Fork(order, (streams[0], streams[1], streams[2]))
    fork.stdin, fork.stdout = ours.get("stdin"), ours.get("stdout")
    return fork


class Child:
    """A process that is forked from this one, for it shares this one's terminal, with what ``attend`` uses of ``Popen``.

    Args:
        command: ends with ``-m``, the module and its argument.
        folder, environment, preexec_fn: as ``Popen`` has them.
        streams: number of a standard stream -> what it is, PIPE or DEVNULL; those of None are this process's.
        session: it leads a session of its own.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: str | Path,
        environment: Mapping[str, str],
        streams: Mapping[int, int | None],
        preexec_fn: Callable[[], object],
        *,
        session: bool,
    ) -> None:
        ends = {number: os.pipe() for number, given in streams.items() if given == subprocess.PIPE}
        self.pid = os.fork()
        if self.pid == 0:
            if session:
                os.setsid()
            preexec_fn()
            for number, given in streams.items():
                if given is not None:
                    os.dup2(ends[number][1] if number in ends else os.open(os.devnull, os.O_RDWR), number)
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            atexit._clear()
            for number in signal.valid_signals():
                if callable(signal.getsignal(number)):
                    signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            _run(Order.of(command[-2], command[-1:], environment, folder))
        for _, inside in ends.values():
            os.close(inside)
        self.stdout, self.stderr = (os.fdopen(ends[n][0], "rb") if n in ends else None for n in (1, 2))

    def wait(self) -> int:
        """Wait for the end and return the exit status, or the negative number of the signal that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        """Kill it."""
        os.kill(self.pid, signal.SIGKILL)


def beside(command: Sequence[str], **options: Any) -> Any:
    """Start a program on this process's terminal as ``subprocess.Popen`` does, forked where it is a guest's shell."""
    if command[0] != sys.executable or tuple(command[-3:-1]) != (
        "-m",
        SHELL,
    ):  # in a container, another program starts it
        return subprocess.Popen(command, **options)
    streams = dict(enumerate(options[name] for name in ("stdin", "stdout", "stderr")))
    environment = options["env"] or os.environ
    session, preexec_fn = options["start_new_session"], options["preexec_fn"]
    return Child(command, options["cwd"] or Path.cwd(), environment, streams, preexec_fn, session=session)


def relay(server: str, module: str, arguments: Sequence[str]) -> int:
    """Have another process's server run a module with this process's streams; return its exit status."""
    return Fork(Order.of(module, arguments, os.environ, Path.cwd()), (0, 1, 2), server).wait()


def stand_in() -> list[tuple[Any, str, Any]]:
    """Return what is to be set, (module, name, value), so that guests, their shells and workers that train are forked."""
    from harness.references import checkpoints
    from harness.references import worker_pool as training
    from harness.runners import process_handle
    from harness.runners.session import terminal

    starts = {training: popen, checkpoints: popen, process_handle: popen, terminal: beside}
    return [
        (module, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": start}))
        for module, start in starts.items()
    ]


def possible(environment: Mapping[str, str]) -> bool:
    """Whether a process with these variables would find its libraries as the one that has loaded them did."""
    return _read_at_start(environment) == _read_at_start(os.environ)


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    names = [name for name in environment if name.startswith(READ_AT_START) and name not in SET_LATER]
    return {name: environment[name] for name in names}


def use(place: str) -> None:
    """Fork from another process's server from now on."""
    global _address
    _address = place


@functools.cache
def address() -> str:
    """Return the address of the server to fork from: this process's own is started when it is first asked for."""
    if _address is not None:
        return _address
    folder = tempfile.mkdtemp(prefix="forks-")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/socket")
        listener.listen(128)  # so that orders wait until the server has its libraries
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.forks", f"{folder}/socket", str(listener.fileno())],
            cwd=Path(__file__).parents[1],
            # As the program has it, and as guests have it.
            env={
                **os.environ,
                "OMP_WAIT_POLICY": "PASSIVE",
                "PYTHONHASHSEED": "0",
                "TORCH_DEVICE_BACKEND_AUTOLOAD": "0",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )

    def end() -> None:
        assert server.stdin is not None
        server.stdin.close()  # it ends when its standard input does
        try:
            server.wait(END_S)
        except subprocess.TimeoutExpired:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return f"{folder}/socket"


def _serve(place: str, descriptor: int) -> None:
    """Fork a process for every order that arrives at a listening socket until standard input ends."""
    # A guest collapses its memory into huge pages before its second model. A fork's memory is nearly all shared, so that the
    # kernel would copy it first, which takes a second; with this, it refuses at once, as one that cannot do it.
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    gc.disable()  # as a guest does while it imports
    for name in (*LIBRARIES, *OWN):
        import_module(name)
    for found in pkgutil.walk_packages(sys.modules["harness_evaluators"].__path__, "harness_evaluators."):
        import_module(found.name)
    from harness.report.page import _environment
    from harness.report.svg.glossary_pictures import PICTURES, picture_of
    from harness.report.writing import _validator

    for template in _environment().list_templates(["j2"]):
        _environment().get_template(template)
    for anchor in PICTURES:
        picture_of(anchor)
    _validator()
    use(place)
    for module, name, value in stand_in():
        setattr(module, name, value)
    gc.collect()
    gc.enable()
    gc.freeze()  # else the first collection of every fork copies all pages
    with socket.socket(fileno=descriptor) as listener:
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
    """Wait for what has ended, so that its CPU time is counted."""
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
    try:
        connection.sendall(f"{pid}\n".encode())
    except OSError:  # who asked was killed meanwhile, and nobody else would end it
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):  # nobody may want to know
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(order: Order, streams: Sequence[int]) -> NoReturn:
    """Run the module in a session of its own."""
    os.setsid()
    os.sched_setaffinity(0, order.cores)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    _run(order)


def _run(order: Order) -> NoReturn:
    """Run the module, and end as an interpreter does."""
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    # What was read from the variables of the process to fork from.
    tempfile.tempdir = None
    time.tzset()
    sys.dont_write_bytecode = bool(order.environment.get("PYTHONDONTWRITEBYTECODE"))
    own = [] if "PYTHONSAFEPATH" in order.environment else [order.folder]
    sys.path[0:1] = [*own, *filter(None, order.environment.get("PYTHONPATH", "").split(os.pathsep))]
    if home := order.environment.get("VIRTUAL_ENV"):
        installed = sysconfig.get_path("purelib", vars={"base": home, "platbase": home})
        if installed not in sys.path:
            site.addsitedir(installed)
    sys.argv[1:] = order.arguments
    status: object = 1
    try:
        if order.module == CODE:
            exec(order.arguments[0], {"__name__": "__main__"})  # noqa: S102
        else:
            runpy.run_module(order.module, run_name="__main__", alter_sys=True)
        status = 0
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
    _serve(sys.argv[1], int(sys.argv[2]))
