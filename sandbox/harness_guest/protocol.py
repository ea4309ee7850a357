"""The wire protocol between host and guest; standard library only, imported by both sides.

A conversation is a sequence of frames over two byte streams: host to guest (the guest's file descriptor 0) and guest to host
(its file descriptor 1). What a plugin prints never touches these: the guest moves them away before any plugin runs.

A frame is ``b"UH"``, one byte of kind, eight bytes of payload length (unsigned, big-endian), payload. Payloads are JSON
objects of at most :data:`MAX_JSON_BYTES`, but for DATA, WEIGHTS and JOURNAL (safetensors bytes; the reader states its own cap)
and LOG (raw bytes).

==========  =========  ==========================================================================================
kind        direction  payload
==========  =========  ==========================================================================================
HELLO       to guest   :class:`Hello`: what the guest needs once: model specification, plugin, ...
READY       to host    {"torch", "python", "device", "threads", "pid1", "isolation"}: torch imported
DATA        to guest   the splits, once, after READY: ``{split}.images`` (uint8, n C H W) and ``{split}.labels`` (int64, n)
                       for retain, forget and validation
MODEL       to guest   :class:`Job`; a WEIGHTS frame with the original's state follows at once, and then, where the job says
                       that there is one, a JOURNAL frame of just the announced length: the record of its training
IMPORTING   to host    {"index"}: the model's own process has been forked, without model and data; it imports the plugin now
IMPORTED    to host    {"index"}: the import is over
START       to guest   {"index"}: the clock runs. Only now is that process handed data, weights and journal
LOG         to host    8 bytes index, 8 bytes count of dropped bytes before this chunk, then raw bytes of output
RESULT      to host    {"index", "peak_gpu_mib"}; a WEIGHTS frame with the unlearned state follows at once
ENDED       to host    :class:`Ended`: how the model's process ended; always the last frame of a model, after
                       leftovers were killed and scratch space wiped
BYE         to guest   {}: the guest exits with status 0
REFUSED     to host    {"reason", "message"}: the guest cannot work (bad HELLO, no such plugin data); it exits
==========  =========  ==========================================================================================

The conversation is lock-step: HELLO, READY, DATA, then per model MODEL+WEIGHTS[+JOURNAL], IMPORTING, IMPORTED, START,
[RESULT+WEIGHTS], ENDED, with any number of LOG from MODEL to RESULT.
A frame out of order is a violation; the host kills the guest.

``harness shell`` and ``harness run --pdb`` hold no conversation: a second process beside an idle guest is on the user's
terminal, see :mod:`harness_guest.shell`.
"""

from __future__ import annotations

import enum
import json
import struct
from dataclasses import asdict, dataclass, field
from typing import Any

VERSION = 3
MAGIC = b"UH"
HEADER = struct.Struct(">2sBQ")
LOG_HEADER = struct.Struct(">QQ")
MAX_JSON_BYTES = 1 << 20
MAX_LOG_FRAME_BYTES = (1 << 16) + LOG_HEADER.size
LOST = 64
"""Added to the number of the signal that killed the process that served a model: the guest's exit status then."""


class Kind(enum.IntEnum):
    """Frame kinds; see the module's table."""

    HELLO = 1
    READY = 2
    MODEL = 3
    IMPORTING = 4
    START = 5
    LOG = 6
    RESULT = 7
    ENDED = 8
    BYE = 9
    REFUSED = 10
    WEIGHTS = 11
    JOURNAL = 12
    DATA = 13
    IMPORTED = 14


DOCUMENTS = (Kind.DATA, Kind.WEIGHTS, Kind.JOURNAL)
"""Frames of safetensors bytes, of any length."""


class ProtocolError(Exception):
    """The other side broke the protocol."""


@dataclass(frozen=True)
class Hello:
    """What the guest needs once.

    Attributes:
        plugin: entry-point name of the one unlearner to load.
        distribution: its distribution's name; None to take whichever has it.
        model: JSON of :class:`reference_models.recipe.ModelSpec`.
        recipe: JSON of :class:`reference_models.recipe.Recipe`.
        plugin_path: folder appended to ``sys.path`` in a model's process before the plugin is imported; None where the
            plugin is importable as it is. Never seen by the guest itself.
        scratch: folders wiped between models, e.g. ["/tmp", "/dev/shm"]; empty in the process runner.
        device: "cpu" or "cuda".
        threads: of torch in a model's process.
        options: the user's ``--set`` options for the plugin.
        log_head_bytes, log_tail_bytes: how much output is kept per model.
        architecture_path: folder appended to ``sys.path`` from which the network's module is imported; None for a network of
            :mod:`reference_models`.
        try_batches: before READY the network does a forward and a backward pass of batches of these sizes, in a process of its
            own; a failure is REFUSED with reason "model".
        version: of this protocol.
    """

    plugin: str
    distribution: str | None
    model: dict[str, Any]
    recipe: dict[str, Any]
    plugin_path: str | None = None
    scratch: list[str] = field(default_factory=list)
    device: str = "cpu"
    threads: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    log_head_bytes: int = 1 << 16
    log_tail_bytes: int = 1 << 16
    architecture_path: str | None = None
    try_batches: list[int] = field(default_factory=list)
    version: int = VERSION


