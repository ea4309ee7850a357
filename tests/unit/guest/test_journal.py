"""The record of training in the guest: a model's process has that of its own original, and no other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.core.outcomes import Status
from reference_models.records.journal import JournalPlan, Recorder, journal_name
from reference_models.training.loop import train_chunk
from tests.unit.guest.lab import RECIPE, SIZES, SPEC, Lab

SEEDS = [5, 6]
N_TRAINED = SIZES["retain"] + SIZES["forget"]
MARK = hashlib.sha256(b"a mark that is nowhere else").digest()
COPIES = 4000

LOOK_FOR_MARK = """
import hashlib, re
mark = hashlib.sha256(b"a mark that is nowhere else").digest()
found = 0
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        area = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
        if area and "[v" not in line:
            begin, end = (int(text, 16) for text in area.groups())
            try:
                memory.seek(begin)
                found += memory.read(end - begin).count(mark)
            except (OSError, OverflowError, ValueError):
                pass
print("found", found)
"""


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of two members, trained on noise."""
    folder = tmp_path_factory.mktemp("journals")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N_TRAINED, 1, 6, 6), dtype=np.uint8)
    recorder = Recorder.of(folder, JournalPlan(SIZES["retain"], "touched"), RECIPE, N_TRAINED, SEEDS)
    train_chunk(SPEC, RECIPE, images, rng.integers(0, 3, N_TRAINED), SEEDS, recorder=recorder)
    return [folder / journal_name(member) for member in range(len(SEEDS))]


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    with lab.session:
        yield lab


def unlearn(lab: Lab, body: str, journal: Path | None, index: int = 0) -> str:
    """Return the output of a hook with this body."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    lab.write(f"@hookimpl\ndef unlearn(model, retain, forget, validation, context):\n{lines}\n")
    outcome, _ = lab.session.unlearn(index, 0, lab.original, 60.0, journal)
    assert outcome.status is Status.OK, outcome.evidence
    return outcome.log.head.strip()


def test_a_task_without_a_journal_offers_none(lab: Lab) -> None:
    assert unlearn(lab, "print(context.journal)", None) == "None"


def test_each_model_sees_the_journal_of_its_own_original_and_the_next_without_one_none(
    lab: Lab, journals: list[Path]
) -> None:
    show = "print(None if context.journal is None else context.journal.batches[0].tolist())"
    seen = [unlearn(lab, show, journal) for journal in (*journals, None)]

    batches = []
    for journal in journals:
        from safetensors import safe_open

        with safe_open(journal, framework="pt") as file:
            batches.append(str(file.get_tensor("batches")[0].tolist()))
    assert batches[0] != batches[1]
    assert seen == [*batches, "None"]


def test_updates_are_read_one_by_one_or_summed(lab: Lab, journals: list[Path]) -> None:
    printed = unlearn(
        lab,
        """
journal = context.journal
each = [journal.update(step) for step in journal.touched.tolist()]
total = journal.total(journal.touched)
print(all(torch.allclose(sum(update[name] for update in each), total[name], atol=1e-6) for name in total))
print(sorted(total) == sorted(model.state_dict()) == sorted(journal.initial()))
print(len(journal.stored) == len(journal.touched) > 0, journal.updates, journal.sharding)
""",
        journals[0],
    )
    assert printed.splitlines() == ["True", "True", "True touched None"]


def test_a_step_is_split_into_positions_of_retain_and_forget(lab: Lab, journals: list[Path]) -> None:
    printed = unlearn(
        lab,
        """
journal = context.journal
kept, forgotten = [torch.cat(parts).tolist() for parts in zip(*map(journal.batch, range(len(journal.batches))))]
print(sorted(kept) == list(range(len(retain))), sorted(forgotten) == list(range(len(forget))))
""",
        journals[1],
    )
    assert printed == "True True"


def test_changing_what_is_read_does_not_change_the_journal(lab: Lab, journals: list[Path]) -> None:
    printed = unlearn(
        lab,
        """
state = context.journal.initial()
before = {name: tensor.clone() for name, tensor in state.items()}
for tensor in state.values():
    tensor.zero_()
print(all(torch.equal(tensor, before[name]) for name, tensor in context.journal.initial().items()))
""",
        journals[0],
    )
    assert printed == "True"


def test_nothing_of_a_journal_is_in_the_memory_of_the_next_models_process(own_lab: Lab, tmp_path: Path) -> None:
    marked = torch.frombuffer(bytearray(MARK * COPIES), dtype=torch.uint8)
    save_file({"marked": marked}, tmp_path / "marked.safetensors", {"format": "training journal 1"})

    first = unlearn(own_lab, LOOK_FOR_MARK, tmp_path / "marked.safetensors")
    second = unlearn(own_lab, LOOK_FOR_MARK, None)
    assert int(first.split()[1]) >= COPIES
    assert int(second.split()[1]) < COPIES / 100  # what is looked for is itself in memory


def test_what_is_no_journal_is_an_error_of_the_setup(lab: Lab, tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    lab.write("@hookimpl\ndef unlearn(model):\n    pass\n")

    outcome, _ = lab.session.unlearn(0, 0, lab.original, 60.0, tmp_path / "other.safetensors")
    assert outcome.status is not Status.OK
    assert "the journal's format is None" in (outcome.evidence.error_message or "")
