"""Unlearners are found without being imported; broken and doubled plugins are told by their distribution."""

from __future__ import annotations

import re
import sys

import pytest

from harness.errors import DuplicatePluginError, EvaluatorError, PluginNotFoundError, TaskNotFoundError
from harness.plugins import first_import
from harness.plugins.discovery import (
    EVALUATORS,
    TASKS,
    UNLEARNERS,
    choose_evaluators,
    find_plugins,
    find_task,
    find_unlearner,
    load_evaluators,
    load_tasks,
)

from .conftest import Install

GOOD_EVALUATOR = """
from harness.evaluation import EvaluatorInfo, Result, hookimpl

@hookimpl
def harness_evaluator():
    return EvaluatorInfo(name="mine", version="1", summary="a summary", evaluate=lambda evidence: Result(()))
"""


def test_an_unlearner_that_exits_on_import_is_listed_all_the_same(install: Install) -> None:
    install("deadly", "1.0", {UNLEARNERS: {"deadly": "deadly_module"}}, {"deadly_module.py": "import os; os._exit(3)"})

    assert "deadly" in [plugin.name for plugin in find_plugins(UNLEARNERS)]
    assert "deadly_module" not in sys.modules


def test_a_found_plugin_names_its_distribution_and_version(install: Install) -> None:
    install("some-dist", "2.5", {UNLEARNERS: {"forgetful": "module"}})

    assert find_unlearner("forgetful").provider == "some-dist 2.5"


def test_an_unknown_unlearner_gets_a_near_match() -> None:
    with pytest.raises(PluginNotFoundError, match="Did you mean 'finetune'"):
        find_unlearner("finetun")


def test_two_distributions_of_one_unlearner_name_are_refused_with_both_named(install: Install) -> None:
    install("first-dist", "1.0", {UNLEARNERS: {"same": "a"}})
    install("second-dist", "2.0", {UNLEARNERS: {"same": "b"}})

    with pytest.raises(DuplicatePluginError, match=r"first-dist 1\.0 and second-dist 2\.0"):
        find_unlearner("same")


def test_a_double_of_another_name_does_not_stop_a_run(install: Install) -> None:
    install("first-dist", "1.0", {UNLEARNERS: {"same": "a"}})
    install("second-dist", "2.0", {UNLEARNERS: {"same": "b"}})

    assert find_unlearner("finetune").bundled


def test_one_distribution_seen_twice_on_the_path_counts_once(install: Install) -> None:
    install("twice", "1.0", {UNLEARNERS: {"once": "a"}})
    install("twice", "1.0", {UNLEARNERS: {"once": "a"}})

    assert [plugin.name for plugin in find_plugins(UNLEARNERS)].count("once") == 1


