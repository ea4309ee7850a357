"""``harness check-runner``: the contract of :mod:`harness.runners.provider` and :mod:`harness.runners.base`, with real guests.

A check returns what it found, or raises :class:`BrokenError`; the first line of its docstring is what the contract demands.
Hostile plugins are a matter of :mod:`harness.doctor.attack_report`.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from functools import partial

from harness.core.hardware import usable_cores
from harness.core.outcomes import Status
from harness.core.progress import Progress
from harness.doctor.attacks.environment import HONEST, LIMITS, AttackEnvironment, prepared
from harness.doctor.attacks.session import AttackSession, same_state
from harness.doctor.checks import Check, guarded
from harness.runners.base import GuestHandle, GuestSetup, Limits
from harness.runners.provider import RunnerProvider

REAP_AFTER_S = 3600.0
WAIT_S = 30.0
"""Time that a guest may take to end once it is killed, or a program beside it to print a word, seconds."""
READ_BYTES = 1 << 16
SEEN_INSIDE = ("memory_mib", "pids", "tmpfs_mib", "shm_mib")


ContractCheck = Callable[[AttackEnvironment], str]


class BrokenError(Exception):
    """The contract is broken; the message says how."""


def contract_checks(provider: RunnerProvider, progress: Progress) -> list[Check]:
    """Run all checks on a runner and return their results; no guest is left, whatever the runner does.

    Raises:
        HarnessError: the runner cannot be opened at all, e.g. because no engine answers.
    """
    with prepared(provider, (), progress) as environment, progress.step("checking the runner", len(CHECKS)) as step:
        found: list[Check] = []
        for check in CHECKS:
            name = check.__name__.replace("_", "-")
            step.tell(name)
            found += guarded(name, partial(_checked, check, name, environment))
            provider.remove(environment.run_id)
            step.advance()
        return found


def _checked(check: ContractCheck, name: str, environment: AttackEnvironment) -> Iterator[Check]:
    try:
        yield Check(name, "ok", check(environment))
    except BrokenError as broken:
        yield Check(name, "fail", str(broken), f"Required: {(check.__doc__ or '').partition(chr(10))[0]}")


@contextmanager
def _guest(environment: AttackEnvironment) -> Iterator[GuestHandle]:
    handle = environment.runner().start(GuestSetup(environment.run_id, REAP_AFTER_S))
    try:
        yield handle
    finally:
        handle.close()


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BrokenError(otherwise)


def unlearns(environment: AttackEnvironment) -> str:
    """Carry the protocol's frames to a guest and back: it runs models, and their weights come back."""
    with AttackSession(environment) as session:
        for number in (1, 2):  # the second in the same guest
            outcome, state = session.unlearn(HONEST)
            why = outcome.evidence.error_message or outcome.advice
            _require(outcome.status is Status.OK, f"model {number} ended as {outcome.status.value}: {why}")
            _require(state is not None and same_state(state, environment.original), f"model {number} came back changed")
    return "two models in one guest"


def tells_facts(environment: AttackEnvironment) -> str:
    """Tell all of Runner.facts once a guest has started: name, isolation, limits requested and in force, torch, Python."""
    runner, provider = environment.runner(), environment.provider
    runner.start(GuestSetup(environment.run_id, REAP_AFTER_S)).close()
    facts = runner.facts
    _require(facts.name == provider.name, f"facts.name is {facts.name!r}; the runner is {provider.name!r}")
    _require(facts.requested == LIMITS, f"facts.requested is {facts.requested}, asked for was {LIMITS}")
    _require(bool(facts.torch and facts.python), "facts.torch or facts.python is missing")
    plain = facts.isolation.startswith("none")
    _require(plain != provider.isolates, f"facts.isolation is {facts.isolation!r}, but isolates is {provider.isolates}")
    wanted = {field.name for field in fields(Limits)}
    effective = set(facts.effective or {})
    _require(
        effective == wanted, f"facts.effective lacks {sorted(wanted - effective)}, has {sorted(effective - wanted)}"
    )
    _require(runner.device == "cpu", f"device is {runner.device!r} without a GPU")
    return facts.isolation


def enforces_limits(environment: AttackEnvironment) -> str:
    """Enforce the requested limits, if the runner isolates; the guest sees them."""
    if not environment.provider.isolates:
        return "not demanded: it does not isolate"
    runner = environment.runner()
    runner.start(GuestSetup(environment.run_id, REAP_AFTER_S)).close()
    requested, effective = asdict(LIMITS), dict(runner.facts.effective or {})
    with AttackSession(environment) as session:
        seen = session.visible_limits()
    for name in SEEN_INSIDE:
        found = effective.get(name), seen.get(name)
        _require(found == (requested[name],) * 2, f"{name}: {requested[name]} asked for; in force and seen are {found}")
    return ", ".join(f"{name} {requested[name]}" for name in SEEN_INSIDE)


def reads_without_blocking(environment: AttackEnvironment) -> str:
    """Return None from GuestHandle.read while there is nothing, and 0 from write if it would block."""
    with _guest(environment) as guest:
        _require(guest.read(READ_BYTES) is None, "read returned something before the guest was spoken to")
        flood, sent = memoryview(bytes(1 << 20)), 0
        for _ in range(64):  # no frame of the protocol: the guest need not read it
            try:
                count = guest.write(flood)
            except BrokenPipeError:
                break
            _require(0 <= count <= len(flood), f"write returned {count} for {len(flood)} bytes")
            sent += count
            if count == 0:
                break
        _require(sent > 0, "write accepted nothing")
    return f"{sent} bytes until it would have blocked or the guest ended"


