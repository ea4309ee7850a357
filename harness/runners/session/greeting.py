"""The first frames of a guest: HELLO to it, and READY from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.core.text import harmless
from harness.runners.base import PluginFacts, Runner
from harness.runners.session.channel import Channel
from harness_guest.protocol import Hello, Kind, ProtocolError, decode_json

READY_FIELDS = frozenset({"torch", "python", "device", "threads", "pid1"})


def hello_for(runner: Runner, facts: PluginFacts, model: dict[str, Any], recipe: dict[str, Any], **more: Any) -> Hello:
    """Return the HELLO for a guest of this runner.

    Args:
        runner: starts the guest.
        facts: of the plugin.
        model, recipe: as JSON.
        more: further fields.
    """
    kept = runner.facts.requested.log_bytes // 2
    return Hello(
        plugin=facts.name,
        distribution=facts.distribution,
        model=model,
        recipe=recipe,
        plugin_path=runner.paths.plugin_path,
        scratch=list(runner.paths.scratch),
        device=runner.device,
        log_head_bytes=kept,
        log_tail_bytes=kept,
        **more,
    )


class NetworkRefusedError(ValueError):
    """The network failed its dry pass in a working guest."""


@dataclass(frozen=True)
class Ready:
    """Content of a guest's READY frame, with its start-up time.

    Attributes:
        torch, python: versions inside the sandbox.
        device: its compute device.
        threads: torch's threads in a model's process.
        pid1: it is the first process of a container.
        start_s: seconds from requesting the guest to reading READY; never charged.
    """

    torch: str
    python: str
    device: str
    threads: int
    pid1: bool
    start_s: float


def read_ready(channel: Channel, began_s: float, clock: Callable[[], float], timeout_s: float) -> Ready:
    """Wait until a guest is ready.

    Args:
        channel: connection to the guest, after HELLO was sent.
        began_s: when the guest was requested, on ``clock``.
        clock: monotonic seconds.
        timeout_s: how long to wait from now.

    Raises:
        NetworkRefusedError: the network failed its dry pass.
        ValueError: the guest refused for another reason.
        ProtocolError, GuestGoneError, DeadlineError: as :meth:`Channel.receive`.
    """
    kind, payload = channel.receive(clock() + timeout_s)
    said = decode_json(bytes(payload))
    if kind is Kind.REFUSED:
        refused = NetworkRefusedError if said.get("reason") == "model" else ValueError
        raise refused(harmless(str(said.get("message")), 2000))
    if kind is not Kind.READY:
        raise ProtocolError(f"{kind.name} came where READY was due")
    missing = READY_FIELDS - set(said)
    if missing:
        raise ProtocolError(f"READY lacks {max(missing)!r}")
    if type(said["threads"]) is not int:
        raise ProtocolError(f"READY has threads of type {type(said['threads']).__name__}")
    return Ready(
        torch=harmless(str(said["torch"]), 100),
        python=harmless(str(said["python"]), 100),
        device=harmless(str(said["device"]), 100),
        threads=said["threads"],
        pid1=bool(said["pid1"]),
        start_s=clock() - began_s,
    )
