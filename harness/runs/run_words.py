"""Wording of listed runs, shared by `harness ls`, `harness diff` and `harness view`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from harness.report.words import VERDICT_TONE, VERDICT_WORDS
from harness.runs.listing import RunEntry, State

Tone = Literal["good", "fair", "open", "bad", "running"]
STATE_TONES: Mapping[State, Tone] = {"failed": "bad", "running": "running", "interrupted": "open", "damaged": "bad"}


def outcome(one: RunEntry) -> tuple[str, Tone]:
    """Return the verdict of a finished run, or the state of another with the number of ended models; and its tone."""
    if one.state == "finished" and one.verdict is not None:
        return VERDICT_WORDS[one.verdict], VERDICT_TONE[one.verdict]
    done = f", {one.ended} of {one.models or '?'}" if one.state in ("running", "interrupted") else ""
    return f"{one.state}{done}", STATE_TONES.get(one.state, "open")


def failures(one: RunEntry) -> str:
    """Return how many models failed, and the most frequent cause; empty if none did."""
    failed = one.ended - one.returned
    return f"{failed} of {one.ended} failed: {one.reason}" if failed else ""


def common(settings: Sequence[Mapping[str, object]]) -> Mapping[str, object]:
    """Return the settings that all of several runs share, which need not be repeated for each."""
    if len(settings) < 2:
        return {}
    first, *others = settings
    return {name: value for name, value in first.items() if all(one.get(name) == value for one in others)}


def options(one: RunEntry) -> list[str]:
    """Return the plugin's options, e.g. "lr=0.1"."""
    return [f"{name}={value_words(value)}" for name, value in one.options.items()]


def settings(one: RunEntry, left_out: Mapping[str, object]) -> list[str]:
    """Return the run's settings but for those of ``left_out``, as on the command line, e.g. "--seed 3"."""
    own = {name: value for name, value in one.settings.items() if name not in left_out}
    return [name if value is True else f"{name} {value_words(value)}" for name, value in own.items()]


def value_words(value: object) -> str:
    """Return an option's value as text."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(value_words, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
