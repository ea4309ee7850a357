"""Populations that this machine did not train: imported checkpoints, and populations pulled from elsewhere.

They are chunks in a cache of their own. The key has the task, its data, network and recipe, but neither torch nor the machine,
so that a population trained on another machine is found. A file in each chunk says where it came from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from annotated_types import Ge
from pydantic import TypeAdapter

from harness.core.cache import ENTRY, Cache, key_of
from harness.core.reading import foreign
from harness.errors import CacheError

KIND = "supplied"
PROBES = "probes"
"""Name of the cache of what probes computed."""
NOTE = "provenance.json"
OF_THE_MACHINE = ("seeds", "torch", "device", "code")
"""Inputs of a trained chunk that its supplied form does not depend on."""


@dataclass(frozen=True)
class Provenance:
    """Where a supplied chunk came from.

    Attributes:
        how: "imported" (checkpoints of others) or "pulled" (a published population of this task).
        models: number of models in the chunk.
        source: folder or URL.
        torch: version that the models were trained with; "" if unknown.
        device: machine that they were trained on; "" if unknown.
    """

    how: Literal["imported", "pulled"]
    models: Annotated[int, Ge(1)]
    source: str
    torch: str = ""
    device: str = ""

    def sentence(self) -> str:
        """Return it as a sentence for reports."""
        if self.how == "imported":
            return f"Reference models were imported from {self._place()}, not trained here."
        return f"Reference models were pulled from {self._place()}, trained there with torch {self.torch} on {self.device}."

    def _place(self) -> str:
        """Return the source as others may read it: a folder's name, or a URL without user, password and query."""
        url = urlsplit(self.source)
        if "://" not in self.source:
            return Path(self.source).name
        return urlunsplit((url.scheme, url.netloc.rpartition("@")[2], url.path, "", ""))


_PROVENANCE = TypeAdapter(Provenance)


def supplied_inputs(inputs: Mapping[str, Any], first: int) -> dict[str, Any]:
    """Return the key of a supplied chunk from the inputs of a trained one and the index of its first model."""
    return {name: value for name, value in inputs.items() if name not in OF_THE_MACHINE} | {"first": first}


class Supplied:
    """The supplied chunks."""

    def __init__(self, root: Path | None = None) -> None:
        self.cache = Cache(KIND, root)

    def find(self, inputs: Mapping[str, Any], models: int) -> Provenance | None:
        """Return the provenance of the chunk for :func:`supplied_inputs` if it holds so many models, else None."""
        folder = self.cache.place(inputs)
        found = self.provenance(folder) if (folder / NOTE).is_file() else None
        return found if found is not None and found.models >= models else None

    def provenance(self, folder: Path) -> Provenance:
        """Return the provenance in a chunk's folder; raise CacheError if it is missing or damaged."""
        note = folder / NOTE
        with foreign(f"{note} is damaged", CacheError, "Remove its folder, then import or pull again."):
            return _PROVENANCE.validate_json(note.read_bytes())

    def folder(self, inputs: Mapping[str, Any]) -> Path:
        """Return the verified folder of a chunk.

        Raises:
            CacheError: the chunk is damaged; it was removed.
        """
        folder, _ = self.cache.get_or_build(inputs, _cannot_be_rebuilt)
        return folder

    def content_key(self, inputs: Mapping[str, Any]) -> str:
        """Return the SHA-256 of a chunk's content, which tells two populations of one task apart wherever they came from."""
        place = self.cache.place(inputs) / ENTRY
        with foreign(f"{place} is damaged", CacheError, "Remove its folder, then import or pull again."):
            files = json.loads(place.read_bytes())["files"]
            return key_of({name: digest for name, digest in files.items() if name != NOTE})

    def put(self, inputs: Mapping[str, Any], provenance: Provenance, build: Callable[[Path], None]) -> str:
        """Write a chunk, in place of an earlier one; return its key."""

        def complete(folder: Path) -> None:
            build(folder)
            (folder / NOTE).write_text(json.dumps(asdict(provenance), indent=2))

        self.cache.get_or_build(inputs, complete, out_of_date=lambda _: True)
        return key_of(inputs)


def _cannot_be_rebuilt(_folder: Path) -> None:
    raise CacheError("A supplied population was damaged, and was removed. Import or pull it again.")


def prune(task: str | None) -> tuple[int, int]:
    """Remove the populations of one task, trained and supplied, or of all tasks if ``task`` is None; and their probes.

    Returns:
        Number of removed entries, and their size in bytes.
    """
    caches = Cache("references"), Supplied().cache, Cache(PROBES)
    chosen = [(one, e) for one in caches for e in one.entries() if task is None or e.inputs.get("task") == task]
    for cache, entry in chosen:
        cache.remove(entry)
    return len(chosen), sum(entry.size_bytes for _, entry in chosen)
