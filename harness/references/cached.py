"""The populations in the cache, for `harness references list`: their models, size, age and origin."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any

from harness.core.cache import Cache, CacheEntry, key_of
from harness.errors import CacheError
from harness.references.identity import ROLES
from harness.references.supplied import Supplied

OF_A_CHUNK = ("seeds", "first")
"""Inputs in which the chunks of one population differ."""
UNKNOWN = "?"


@dataclass(frozen=True)
class CachedPopulation:
    """The chunks of one population.

    Attributes:
        task, role: of the population; "?" if its entry is damaged.
        models: number of models in all chunks.
        chunks: number of cache entries.
        origin: who made them, in words.
        size_bytes: size of all chunks.
        made: when the first chunk was written, UTC.
        used: when the population was last read or written, UTC.
        keys: cache keys of the chunks.
    """

    task: str
    role: str
    models: int
    chunks: int
    origin: str
    size_bytes: int
    made: datetime
    used: datetime
    keys: tuple[str, ...]


def cached_populations() -> list[CachedPopulation]:
    """Return all populations in the cache, by task, role and age; nothing is verified."""
    found: dict[str, CachedPopulation] = {}
    for group, one in _chunks():
        known = found.get(group)
        found[group] = one if known is None else _together(known, one)
    order = {str(role): place for place, role in enumerate(ROLES)}
    return sorted(found.values(), key=lambda one: (one.task, order.get(one.role, len(order)), one.made))


def _chunks() -> Iterator[tuple[str, CachedPopulation]]:
    """Yield each chunk with a key that is the same for all chunks of its population."""
    for entry in Cache("references").entries():
        inputs = entry.inputs
        parts = [f"torch {inputs['torch']}" if "torch" in inputs else "", str(inputs.get("device", ""))]
        origin = ", ".join(["trained here", *(part for part in parts if part)]) if inputs else _named("damaged", entry)
        yield _group(entry, origin), _chunk(entry, len(inputs.get("seeds", ())), origin)
    supplied = Supplied()
    for entry in supplied.cache.entries():
        try:
            found = supplied.provenance(entry.path)
        except CacheError:
            yield entry.key, _chunk(entry, 0, _named("damaged", entry))
            continue
        made = ", ".join(part for part in (f"torch {found.torch}" if found.torch else "", found.device) if part)
        origin = f"{found.how} from {found.source}" + (f" ({made})" if made else "")
        yield _group(entry, origin), _chunk(entry, found.models, origin if entry.inputs else _named(origin, entry))


def _named(origin: str, entry: CacheEntry) -> str:
    """Return the origin with the key, by which a damaged entry is found on disk."""
    return f"{origin}, key {entry.key[:12]}"


def _group(entry: CacheEntry, origin: str) -> str:
    if not entry.inputs:
        return entry.key
    shared: Mapping[str, Any] = {name: value for name, value in entry.inputs.items() if name not in OF_A_CHUNK}
    return key_of({"inputs": shared, "origin": origin})


def _chunk(entry: CacheEntry, models: int, origin: str) -> CachedPopulation:
    try:
        made = datetime.fromtimestamp(entry.path.stat().st_mtime, tz=timezone.utc)
    except FileNotFoundError:  # removed by another process after it was listed
        made = entry.used
    return CachedPopulation(
        task=str(entry.inputs.get("task", UNKNOWN)),
        role=str(entry.inputs.get("role", UNKNOWN)),
        models=models,
        chunks=1,
        origin=origin,
        size_bytes=entry.size_bytes,
        made=made,
        used=entry.used,
        keys=(entry.key,),
    )


def _together(one: CachedPopulation, other: CachedPopulation) -> CachedPopulation:
    return replace(
        one,
        models=one.models + other.models,
        chunks=one.chunks + other.chunks,
        size_bytes=one.size_bytes + other.size_bytes,
        made=min(one.made, other.made),
        used=max(one.used, other.used),
        keys=(*one.keys, *other.keys),
    )


def populations_json(found: list[CachedPopulation]) -> str:
    """Return populations as JSON text, times as ISO 8601."""
    listed = [{**asdict(one), "made": one.made.isoformat(), "used": one.used.isoformat()} for one in found]
    return json.dumps(listed, indent=2) + "\n"
