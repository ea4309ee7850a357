"""A notebook's code becomes a module without being executed, and what IPython alone understands is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import PluginPackagingError
from harness.plugins.spec import PluginSpec
from harness.runners.bundles.notebook import MAX_BYTES, export
from harness.runners.bundles.script import read_script


def _notebook(*cells: str | list[str], **metadata: Any) -> bytes:
    written = [{"cell_type": "code", "source": cell, "outputs": [], "metadata": {}} for cell in cells]
    text = {"cell_type": "markdown", "source": "# Method", "metadata": {}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": [text, *written]}).encode()


def _exported(*cells: str | list[str]) -> tuple[str, tuple[str, ...]]:
    code, notes = export(_notebook(*cells), "a.ipynb")
    compile(code, "a.ipynb", "exec")
    return code.decode(), notes


def test_code_cells_follow_one_another() -> None:
    code, notes = _exported("x = 1", ["y = x\n", "z = y"])

    assert code == "# code cell 1\nx = 1\n\n\n# code cell 2\ny = x\nz = y\n"
    assert notes == ()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("%matplotlib inline\nx = 1", "pass  # %matplotlib inline\nx = 1"),
        ("x = 1\n!pip install 'a", "x = 1\npass  # !pip install 'a"),
        ("if True:\n    !ls", "if True:\n    pass  # !ls"),
        ("!pip install \\\n    torch \\\n    numpy\nx = 1", "pass  # !pip install \\\n#     torch \\\n#     numpy\nx = 1"),
        ("files = !ls\nprint?", "pass  # files = !ls\npass  # print?"),
        ("%cd x\ny = '''\n%s\n!\n'''", "pass  # %cd x\ny = '''\n%s\n!\n'''"),
        ("!ls\ny = 'a\u2028b\x0c'", "pass  # !ls\ny = 'a\u2028b\x0c'"),
        ("a, b.c[0] = !ls", "pass  # a, b.c[0] = !ls"),
        ("%cd x\nz = (7\n% 4)", "pass  # %cd x\nz = (7\n% 4)"),
    ],
)  # fmt: skip
def test_magics_become_comments_and_all_else_stays(cell: str, expected: str) -> None:
    code, notes = _exported("a = 1", cell)

    assert code.endswith(f"# code cell 2\n{expected}\n")
    assert notes == ("a.ipynb: IPython's magics are commented out in code cell 2.",)


def test_cells_with_a_cell_magic_are_left_out_and_named() -> None:
    code, notes = _exported("%%bash\nrm -rf x", "x = 1", "\n%%time\ny = 1")

    assert "rm" not in code
    assert "x = 1" in code
    assert "y" not in code.replace("left out: %%time", "")
    assert notes == ("a.ipynb: left out, because it begins with a cell magic (%%): code cell 1, 3.",)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"metadata": {}, "cells": [1]}', b"[" * 100_000, b'{"worksheets": []}']
)
def test_what_is_no_notebook_is_refused(content: bytes) -> None:
    with pytest.raises(PluginPackagingError, match=r"a\.ipynb is not a notebook of format 4"):
        export(content, "a.ipynb")


def test_more_code_than_is_read_is_refused_whatever_the_outputs_size() -> None:
    with pytest.raises(PluginPackagingError, match="1 MiB of code"):
        export(_notebook("#" * MAX_BYTES, "#"), "a.ipynb")


def test_thousands_of_magics_are_replaced_together_and_cells_are_counted() -> None:
    code, notes = _exported("!ls\n" * 20_000, *["!ls"] * 24)

    assert code.count("pass  # !ls") == 20_024
    assert notes[0].endswith(
        "code cell 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 and 5 more."
    )


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(PluginPackagingError, match=r"a\.ipynb has text that is not Unicode"):
        export(_notebook("x = '\ud800'"), "a.ipynb")


@pytest.mark.parametrize("language", ["python", "Python", "ipython"])
def test_any_spelling_of_python_is_read(language: str) -> None:
    assert export(_notebook("x = 1", language_info={"name": language}), "a.ipynb")[0].endswith(b"x = 1\n")


def test_a_notebook_in_another_language_is_refused() -> None:
    with pytest.raises(PluginPackagingError, match="'R'"):
        export(_notebook("x <- 1", language_info={"name": "R"}), "a.ipynb")


def test_a_notebook_s_function_is_chosen_as_a_module_s(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(_notebook("!ls", "def unlearning(net, retain): ..."))
    script = read_script(PluginSpec.parse(f"{path}:unlearning"), "auto")

    assert (script.function.name, script.module, len(script.notes)) == ("unlearning", "a", 2)


def test_code_that_python_does_not_understand_is_an_error_and_no_magic(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(_notebook("def unlearning(net, retain)\n    pass"))
    with pytest.raises(PluginPackagingError, match=r"cannot be parsed.*line 2"):
        read_script(PluginSpec.parse(str(path)), "auto")
