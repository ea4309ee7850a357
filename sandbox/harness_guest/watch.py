"""The guest's side of a running model: forward its messages to the host, enforce its limit, kill leftover processes."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from harness_guest.child import IMPORTED_LINE, IMPORTING_LINE, MESSAGE_CHARS, TRACEBACK_CHARS, Files
from harness_guest.linux import Exit, ProcessTree, running_cpu_s
from harness_guest.logs import LogKeeper
from harness_guest.protocol import LOG_HEADER, Ended, Job, Kind, ProtocolError, decode_json
from harness_guest.spawn import Running
from harness_guest.wire import HostGoneError, Wire

READ_BYTES = 1 << 20
LOG_CHUNK_BYTES = 1 << 16
MAX_REPORT_BYTES = 1 << 18
MAX_LATE_LOG_BYTES = 1 << 22
MAX_SIZE_MIB = 1e9
MAX_EXAMPLES = 1 << 53
CPU_POLL_S = 0.01
LAST_WORD_S = 5.0  # timeout for the exit of a process that sent its last message before START
PROBLEMS = frozenset(
    {"output_missing", "output_invalid", "output_too_large", "plugin_error", "setup_error", "infra_error"}
)


class Watch:
    """Monitor of one model's process until its end; a single event loop without threads.

    Args:
        running: the model's process.
        job: the host's instructions.
        wire: connection to the host.
        process_tree: reaps and kills the processes.
        keeper: keeps the output.
        wakeup_fd: becomes readable when a child has ended.
    """

    def __init__(
        self, running: Running, job: Job, wire: Wire, process_tree: ProcessTree, keeper: LogKeeper, wakeup_fd: int
    ) -> None:
        self._running, self._job, self._wire, self._process_tree = running, job, wire, process_tree
        self._keeper = keeper
        self._wakeup_fd = wakeup_fd
        self._report = bytearray()
        self.weights = bytearray()
        self.leftovers = 0
        self._exit: Exit | None = None
        self._started = False
        self._deadline_struck = False
        self._too_large = False
        self._cpu_before_s = 0.0
        self._selector = selectors.DefaultSelector()
        for fd, take in self._sources().items():
            self._selector.register(fd, selectors.EVENT_READ, take)

    def _sources(self) -> dict[int, Callable[[], object]]:
        running = self._running
        return {
            running.report: self._take_report,
            running.weights: self._take_weights,
            running.log: self._take_log,
            self._wakeup_fd: self._take_wakeup,
            self._wire.read_fd: self._take_host,
        }

    def until_importing(self) -> bool:
        """Wait until the process begins the import; return False if it ended, or sent its last message, before that."""
        while self._exit is None and b"\n" not in self._report:
            self._step(None)
        return bytes(self._report).startswith(IMPORTING_LINE)

    def until_imported(self) -> bool:
        """Permit the import and wait for its end; return False if the process ended before or was killed at the timeout."""
        with contextlib.suppress(OSError):  # it ended, or closed its end
            self._running.go.send(b"i")
        self._wait(self._job.import_limit_s, lambda: self._imported)
        return self._imported and not self._deadline_struck

    def run(self, files: Files) -> None:
        """Send the process its files and wait for its end; kill it at the limit or the deadline."""
        self._cpu_before_s = self._process_tree.reaped_cpu_s + running_cpu_s(self._running.pid)
        self._started = True
        with contextlib.suppress(OSError):  # it ended, or closed its end
            socket.send_fds(self._running.go, [b"g"], files.all)
        self._wait(self._job.kill_s, lambda: False)

    def _wait(self, kill_s: float | None, is_over: Callable[[], bool]) -> None:
        """Serve the process until it has ended or ``is_over``; kill it after ``kill_s`` seconds."""
        deadline = None if kill_s is None else time.monotonic() + kill_s
        while self._exit is None and not is_over():
            left_s = self._left_s(deadline)
            if left_s is not None and left_s <= 0 and not self._deadline_struck:
                self._deadline_struck = True
                self.kill()
                continue
            self._step(None if self._deadline_struck else left_s)

    def _left_s(self, deadline: float | None) -> float | None:
        """Return the seconds until the limit must be checked again; at most 0 if it has passed, None for no limit.

        CPU seconds pass at most as fast as the cores allow, which gives the earliest time for the next check.
        """
        left_s = None if deadline is None else deadline - time.monotonic()
        if not self._started or self._job.clock != "cpu" or self._job.limit_s is None:
            return left_s
        unused_s = self._job.limit_s - (self._process_tree.cpu_s() - self._cpu_before_s)
        if unused_s <= 0:
            return 0.0
        pause_s = max(CPU_POLL_S, unused_s / len(os.sched_getaffinity(0)))
        return pause_s if left_s is None else min(left_s, pause_s)

    @property
    def cpu_s(self) -> float:
        """Return the CPU seconds of the model's ended processes since START; 0 if it was not started."""
        return 0.0 if not self._started else max(0.0, self._process_tree.reaped_cpu_s - self._cpu_before_s)

    def finish(self) -> Ended:
        """Read the remaining output, send log tail and result, and return how the process ended; do not kill leftovers yet.

        A process that is still alive has sent its last message before its import, and has :data:`LAST_WORD_S` to exit.
        """
        self._await_exit()
        self._drain()
        said = self._judged(self._said())
        self._post_tail()
        ended = self._ended(said)
        if self._started and ended.problem is None and ended.exit_code == 0 and not ended.deadline:
            self._wire.send_json(
                Kind.RESULT, {"index": self._job.index, "peak_gpu_mib": _size(said.get("peak_gpu_mib"))}
            )
            self._wire.post(Kind.WEIGHTS, self.weights)
        self._wire.flush()
        return ended

    def _await_exit(self) -> None:
        deadline = time.monotonic() + LAST_WORD_S
        while self._exit is None:
            left_s = deadline - time.monotonic()
            if left_s > 0:
                self._step(left_s)
            else:
                self.kill()

    def kill(self) -> None:
        """Kill the process, if it is alive, and its leftover processes."""
        lived = self._exit is None
        killed = self._process_tree.kill_all()
        self._exit = self._exit or self._process_tree.exit_of(self._running.pid)
        own = lived and self._exit is not None and self._exit.signal == signal.SIGKILL
        self.leftovers += killed - own

    def close(self) -> None:
        """Close the pipes."""
        self._selector.close()
        running = self._running
        running.go.close()
        for fd in (running.report, running.weights, running.log):
            os.close(fd)

    def _step(self, timeout_s: float | None) -> None:
        self._watch_outbox()
        for key, events in self._selector.select(timeout_s):
            if events & selectors.EVENT_WRITE:
                self._wire.push()
            if events & selectors.EVENT_READ:
                key.data()

    def _watch_outbox(self) -> None:
        """Poll the host's stream for writing only while bytes are pending."""
        fd = self._wire.write_fd
        registered = fd in self._selector.get_map()
        if self._wire.pending and not registered:
            self._selector.register(fd, selectors.EVENT_WRITE)
        elif registered and not self._wire.pending:
            self._selector.unregister(fd)

    def _read(self, fd: int, n_bytes: int) -> bytes:
        """Return the bytes that a pipe holds; stop watching a pipe at its end."""
        try:
            chunk = os.read(fd, n_bytes)
        except BlockingIOError:
            return b""
        if not chunk and fd in self._selector.get_map():
            self._selector.unregister(fd)
        return chunk

    def _take_report(self) -> int:
        chunk = self._read(self._running.report, 1 << 16)
        self._report += chunk[: MAX_REPORT_BYTES - len(self._report)]
        return len(chunk)

    @property
    def _imported(self) -> bool:
        return IMPORTED_LINE.strip() in bytes(self._report).split(b"\n")

    def _take_weights(self) -> int:
        chunk = self._read(self._running.weights, READ_BYTES)
        if len(self.weights) + len(chunk) > self._job.max_weights_bytes:
            self._too_large = True
            self.weights.clear()
            self._selector.unregister(self._running.weights)
            self.kill()
            return 0
        self.weights += chunk
        return len(chunk)

    def _take_log(self) -> int:
        chunk = self._read(self._running.log, LOG_CHUNK_BYTES)
        head = self._keeper.take(chunk)
        if head:
            self._post_log(0, head)
        return len(chunk)

    def _take_wakeup(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup_fd, 1 << 12)
        self._process_tree.reap()
        self._exit = self._exit or self._process_tree.exit_of(self._running.pid)

    def _take_host(self) -> None:
        raise HostGoneError("the host went away, or spoke while a model was running")

    def _drain(self) -> None:
        """Read the remaining bytes of the pipes, without waiting for their end: children may keep them open."""
        while self._take_report():
            pass
        while not self._too_large and self._take_weights():
            pass
        late_bytes = 0
        while late_bytes < MAX_LATE_LOG_BYTES and (n_bytes := self._take_log()):
            late_bytes += n_bytes

    def _post_log(self, dropped_bytes: int, chunk: bytes) -> None:
        self._wire.post(Kind.LOG, LOG_HEADER.pack(self._job.index, dropped_bytes) + chunk)

    def _post_tail(self) -> None:
        for dropped_bytes, chunk in self._keeper.tail(LOG_CHUNK_BYTES):
            self._post_log(dropped_bytes, chunk)

    def _said(self) -> dict[str, Any]:
        """Return the process's last message; empty if there is none or it is malformed."""
        lines = bytes(self._report).split(b"\n")
        try:
            said = decode_json(lines[-2]) if len(lines) > 1 else {}
        except ProtocolError:
            return {}
        return {} if said.get("importing") or said.get("imported") else said

    def _judged(self, said: dict[str, Any]) -> dict[str, Any]:
        """Check the announced size against the bytes received; mark the result invalid on mismatch."""
        announced = said.get("weights_bytes")
        if type(announced) is not int or said.get("problem") or self._too_large:
            return said
        if announced == len(self.weights):
            return {**said, "problem": None}
        if not self.weights:
            return said
        message = f"the process announced {announced} bytes of weights and sent {len(self.weights)}"
        return {**said, "problem": "output_invalid", "error_message": message}

    def _ended(self, said: dict[str, Any]) -> Ended:
        exit_ = self._exit
        if exit_ is None:
            raise RuntimeError("finish() was called while the model's process lives")
        problem = said.get("problem", "output_missing")
        if self._too_large:
            problem = "output_too_large"
        elif problem is not None and not (isinstance(problem, str) and problem in PROBLEMS):
            problem = "output_missing"
        return Ended(
            index=self._job.index,
            exit_code=exit_.exit_code,
            signal=exit_.signal,
            deadline=self._deadline_struck,
            error_type=_text(said.get("error_type"), 200),
            error_message=_text(said.get("error_message"), MESSAGE_CHARS),
            traceback=_text(said.get("traceback"), TRACEBACK_CHARS),
            problem=problem,
            dropped_bytes=self._keeper.dropped_bytes,
            peak_rss_mib=exit_.peak_rss_mib,
            examples=_count(said.get("examples")),
        )


def _size(value: object) -> float | None:
    """Return a size reported by the process; None if it is not a plausible number."""
    return float(value) if type(value) in (int, float) and 0 <= value < MAX_SIZE_MIB else None  # type: ignore[operator, arg-type]


def _count(value: object) -> int | None:
    """Return a count reported by the process; None if it is not a plausible number."""
    return value if type(value) is int and 0 <= value < MAX_EXAMPLES else None


def _text(value: object, max_chars: int) -> str | None:
    return value[:max_chars] if isinstance(value, str) else None