def test_a_broken_evaluator_is_reported_and_the_others_load(install: Install) -> None:
    install("bad-dist", "0.3", {EVALUATORS: {"bad": "bad_evaluator"}}, {"bad_evaluator.py": "import does_not_exist"})
    install("good-dist", "1.0", {EVALUATORS: {"mine": "mine_evaluator"}}, {"mine_evaluator.py": GOOD_EVALUATOR})

    loaded, broken = load_evaluators()

    assert "mine" in [entry.info.name for entry in loaded]
    assert ["bad-dist 0.3" in plugin.reason and "does_not_exist" in plugin.reason for plugin in broken] == [True]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import os; os._exit(0)", r"ends the process \(exit code 0\)"),
        ("import os; os._exit(73)", r"ends the process \(exit code 73\)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"is killed by signal 9"),
        ("import threading; threading.Event().wait()", r"times out after 0\.5 s"),
        (
            GOOD_EVALUATOR.replace("    return", "    import os; os._exit(1)\n    return"),
            r"ends the process \(exit code 1\)",
        ),
    ],
)
def test_an_evaluator_whose_import_ends_its_process_is_broken_and_the_others_load(
    source: str, told: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "0\\.5" in told:
        monkeypatch.setattr(first_import, "LIMIT_S", 0.5)
    install("deadly-dist", "0.3", {EVALUATORS: {"deadly": "deadly_evaluator"}}, {"deadly_evaluator.py": source})

    loaded, broken = load_evaluators()

    assert "accuracy" in [entry.info.name for entry in loaded]
    assert [bool(re.search(told, plugin.reason)) for plugin in broken] == [True]
    assert "deadly_evaluator" not in sys.modules


def test_a_task_plugin_that_ends_its_process_leaves_the_bundled_tasks(install: Install) -> None:
    lines = [
        "import os",
        "from harness.evaluation import hookimpl",
        "@hookimpl",
        "def harness_tasks():",
        "    yield os._exit(0)",
    ]
    source = "\n".join(lines)
    install("deadly-dist", "0.3", {TASKS: {"deadly": "deadly_tasks"}}, {"deadly_tasks.py": source})

    loaded, broken = load_tasks()

    assert "faces" in [entry.task.name for entry in loaded]
    assert ["ends the process (exit code 0)" in plugin.reason for plugin in broken] == [True]


def test_an_evaluator_with_a_misspelled_hook_is_broken(install: Install) -> None:
    source = GOOD_EVALUATOR.replace("def harness_evaluator", "def harness_evaluater")
    install("typo-dist", "1.0", {EVALUATORS: {"mine": "typo_evaluator"}}, {"typo_evaluator.py": source})

    _, broken = load_evaluators()

    assert ["harness_evaluater" in plugin.reason for plugin in broken] == [True]


def test_an_evaluator_without_the_hook_is_broken(install: Install) -> None:
    install("empty-dist", "1.0", {EVALUATORS: {"mine": "empty_evaluator"}}, {"empty_evaluator.py": ""})

    _, broken = load_evaluators()

    assert ["does not implement" in plugin.reason for plugin in broken] == [True]


def test_an_evaluator_whose_name_disagrees_with_its_entry_point_is_broken(install: Install) -> None:
    install("good-dist", "1.0", {EVALUATORS: {"yours": "mine_evaluator"}}, {"mine_evaluator.py": GOOD_EVALUATOR})

    _, broken = load_evaluators()

    assert ["is called 'mine'" in plugin.reason for plugin in broken] == [True]


def test_two_evaluators_of_one_name_are_refused(install: Install) -> None:
    install("good-dist", "1.0", {EVALUATORS: {"lira": "mine_evaluator"}}, {"mine_evaluator.py": GOOD_EVALUATOR})

    with pytest.raises(DuplicatePluginError, match=r"good-dist 1\.0"):
        load_evaluators()


def test_asking_for_a_broken_evaluator_by_name_says_why_it_is_broken(install: Install) -> None:
    install("bad-dist", "0.3", {EVALUATORS: {"bad": "bad_evaluator"}}, {"bad_evaluator.py": "import does_not_exist"})

    with pytest.raises(EvaluatorError, match="does_not_exist"):
        choose_evaluators(["bad"])


def test_an_unknown_evaluator_gets_a_near_match() -> None:
    with pytest.raises(EvaluatorError, match="Did you mean 'accuracy'"):
        choose_evaluators(["acuracy"])


SLOW_EVALUATOR = GOOD_EVALUATOR.replace('summary="a summary"', 'summary="", default=False').replace("mine", "slow")


def test_an_evaluator_that_takes_long_is_used_only_if_it_is_asked_for(install: Install) -> None:
    install("slow-dist", "1.0", {EVALUATORS: {"slow": "slow_evaluator"}}, {"slow_evaluator.py": SLOW_EVALUATOR})

    def chosen(*names: str) -> list[str]:
        return [one.info.name for one in choose_evaluators(names)[0]]

    assert "slow" not in chosen()
    assert chosen() == chosen("default")
    assert chosen("default", "slow") == [*chosen(), "slow"]
    assert set(chosen("all")) >= {*chosen(), "slow"}
    assert chosen("slow", "lira", "slow") == ["slow", "lira"]


@pytest.mark.parametrize("name", ["default", "all"])
def test_no_evaluator_takes_a_name_that_stands_for_several(install: Install, name: str) -> None:
    module = {"mine_evaluator.py": GOOD_EVALUATOR.replace("mine", name)}
    install("good-dist", "1.0", {EVALUATORS: {name: "mine_evaluator"}}, module)

    reasons = [plugin.reason for plugin in load_evaluators()[1]]

    assert ["stands for several" in reason for reason in reasons] == [True]


def test_an_unknown_task_gets_a_near_match() -> None:
    with pytest.raises(TaskNotFoundError, match="Did you mean 'faces'"):
        find_task("facse")


def test_a_task_file_that_is_not_there_is_told_so() -> None:
    with pytest.raises(TaskNotFoundError, match="no task file"):
        find_task("./none.yaml")


def test_a_broken_task_plugin_leaves_the_bundled_tasks(install: Install) -> None:
    install("bad-dist", "0.3", {TASKS: {"bad": "bad_tasks"}}, {"bad_tasks.py": "raise RuntimeError('no')"})

    loaded, broken = load_tasks()

    assert "faces" in [entry.task.name for entry in loaded]
    assert ["bad-dist 0.3" in plugin.reason for plugin in broken] == [True]


@pytest.mark.parametrize(
    "body",
    [
        "yield load_task(Path(__file__).parent / 'missing.yaml', source='bad-dist')",  # fails when it is iterated
        "raise SystemExit(3)",
        "return 5",
    ],
)
def test_a_task_hook_that_fails_leaves_the_bundled_tasks(install: Install, body: str) -> None:
    source = f"""
from pathlib import Path
from harness.evaluation import hookimpl
from harness.tasks.loading import load_task

@hookimpl
def harness_tasks():
    {body}
"""
    install("bad-dist", "0.3", {TASKS: {"bad": "failing_tasks"}}, {"failing_tasks.py": source})

    loaded, broken = load_tasks()

    assert "faces" in [entry.task.name for entry in loaded]
    assert ["bad-dist 0.3" in plugin.reason for plugin in broken] == [True]


def test_an_evaluator_that_describes_itself_by_something_else_is_broken(install: Install) -> None:
    source = "from harness.evaluation import hookimpl\n\n@hookimpl\ndef harness_evaluator():\n    return 'mine'\n"
    install("odd-dist", "0.4", {EVALUATORS: {"odd": "odd_module"}}, {"odd_module.py": source})

    _, broken = load_evaluators()

    assert ["returns str" in plugin.reason for plugin in broken] == [True]


def test_two_spellings_of_one_distribution_count_once(install: Install) -> None:
    install("my.method", "1.0", {UNLEARNERS: {"spelled": "m"}})
    install("My--Method", "1.0", {UNLEARNERS: {"spelled": "m"}})

    assert find_unlearner("spelled").value == "m"


@pytest.mark.parametrize("name", ["lira\u200b", "li\u202era", "cafe\u0301", "a/../b"])
def test_an_evaluator_with_a_name_that_cannot_be_told_from_another_is_broken(name: str, install: Install) -> None:
    install("odd-dist", "1.0", {EVALUATORS: {name: "odd_evaluator"}}, {"odd_evaluator.py": GOOD_EVALUATOR})

    loaded, broken = load_evaluators()

    assert [plugin.found.name for plugin in broken] == [name]
    assert "odd-dist 1.0: its name" in broken[0].reason
    assert broken[0].reason.isprintable()
    assert "lira" in [entry.info.name for entry in loaded]


@pytest.mark.parametrize(
    ("name", "words"), [("'own\u200b'", "U+200B"), ("'own/x'", "contains '/'"), ("7", "is not a string")]
)
def test_a_task_of_a_plugin_has_a_name_as_a_task_file_has(name: str, words: str, install: Install) -> None:
    body = f"""
from dataclasses import replace
from harness.evaluation import hookimpl
from harness.tasks import bundled as ours

@hookimpl
def harness_tasks():
    yield replace(next(ours.harness_tasks()), name={name})
"""
    install("odd-dist", "1.0", {TASKS: {"odd": "odd_tasks"}}, {"odd_tasks.py": body})

    loaded, broken = load_tasks()

    assert [plugin.found.name for plugin in broken] == ["odd"]
    assert words in broken[0].reason
    assert "faces" in [entry.task.name for entry in loaded]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("models=True", "models must be a whole number from 2 to 10000, not True"),
        ("models=10**9", "models must be"),
        ("seed=-1", "seed must be"),
        ("seed='1'", "seed must be"),
        ("budget=Budget(fraction=float('nan'))", "budget.fraction must be"),
        ("budget=Budget(measurements=0)", "budget.measurements must be"),
        ("margins=Margins(memory=None)", "margins.memory must be"),
    ],
)
def test_numbers_of_a_plugins_task_have_the_bounds_of_a_task_files(change: str, words: str, install: Install) -> None:
    body = f"""
from dataclasses import replace
from harness.evaluation import hookimpl
from harness.tasks import bundled as ours
from harness.tasks.task import Budget, Margins

@hookimpl
def harness_tasks():
    yield replace(next(ours.harness_tasks()), name="own", {change})
"""
    install("odd-dist", "1.0", {TASKS: {"odd": "odd_tasks"}}, {"odd_tasks.py": body})

    _, broken = load_tasks()

    assert [words in plugin.reason for plugin in broken] == [True]
