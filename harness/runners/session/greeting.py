"""A guest's first word: that it is ready, and what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.core.text import harmless
from harness.runners.session.channel import Channel
from harness_guest.protocol import Kind, ProtocolError, decode_json

READY_FIELDS = frozenset({"torch", "python", "device", "threads", "pid1"})


class NetworkRefusedError(ValueError):
    """The guest is sound, and the network failed its dry pass in it."""


@dataclass(frozen=True)
class Ready:
    """What a guest said of itself when it was ready.

    Attributes:
        torch, python: versions inside the sandbox.
        device: what it computes on.
        threads: of torch in a model's process.
        pid1: it is the first process of a container.
        start_s: seconds from asking for the guest until this answer was read; never charged.
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
        channel: to it; HELLO has been sent.
        began_s: when it was asked for, on ``clock``.
        clock: monotonic seconds.
        timeout_s: how long to wait from now.

    Raises:
        NetworkRefusedError: the network failed its dry pass.
        ValueError: it refuses for another reason.
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
