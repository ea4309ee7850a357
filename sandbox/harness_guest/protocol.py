"""The wire protocol between host and guest; standard library only, imported by both sides.

A session is a sequence of frames over two byte streams: host to guest (the guest's file descriptor 0) and guest to host (its file
descriptor 1). A plugin's output never reaches these: the guest moves them to other descriptors before any plugin runs.

A frame is ``b"UH"``, one byte of kind, eight bytes of payload length (unsigned, big-endian), payload. Payloads are JSON
objects of at most :data:`MAX_JSON_BYTES`, except for DATA, WEIGHTS and JOURNAL (safetensors bytes; the reader sets the maximum)
and LOG (raw bytes).

==========  =========  ==========================================================================================
kind        direction  payload
==========  =========  ==========================================================================================
HELLO       to guest   :class:`Hello`: instructions for all models: model specification, plugin, ...
READY       to host    {"torch", "python", "device", "threads", "pid1", "isolation"}: torch imported
DATA        to guest   the splits, once, after READY: ``{split}.inputs`` (n, ...) and ``{split}.labels`` (int64, n)
                       for retain, forget and validation
MODEL       to guest   :class:`Job`; a WEIGHTS frame with the original's state follows, and then, if the job announces one,
                       a JOURNAL frame of exactly that length: the record of its training
IMPORTING   to host    {"index"}: the model's own process was forked, without model and data, and starts to import the plugin
IMPORTED    to host    {"index"}: the import has ended
START       to guest   {"index"}: the clock starts. Only now that process receives data, weights and journal
LOG         to host    8 bytes index, 8 bytes count of dropped bytes before this chunk, then raw bytes of output
RESULT      to host    {"index", "peak_gpu_mib"}; a WEIGHTS frame with the unlearned state follows
ENDED       to host    :class:`Ended`: how the model's process ended; always the last frame of a model, after
                       leftovers were killed and scratch space wiped
BYE         to guest   {}: the guest exits with status 0
REFUSED     to host    {"reason", "message"}: the guest cannot work (bad HELLO, no such plugin data); it exits
==========  =========  ==========================================================================================

The session is lock-step: HELLO, READY, DATA, then per model MODEL+WEIGHTS[+JOURNAL], IMPORTING, IMPORTED, START,
[RESULT+WEIGHTS], ENDED, with any number of LOG from MODEL to RESULT.
A frame out of order is a violation; the host kills the guest.

``harness shell`` and ``harness run --pdb`` send no MODEL: a second process runs on the user's terminal while the guest is idle,
see :mod:`harness_guest.shell`.
"""

from __future__ import annotations

import enum
import json
import struct
from dataclasses import asdict, dataclass, field
from typing import Any

VERSION = 5
MAGIC = b"UH"
HEADER = struct.Struct(">2sBQ")
LOG_HEADER = struct.Struct(">QQ")
MAX_JSON_BYTES = 1 << 20
MAX_LOG_FRAME_BYTES = (1 << 16) + LOG_HEADER.size
MAX_STATE_BYTES = 16 << 20
"""Largest state that a plugin may keep from one request of a stream to the next."""
STATE = "..state"
"""Name of that state in a WEIGHTS document, a uint8 array; no tensor of a network can have it, since no module is named \"\"."""
LOST = 64
"""Exit status of the guest after a signal killed the process that served a model, minus the signal's number."""


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
"""Frames of safetensors bytes, without a maximum length."""


class ProtocolError(Exception):
    """The other side broke the protocol."""


@dataclass(frozen=True)
class Hello:
    """Instructions for all models of a guest.

    Attributes:
        plugin: entry-point name of the one unlearner to load.
        distribution: its distribution's name; None for any.
        model: JSON of :class:`reference_models.networks.recipe.ModelSpec`.
        recipe: JSON of :class:`reference_models.networks.recipe.Recipe`.
        plugin_path: folder appended to ``sys.path`` in a model's process before the plugin is imported; None if the
            plugin is importable without it. Never used by the guest itself.
        scratch: folders wiped between models, e.g. ["/tmp", "/dev/shm"]; empty in the process runner.
        device: "cpu" or "cuda".
        threads: torch's threads in a model's process.
        options: the user's ``--set`` options for the plugin.
        log_head_bytes, log_tail_bytes: bytes of output kept per model.
        architecture_path: folder put first on ``sys.path``, with the network's code and initial weights; None for a network
            of :mod:`reference_models`.
        try_batches: before READY the network does a forward and a backward pass of batches of these sizes, in a separate
            process; a failure is REFUSED with reason "model".
        version: version of this protocol.
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
        index: number of the model, 0-based.
        seed: seed of all random streams in the model's process.
        limit_s: limit of the process from START on, in the unit of ``clock``; None for no limit. The guest kills a process
            that exceeds it.
        max_weights_bytes: the guest forwards no more than this many bytes of weights, including the state.
        journal_bytes: length of the JOURNAL frame; 0 for no frame.
        clock: "wall" (seconds), "cpu" (CPU seconds of all its processes) or "steps" (examples drawn, which the process
            counts by itself).
        deadline_s: seconds from START after which the process is killed regardless of ``clock``; for "wall" the limit is used.
        import_only: the process exits after importing the plugin, without calling its hook; there is no result.
        import_limit_s: limit of the import in seconds, before START; None for no limit. The guest kills a process that exceeds
            it.
        max_state_bytes: the largest state that the plugin may keep for the next request, which WEIGHTS then has as
            :data:`STATE`; 0: a state is dropped.
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
    max_state_bytes: int = 0

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
        error_type, error_message, traceback: of an exception raised by the plugin; None without.
        problem: a fault that the guest detected: "output_missing", "output_invalid",
            "output_too_large", "plugin_error", "setup_error" (the plugin, or before it the original, could not be loaded),
            "infra_error" (the sandbox lacks an assigned resource), or None.
        dropped_bytes: bytes of output dropped between head and tail.
        peak_rss_mib: from the kernel's accounting of the process.
        leftovers: number of leftover processes that were killed.
        unclean: why the guest cannot serve another model (scratch space that could not be wiped, limits of its own that the
            plugin changed); it exits, and the next model needs a new one. None when it can.
        cpu_s: CPU seconds from START to the end of all processes of the model, as the kernel counted them.
        examples: examples drawn from the splits, as counted by the model's process; None if unknown.
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
        raise ProtocolError("a frame does not begin with the magic bytes")
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