@dataclass(frozen=True)
class Job:
    """One model to unlearn.

    Attributes:
        index: which original, 0-based.
        seed: of every random stream in the model's process.
        limit_s: what the process may use from START on, in the unit of ``clock``; None for no limit. The guest ends a process
            that used it up, on its own account.
        max_weights_bytes: the guest forwards no more than this many bytes of weights.
        journal_bytes: length of the JOURNAL frame; 0 when none follows.
        clock: "wall" (seconds), "cpu" (CPU seconds of all its processes) or "steps" (examples drawn, which the process
            counts by itself).
        deadline_s: seconds from START after which the process is ended whatever it used; for "wall" the limit is the deadline.
        import_only: the process ends once the plugin is imported, and its hook is not called: no result comes back.
        import_limit_s: seconds that the import may take, before START; None for no limit. The guest ends a process that takes
            longer.
    """

    index: int
    seed: int
    limit_s: float | None
    max_weights_bytes: int
    journal_bytes: int = 0
    clock: str = "wall"
    deadline_s: float | None = None
    import_only: bool = False
    import_limit_s: float | None = None

    @property
    def kill_s(self) -> float | None:
        """Return the seconds from START after which the process is killed; None for never."""
        return self.limit_s if self.clock == "wall" else self.deadline_s


@dataclass(frozen=True)
class Ended:
    """How a model's process ended, as the guest saw it.

    Attributes:
        index: the model.
        exit_code: exit status, None when killed by a signal.
        signal: number of the signal that ended it, None when it exited.
        deadline: the guest killed it because ``limit_s`` or ``deadline_s``, or before START ``import_limit_s``, had passed.
        error_type, error_message, traceback: of an exception that the plugin let escape; None without.
        problem: a fault in what came back that the guest could tell: "output_missing", "output_invalid",
            "output_too_large", "plugin_error", "setup_error" (the plugin, or before it the original, could not be loaded),
            "infra_error" (the sandbox lacks what it was given), or None.
        dropped_bytes: of output, beyond head and tail.
        peak_rss_mib: from the kernel's accounting of the process.
        leftovers: how many other processes had to be killed afterwards.
        unclean: why the guest cannot serve another model (scratch space that could not be wiped, limits of its own that the
            plugin changed); it exits, and the next model needs a new one. None when it can.
        cpu_s: CPU seconds from START to the end of all processes of the model, as the kernel counted them.
        examples: drawn from the splits, as the model's process counted; None where it could not say so.
    """

    index: int
    exit_code: int | None
    signal: int | None
    deadline: bool = False
    error_type: str | None = None
    error_message: str | None = None
    traceback: str | None = None
    problem: str | None = None
    dropped_bytes: int = 0
    peak_rss_mib: float | None = None
    leftovers: int = 0
    unclean: str | None = None
    cpu_s: float | None = None
    examples: int | None = None


def encode(kind: Kind, payload: bytes) -> bytes:
    """Return a whole frame. For large payloads send :func:`header` and the payload separately."""
    return header(kind, len(payload)) + payload


def header(kind: Kind, length: int) -> bytes:
    """Return the eleven bytes before a payload of ``length`` bytes."""
    return HEADER.pack(MAGIC, kind, length)


def encode_json(kind: Kind, value: Any) -> bytes:
    """Return a frame with a JSON object, from a dict or a dataclass of this module."""
    data = value if isinstance(value, dict) else asdict(value)
    return encode(kind, json.dumps(data, allow_nan=False).encode())


def decode_header(raw: bytes) -> tuple[Kind, int]:
    """Return kind and payload length.

    Raises:
        ProtocolError: wrong magic, unknown kind, or a length that no frame of this kind may have.
    """
    magic, kind_number, length = HEADER.unpack(raw)
    if magic != MAGIC:
        raise ProtocolError("a frame does not begin with the protocol's mark")
    try:
        kind = Kind(kind_number)
    except ValueError:
        raise ProtocolError(f"unknown frame kind {kind_number}") from None
    cap = None if kind in DOCUMENTS else MAX_LOG_FRAME_BYTES if kind is Kind.LOG else MAX_JSON_BYTES
    if cap is not None and length > cap:
        raise ProtocolError(f"a {kind.name} frame of {length} bytes; at most {cap} are allowed")
    return kind, length


def decode_json(payload: bytes) -> dict[str, Any]:
    """Return the JSON object of a payload.

    Raises:
        ProtocolError: not JSON, not an object, or with NaN or infinity in it.
    """

    def refuse(constant: str) -> None:
        raise ProtocolError(f"{constant} in a frame")

    try:
        value = json.loads(payload, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a frame is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ProtocolError("a frame's JSON is not an object")
    return value
