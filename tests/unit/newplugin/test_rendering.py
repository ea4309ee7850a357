"""What stands in the files of a new package."""

from __future__ import annotations

import configparser
import itertools
import re
import sys
from pathlib import Path, PurePosixPath

import pytest
import yaml

from harness.errors import UsageError
from harness.newplugin.naming import names_of
from harness.newplugin.rendering import LICENCES, Author, Licence, NewPlugin, author_of, render

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[3]
ENVIRONMENT = re.compile(r"`((?:py\d+-torch\d+|lint|drift))`")


def rendered(name: str = "my-toy", licence: Licence = "MIT", author: Author | None = None) -> dict[str, str]:
    return {str(path): text for path, text in render(NewPlugin(names_of(name), licence, author, 2026)).items()}


def tox_file(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return parser


def environments(line: str) -> list[str]:
    """tox's environments: what stands in braces is multiplied out."""
    names = []
    for item in re.split(r",\s*(?![^{]*\})", line.strip()):
        parts = [part.split(",") for part in re.split(r"[{}]", item)]
        names += ["".join(choice) for choice in itertools.product(*parts)]
    return names


def env_list(files: dict[str, str]) -> list[str]:
    return environments(tox_file(files["tox.ini"])["tox"]["env_list"])


@pytest.mark.parametrize("licence", LICENCES)
def test_nothing_is_left_to_fill_in(licence: Licence) -> None:
    files = rendered(licence=licence)

    assert [name for name, text in files.items() if "%{" in name + text] == []
    assert set(files) >= {"LICENSE", "src/my_toy/__init__.py", "src/my_toy/py.typed", "tests/test_my_toy.py"}


def test_the_metadata_are_what_was_asked_for() -> None:
    author = Author('Ada "A" Lovelace', "ada@example.org")
    project = tomllib.loads(rendered(licence="BSD-3-Clause", author=author)["pyproject.toml"])["project"]

    assert (project["name"], project["license"]) == ("my-toy", "BSD-3-Clause")
    assert project["authors"] == [{"name": 'Ada "A" Lovelace', "email": "ada@example.org"}]
    assert project["entry-points"] == {"harness.unlearners": {"my-toy": "my_toy"}}


def test_the_package_depends_on_pluggy_and_torch_alone_and_its_tests_on_the_harness() -> None:
    project = tomllib.loads(rendered()["pyproject.toml"])["project"]

    assert [re.match(r"[\w-]+", line)[0] for line in project["dependencies"]] == ["pluggy", "torch"]  # type: ignore[index]
    assert project["optional-dependencies"] == {"test": ["pytest>=8.0", "unlearning-harness"]}


@pytest.mark.parametrize("licence", ["MIT", "BSD-3-Clause"])
def test_the_licence_names_year_and_author(licence: Licence) -> None:
    assert re.search(r"Copyright \(c\) 2026,? Ada\n", rendered(licence=licence, author=Author("Ada"))["LICENSE"])
    assert "the authors of my-toy" in rendered(licence=licence)["LICENSE"]


def test_the_apache_licence_is_whole() -> None:
    assert rendered(licence="Apache-2.0")["LICENSE"] == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize(
    ("text", "author"),
    [
        ("Ada Lovelace", Author("Ada Lovelace")),
        (" Ada <ada@example.org> ", Author("Ada", "ada@example.org")),
        ("Ådne, Zoë & 李", Author("Ådne, Zoë & 李")),
    ],
)
def test_an_author_is_a_name_perhaps_with_an_address(text: str, author: Author) -> None:
    assert author_of(text) == author


@pytest.mark.parametrize("text", ["", "<ada@example.org>", "Ada <ada>", "Ada <", "Ada\nLovelace", "Ada\x7f"])
def test_another_author_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--author takes"):
        author_of(text)


def test_the_readme_names_the_environments_that_tox_has() -> None:
    files = rendered()

    assert sorted(ENVIRONMENT.findall(files["README.md"])) == sorted([*env_list(files), "drift"])


def test_no_environment_asks_for_a_torch_that_its_python_cannot_have() -> None:
    assert [name for name in env_list(rendered()) if name.startswith("py313") and name.endswith("torch24")] == []


def test_ci_runs_environments_that_tox_has_with_their_own_python() -> None:
    files = rendered()
    workflow = yaml.safe_load(files[".github/workflows/ci.yml"])
    jobs = workflow["jobs"]["test"]["strategy"]["matrix"]["include"]

    assert {job["environment"] for job in jobs} <= set(env_list(files))
    named = [job for job in jobs if job["environment"].startswith("py")]
    assert [job["environment"].partition("-")[0] for job in named] == [
        f"py{job['python'].replace('.', '')}" for job in named
    ]


def test_the_oldest_and_the_newest_torch_are_those_that_the_harness_is_tested_with() -> None:
    ours = tox_file((ROOT / "tox.ini").read_text())["tox"]["env_list"]

    def ends(names: list[str]) -> tuple[int, int]:
        minors = [int(match[1]) for match in (re.search(r"torch2(\d+)", name) for name in names) if match]
        return min(minors), max(minors)

    assert ends(env_list(rendered())) == ends([name for line in ours.splitlines() for name in environments(line)])


def test_paths_lie_below_the_packages_folder() -> None:
    paths = render(NewPlugin(names_of("my-toy"), "MIT", None, 2026))

    assert [path for path in paths if path.is_absolute() or ".." in PurePosixPath(path).parts] == []
