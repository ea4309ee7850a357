"""The import of a plugin: it has an allowance of its own, is not charged, and finds neither model nor data."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

import pytest

from harness.core.outcomes import Status
from harness.doctor.attacks.wheel import DISTRIBUTION, POINT, write_wheel
from tests.unit.guest.lab import Lab

HOOK = "\n@hookimpl\ndef unlearn(model): print('hook')\n"
ATTACKS = ("imports:memory_at_import", "imports:marked_data_file", "counters:remains_in_memory")


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Limit imports to one second."""
    lab = Lab(tmp_path_factory.mktemp("short"), import_limit_s=1.0)
    with lab.session:
        yield lab


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a process runner's guest with the attack plugins; a model's seed selects the attack."""
    folder = tmp_path_factory.mktemp("hostile")
    lab = Lab(folder, plugin=POINT, distribution=DISTRIBUTION)
    with zipfile.ZipFile(write_wheel(folder, ATTACKS)) as wheel:
        wheel.extractall(lab.plugin_path)
    with lab.session:
        yield lab


def test_an_import_longer_than_the_limit_is_not_charged(lab: Lab) -> None:
    outcome, state = lab.unlearn("time.sleep(2.5)" + HOOK, limit_s=2.0)

    assert outcome.status is Status.OK, outcome
    assert state is not None
    assert outcome.import_s is not None
    assert outcome.charged_s is not None
    assert outcome.import_s > 2.0 > outcome.charged_s
    assert outcome.evidence.elapsed_s == outcome.charged_s


def test_processor_seconds_of_the_import_are_not_charged(lab: Lab) -> None:
    source = "while time.process_time() < 3.0:\n    pass" + HOOK
    outcome, _ = lab.unlearn(source, limit_s=2.0, clock="cpu", deadline_s=60.0)

    assert outcome.status is Status.OK, outcome
    assert outcome.charged_s is not None
    assert outcome.charged_s < 2.0


@pytest.mark.parametrize(
    "source",
    ["signal.pause()", "os.kill(os.getppid(), signal.SIGSTOP); signal.pause()", "while True: os.fork() or os._exit(0)"],
    ids=["hangs", "stops the guest", "forks"],
)
def test_an_import_beyond_its_allowance_is_stopped_and_named(short: Lab, source: str) -> None:
    outcome, _ = short.unlearn("print('import', flush=True)\n" + source + HOOK)
    after, _ = short.body("pass")

    assert outcome.status is Status.TIMEOUT, outcome
    assert "import of the plugin exceeded its limit of 1 s" in outcome.advice
    assert (outcome.charged_s, outcome.import_s, outcome.evidence.elapsed_s) == (None, None, None)
    assert after.status is Status.OK
    if "SIGSTOP" not in source:  # what is printed is lost if the guest is stopped before it forwards it
        assert outcome.log.head == "import\n"


def test_the_context_knows_nothing_of_the_import(lab: Lab) -> None:
    source = (
        "time.sleep(1.5)\n@hookimpl\ndef unlearn(context): print(context.elapsed_s < 1.0, context.remaining_s > 59.0)"
    )
    outcome, _ = lab.unlearn(source)

    assert outcome.log.head.strip() == "True True"


def test_a_plugin_that_claims_early_that_it_is_imported_is_on_the_clock(lab: Lab) -> None:
    source = """
    import harness_guest.child as child, sys
    frame = sys._getframe()
    while "ends" not in frame.f_locals: frame = frame.f_back
    os.write(frame.f_locals["ends"].report, child.IMPORTED_LINE)
    signal.pause()
    """
    outcome, _ = lab.unlearn(source, limit_s=0.3)

    assert outcome.status is Status.TIMEOUT
    assert outcome.charged_s is not None
    assert "context.remaining_s" in outcome.advice


def test_the_streams_of_random_numbers_do_not_depend_on_the_import(lab: Lab) -> None:
    hook = "@hookimpl\ndef unlearn(): print(float(torch.rand(1)))"
    (plain, _), (drawing, _) = lab.unlearn(hook), lab.unlearn("torch.rand(5)\n" + hook)

    assert plain.log.head == drawing.log.head


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_import_finds_neither_model_nor_data_nor_what_an_earlier_model_left(hostile: Lab, attack: str) -> None:
    seed = ATTACKS.index(attack)
    for _ in range(2):
        outcome, _ = hostile.session.unlearn(0, seed, hostile.original, 60.0)

        assert outcome.status is Status.OK, outcome
        assert "REACHED" not in outcome.log.head


def test_a_mark_on_the_data_ends_the_guest(hostile: Lab) -> None:
    outcome, _ = hostile.session.unlearn(0, ATTACKS.index("imports:marked_data_file"), hostile.original, 60.0)

    assert "the data file's metadata; the next model gets a new guest" in outcome.evidence.notes[0]
