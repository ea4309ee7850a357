"""Task files: what is wrong with one is told by line, key, finding and what is allowed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from harness.errors import TaskInvalidError
from harness.tasks import dataset_sections, forget_sections, schema
from harness.tasks.bundled import harness_tasks
from harness.tasks.loading import load_task, task_from_text
from reference_models.networks.recipe import Recipe

GOOD = """\
schema: 1
name: mine
dataset:
  kind: faces
  persons: 20
  pictures: 3
forget:
  by: subject
  count: 2
recipe:
  lr: 1e-3
  augment: [horizontal-flip]
"""

SCALARS = ("schema_version", "name", "description", "models", "evaluators", "seed", "secret", "deletions")
FAULTS = {
    "unknown top-level key": (
        GOOD + "split: {}\n",
        13,
        ["split: unknown key", "did you mean 'splits'?", "allowed:", "seed"],
    ),
    "unknown dataset key": (
        GOOD.replace("persons", "persns"),
        5,
        ["dataset.persns: unknown key; did you mean 'persons'?", "allowed: kind, persons, pictures"],
    ),
    "unknown recipe key": (GOOD.replace("  lr:", "  learning:"), 11, ["recipe.learning: unknown key", "epochs"]),
    "unknown forget key": (GOOD.replace("count: 2", "counts: 2"), 9, ["forget.counts", "did you mean 'count'?"]),
    "unknown dataset kind": (
        GOOD.replace("faces", "face"),
        4,
        ["dataset.kind: found 'face'; did you mean 'faces'?", "cifar10"],
    ),
    "no dataset kind": (GOOD.replace("  kind: faces\n", ""), 3, ["dataset.kind: this key is missing", "fashion-mnist"]),
    "unknown forget rule": (
        GOOD.replace("subject", "person"),
        8,
        ["forget.by: found 'person'", "random, class, subject, ids, corrupted"],
    ),
    "text for a number": (GOOD.replace("20", "many"), 5, ["dataset.persons: found 'many'; must be a whole number"]),
    "fraction for a count": (GOOD.replace("20", "2.5"), 5, ["dataset.persons: found 2.5; must be a whole number"]),
    "yes for a number": (GOOD.replace("20", "true"), 5, ["dataset.persons: found True; must be a whole number"]),
    "zero persons": (GOOD.replace("20", "0"), 5, ["found 0; must be greater than or equal to 1"]),
    "negative learning rate": (GOOD.replace("1e-3", "-1"), 11, ["recipe.lr: lr must be above 0"]),
    "unknown optimiser": (
        GOOD + "  optimizer: sdg\n",
        13,
        ["recipe.optimizer: found 'sdg'; did you mean 'sgd'?", "sgd, adam"],
    ),
    "unknown augmentation": (
        GOOD.replace("horizontal-flip", "flip"),
        12,
        ["recipe.augment[0]: found 'flip'", "crop-pad-4"],
    ),
    "too many persons": (
        GOOD.replace("20", "1000000"),
        5,
        ["dataset.persons: found 1000000; must be less than or equal"],
    ),
    "too many faces": (
        GOOD.replace("20", "100000").replace("pictures: 3", "pictures: 1000"),
        5,
        ["dataset.persons: persons times pictures must be at most 1000000, not 100000000"],
    ),
    "a number of 5,000 digits": (GOOD.replace("20", "9" * 5000), 5, ["(5000 characters)'; must be finite"]),
    "a number beyond all": (GOOD.replace("1e-3", "1e999"), 11, ["recipe.lr: found '1e999'; must be finite"]),
    "a learning rate beyond reason": (GOOD.replace("1e-3", "1e308"), 11, ["recipe.lr: lr must be at most 1e+06"]),
    "epochs without end": (GOOD + "  epochs: 1000000000\n", 13, ["recipe.epochs: epochs must be at most 100000"]),
    "a true number of models": (GOOD + "models: true\n", 13, ["models: found True; must be a whole number"]),
    "models without end": (GOOD + "models: 1000000000\n", 13, ["models: found 1000000000; must be less than"]),
    "a fraction beyond reason": (
        GOOD + "budget: {fraction: 1e308}\n",
        13,
        ["budget.fraction: found 1e+308; must be less"],
    ),
    "a deviation of nearly nothing": (
        GOOD + "normalization: {mean: [0.5], std: [1e-300]}\n",
        13,
        ["normalization.std[0]: found 1e-300; must be greater than or equal to 0.0001"],
    ),
    "a true width": (
        GOOD + "architecture: {name: small-cnn, options: {width: true}}\n",
        13,
        ["options.width must be a whole number from 1 to 65536, not True"],
    ),
    "a layer without end": (
        GOOD + "architecture: {name: mlp, options: {hidden: [8, 1000000000]}}\n",
        13,
        ["options.hidden must be a whole number from 1 to 65536, not 1000000000"],
    ),
    "brackets without end": (
        GOOD + "x: " + "[" * 20_000 + "]" * 20_000 + "\n",
        13,
        ["nested more than 40 levels deep"],
    ),
    "mappings without end": (GOOD + "x: " + "{a: " * 20_000, 13, ["nested more than 40 levels deep"]),
    "infinite number": (GOOD.replace("1e-3", ".inf"), 11, ["recipe.lr: found '.inf'; must be finite"]),
    "count and fraction": (
        GOOD.replace("count: 2", "count: 2\n  fraction: 0.1"),
        7,
        ["forget", "give count or fraction, not both"],
    ),
    "neither count nor subjects": (
        GOOD.replace("  count: 2\n", ""),
        7,
        ["forget: by: subject needs either subjects, or"],
    ),
    "a missing section": ("schema: 1\nname: x\nforget: {by: random, count: 1}\n", 1, ["dataset: this key is missing"]),
    "wrong schema": (GOOD.replace("schema: 1", "schema: 2"), 1, ["schema: found 2; allowed: 1"]),
    "bad name": (GOOD.replace("mine", "My Task"), 2, ["name: found 'My Task'; must be lower-case letters"]),
    "too large a fraction": (
        GOOD + "splits: {validation: 1.5}\n",
        13,
        ["splits.validation: found 1.5", "a count", "a fraction"],
    ),
    "splits by nothing known": (
        GOOD + "splits:\n  by: persons\n",
        14,
        ["splits.by: found 'persons'; allowed: example, subject"],
    ),
    "one model": (GOOD + "models: 1\n", 13, ["models: found 1; must be greater than or equal to 2"]),
    "section is a number": (GOOD + "budget: 3\n", 13, ["budget: found 3; must be a mapping of keys"]),
    "unknown network": (
        GOOD + "architecture:\n  name: resnet-18\n",
        14,
        [
            "name 'resnet-18' is unknown; did you mean 'resnet18'?",
            "patch-cnn, small-cnn, resnet9, resnet18, mlp, embedding-bag, package.module:factory",
        ],
    ),
    "unknown network option": (
        GOOD + "architecture:\n  name: mlp\n  options: {hiden: [3]}\n",
        15,
        ["options of mlp have no 'hiden'; did you mean 'hidden'?"],
    ),
    "number for a class list": (
        GOOD.replace("by: subject\n  count: 2", "by: class\n  classes: 3"),
        9,
        ["forget.classes: found 3; must be a list, as in [a, b]"],
    ),
    "duplicate key": (GOOD + "name: again\n", 13, ["name: duplicate key; the first is on line 2"]),
    "nested duplicate key": (
        GOOD.replace("  count: 2", "  count: 2\n  count: 3"),
        10,
        ["forget.count", "first is on line 9"],
    ),
    "tab": (GOOD.replace("  lr", "\tlr"), 11, ["not valid YAML", "not with tabs"]),
    "unclosed list": (GOOD + "splits: [1\n", 14, ["not valid YAML"]),
    "two documents": (GOOD + "---\na: 1\n", 13, ["not valid YAML", "document"]),
    "a list at the top": ("- schema\n", 1, ["found a list; a task is a mapping"]),
    "a word at the top": ("faces\n", 1, ["found a single value; a task is a mapping"]),
    "an alias": ("schema: &one 1\nmodels: *one\n", 2, ["models: anchors and aliases", "not allowed"]),
    "an alias of itself": ("schema: &me [*me]\n", 1, ["anchors and aliases"]),
    "a tag": ("schema: !!python/name:os.system 1\n", 1, ["tags (!...) are not allowed"]),
    "a control character": ("schema: 1\nname: \x01\n", 2, ["the character '\\x01' is not allowed"]),
    "a list as key": ("schema: 1\n? [a]\n: 1\n", 2, ["a key must be plain text"]),
    "unknown base": ("extends: face\n", 1, ["extends: found 'face'; did you mean 'faces'?", "image-folder"]),
    "unknown corruption": (
        GOOD + "corrupt: {how: swop}\n",
        13,
        ["corrupt.how: found 'swop'; did you mean 'swap'?; allowed: swap, random"],
    ),
    "no way to corrupt": (
        GOOD + "corrupt:\n  fraction: 0.1\n",
        13,
        ["corrupt.how: this key is missing; allowed: swap, random"],
    ),
    "unknown corruption key": (
        GOOD + "corrupt:\n  how: random\n  fractions: 0.1\n",
        15,
        ["corrupt.fractions: unknown key; did you mean 'fraction'?; allowed: count, fraction, seed, how"],
    ),
    "three classes swapped": (
        GOOD + "corrupt:\n  how: swap\n  classes: [1, 2, 3]\n  fraction: 0.1\n",
        15,
        ["corrupt.classes: found [1, 2, 3]; must be a list of at most 2"],
    ),
    "no class to forget": (
        GOOD.replace("by: subject\n  count: 2", "by: class\n  classes: []"),
        9,
        ["forget.classes: found []; must be a list of at least 1"],
    ),
    "no amount to corrupt": (
        GOOD + "corrupt:\n  how: random\n",
        13,
        ["corrupt: count or fraction is missing; give one of them"],
    ),
    "no amount to forget": (
        GOOD.replace("by: subject\n  count: 2", "by: random"),
        7,
        ["forget: count or fraction is missing; give one of them"],
    ),
    "corrupted forgotten where nothing is": (
        GOOD.replace("by: subject\n  count: 2", "by: corrupted"),
        7,
        ["forget: forget by: corrupted needs", "corrupt: {how: random, fraction: 0.05}"],
    ),
    "corrupted but not forgotten": (
        GOOD + "corrupt: {how: random, fraction: 0.1}\n",
        13,
        ["corrupt: corrupt requires forget: {by: corrupted}", "'corrupt: null'", "dataset.label_noise"],
    ),
    "no base": ("extends: [faces]\n", 1, ["extends: found ['faces']; allowed: faces"]),
}


def load(text: str, base_dir: Path = Path()) -> schema.TaskFile:
    task = task_from_text(text, "mine.yaml", base_dir)
    return schema.TaskFile.model_validate_json(json.dumps(task.definition), strict=True)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_file_line_key_and_remedy(fault: str) -> None:
    text, line, words = FAULTS[fault]

    with pytest.raises(TaskInvalidError) as caught:
        load(text)

    message = str(caught.value)
    told = [row for row in message.splitlines() if f"line {line}: " in row]
    assert message.startswith("The task file mine.yaml has ")
    assert any(all(word in row for word in words[:1]) for row in told), message
    assert all(word in message for word in words), message


def test_all_faults_of_a_file_are_told_together_in_the_order_of_lines() -> None:
    with pytest.raises(TaskInvalidError) as caught:
        load(GOOD.replace("20", "many").replace("1e-3", "0") + "seeds: 1\n")

    rows = str(caught.value).splitlines()
    assert rows[0] == "The task file mine.yaml has 3 faults:"
    assert [row.split(":")[0] for row in rows[1:]] == ["  line 5", "  line 11", "  line 13"]


def test_a_misspelt_base_hides_no_other_fault() -> None:
    with pytest.raises(TaskInvalidError) as caught:
        load("recipe: {epoch: 4}\nextends: facess\nforget: {cuont: 6}\n")

    rows = str(caught.value).splitlines()
    assert rows[0] == "The task file mine.yaml has 3 faults:"
    assert [row.split("; allowed")[0] for row in rows[1:]] == [
        "  line 1: recipe.epoch: unknown key; did you mean 'epochs'?",
        "  line 2: extends: found 'facess'; did you mean 'faces'?",
        "  line 3: forget.cuont: unknown key; did you mean 'count'?",
    ]


def test_an_empty_file_is_told_how_a_task_starts() -> None:
    with pytest.raises(TaskInvalidError, match="the file is empty; a task starts with 'schema: 1'"):
        load("")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(TaskInvalidError, match=r"nowhere\.yaml cannot be read"):
        load_task(tmp_path / "nowhere.yaml")


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(TaskInvalidError, match="UTF-8"):
        load_task(path)


def test_a_good_file_gives_its_values_and_defaults(tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    path.write_text(GOOD)

    task = load_task(path, source="me 1.0")

    assert (task.name, task.source, task.models, task.budget.fraction) == ("mine", "me 1.0", 32, 0.2)
    assert task.recipe == Recipe(lr=1e-3, augment=("horizontal-flip",))


def test_the_source_is_the_path_where_none_is_given(tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    path.write_text(GOOD)

    assert load_task(path).source == str(path)


def test_words_that_yaml_1_1_takes_for_other_things_stay_text() -> None:
    definition = load(GOOD.replace("count: 2", "subjects: [no, 2023-01-01, 007, 12]"))

    assert isinstance(definition.forget, forget_sections.ForgetSubject)
    assert definition.forget.subjects == ("no", "2023-01-01", "007", "12")


def test_a_whole_number_is_a_count_and_a_number_with_a_point_is_a_fraction() -> None:
    splits = load(GOOD + "splits: {validation: 1, test: 1.0}\n").splits

    assert (type(splits.validation), type(splits.test)) == (int, float)


def test_extending_a_bundled_task_keeps_what_the_file_does_not_say() -> None:
    base = next(task for task in harness_tasks() if task.name == "fashion-mnist")

    task = task_from_text("extends: fashion-mnist\nname: longer\nrecipe:\n  epochs: 99\n", "mine.yaml", Path())

    assert (task.name, task.architecture) == ("longer", base.architecture)
    assert task.recipe == dataclasses.replace(base.recipe, epochs=99)
    assert task.definition["dataset"] == base.definition["dataset"]


def test_extending_with_another_dataset_takes_no_options_of_the_first() -> None:
    definition = load("extends: fashion-mnist\ndataset: {kind: faces, persons: 7}\n")

    assert definition.dataset == dataset_sections.FacesDataset(kind="faces", persons=7)


def test_extending_changes_single_keys_of_a_corruption_and_replaces_one_of_another_kind() -> None:
    seeded = load("extends: faces-mislabelled\ncorrupt: {seed: 5}\n")
    other = load("extends: faces-mislabelled\ncorrupt: {how: random, fraction: 0.1}\n")

    assert seeded.corrupt == forget_sections.CorruptSwap(how="swap", classes=("28-35", "36-43"), count=60, seed=5)
    assert other.corrupt == forget_sections.CorruptRandom(how="random", fraction=0.1)


def test_a_file_may_take_the_corruption_of_its_base_out() -> None:
    definition = load("extends: faces-mislabelled\ncorrupt: null\nforget: {by: random, count: 3}\n")

    assert definition.corrupt is None


def test_extending_with_another_forget_rule_replaces_the_whole_rule() -> None:
    definition = load("extends: fashion-mnist\nforget: {fraction: 0.2}\n")

    assert definition.forget == forget_sections.ForgetRandom(by="random", fraction=0.2)


def test_a_fault_in_a_file_that_extends_is_told_on_its_own_line() -> None:
    with pytest.raises(TaskInvalidError, match=r"line 3: dataset\.train_sizes: unknown key; did you mean 'train_size'"):
        load("extends: fashion-mnist\ndataset:\n  train_sizes: 3\n")


def test_the_definition_is_json_and_defines_the_same_task_again() -> None:
    task = task_from_text(GOOD, "mine.yaml", Path())

    again = task_from_text(json.dumps(task.definition), "again", Path())

    assert again.definition == task.definition
    assert again.recipe == task.recipe


@pytest.mark.parametrize("section", [name for name in schema.TaskFile.model_fields if name not in SCALARS])
def test_an_unknown_key_in_any_section_is_told_with_those_that_are_allowed(section: str) -> None:
    definition = dict(task_from_text(GOOD, "here", Path()).definition)
    definition[section] = {**(definition.get(section) or {"kind": "x"}), "oddity": 1}  # type: ignore[dict-item]

    with pytest.raises(TaskInvalidError, match=rf"{section}.*(allowed|missing)"):
        task_from_text(json.dumps(definition), "here", Path())


@pytest.mark.parametrize(
    "text", ["seed: " + "9" * 5000, "seed: 1e999", 'name: "\\ud800"', '"\\udfff": 1', 'x: "\\UFFFFFFFF"']
)
def test_values_that_nothing_can_hold_are_told(text: str) -> None:
    with pytest.raises(TaskInvalidError, match=r"finite|surrogate|not valid YAML"):
        task_from_text(GOOD.replace("name: mine", text), "here", Path())


def test_an_evaluator_that_is_not_installed_is_a_fault_of_its_line() -> None:
    text = "extends: faces\nname: judged\nevaluators:\n  - all\n  - durabilty\n"
    with pytest.raises(TaskInvalidError) as caught:
        task_from_text(text, "judged.yaml", Path())
    assert "line 5: evaluators[1]: no evaluator 'durabilty' is installed; did you mean 'durability'?" in str(
        caught.value
    )
