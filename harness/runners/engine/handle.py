"""A started container as a :class:`~harness.runners.base.GuestHandle`."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

from harness.core.text import harmless_bytes
from harness.errors import HarnessError, SandboxError
from harness.runners.base import Beside, GuestExit
from harness.runners.cores import core_list
from harness.runners.engine.bounded import within
from harness.runners.engine.cgroups import Cgroup
from harness.runners.engine.client import Engine
from harness.runners.engine.frames import Demultiplexer
from harness.runners.engine.init_process import InitProcess

CLOSE_WAIT_S = 10.0
KILL_WAIT_S = 1.0
ASK_WAIT_S = 5.0
REMOVE_WAIT_S = 5.0
"""Timeouts for a hanging engine; leftover containers are removed at exit or by a later run."""
DRAIN_BYTES = 1 << 16
PYTHON = "/opt/harness/bin/python"
CLIENTS = ("docker", "podman")
DETACH_KEYS = "ctrl-^,ctrl-@"
"""An unlikely detach key: the client's default begins with Ctrl-P, which recalls the last line in a shell."""


class DockerHandle:
    """The guest in one running container."""

    def __init__(
        self,
        engine: Engine,
        container_id: str,
        connection: socket.socket,
        cgroup: Cgroup | None,
        init: InitProcess | None = None,
    ) -> None:
        self._engine = engine
        self._container_id = container_id
        self._connection = connection
        self._cgroup = cgroup
        self._init = init
        self._frames = Demultiplexer()
        self._counters: dict[str, float] = {}
        self._exit: GuestExit | None = None
        self._kill_notes: list[str] = []

    @property
    def read_fd(self) -> int:
        """Return the connection's descriptor."""
        return self._connection.fileno()

    @property
    def write_fd(self) -> int:
        """Return the connection's descriptor: one socket carries both directions."""
        return self._connection.fileno()

    def read(self, max_bytes: int) -> bytes | None:
        """Return protocol bytes; ``b""`` at the end of the stream, None if there are none yet.

        Raises:
            ConnectionError: the engine's framing is malformed.
        """
        try:
            data = self._connection.recv(max_bytes)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            # The engine drops the connection when it is stopped or the container removed.
            return b""
        if not data:
            return b""
        try:
            return self._frames.feed(data) or None
        except ValueError as error:
            raise ConnectionError(str(error)) from error

    def write(self, data: memoryview) -> int:
        """Send as much as possible without blocking; return the number of bytes sent.

        Raises:
            BrokenPipeError: the container is gone.
        """
        try:
            return self._connection.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise BrokenPipeError(f"the connection to the container broke: {error}") from None

    def oom_kills(self) -> int:
        """Return the kernel's count for the container's control group; the last known one once the group is gone."""
        return int(self._counted("oom_kills") or 0)

    def refused_forks(self) -> int | None:
        """Return the kernel's count for the container's control group; the last known one once the group is gone."""
        forks = self._counted("refused_forks")
        return None if forks is None else int(forks)

    def cpu_s(self) -> float | None:
        """Return the CPU seconds of the container's control group; the last known value once the group is gone."""
        return self._counted("cpu_s")

    def _counted(self, counter: Literal["oom_kills", "refused_forks", "cpu_s"]) -> float | None:
        """Read a counter of the control group, or return its last known value."""
        found = None if self._cgroup is None else getattr(self._cgroup, counter)()
        if found is not None:
            self._counters[counter] = found
        return self._counters.get(counter)

    def processes(self) -> int | None:
        """Return the number of processes in the container's control group; None if that cannot be read."""
        if self._exit is not None:
            return 0
        return None if self._cgroup is None else self._cgroup.processes()

    def move(self, cores: tuple[int, ...]) -> None:
        """Pin the whole container to these cores.

        Raises:
            SandboxError: the engine failed.
        """
        self._engine.move(self._container_id, core_list(cores))

    def beside(self, arguments: Sequence[str], *, interactive: bool) -> Beside:
        """Return the call of the engine's client that executes Python in the container.

        Raises:
            SandboxError: the client is not installed.
        """
        client = next(filter(None, map(shutil.which, CLIENTS)), None)
        if client is None:
            raise SandboxError(
                "A shell in a container is opened by the engine's command-line client, and neither `docker` nor `podman` is on "
                "the PATH. Install it (package docker-ce-cli, docker-cli or podman), or use `--runner process` without isolation."
            )
        term = os.environ.get("TERM", "dumb")
        terminal = ("-it", "--detach-keys", DETACH_KEYS, "--env", f"TERM={term}") if interactive else ()
        # Without the client's hints, which would mix with the plugin's output.
        environment = {**os.environ, "DOCKER_CLI_HINTS": "false"}
        if self._engine.host is not None:
            environment |= dict.fromkeys(("DOCKER_HOST", "CONTAINER_HOST"), self._engine.host)
        command = (client, "exec", *terminal, self._container_id, PYTHON, "-s", *arguments)
        return Beside(command, environment=environment)

    def kill(self) -> None:
        """Kill every process of the container, without the engine if possible."""
        self.oom_kills()
        self.refused_forks()
        self.cpu_s()
        if self._init is not None and self._init.kill(KILL_WAIT_S):
            self._hang_up()
            return
        self._hang_up()
        try:
            within(ASK_WAIT_S, "killing the container", lambda: self._engine.kill(self._container_id))
        except HarnessError as error:
            self._kill_notes.append(str(error))

    def close(self) -> GuestExit:
        """Kill the container if it still runs, read how it ended, and remove it."""
        if self._exit is None:
            self._exit = self._end()
        return self._exit

    def _end(self) -> GuestExit:
        self.oom_kills()
        self.refused_forks()
        notes: list[str] = []
        try:
            self._drain()
        except ConnectionError as error:
            notes.append(str(error))
        self._hang_up()
        exit_code, oom_killed = None, False
        try:
            exit_code, oom_killed = within(ASK_WAIT_S, "asking how the container ended", self._stopped)
        except HarnessError as error:
            notes.append(str(error))
        self._connection.close()
        try:
            within(REMOVE_WAIT_S, "removing the container", lambda: self._engine.remove(self._container_id))
        except HarnessError as error:
            notes.append(str(error))
        if self._init is not None:
            self._init.close()
        return GuestExit(
            exit_code=exit_code,
            oom_killed=oom_killed or self.oom_kills() > 0,
            stderr=harmless_bytes(bytes(self._frames.stderr)),
            notes=(*self._kill_notes, *notes),
        )

    def _drain(self) -> None:
        """Read the guest's pending stderr, for at most a second."""
        until = time.monotonic() + 1.0
        while time.monotonic() < until and self.read(DRAIN_BYTES) != b"":
            if not self._readable():
                return

    def _hang_up(self) -> None:
        """Shut the connection down; received bytes can still be read.

        While output is pending on a connection without a reader, the engine can neither stop nor inspect the container.
        """
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            # already closed, by this side or the other
            return

    def _readable(self) -> bool:
        try:
            return bool(self._connection.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def _stopped(self) -> tuple[int | None, bool]:
        """Return the container's exit status and out-of-memory flag; kill it if it still runs."""
        state = self._engine.inspect(self._container_id)
        if state is not None and state.running:
            self._engine.kill(self._container_id)
            self._engine.wait(self._container_id, CLOSE_WAIT_S)
            state = self._engine.inspect(self._container_id)
        return (None, False) if state is None else (state.exit_code, state.oom_killed)


def discard(engine: Engine, container_id: str, connection: socket.socket | None) -> None:
    """Remove a container that could not be started.

    Errors are suppressed, as they would hide the original one; a later run removes the container by its labels.
    """
    if connection is not None:
        connection.close()
    with suppress(HarnessError):
        engine.remove(container_id)
