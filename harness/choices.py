"""Words of which an option takes one; importable at once, unlike :mod:`harness.evaluation`, which needs NumPy."""

from __future__ import annotations

from typing import Literal

Engine = Literal["local", "ray"]
Isolation = Literal["run", "model"]
FailedAs = Literal["missing", "noop"]
Design = Literal["per-original", "one-original"]
Clock = Literal["wall", "cpu", "steps"]
Adapter = Literal["auto", "hook", "kit", "challenge"]
