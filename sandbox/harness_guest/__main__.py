"""The guest program: ``python -m harness_guest``, the first process of a container or an ordinary one.

It imports torch and maps the data once; each model is unlearned in a process forked from it. The guest itself never imports
a plugin and never runs a parallel region of torch, after which forked processes could hang.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from harness_guest.linux import Family, hide_from_same_user, private_standard_streams
from harness_guest.logs import LogKeeper
from harness_guest.pages import gather
from harness_guest.posture import changed, posture
from harness_guest.protocol import VERSION, Hello, Job, Kind, ProtocolError, decode_json
from harness_guest.scratch import wipe
from harness_guest.wire import HostGoneError, Wire

if TYPE_CHECKING:
    from harness_guest.child import Prepared
    from reference_models.recipe import ModelSpec

MAX_REASON_BYTES = 4_000


class RefusedError(Exception):
    """The guest cannot work with what the host told it.

    Attributes:
        reason: "hello", or "model" where the network failed its dry pass.
    """

    def __init__(self, message: str, reason: str = "hello") -> None:
        super().__init__(message)
        self.reason = reason


def main() -> int:
    """Run the conversation; returns the exit status."""
    read_fd, write_fd = private_standard_streams()
    hide_from_same_user()
    sys.path[:] = [entry for entry in sys.path if entry not in ("", str(Path.cwd()))]
    # The first process of a container hears no signal of those inside that it has no handler for.
    signal.signal(signal.SIGTERM, signal.SIG_DFL if os.getpid() == 1 else _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wire = Wire(read_fd, write_fd)
    family = Family()
    try:
        _converse(wire, family)
    except HostGoneError as error:
        return _say_why(family, str(error), 3)
    except RefusedError as error:
        wire.send_json(Kind.REFUSED, {"reason": error.reason, "message": str(error)})
        return _say_why(family, str(error), 4)
    except ProtocolError as error:
        return _say_why(family, f"the host broke the protocol: {error}", 5)
    return 0


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(128 + signal.SIGTERM)


def _say_why(family: Family, reason: str, code: int) -> int:
    family.kill_all()
    sys.stderr.write(f"guest: {reason}\n")
    return code


def _converse(wire: Wire, family: Family) -> None:
    hello = _hello(wire)
    prepared = prepare(hello)
    wakeup_fd = _wakeup_pipe()
    wire.send_json(Kind.READY, _ready(hello))
    clean, served = True, 0
    while clean:
        if served == 1:  # not for a guest that serves one model alone
            gather()
        kind, payload = wire.receive()
        if kind is Kind.BYE:
            return
        if kind is not Kind.MODEL:
            raise ProtocolError(f"{kind.name} came where MODEL was due")
        clean = _unlearn(_job(payload), wire, family, prepared, wakeup_fd)
        served += 1


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
    """Import torch, with what its first optimizer needs, and map the data."""
    # Threads that spin while they wait make training ten times slower as soon as a core is shared or a quota is in force.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if hello.architecture_path is not None:
        sys.path.append(str(Path(hello.architecture_path).resolve()))
    import torch

    import harness_guest.spawn  # -- so that no model's process has to import them
    import harness_guest.watch  # noqa: F401
    from harness_guest.child import Prepared, warm_up
    from harness_guest.state import read_splits
    from reference_models.recipe import model_spec_from_json, recipe_from_json

    torch.set_num_threads(1)
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    torch.optim.SGD([parameter], lr=0.1).step()
    try:
        spec, recipe = model_spec_from_json(hello.model), recipe_from_json(hello.recipe)
    except (KeyError, TypeError, ValueError) as error:
        raise RefusedError(f"the model or the recipe cannot be read: {type(error).__name__}: {error}") from error
    try:
        splits = read_splits(hello.data_path)
    except Exception as error:
        raise RefusedError(f"the data cannot be read: {type(error).__name__}: {error}") from error
    prepared = Prepared(hello, spec, recipe, splits)
    if hello.try_batches:
        _try_network(spec, hello)
    warm_up(prepared)
    return prepared


def _try_network(spec: ModelSpec, hello: Hello) -> None:
    """Do the dry pass in a forked process: an autograd engine or a CUDA context that ran here would break later forks."""
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
    """A descriptor that becomes readable whenever a child has ended."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(read_fd, False)
    os.set_blocking(write_fd, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    return read_fd


def _unlearn(job: Job, wire: Wire, family: Family, prepared: Prepared, wakeup_fd: int) -> bool:
    """Serve one model; returns whether the guest is clean enough for another."""
    from harness_guest.spawn import fork_model
    from harness_guest.watch import Watch

    kind, original = wire.receive()
    if kind is not Kind.WEIGHTS:
        raise ProtocolError(f"{kind.name} came where WEIGHTS was due")
    hello = prepared.hello
    journal = wire.receive_mapped(Kind.JOURNAL, job.journal_bytes) if job.journal_bytes else None
    before = posture()  # as the host may have changed it since the last model: its cores
    running = fork_model(replace(prepared, journal=journal), job, original)
    if journal is not None:
        journal.close()  # the model's process has it; no process after it shall
    watch = Watch(running, job, wire, family, LogKeeper(hello.log_head_bytes, hello.log_tail_bytes), wakeup_fd)
    if watch.until_loaded():
        wire.send_json(Kind.LOADED, {"index": job.index})
        started = wire.receive_json(Kind.START)
        if started != {"index": job.index}:
            raise ProtocolError(f"START of {started} came where model {job.index} was due")
        watch.run()
    ended = watch.finish()
    watch.kill()
    cpu_s = watch.cpu_s
    watch.close()
    family.forget()
    unclean = _unclean(hello.scratch, before)
    wire.send_json(Kind.ENDED, replace(ended, leftovers=watch.leftovers, unclean=unclean, cpu_s=cpu_s))
    return unclean is None


def _unclean(scratch: list[str], before: dict[str, object]) -> str | None:
    """Why the next model would not find everything as this one did, after all that can be cleaned has been; or None."""
    dirty = [folder for folder in scratch if not wipe(folder)]
    altered = changed(before)
    if dirty:
        return f"scratch space could not be wiped: {', '.join(dirty)}"
    return f"the plugin changed the guest's own {', '.join(altered)}" if altered else None


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())
