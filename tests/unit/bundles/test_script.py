"""A single file becomes a wheel, and nothing in it runs on the host."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from harness.errors import PluginNotFoundError, PluginPackagingError
from harness.plugins.spec import PluginSpec
from harness.runners.bundles import resolve
from harness.runners.bundles.notebook import MAX_BYTES
from harness.runners.bundles.script import inline_dependencies, read_script

CODE = "raise SystemExit('imported')\n\n\ndef unlearning(net, retain):\n    return net\n"


def _written(folder: Path, name: str = "method.py", code: str = CODE) -> Path:
    path = folder / name
    path.write_text(code)
    return path


def test_a_file_is_packed_with_an_entry_point_without_being_imported(tmp_path: Path) -> None:
    path = _written(tmp_path)
    bundle = resolve(f"{path}:unlearning")

    facts = bundle.facts
    assert (facts.name, facts.value, facts.distribution) == ("method", "harness_script.entry", "script-method")
    assert (facts.origin, facts.location) == ("script", f"{path}:unlearning")
    with zipfile.ZipFile(bundle.wheels[-1]) as archive:
        assert archive.read("harness_script/method.py") == CODE.encode()


def test_digest_and_version_depend_on_the_code_and_the_digest_on_the_adapter(tmp_path: Path) -> None:
    path = _written(tmp_path)
    first, again = resolve(str(path)).facts, resolve(str(path)).facts
    adapted = resolve(str(path), adapter="challenge").facts
    edited = resolve(str(_written(tmp_path, code=f"{CODE}# edited\n"))).facts

    assert first == again
    assert len({first.digest, adapted.digest, edited.digest}) == 3
    assert first.version == adapted.version != edited.version


@pytest.mark.parametrize(
    ("file", "name", "module"),
    [
        ("my method-2.py", "my-method-2", "my_method_2"),
        ("2nd.py", "2nd", "script_2nd"),
        ("class.py", "class", "script_class"),
        ("entry.py", "entry", "script_entry"),
        ("Méthode.py", "m-thode", "Méthode"),
        ("__.py", "script", "__"),
    ],
)
def test_any_file_name_gives_a_plugin_and_a_module(tmp_path: Path, file: str, name: str, module: str) -> None:
    bundle = resolve(str(_written(tmp_path, file)))

    assert bundle.facts.name == name
    assert f"harness_script/{module}.py" in bundle.facts.files


def test_the_adapter_is_told_with_the_reason(tmp_path: Path) -> None:
    spec = PluginSpec.parse(str(_written(tmp_path)))

    assert "(line 4) is called by the adapter kit" in read_script(spec, "auto").notes[0]
    assert "chosen by --adapter" in read_script(spec, "challenge").notes[0]


def test_what_is_no_script_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    for missing in ("missing.py", "folder.py"):
        with pytest.raises(PluginNotFoundError, match=missing):
            resolve(str(tmp_path / missing))
    with pytest.raises(PluginPackagingError, match="1 MiB"):
        resolve(str(_written(tmp_path, code="#" * (MAX_BYTES + 1))))


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("", ()),
        ("# /// script\n# ///", ()),
        ("# /// script\n# requires-python = '>=3.10'\n# dependencies = ['a', 'b>=1']\n# ///", ("a", "b>=1")),
        ("# /// script\n#\n# dependencies = []\n# ///\n# more", ()),
        ("# /// other\n# dependencies = 3\n# ///", ()),
    ],
)  # fmt: skip
def test_the_inline_metadata_name_the_dependencies(block: str, found: tuple[str, ...]) -> None:
    assert inline_dependencies(f"{block}\n\ndef f(): ...\n".encode(), "m.py") == found


@pytest.mark.parametrize(
    ("block", "fault"),
    [
        ("# /// script\n# dependencies = ['a']", "has no end"),
        ("# /// script\n# ///\n\n# /// script\n# ///", "occurs twice"),
        ("# /// script\n# dependencies = [\n# ///", "is invalid"),
        ("# /// script\n# dependencies = ['a b c']\n# ///", "is invalid"),
        ("# /// script\n# dependencies = 'torch'\n# ///", "is invalid"),
    ],
)
def test_inline_metadata_that_cannot_be_read_are_named_with_their_line(block: str, fault: str) -> None:
    with pytest.raises(PluginPackagingError, match=rf"m\.py, line 2: the block # /// script {fault}"):
        inline_dependencies(f"#!/bin/python\n{block}\n".encode(), "m.py")


def test_code_in_another_encoding_than_it_says_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path)
    path.write_bytes(b"# \xe9\n" + path.read_bytes())
    with pytest.raises(PluginPackagingError, match=r"cannot be parsed: .*('utf-8'|encoding)"):
        read_script(PluginSpec.parse(str(path)), "auto")

    path.write_bytes(b"# coding: latin-1\n" + path.read_bytes())
    assert read_script(PluginSpec.parse(str(path)), "auto").function.name
