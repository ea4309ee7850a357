"""Attacks on the protocol between plugin, guest and host: promises 4 and 5."""

from __future__ import annotations

from harness.core.outcomes import Status
from harness.doctor.attacks.attack import Attack, Promise

SOON_S = 1.0
"""Time limit of attacks that never return, seconds."""


def _speaks(name: str, tries: str, expected: Status, promise: Promise = 5, limit_s: float = 30.0) -> Attack:
    """Return an attack by messages."""
    return Attack(name, f"protocol:{name}", promise, tries, (expected,), limit_s=limit_s)


def _lies(name: str, tries: str, expected: Status) -> Attack:
    """Return an attack by signals or by patches of the guest's code in the plugin's process."""
    return Attack(name, f"patches:{name}", 4, tries, (expected,))


ATTACKS: tuple[Attack, ...] = (
    _speaks(
        "forged_frames_everywhere", "writes forged frames to every open descriptor and exits", Status.OUTPUT_MISSING, 4
    ),
    _speaks("forged_frames_on_stdout", "prints forged frames", Status.OK, 4),
    _speaks("fake_report", "prints a fake report and a fake score", Status.OK),
    _speaks("own_result", "sends a complete, valid result, bypassing the guest's code", Status.OK, 4),
    _speaks("claimed_end", "adds fields that only the guest may set to a complete result", Status.OK),
    _speaks("two_results", "sends a result and then returns another", Status.OUTPUT_TOO_LARGE, 4),
    _speaks("prefixed_result", "prepends a byte to the result", Status.OUTPUT_INVALID, 4),
    _speaks("half_a_result", "sends half a result and hangs", Status.TIMEOUT, 4, SOON_S),
    _speaks("half_a_result_and_end", "sends half a result, announces all of it and exits", Status.OUTPUT_INVALID, 4),
    _speaks("slow_result", "sends its result at a byte per second", Status.TIMEOUT, 4, SOON_S),
    _speaks("announced_result", "announces a result and sends none", Status.OUTPUT_MISSING, 4),
    _speaks("long_word", "sends the guest a message of 10 MB in one line", Status.OUTPUT_MISSING),
    _speaks("unended_word", "prepends garbage to the guest's own last message", Status.OUTPUT_MISSING),
    _speaks("line_of_garbage", "sends false lines before the guest's own last message", Status.OK),
    _speaks("second_imported", "repeats the message that the plugin is imported, and exits", Status.OUTPUT_MISSING),
    _speaks("deep_word", "sends the guest JSON nested too deeply to parse", Status.OUTPUT_MISSING),
    _speaks("deep_size", "sends the guest JSON nested as deeply as it can still parse", Status.OK),
    _speaks("no_number", "sends the guest NaN in JSON", Status.OUTPUT_MISSING),
    _speaks("infinite_size", "sends the guest a JSON number that overflows to infinity", Status.OK),
    _speaks("grown_size", "sends the guest JSON that exceeds a frame when it is forwarded", Status.OK),
    _speaks("long_number", "sends the guest a number with 200,000 digits", Status.OUTPUT_MISSING),
    _speaks("list_as_problem", "sends the guest a list instead of a name", Status.OUTPUT_MISSING),
    _speaks("object_as_problem", "sends the guest an object instead of a name", Status.OUTPUT_MISSING),
    _speaks("unknown_problem", "reports a failure of the sandbox", Status.OUTPUT_MISSING),
    _speaks("list_as_word", "sends the guest a list instead of an object", Status.OUTPUT_MISSING),
    _speaks("odd_text", "reports an exception with terminal escapes, a script, lone surrogates", Status.PLUGIN_ERROR),
    _speaks("silent_word", "closes its pipes to the guest and hangs", Status.TIMEOUT, 5, SOON_S),
    _speaks("every_descriptor_closed", "closes every descriptor and returns", Status.OUTPUT_MISSING),
    _speaks(
        "endless_words", "leaves processes that send messages to the guest forever, and exits", Status.OUTPUT_MISSING
    ),
    _lies("signals_to_the_guest", "sends the guest every signal", Status.OK),
    _lies("signals_to_all", "kills every process that it may", Status.KILLED_SIGNAL),
    _lies("queued_signals", "sends the guest 40,000 signals", Status.OK),
    _lies("patched_serialise", "patches the guest's code in its process to send garbage", Status.OUTPUT_INVALID),
    _lies("patched_safetensors", "patches safetensors to write garbage", Status.OUTPUT_INVALID),
    _lies("patched_report", "patches the guest's code in its process to report success", Status.OUTPUT_INVALID),
    _lies("patched_checks", "disables all checks in its process and returns NaN", Status.OUTPUT_INVALID),
    _lies("patched_limit", "raises the limits in its memory and sends ten times the bytes", Status.OUTPUT_TOO_LARGE),
    _speaks("frames_in_the_guests_pipes", "looks for the guest's pipes in every process", Status.OK, 4),
)