def counts(environment: AttackEnvironment) -> str:
    """Count out-of-memory kills, refused forks, CPU seconds and processes from 0, or return None where they are unknown."""
    with _guest(environment) as guest:
        kills, forks, cpu_s, processes = guest.oom_kills(), guest.refused_forks(), guest.cpu_s(), guest.processes()
    _require(kills == 0, f"oom_kills() is {kills}")
    _require(forks in (None, 0), f"refused_forks() is {forks}")
    _require(cpu_s is None or cpu_s >= 0, f"cpu_s() is {cpu_s}")
    _require(processes is None or processes >= 1, f"processes() is {processes} in a living guest")
    unknown = {"refused forks": forks, "CPU seconds": cpu_s, "processes": processes}
    missing = [name for name, value in unknown.items() if value is None]
    return f"unknown to it: {', '.join(missing)}" if missing else "all are known"


def moves(environment: AttackEnvironment) -> str:
    """Start guests on the given cores and move living ones, if Runner.pins is True."""
    runner = environment.runner()
    if not runner.pins:
        return "not demanded: it does not pin"
    cores = usable_cores()
    handle = runner.start(GuestSetup(environment.run_id, REAP_AFTER_S, cores=cores[:1]))
    try:
        handle.move(cores[-1:])
    finally:
        handle.close()
    return f"from core {cores[0]} to {cores[-1]}"


def runs_beside(environment: AttackEnvironment) -> str:
    """Return from GuestHandle.beside a command that runs Python in the guest's sandbox."""
    with _guest(environment) as guest:
        beside = guest.beside(("-c", "print('here')"), interactive=False)
        environ = None if beside.environment is None else dict(beside.environment)
        ended = subprocess.run(
            beside.command, cwd=beside.folder, env=environ, capture_output=True, text=True, timeout=WAIT_S, check=False
        )
    told = f"it printed {ended.stdout!r} and ended with {ended.returncode}: {ended.stderr[-500:]}"
    _require(ended.stdout.strip() == "here" and ended.returncode == 0, told)
    return ""


def kills_from_any_thread(environment: AttackEnvironment) -> str:
    """Kill a guest from any thread, repeatedly; its stream then ends."""
    with _guest(environment) as guest:
        for _ in range(2):
            killer = threading.Thread(target=guest.kill, daemon=True)
            killer.start()
            killer.join(WAIT_S)
            _require(not killer.is_alive(), f"kill takes longer than {WAIT_S:.0f} s")
        while (data := guest.read(READ_BYTES)) != b"":
            if data is None:
                readable, _, _ = select.select([guest.read_fd], [], [], WAIT_S)
                _require(bool(readable), f"the stream has not ended {WAIT_S:.0f} s after the kill")
    return ""


def closes(environment: AttackEnvironment) -> str:
    """Remove the guest in GuestHandle.close, return the same exit each time, and leave the counters readable."""
    with _guest(environment) as guest:
        _require(len(environment.remains()) == 1, f"remains() is {environment.remains()} for one living guest")
        first = guest.close()
        _require(guest.close() == first, "a second close returned another exit")
    _require(guest.processes() in (None, 0), f"processes() is {guest.processes()} after close")
    _require(guest.oom_kills() == 0, "oom_kills() is not 0 after close")
    _require(not environment.remains(), f"left behind: {', '.join(environment.remains())}")
    return f"exit code {first.exit_code}"


def removes(environment: AttackEnvironment) -> str:
    """Remove living guests of a run in RunnerProvider.remove; their handles can still be closed."""
    with _guest(environment):
        environment.provider.remove(environment.run_id)
        _require(not environment.remains(), f"left behind: {', '.join(environment.remains())}")
    return ""


def reaps(environment: AttackEnvironment) -> str:
    """Remove in RunnerProvider.reap what a killed run has left, only list it with dry_run, and spare living runs."""
    dying = multiprocessing.get_context("fork").Process(target=_start_and_die, args=(environment,), daemon=True)
    with _guest(environment):
        alive = set(environment.remains())
        dying.start()
        dying.join(WAIT_S)
        dying.kill()
        orphans = set(environment.remains()) - alive
        if not orphans:
            return "a guest ends with its run"
        listed, _ = environment.provider.reap(dry_run=True)
        for orphan in orphans:
            _require(any(orphan in line for line in listed), f"{orphan} of a killed run is not listed: {list(listed)}")
        _require(orphans <= set(environment.remains()), "reap with dry_run removed something")
        environment.provider.reap(dry_run=False)
        _require(set(environment.remains()) == alive, f"{environment.remains()} remains; only {sorted(alive)} lives")
    return f"{len(orphans)} guest of a killed run"


def _start_and_die(environment: AttackEnvironment) -> None:
    environment.runner().start(GuestSetup(environment.run_id, REAP_AFTER_S))
    os._exit(0)  # no handler runs, as after SIGKILL


CHECKS: tuple[ContractCheck, ...] = (
    unlearns,
    tells_facts,
    enforces_limits,
    reads_without_blocking,
    counts,
    moves,
    runs_beside,
    kills_from_any_thread,
    closes,
    removes,
    reaps,
)
