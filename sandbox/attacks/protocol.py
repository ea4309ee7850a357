"""Attacks on the protocol: forged messages to the guest and the host."""

from __future__ import annotations

import json
import os
import struct
import sys
import time

import safetensors.torch
from harness_attacks import _inside
from harness_attacks._marks import attack
from harness_attacks._tools import daemon, reached, rest

hostile = attack("output_missing", promise=5)

GUEST = 1
HEADER = struct.Struct(">2sBQ")
READY, IMPORTING, RESULT, ENDED, WEIGHTS, IMPORTED = 2, 4, 7, 8, 11, 14


def _frames(model):
    """Return a complete forged sequence of frames: an imported plugin, its result and its end."""
    weights = safetensors.torch.save(model.state_dict())
    ended = {"index": 0, "exit_code": 0, "signal": None, "problem": None}
    said = [(READY, {}), (IMPORTING, {"index": 0}), (IMPORTED, {"index": 0})]
    said.append((RESULT, {"index": 0, "peak_gpu_mib": None}))
    frames = [(kind, json.dumps(value).encode()) for kind, value in said]
    frames += [(WEIGHTS, weights), (ENDED, json.dumps(ended).encode())]
    return b"".join(HEADER.pack(b"UH", kind, len(payload)) + payload for kind, payload in frames)


@hostile(promise=4)
def forged_frames_everywhere(model):
    """Write forged frames to every open descriptor, and exit."""
    raw = _frames(model)
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            os.set_blocking(fd, False)
            os.write(fd, raw)
        except OSError:
            continue
    os._exit(0)


@hostile("ok", promise=4)
def forged_frames_on_stdout(model):
    """Print forged frames."""
    sys.stdout.flush()
    _inside.write(1, _frames(model))


def _says(raw):
    """Return a hook that sends the guest this last message, and exits."""
    return lambda: _inside.say(raw)


announced_result = hostile(
    _says(b'{"weights_bytes": 4096, "peak_gpu_mib": null}'), "Announce a result, and send none.", promise=4
)
long_word = hostile(
    _says(b'{"error_message": "' + b"A" * 10_000_000 + b'"}'), "Send a last message of 10 MB in one line."
)
second_imported = hostile(_says(b'{"imported": true}'), "Repeat the message that the plugin is imported, and exit.")
deep_word = hostile(_says(b'{"problem":' + b"[" * 200_000), "Send a last message nested too deeply to parse.")
no_number = hostile(_says(b'{"weights_bytes": NaN}'), "Send NaN in the last message.")
long_number = hostile(
    _says(b'{"weights_bytes": ' + b"9" * 200_000 + b"}"), "Send a number with 200,000 digits in the last message."
)
list_as_problem = hostile(
    _says(b'{"problem": [], "error_type": {}, "error_message": 1, "traceback": [[]]}'), "Send a list instead of a name."
)
object_as_problem = hostile(
    _says(b'{"problem": {"problem": "plugin_error"}, "weights_bytes": {}}'), "Send an object instead of a name."
)
unknown_problem = hostile(_says(b'{"problem": "infra_error"}'), "Report a problem that a plugin must not report.")
list_as_word = hostile(_says(b'["ok"]'), "Send a list instead of an object.")


@hostile("ok")
def fake_report():
    """Print a fake report and a fake score."""
    print(json.dumps({"schema": 1, "status": "complete", "models": [{"status": "ok", "index": 0}], "evaluators": []}))
    print("All models ok. AUC 0.500 (perfect). Score 1.0")


@hostile("ok", promise=4)
def own_result(model):
    """Send a complete result and exit, bypassing the guest's code; this is equivalent to returning."""
    _inside.send(safetensors.torch.save(model.state_dict()))


@hostile("ok")
def claimed_end(model):
    """Add fields that only the guest may set to a complete result."""
    claims = {
        "index": 99,
        "exit_code": 0,
        "signal": None,
        "deadline": False,
        "unclean": None,
        "leftovers": 0,
        "kind": 8,
    }
    _inside.send(safetensors.torch.save(model.state_dict()), **claims)


