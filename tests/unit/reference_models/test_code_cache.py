"""Machine code is made once and read from disk by those who come later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reference_models import code_cache
from reference_models.code_cache import compiled_once
from reference_models.machine_code import Code, CompiledFunction, address

Fixture = tuple[Path, list[float]]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fixture:
    """The folder, and the numbers for which code was written."""
    monkeypatch.setattr(code_cache, "folder", lambda: tmp_path / "kept")
    return tmp_path / "kept", []


def _maker(written: list[float]) -> Callable[[float], CompiledFunction]:
    """As a new process has it: nothing is known yet."""

    def write(number: float) -> Code:
        written.append(number)
        code = Code(1, 0)
        code.store(code.constant(number, 1), code.arrays[0])
        return code

    return compiled_once(write)


def _result(function: CompiledFunction) -> float:
    found = torch.full((1,), torch.nan)
    function.call(address(found))
    return found.item()


def test_code_is_written_once_for_each_argument_and_read_by_later_processes(kept: Fixture) -> None:
    _, written = kept

    results = [_result(_maker(written)(number)) for number in (2.0, 3.0, 2.0, 3.0)]

    assert results == [2.0, 3.0, 2.0, 3.0]
    assert written == [2.0, 3.0]


def test_in_one_process_the_function_stays(kept: Fixture) -> None:
    maker = _maker(kept[1])

    assert maker(2.0) is maker(2.0)


@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: b"\n" + data, lambda _: b""])
def test_a_damaged_file_is_made_anew(kept: Fixture, damage: Callable[[bytes], bytes]) -> None:
    folder, written = kept
    _maker(written)(2.0)
    (path,) = folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))

    assert _result(_maker(written)(2.0)) == 2.0
    assert _result(_maker(written)(2.0)) == 2.0
    assert written == [2.0, 2.0]


def test_code_of_another_source_is_made_anew_and_replaced(kept: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, written = kept
    _maker(written)(2.0)
    (before,) = folder.iterdir()
    monkeypatch.setattr(code_cache, "_source_digest", lambda: "0123456789ab")

    _maker(written)(2.0)

    (after,) = folder.iterdir()
    assert after != before
    assert written == [2.0, 2.0]


def test_where_nothing_can_be_kept_code_is_made_all_the_same(kept: Fixture) -> None:
    folder, written = kept
    folder.write_text("in the way")

    assert [_result(_maker(written)(2.0)) for _ in range(2)] == [2.0, 2.0]
    assert written == [2.0, 2.0]
