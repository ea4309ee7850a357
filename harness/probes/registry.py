"""All probes, by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from harness.errors import EvaluatorError
from harness.probes.difference import DIFFERENCE
from harness.probes.features import FEATURES
from harness.probes.probe import Probe
from harness.probes.recovery import RECOVERY

PROBES: Mapping[str, Probe] = MappingProxyType({one.name: one for one in (DIFFERENCE, FEATURES, RECOVERY)})


def probes_of(names: Iterable[str], asked_by: str) -> tuple[Probe, ...]:
    """Return probes by name, each once; raise EvaluatorError if the evaluator ``asked_by`` asks for one that does not exist."""
    wanted = tuple(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in PROBES]:
        raise EvaluatorError(f"Evaluator {asked_by} asks for the probe {unknown[0]!r}; there are: {', '.join(PROBES)}.")
    return tuple(PROBES[name] for name in wanted)


@lru_cache(maxsize=1)
def probe_code_digest() -> str:
    """Return the SHA-256 of the code of all probes, so that a change of it is a cache miss."""
    sha = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        sha.update(file.name.encode())
        sha.update(file.read_bytes())
    return sha.hexdigest()
