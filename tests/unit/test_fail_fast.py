"""When a run stops because its first models fail for the same reason."""

from __future__ import annotations

import pytest

from harness.core.outcomes import Evidence, ModelOutcome, Status
from harness.posts.queue import Queue
from harness.runs.fail_fast import FailFast, failed_alike, stop_warning


def failed(message: str = "no", kind: str = "ValueError", status: Status = Status.PLUGIN_ERROR) -> ModelOutcome:
    return ModelOutcome(0, 0, status, evidence=Evidence(error_type=kind, error_message=message))


OK = ModelOutcome(0, 0, Status.OK)


def test_numbers_in_a_message_do_not_make_another_cause() -> None:
    messages = ("the loss is 1.25 at 0x7fab", "the loss is 3 at 0x11", "the loss is 2e-05 at 0x9")

    assert failed_alike([failed(message) for message in messages])


@pytest.mark.parametrize(
    "outcomes",
    [
        [failed()] * 2,
        [failed(), failed(), failed("another message")],
        [failed(), failed(), failed(kind="KeyError")],
        [failed(), failed(), failed(status=Status.OOM)],
        [failed(), OK, failed(), failed()],
        [failed(status=Status.INFRA_ERROR)] * 3,
        [failed(), failed(), failed(status=Status.INFRA_ERROR)],
    ],
)
def test_a_run_goes_on_after(outcomes: list[ModelOutcome]) -> None:
    assert not failed_alike(outcomes)


def test_a_failure_of_the_sandbox_between_three_failures_of_the_plugin_does_not_count() -> None:
    assert failed_alike([failed(), failed(status=Status.INFRA_ERROR), failed(), failed()])


def test_the_queue_is_emptied_at_the_third_failure() -> None:
    queue = Queue([3, 4, 5])
    watch = FailFast(queue, [])
    watch.count(failed())
    watch.count(failed())
    assert list(queue) == [3, 4, 5]

    watch.count(failed())

    assert not queue


def test_a_model_in_progress_that_finishes_restores_the_queue() -> None:
    queue = Queue([4, 5])
    watch = FailFast(queue, [failed()] * 2)
    watch.count(failed())
    assert not queue

    watch.count(OK)

    assert list(queue) == [4, 5]


def test_a_resumed_run_stops_before_its_first_model_if_the_earlier_ones_failed_alike() -> None:
    queue = Queue([3])
    FailFast(queue, [failed()] * 3)

    assert not queue


@pytest.mark.parametrize(("ended", "planned", "said"), [(3, 4, "1 more was"), (3, 32, "29 more were")])
def test_the_warning_counts_the_models_that_were_not_started(ended: int, planned: int, said: str) -> None:
    (warning,) = stop_warning(ended, planned)

    assert said in warning
    assert "--keep-going" in warning
    assert stop_warning(planned, planned) == []
    (of_stream,) = stop_warning(ended, planned, of_stream=True)
    assert of_stream.endswith("run the stream again with `--keep-going`.")
