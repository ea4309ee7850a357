"""Who gets which cores, memory and GPUs."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from harness.errors import GpuUnavailableError, UsageError
from harness.runners.cores import CoreSet, Span
from harness.runs.config import RunConfig
from harness.runs.placement import plan_core_sets, unpinned

CORES = tuple(range(8))
MEMORY_MIB = 32_768
GPUS = ("GPU-aaaa", "GPU-bbbb", "GPU-cccc", "GPU-dddd")


def plan(*, cores: tuple[int, ...] = CORES, there: tuple[str, ...] = (), **options: Any) -> tuple[CoreSet, ...]:
    return plan_core_sets(RunConfig("p", **{"memory_mib": 1024, **options}), cores, MEMORY_MIB, there)


def test_one_worker_gets_all_cores_and_nothing_is_spare() -> None:
    assert [(core_set.cores, core_set.spare) for core_set in plan()] == [(CORES, ())]


def test_cores_are_shared_out_evenly_and_no_two_workers_have_one_in_common() -> None:
    core_sets = plan(workers=3)

    assert [len(core_set.cores or ()) for core_set in core_sets] == [2, 2, 2]
    assert all(set(one.cores or ()).isdisjoint(other.cores or ()) for one, other in combinations(core_sets, 2))


def test_what_no_worker_uses_is_spare_for_all() -> None:
    assert [core_set.spare for core_set in plan(workers=2, cpus=3)] == [(6, 7), (6, 7)]


def test_only_cores_that_this_process_may_use_are_given_out() -> None:
    assert [core_set.cores for core_set in plan(cores=(3, 5), workers=2)] == [(3,), (5,)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 9}, "at most --workers 8"),
        ({"workers": 3, "cpus": 3}, "at most --cpus 2"),
        ({"workers": 4, "memory_mib": 16_384}, "at most --memory 8192"),
    ],
)
def test_workers_that_do_not_fit_are_refused_with_what_would_fit(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan(**options)


def test_one_worker_may_ask_for_more_memory_than_there_is() -> None:
    assert len(plan(memory_mib=2 * MEMORY_MIB)) == 1


def test_each_worker_gets_gpus_of_its_own() -> None:
    assert [core_set.gpus for core_set in plan(workers=2, there=GPUS)] == ["GPU-aaaa", "GPU-bbbb"]


def test_all_gpus_are_shared_out_evenly() -> None:
    shares = [core_set.gpus for core_set in plan(workers=2, gpus="all", there=GPUS)]

    assert shares == ["GPU-aaaa,GPU-bbbb", "GPU-cccc,GPU-dddd"]


def test_a_gpu_is_shared_only_where_it_is_named_twice() -> None:
    assert [core_set.gpus for core_set in plan(workers=2, gpus="GPU-aaaa,GPU-aaaa")] == ["GPU-aaaa", "GPU-aaaa"]
    with pytest.raises(UsageError, match="GPU twice"):
        plan(workers=2, gpus="GPU-aaaa", there=GPUS)


def test_more_workers_than_gpus_are_refused() -> None:
    with pytest.raises(GpuUnavailableError, match="nvidia-smi lists 1"):
        plan(workers=2, there=GPUS[:1])


def test_without_a_gpu_none_is_given_out() -> None:
    assert [core_set.gpus for core_set in plan(workers=2)] == [None, None]


@pytest.mark.parametrize(("spare", "ahead"), [(0, 4), (1, 1), (3, 3)])
def test_as_many_guests_warm_up_at_once_as_there_are_cores_for_it(spare: int, ahead: int) -> None:
    (core_set,) = plan(cpus=len(CORES) - spare)

    assert core_set.ahead == ahead


def test_guests_in_stock_never_take_the_memory_that_sandboxes_were_promised() -> None:
    (core_set,) = plan(memory_mib=MEMORY_MIB - 1024)

    assert core_set.ahead == 2


def test_where_guests_cannot_be_kept_on_cores_nothing_is_spare() -> None:
    assert [(core_set.cores, core_set.spare) for core_set in unpinned(plan(cpus=2))] == [(None, ())]


@pytest.mark.parametrize(
    ("warming", "measured", "disturbed"),
    [
        (((0,), 0.0, 1.0), ((0, 1), 0.5, 2.0), True),
        (((2,), 0.0, 1.0), ((0, 1), 0.5, 2.0), False),
        (((0,), 0.0, 1.0), ((0, 1), 1.0, 2.0), False),
        ((None, 0.0, 1.0), ((0, 1), 0.5, 2.0), True),
    ],
)
def test_warming_disturbs_what_is_measured_at_the_same_time_on_the_same_core(
    warming: Any, measured: Any, disturbed: bool
) -> None:
    one, other = Span("warming", *warming), Span("measured", *measured)

    assert (one.disturbs(other), other.disturbs(one)) == (disturbed, disturbed)
    assert not other.disturbs(other)
