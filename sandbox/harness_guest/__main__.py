"""The guest program: ``python -m harness_guest``, the first process of a container or an ordinary one.

It imports torch once, and keeps the data in a file without a path. For each model it forks a process that serves only this
model: it receives the weights, forks the model's own process, monitors it, and exits. So every fork is a copy of a process that
never held data, weights, or output of a plugin. The guest itself never imports a plugin. It never runs a parallel region of
torch, after which forked processes could hang.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from harness_guest.linux import PR_SET_PDEATHSIG, ProcessTree, hide_from_same_user, prctl, private_standard_streams
from harness_guest.logs import LogKeeper
from harness_guest.pages import gather
from harness_guest.process_attributes import changed, process_attributes
from harness_guest.protocol import LOST, VERSION, Hello, Job, Kind, ProtocolError, decode_json
from harness_guest.scratch import wipe
from harness_guest.wire import HostGoneError, Wire

if TYPE_CHECKING:
    from harness_guest.child import Files, Prepared
    from reference_models.networks.recipe import ModelSpec

CONTAINER_INIT = 1
MAX_REASON_BYTES = 4_000
CLEAN, UNCLEAN = 0, 1
"""Exit statuses of the process that serves a model, without an error: the guest can serve another model, or not."""


class RefusedError(Exception):
    """The guest cannot work with the host's instructions.

    Attributes:
        reason: "hello", or "model" if the network failed its dry pass.
    """

    def __init__(self, message: str, reason: str = "hello") -> None:
        super().__init__(message)
        self.reason = reason


def main() -> int:
    """Run the conversation and return the exit status."""
    read_fd, write_fd = private_standard_streams()
    hide_from_same_user()
    sys.path[:] = [entry for entry in sys.path if entry not in ("", str(Path.cwd()))]
    # A container's init process receives signals from inside only if it has a handler for them.
    alone = os.getpid() == CONTAINER_INIT
    signal.signal(signal.SIGTERM, signal.SIG_DFL if alone else _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wire = Wire(read_fd, write_fd)
    process_tree = ProcessTree(alone=alone)
    return _explained(wire, process_tree, lambda: _converse(wire, process_tree))


def _explained(wire: Wire, process_tree: ProcessTree, work: Callable[[], int]) -> int:
    """Return the exit status of ``work``, or of its error, which is reported to the host or on stderr."""
    try:
        return work()
    except HostGoneError as error:
        return _say_why(process_tree, str(error), 3)
    except RefusedError as error:
        wire.send_json(Kind.REFUSED, {"reason": error.reason, "message": str(error)})
        return _say_why(process_tree, str(error), 4)
    except ProtocolError as error:
        return _say_why(process_tree, f"the host broke the protocol: {error}", 5)


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(128 + signal.SIGTERM)


def _say_why(process_tree: ProcessTree, reason: str, code: int) -> int:
    process_tree.kill_all()
    sys.stderr.write(f"guest: {reason}\n")
    return code


def _converse(wire: Wire, process_tree: ProcessTree) -> int:
    hello = _hello(wire)
    prepared = prepare(hello)
    wire.send_json(Kind.READY, _ready(hello))
    data, served, status = wire.receive_file(Kind.DATA), 0, CLEAN
    while status == CLEAN:
        if served == 1:  # not for a guest that serves a single model
            gather()
        kind, payload = wire.receive()
        if kind is Kind.BYE:
            return 0
        if kind is not Kind.MODEL:
            raise ProtocolError(f"{kind.name} came where MODEL was due")
        status = _serve(_job(payload), wire, process_tree, prepared, data)
        served += 1
    return 0 if status == UNCLEAN else status


def _serve(job: Job, wire: Wire, process_tree: ProcessTree, prepared: Prepared, data: int) -> int:
    """Serve one model in a process forked for it; return its exit status, or :data:`LOST` and the signal that killed it."""
    gc.freeze()
    guest = os.getpid()
    pid = os.fork()
    if pid == 0:
        status = 1 + LOST
        try:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            own = ProcessTree(alone=guest == CONTAINER_INIT)
            if os.getppid() == guest:
                status = _explained(wire, own, lambda: _unlearn(job, wire, own, prepared, data, guest))
        finally:
            sys.stderr.flush()
            os._exit(status)
    ended = process_tree.wait(pid)
    if ended.exit_code == CLEAN:
        process_tree.forget()
        return CLEAN
    process_tree.kill_all()
    if ended.signal is None:
        return ended.exit_code or 0
    sys.stderr.write(f"guest: the process that served model {job.index} was killed by signal {ended.signal}\n")
    return LOST + ended.signal


def _hello(wire: Wire) -> Hello:
    data = wire.receive_json(Kind.HELLO)
    if data.get("version") != VERSION:
        raise RefusedError(
            f"the host speaks version {data.get('version')} of the protocol, this guest version {VERSION}"
        )
    try:
        return Hello(**data)  # type: ignore[arg-type]
    except TypeError as error:
        raise RefusedError(f"HELLO cannot be read: {error}") from error


def _job(payload: bytes) -> Job:
    try:
        return Job(**decode_json(payload))
    except TypeError as error:
        raise ProtocolError(f"MODEL cannot be read: {error}") from error


def prepare(hello: Hello) -> Prepared:
    """Import torch, including what its first optimizer needs, and parse the instructions."""
    gc.disable()  # nearly all that imports create stays; looking through it again and again takes a fifth of their time
    # Threads that spin while they wait make training ten times slower as soon as a core is shared or a quota is in force.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if hello.architecture_path is not None:
        sys.path.insert(
            0, str(Path(hello.architecture_path).resolve())
        )  # the task's, even if another version is installed
    import torch

    import harness_guest.spawn  # -- so that no model's process has to import them
    import harness_guest.watch  # noqa: F401
    from harness_guest.child import Prepared, warm_up
    from reference_models.networks.recipe import model_spec_from_json, recipe_from_json

    torch.set_num_threads(1)
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    torch.optim.SGD([parameter], lr=0.1).step()
    gc.freeze()
    gc.enable()
    try:
        spec, recipe = model_spec_from_json(hello.model), recipe_from_json(hello.recipe)
    except (KeyError, TypeError, ValueError) as error:
        raise RefusedError(f"the model or the recipe cannot be read: {type(error).__name__}: {error}") from error
    prepared = Prepared(hello, spec, recipe)
    if hello.try_batches:
        _try_network(spec, hello)
    warm_up(prepared)
    return prepared


def _try_network(spec: ModelSpec, hello: Hello) -> None:
    """Run the dry pass in a forked process: an autograd engine or CUDA context created here would break later forks."""
    from harness_guest.trial import NetworkError, try_network

    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try_network(spec, hello.try_batches, hello.device)
            os._exit(0)
        except NetworkError as error:
            os.write(write_fd, str(error).encode("utf-8", "replace")[:MAX_REASON_BYTES])
        except BaseException as error:
            os.write(write_fd, repr(error).encode("utf-8", "replace")[:MAX_REASON_BYTES])
        finally:
            os._exit(1)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as stream:
        why = stream.read().decode("utf-8", "replace")
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0:
        why = f"its process was killed by signal {-code}, e.g. for memory"
    if code:
        raise RefusedError(why or f"its process ended with status {code}", "model")


def _ready(hello: Hello) -> dict[str, object]:
    import platform

    import torch

    return {
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "device": hello.device,
        "threads": hello.threads,
        "pid1": os.getpid() == 1,
        "isolation": "fork",
    }


def _wakeup_pipe() -> int:
    """Return a descriptor that becomes readable whenever a child has ended."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(read_fd, False)
    os.set_blocking(write_fd, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    return read_fd


def _taken_in(job: Job, wire: Wire, data: int) -> Files:
    """Receive the original and, if there is one, its journal."""
    from harness_guest.child import Files

    weights = wire.receive_file(Kind.WEIGHTS)
    return Files(data, weights, wire.receive_file(Kind.JOURNAL, job.journal_bytes) if job.journal_bytes else None)


def _unlearn(job: Job, wire: Wire, process_tree: ProcessTree, prepared: Prepared, data: int, guest: int) -> int:
    """Serve one model; return whether the guest is clean enough for another, as an exit status."""
    from harness_guest.spawn import fork_model
    from harness_guest.watch import Watch

    hello, wakeup_fd, files = prepared.hello, _wakeup_pipe(), _taken_in(job, wire, data)
    before = process_attributes(guest)  # per model, because the host may have changed the cores
    data_before = _touched_ns(data)
    running = fork_model(prepared, job, (guest, os.getpid()))
    watch = Watch(running, job, wire, process_tree, LogKeeper(hello.log_head_bytes, hello.log_tail_bytes), wakeup_fd)
    if watch.until_importing():
        wire.send_json(Kind.IMPORTING, {"index": job.index})
        if watch.until_imported():
            wire.send_json(Kind.IMPORTED, {"index": job.index})
            started = wire.receive_json(Kind.START)
            if started != {"index": job.index}:
                raise ProtocolError(f"START of {started} came where model {job.index} was due")
            watch.run(files)
    ended = watch.finish()
    watch.kill()
    cpu_s = watch.cpu_s
    watch.close()
    dirty = [f"scratch space could not be wiped: {folder}" for folder in hello.scratch if not wipe(folder)]
    altered = [f"the plugin changed the guest's own {what}" for what in changed(guest, before)]
    marked = ["the plugin changed the data file's metadata"] if _touched_ns(data) != data_before else []
    unclean = "; ".join([*dirty, *altered, *marked]) or None
    wire.send_json(Kind.ENDED, replace(ended, leftovers=watch.leftovers, unclean=unclean, cpu_s=cpu_s))
    return CLEAN if unclean is None else UNCLEAN


def _touched_ns(fd: int) -> int:
    """Return the time of the last change of a file's permissions, owner, times or attributes, which seals do not protect."""
    return os.fstat(fd).st_ctime_ns


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())
