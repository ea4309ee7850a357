"""Attacks on the conversation between plugin, guest and host; promises 4 and 5."""

from __future__ import annotations

from harness.attacks.model import Attack, Promise
from harness.outcomes import Status

SOON_S = 1.0
"""Limit of attacks that never return, seconds."""


def _speaks(name: str, tries: str, expected: Status, promise: Promise = 5, limit_s: float = 30.0) -> Attack:
    """An attack on one model."""
    return Attack(name, f"protocol:{name}", promise, tries, (expected,), limit_s=limit_s)


def _lies(name: str, tries: str, expected: Status) -> Attack:
    """An attack on one model, by signals or by patches on the guest's code in its process."""
    return Attack(name, f"patches:{name}", 4, tries, (expected,))


ATTACKS: tuple[Attack, ...] = (
    _speaks(
        "forged_frames_everywhere", "writes forged frames into every open descriptor and ends", Status.OUTPUT_MISSING, 4
    ),
    _speaks("forged_frames_on_stdout", "prints forged frames", Status.OK, 4),
    _speaks("fake_report", "prints a fake report and a fake score", Status.OK),
    _speaks("own_result", "sends a whole, valid result past the guest's code", Status.OK, 4),
    _speaks("claimed_end", "claims, beside a whole result, what only the guest may say", Status.OK),
    _speaks("two_results", "sends a result and then returns another", Status.OUTPUT_TOO_LARGE, 4),
    _speaks("prefixed_result", "puts a byte before the result", Status.OUTPUT_INVALID, 4),
    _speaks("half_a_result", "sends half a result and hangs", Status.TIMEOUT, 4, SOON_S),
    _speaks("half_a_result_and_end", "sends half a result, announces all of it and ends", Status.OUTPUT_INVALID, 4),
    _speaks("slow_result", "sends its result at a byte a second", Status.TIMEOUT, 4, SOON_S),
    _speaks("announced_result", "announces a result and sends none", Status.OUTPUT_MISSING, 4),
    _speaks("long_word", "says 10 MB in one line to the guest", Status.OUTPUT_MISSING),
    _speaks("unended_word", "puts garbage before the guest's own last word", Status.OUTPUT_MISSING),
    _speaks("line_of_garbage", "puts false lines before the guest's own last word", Status.OK),
    _speaks("second_imported", "says a second time that the plugin is imported, and ends", Status.OUTPUT_MISSING),
    _speaks("deep_word", "sends the guest JSON nested beyond all depth", Status.OUTPUT_MISSING),
    _speaks("deep_size", "sends the guest JSON nested as deeply as the guest can just read", Status.OK),
    _speaks("no_number", "sends the guest NaN in JSON", Status.OUTPUT_MISSING),
    _speaks("infinite_size", "sends the guest a number in JSON that becomes infinite", Status.OK),
    _speaks("grown_size", "sends the guest JSON that grows beyond a frame when it is passed on", Status.OK),
    _speaks("long_number", "sends the guest a number of 200,000 digits", Status.OUTPUT_MISSING),
    _speaks("list_as_problem", "sends the guest a list where a name is due", Status.OUTPUT_MISSING),
    _speaks("object_as_problem", "sends the guest an object where a name is due", Status.OUTPUT_MISSING),
    _speaks("unknown_problem", "claims that the sandbox has failed", Status.OUTPUT_MISSING),
    _speaks("list_as_word", "sends the guest a list where an object is due", Status.OUTPUT_MISSING),
    _speaks("odd_text", "claims an exception of terminal escapes, a script and lone surrogates", Status.PLUGIN_ERROR),
    _speaks("silent_word", "closes its pipes to the guest and hangs", Status.TIMEOUT, 5, SOON_S),
    _speaks("every_descriptor_closed", "closes every descriptor and returns", Status.OUTPUT_MISSING),
    _speaks("endless_words", "leaves processes that speak to the guest for ever, and ends", Status.OUTPUT_MISSING),
    _lies("signals_to_the_guest", "sends the guest every signal", Status.OK),
    _lies("signals_to_all", "kills every process that it may", Status.KILLED_SIGNAL),
    _lies("queued_signals", "sends the guest 40,000 signals", Status.OK),
    _lies("patched_serialise", "makes the guest's code in its process send garbage", Status.OUTPUT_INVALID),
    _lies("patched_safetensors", "makes safetensors write garbage", Status.OUTPUT_INVALID),
    _lies("patched_report", "makes the guest's code in its process claim success", Status.OUTPUT_INVALID),
    _lies("patched_checks", "switches off all checks in its process and returns NaN", Status.OUTPUT_INVALID),
    _lies("patched_limit", "raises the limits in its memory and sends ten times the bytes", Status.OUTPUT_TOO_LARGE),
    _speaks("frames_in_the_guests_pipes", "looks for the guest's pipes in every process", Status.OK, 4),
)
