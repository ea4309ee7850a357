"""A locked-down container for one command with input and output; used for probes and builds."""

from __future__ import annotations

import secrets
import select
import time
from dataclasses import dataclass, replace

from harness.runners.engine.client import Engine
from harness.runners.engine.handle import DockerHandle, discard
from harness.runners.engine.reaper import owner_labels, remove_own_at_exit
from harness.runners.engine.types import ContainerSpec

POLL_MS = 100
CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class OneshotResult:
    """Result of a one-shot container.

    Attributes:
        exit_code: exit status; None if it was killed and the engine does not report one.
        stdout: complete standard output.
        stderr: last 8 KiB of the error stream, control characters escaped.
        timed_out: it was killed at the timeout.
        overflowed: it was killed because it exceeded the output limit.
    """

    exit_code: int | None
    stdout: bytes
    stderr: str
    timed_out: bool = False
    overflowed: bool = False


def run_once(
    engine: Engine, spec: ContainerSpec, *, stdin: bytes = b"", timeout_s: float = 60.0, max_bytes: int = 1 << 20
) -> OneshotResult:
    """Run a container with ``stdin`` as its input, collect at most ``max_bytes`` of output, and always remove it.

    Raises:
        SandboxError: if the engine failed.
    """
    remove_own_at_exit(engine)
    labels = {**spec.labels, **owner_labels("oneshot", timeout_s + 300)}
    named = replace(spec, labels=labels, name=f"{spec.name}-{secrets.token_hex(6)}")
    container_id = engine.create(named)
    connection = None
    try:
        connection = engine.attach(container_id)
        engine.start(container_id)
    except BaseException:
        discard(engine, container_id, connection)
        raise
    handle = DockerHandle(engine, container_id, connection, cgroup=None)
    exchange = _Exchange(handle, memoryview(stdin), max_bytes, time.monotonic() + timeout_s)
    try:
        exchange.run()
    finally:
        ended = handle.close()
    return OneshotResult(ended.exit_code, bytes(exchange.output), ended.stderr, exchange.timed_out, exchange.overflowed)


class _Exchange:
    """Input and output of one container, until end of output, timeout or output limit."""

    def __init__(self, handle: DockerHandle, stdin: memoryview, max_bytes: int, deadline: float) -> None:
        self.output = bytearray()
        self.timed_out = False
        self.overflowed = False
        self._handle = handle
        self._stdin = stdin
        self._max_bytes = max_bytes
        self._deadline = deadline

    def run(self) -> None:
        poller = select.poll()
        while not self._over():
            writing = select.POLLOUT if self._stdin else 0
            poller.register(self._handle.read_fd, select.POLLIN | writing)
            for _, events in poller.poll(POLL_MS):
                if events & select.POLLOUT and self._stdin:
                    self._write()
                if events & ~select.POLLOUT and self._read_to_end():
                    return

    def _over(self) -> bool:
        self.timed_out = time.monotonic() > self._deadline
        self.overflowed = len(self.output) > self._max_bytes
        return self.timed_out or self.overflowed

    def _write(self) -> None:
        try:
            self._stdin = self._stdin[self._handle.write(self._stdin[:CHUNK_BYTES]) :]
        except BrokenPipeError:
            # The process exited before reading all of its input; its output explains why.
            self._stdin = memoryview(b"")

    def _read_to_end(self) -> bool:
        data = self._handle.read(CHUNK_BYTES)
        self.output += data or b""
        return data == b""