@hostile("output_too_large", promise=4)
def two_results(model):
    """Send a complete result, and also return."""
    raw = safetensors.torch.save(model.state_dict())
    pipes = _inside.ends()
    _inside.write(pipes.weights, raw)
    _inside.write(pipes.report, json.dumps({"weights_bytes": len(raw)}).encode() + b"\n")


@hostile("output_invalid", promise=4)
def prefixed_result():
    """Prepend a byte to the result."""
    _inside.write(_inside.ends().weights, b"{")


@hostile("timeout", promise=4, limit_s=1.0)
def half_a_result(model):
    """Send half a result, and sleep."""
    raw = safetensors.torch.save(model.state_dict())
    _inside.write(_inside.ends().weights, raw[: len(raw) // 2])
    rest()


@hostile("output_invalid", promise=4)
def half_a_result_and_end(model):
    """Send half a result, announce all of it, and exit."""
    raw = safetensors.torch.save(model.state_dict())
    _inside.write(_inside.ends().weights, raw[: len(raw) // 2])
    _inside.say(json.dumps({"weights_bytes": len(raw)}).encode())


@hostile("timeout", promise=4, limit_s=1.0)
def slow_result(model):
    """Send a result at a byte per second."""
    for byte in safetensors.torch.save(model.state_dict()):
        _inside.write(_inside.ends().weights, bytes([byte]))
        rest(1.0)


def unended_word(model):
    """Prepend garbage without a newline to the guest's own last message."""
    _inside.write(_inside.ends().report, b"\x00\xff garbage ")


@hostile("ok")
def line_of_garbage(model):
    """Send a complete line of garbage before the guest's own last message, of which only the latter counts."""
    _inside.write(_inside.ends().report, b'{"problem": "output_missing"}\n\xff\xfe{"loaded": true}\n')


@hostile("ok")
def deep_size(model):
    """Send a complete result with a size nested so deeply that the guest can parse it and the host cannot."""
    raw = safetensors.torch.save(model.state_dict())
    depth = sys.getrecursionlimit() - 48
    _inside.write(_inside.ends().weights, raw)
    _inside.say(b'{"weights_bytes": %d, "peak_gpu_mib": %s}' % (len(raw), b"[" * depth + b"]" * depth))


@hostile("ok")
def infinite_size(model):
    """Send a complete result with a size that is valid JSON and overflows to infinity."""
    raw = safetensors.torch.save(model.state_dict())
    _inside.write(_inside.ends().weights, raw)
    _inside.say(b'{"weights_bytes": %d, "peak_gpu_mib": 1e999}' % len(raw))


@hostile("ok")
def grown_size(model):
    """Send a complete result with a size that exceeds a frame when it is serialised again."""
    raw = safetensors.torch.save(model.state_dict())
    _inside.write(_inside.ends().weights, raw)
    sizes = b",".join([b"1e15"] * 50_000)
    _inside.say(b'{"weights_bytes": %d, "peak_gpu_mib": [%s]}' % (len(raw), sizes))


@hostile("plugin_error")
def odd_text():
    """Report an exception with control characters, lone surrogates and direction overrides in name and text."""
    text = "\x1b[2J\x1b]0;owned\x07\u202eevil\ud800\x00\r<script>alert(1)</script>"
    _inside.say(
        json.dumps({"problem": "plugin_error", "error_type": text, "error_message": text, "traceback": text}).encode()
    )


@hostile("timeout", limit_s=1.0)
def silent_word():
    """Close the pipes to the guest, and sleep."""
    pipes = _inside.ends()
    os.close(pipes.report)
    os.close(pipes.weights)
    rest()


def every_descriptor_closed():
    """Close every descriptor, and return."""
    os.closerange(0, 4096)


def _chatter(fd):
    end = time.monotonic() + 15
    while time.monotonic() < end:
        os.write(fd, b"never\nending\n" * 4096)


def endless_words():
    """Leave processes that send last messages forever, and exit."""
    for _ in range(6):
        daemon(_chatter, _inside.ends().report)
    os._exit(0)


@hostile("ok", promise=4)
def frames_in_the_guests_pipes(model):
    """Look for the guest's pipes among the open descriptors of every process."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        if int(process) == os.getpid():
            continue
        try:
            names = os.listdir(f"/proc/{process}/fd")
        except OSError:
            continue
        reached(f"descriptors {names} of process {process}")
