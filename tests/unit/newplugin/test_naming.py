"""Which names a new plugin can have."""

from __future__ import annotations

import importlib.metadata

import pytest
from packaging.utils import canonicalize_name

from harness.errors import PluginNameError
from harness.newplugin.naming import MAX_CHARS, Names, names_of
from tests.unit.conftest import Install


@pytest.mark.parametrize("name", ["mymethod", "my-method", "my_method", "a", "m2", "top-1_sum", "a" * MAX_CHARS])
def test_names_of_letters_digits_dashes_and_underscores_are_taken(name: str) -> None:
    names = names_of(name)

    assert names.plugin == name
    assert names.distribution == canonicalize_name(name)
    assert names.module.isidentifier()


def test_dashes_are_underscores_in_the_module_and_underscores_are_dashes_in_the_package() -> None:
    assert names_of("my-own_method") == Names("my-own_method", "my-own-method", "my_own_method")


@pytest.mark.parametrize(
    "name",
    ["", "-", "Mine", "9lives", "a--b", "a-", "_a", "a b", "a.b", "a/b", "../a", "ä", "a\n", "a" * (MAX_CHARS + 1)],
)
def test_other_names_are_refused_with_what_a_name_is(name: str) -> None:
    with pytest.raises(PluginNameError, match="lower-case letters a to z and digits"):
        names_of(name)


@pytest.mark.parametrize(("name", "better"), [("My Method", "my-method"), ("9lives", "lives"), ("a--b.c", "a-b-c")])
def test_a_name_that_would_do_is_named(name: str, better: str) -> None:
    with pytest.raises(PluginNameError, match=f"Try '{better}'"):
        names_of(name)


@pytest.mark.parametrize("name", ["class", "lambda"])
def test_a_word_of_the_language_is_refused(name: str) -> None:
    with pytest.raises(PluginNameError, match="Python keyword"):
        names_of(name)


@pytest.mark.parametrize("name", ["random", "torch", "harness", "harness-guest", "numpy", "tests"])
def test_a_module_that_is_there_already_is_refused(name: str) -> None:
    with pytest.raises(PluginNameError, match="would shadow"):
        names_of(name)


@pytest.mark.parametrize(
    "name",
    [point.name for point in importlib.metadata.entry_points(group="harness.unlearners") if "_" in point.name][:2],
)
def test_the_name_of_an_installed_unlearner_is_refused(name: str) -> None:
    with pytest.raises(PluginNameError, match=r"unlearning-harness \S+ already registers an unlearner"):
        names_of(name)


def test_the_authors_own_installed_package_is_no_hindrance(install: Install) -> None:
    install("my_toy", "1.0", {"harness.unlearners": {"my-toy": "my_toy"}})

    assert names_of("my-toy").distribution == "my-toy"
