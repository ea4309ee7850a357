"""Populations that are exported and pulled, and what is refused."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from harness.cli.root import cli
from harness.core.cache import cache_root, file_sha256
from harness.core.tensors import write_tensors
from harness.errors import (
    CacheError,
    HarnessError,
    LibraryMissingError,
    NoSpaceError,
    OutputUnwritableError,
    PopulationInvalidError,
    UsageError,
)
from harness.references.exchange import INDEX, export, pull
from harness.references.identity import ROLES
from harness.references.supplied import NOTE, Provenance, Supplied
from harness.references.worker_pool import LOGITS
from tests.unit.supplied.worlds import MODELS, PROGRESS, cached, references


def test_a_pulled_population_is_used_on_another_machine_and_nothing_is_trained(
    published: Path, elsewhere: Callable[..., None]
) -> None:
    here = references().populations(MODELS, PROGRESS)
    elsewhere()
    pull(str(published), PROGRESS)
    there = references().populations(MODELS, PROGRESS)

    assert cached("references") == 0
    for role in ROLES:
        assert there[role].from_cache
        for name, logits in here[role].logits.items():
            np.testing.assert_array_equal(there[role].logits[name], logits)
        if role == "original":
            np.testing.assert_equal(there[role].state(MODELS - 1), here[role].state(MODELS - 1))
        assert (
            there[role]
            .origins[0]
            .startswith(f"Reference models were pulled from {published.name}, trained there with torch")
        )
        assert here[role].origins == ()


def test_of_a_pulled_population_the_first_models_serve_a_smaller_one(
    published: Path, elsewhere: Callable[..., None]
) -> None:
    here = references().populations(1, PROGRESS)
    elsewhere()
    pull(str(published), PROGRESS)
    there = references().populations(1, PROGRESS)

    assert len(there["original"].logits["test"]) == 1
    np.testing.assert_array_equal(there["original"].logits["test"], here["original"].logits["test"])


def test_models_that_were_trained_here_are_preferred_to_pulled_ones(published: Path) -> None:
    pull(str(published), PROGRESS)

    assert {one.origins for one in references().populations(MODELS, PROGRESS).values()} == {()}


def test_a_larger_population_is_trained_beyond_what_was_pulled(published: Path, elsewhere: Callable[..., None]) -> None:
    elsewhere()
    pull(str(published), PROGRESS)
    larger = references().populations(MODELS + 1, PROGRESS)

    assert len(larger["control"].logits["test"]) == MODELS + 1
    assert cached("references") == len(ROLES)


def test_what_was_pulled_can_be_published_again(
    published: Path, elsewhere: Callable[..., None], tmp_path: Path
) -> None:
    elsewhere()
    pull(str(published), PROGRESS)
    export(references(), MODELS, tmp_path / "again", PROGRESS)
    first, again = (json.loads((folder / INDEX).read_text()) for folder in (published, tmp_path / "again"))

    assert [one["files"] for one in again["chunks"]] == [one["files"] for one in first["chunks"]]


def test_an_existing_folder_is_not_written_to(published: Path) -> None:
    before = sorted(published.rglob("*"))

    with pytest.raises(OutputUnwritableError, match="exists already"):
        export(references(), MODELS, published, PROGRESS)
    assert sorted(published.rglob("*")) == before
    assert [path.name for path in published.parent.iterdir() if path.name.endswith(".tmp")] == []


def _change(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


def _first(index: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = index["chunks"][0]
    return found


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda folder: shutil.rmtree(folder), "has no readable populations.json"),
        (lambda folder: (folder / INDEX).write_text("{"), "is damaged"),
        (lambda folder: _change(folder / INDEX, lambda index: _first(index)["files"].update({"../x": "0"})), "damaged"),
        (lambda folder: _change(folder / INDEX, lambda index: _first(index)["inputs"].pop("role")), "damaged"),
        (lambda folder: _change(folder / INDEX, lambda index: _first(index)["sizes"].clear()), "damaged"),
        (lambda folder: next(folder.glob("*/logits.safetensors")).write_bytes(b"x"), "its digest differs"),
        (lambda folder: next(folder.glob("*/logits.safetensors")).unlink(), "could not be read"),
    ],
)  # fmt: skip
def test_what_is_not_a_published_population_is_refused_and_nothing_of_it_kept(
    published: Path, elsewhere: Callable[..., None], damage: Callable[[Path], None], fault: str
) -> None:
    damage(published)
    elsewhere()
    with pytest.raises(PopulationInvalidError, match=fault):
        pull(str(published), PROGRESS)

    # Whole chunks that were read before are kept, and nothing of the others.
    assert all(Supplied().folder(entry.inputs) for entry in Supplied().cache.entries())
    assert [path for path in cache_root().glob("supplied/*/.*") if path.is_dir()] == []


def test_a_pull_that_was_stopped_reads_only_what_is_missing(published: Path, elsewhere: Callable[..., None]) -> None:
    elsewhere()
    moved = sorted(published.glob("*/logits.safetensors"))
    chunks = json.loads((published / INDEX).read_text())["chunks"]
    last = next(path for path in moved if path.parent.name == _key(chunks[-1]))
    content = last.read_bytes()
    last.unlink()
    with pytest.raises(PopulationInvalidError, match="try again"):
        pull(str(published), PROGRESS)
    last.write_bytes(content)
    for path in moved:
        if path != last:
            path.unlink()

    pull(str(published), PROGRESS)
    assert cached("supplied") == len(chunks)


def _key(chunk: dict[str, Any]) -> str:
    from harness.core.cache import key_of

    return key_of(chunk["inputs"])


@pytest.mark.parametrize(("source", "error"), [("nonsense://x/y", UsageError), ("s3://bucket/x", LibraryMissingError)])
def test_a_protocol_that_cannot_be_read_is_named(
    source: str, error: type[HarnessError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)

    with pytest.raises(error, match=source):
        pull(source, PROGRESS)


def test_a_damaged_supplied_chunk_is_removed_and_named(published: Path, elsewhere: Callable[..., None]) -> None:
    elsewhere()
    pull(str(published), PROGRESS)
    next(cache_root().glob("supplied/*/*/logits.safetensors")).write_bytes(b"x")

    with pytest.raises(CacheError, match="Import or pull it again"):
        references().populations(MODELS, PROGRESS)


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": 10**9},
        {"seeds": "abc"},
        {"seeds": []},
        {"recipe": {"lr": float("nan")}},
        {"role": "unlearned"},
        {"task": "\x1b[2J"},
        {"device": "cpu\nfine"},
    ],
)
def test_odd_inputs_in_an_index_are_refused(published: Path, elsewhere: Callable[..., None], change: Any) -> None:
    elsewhere()
    _change(published / INDEX, lambda index: _first(index)["inputs"].update(change))
    with pytest.raises(PopulationInvalidError, match="is damaged"):
        pull(str(published), PROGRESS)

    assert cached("supplied") == 0


@pytest.mark.parametrize("change", [{"format": 2}, {"models": -5}, {"chunks": []}, {"task": "\x1b[2J"}])
def test_an_index_without_sense_is_refused(published: Path, change: dict[str, Any]) -> None:
    _change(published / INDEX, lambda index: index.update(change))
    with pytest.raises(PopulationInvalidError, match="is damaged"):
        pull(str(published), PROGRESS)


def test_a_full_disk_is_not_taken_for_an_unreadable_source(
    published: Path, elsewhere: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    elsewhere()
    monkeypatch.setattr("harness.core.cache.file_sha256", full)
    with pytest.raises(NoSpaceError):
        pull(str(published), PROGRESS)

    assert cached("supplied") == 0


def test_damaged_entries_are_listed(published: Path) -> None:
    pull(str(published), PROGRESS)
    first, second, *_ = Supplied().cache.entries()
    (first.path / NOTE).write_text("{}")
    (second.path / "entry.json").write_text("[" * 100_000)
    listed = CliRunner().invoke(cli, ["references", "list"])

    assert listed.exit_code == 0, listed.output
    assert " ".join(listed.output.split()).count("damaged, key") == 1
    assert first.key[:12] in listed.output
    assert second.key[:12] in listed.output


def test_models_of_other_data_are_refused_when_they_are_used(published: Path, elsewhere: Callable[..., None]) -> None:
    def cut(index: dict[str, Any]) -> None:
        for chunk in index["chunks"]:
            path = published / _key(chunk) / LOGITS
            write_tensors(path, {name: logits[:, :2] for name, logits in load_file(path).items()})
            chunk["files"][LOGITS], chunk["sizes"][LOGITS] = file_sha256(path), path.stat().st_size

    _change(published / INDEX, cut)
    elsewhere()
    pull(str(published), PROGRESS)
    with pytest.raises(PopulationInvalidError, match="not of the data and network of made-up"):
        references().populations(MODELS, PROGRESS)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/home/ann/secret/published", "published"),
        ("published", "published"),
        ("https://ann:word@models.example/faces?token=abc", "https://models.example/faces"),
        ("s3://bucket/faces", "s3://bucket/faces"),
    ],
)
def test_a_report_tells_neither_folders_nor_passwords_of_the_source(source: str, shown: str) -> None:
    assert f" from {shown}, trained there " in Provenance("pulled", 2, source, "2.4", "cpu").sentence()
