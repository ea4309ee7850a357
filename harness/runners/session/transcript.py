"""Validation and storage of the frames that a guest sends about one model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from typing import Any

from harness.core.outcomes import LogCapture
from harness.core.text import harmless, harmless_bytes
from harness.runners.session.channel import Channel
from harness_guest.protocol import LOG_HEADER, Ended, Kind, ProtocolError, decode_json
from harness_guest.texts import shortened

MAX_MESSAGE_CHARS = 2_000
MAX_TRACEBACK_CHARS = 8_000
MAX_SIZE_MIB = 1e9
TEXT_LIMITS = {
    "error_type": 200,
    "error_message": MAX_MESSAGE_CHARS,
    "traceback": MAX_TRACEBACK_CHARS,
    "problem": 40,
    "unclean": 200,
}
INTEGERS = frozenset({"index", "exit_code", "signal", "dropped_bytes", "leftovers", "examples"})
BOOLEANS = frozenset({"deadline"})
NUMBERS = frozenset({"peak_rss_mib", "cpu_s"})
NULLABLE = frozenset({"exit_code", "signal", "examples", *NUMBERS, *TEXT_LIMITS})

FOLLOWERS: dict[Kind | None, frozenset[Kind]] = {
    None: frozenset({Kind.IMPORTING, Kind.ENDED}),
    Kind.IMPORTING: frozenset({Kind.IMPORTED, Kind.ENDED}),
    Kind.IMPORTED: frozenset({Kind.RESULT, Kind.ENDED}),
    Kind.RESULT: frozenset({Kind.WEIGHTS}),
    Kind.WEIGHTS: frozenset({Kind.ENDED}),
    Kind.ENDED: frozenset(),
}
"""Allowed successors of each frame kind. LOG frames, not listed here, are allowed until RESULT."""


class Transcript:
    """Reader that checks the frames of one model one by one.

    Args:
        index: model number that every frame must have.
        log_head_bytes, log_tail_bytes: maximum bytes of output the guest may send.

    Attributes:
        last_frame: name of the last frame received.
        weights: the unlearned state as bytes, not yet validated.
        peak_gpu_mib: peak GPU memory in MiB, as reported by the guest.
        ended: content of the ENDED frame; None until it is received.
    """

    def __init__(self, index: int, log_head_bytes: int, log_tail_bytes: int) -> None:
        self._index = index
        self._log_room = log_head_bytes + log_tail_bytes
        self._head, self._tail = bytearray(), bytearray()
        self._dropped_bytes = 0
        self._phase: Kind | None = None
        self.last_frame: str | None = None
        self.weights: bytearray | None = None
        self.peak_gpu_mib: float | None = None
        self.ended: Ended | None = None

    def until(self, kinds: Collection[Kind], channel: Channel, deadline_s: float | None) -> Kind:
        """Read frames until one of ``kinds``; return its kind.

        Raises:
            ProtocolError: if a frame is out of order, too long, or about another model.
            GuestGoneError, DeadlineError: as :meth:`Channel.receive`.
        """
        while True:
            kind, payload = channel.receive(deadline_s)
            self.last_frame = kind.name
            self.take(kind, payload)
            if kind in kinds:
                return kind

    def take(self, kind: Kind, payload: bytearray) -> None:
        """Validate and store one frame."""
        if kind is Kind.LOG and self._phase in (None, Kind.IMPORTING, Kind.IMPORTED):
            self._take_log(payload)
            return
        if kind not in FOLLOWERS[self._phase]:
            after = "at the beginning" if self._phase is None else f"after {self._phase.name}"
            raise ProtocolError(f"{kind.name} came {after}")
        self._phase = kind
        if kind is Kind.WEIGHTS:
            self.weights = payload
            return
        content = decode_json(bytes(payload))
        if content.get("index") != self._index:
            raise ProtocolError(f"a {kind.name} frame about another model than {self._index}")
        if kind is Kind.RESULT:
            self.peak_gpu_mib = _mib(content.get("peak_gpu_mib"))
        elif kind is Kind.ENDED:
            self.ended = read_ended(content)

    def log(self) -> LogCapture:
        """Return the plugin's output so far."""
        return LogCapture(harmless_bytes(bytes(self._head)), harmless_bytes(bytes(self._tail)), self._dropped_bytes)

    def _take_log(self, payload: bytearray) -> None:
        if len(payload) <= LOG_HEADER.size:
            raise ProtocolError("a LOG frame without output")
        index, dropped_bytes = LOG_HEADER.unpack_from(payload)
        chunk = payload[LOG_HEADER.size :]
        self._log_room -= len(chunk)
        if index != self._index or self._log_room < 0:
            raise ProtocolError("more output than is kept" if self._log_room < 0 else "a LOG frame about another model")
        self._dropped_bytes += dropped_bytes
        target = self._tail if self._dropped_bytes else self._head
        target += chunk


def read_ended(content: dict[str, Any]) -> Ended:
    """Parse an ENDED frame: check every field, and escape control characters in texts.

    Raises:
        ProtocolError: if a field is unknown or missing, or has the wrong type.
    """
    known = {field.name for field in fields(Ended)}
    if set(content) - known or not {"index", "exit_code", "signal"} <= set(content):
        raise ProtocolError(f"ENDED has fields {sorted(map(harmless, content))}")
    return Ended(**{name: _checked(name, value) for name, value in content.items()})


def _checked(name: str, value: Any) -> Any:
    if value is None and name in NULLABLE:
        return None
    if name in TEXT_LIMITS and isinstance(value, str):
        return shortened(harmless(value), TEXT_LIMITS[name])
    if name in INTEGERS and type(value) is int:
        return value
    if name in NUMBERS:
        return _mib(value)
    if name in BOOLEANS and isinstance(value, bool):
        return value
    raise ProtocolError(f"ENDED has {name} of type {type(value).__name__}")


def _mib(value: object) -> float | None:
    """Return a number reported by the guest; None if it is not a number in [0, :data:`MAX_SIZE_MIB`)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < MAX_SIZE_MIB else None
