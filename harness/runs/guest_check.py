"""Checks in a guest before training: a dry pass of the task's own network, and the import of the plugin."""

from __future__ import annotations

from harness.core.outcomes import ModelOutcome, Status
from harness.errors import PluginLoadError, SandboxError, TaskInvalidError
from harness.runners.base import PluginFacts
from harness.runners.session.greeting import NetworkRefusedError
from harness.runners.session.session import IMPORT_LIMIT_S
from harness.runs.unlearning_setup import UnlearningSetup
from harness.tasks.own_architectures import batch_sizes, refusal

CHECK_S = 600.0
MAX_SHOWN_LINES = 8
OWN_SETUP_ERRORS = (
    "PluginSetupError",
    "PluginValidationError",
)  # their messages suffice: the frames of their traceback are the guest's
BUILDS_SIGNS = ("operator torchvision::", "libtorch_cuda", "libc10_cuda", "libcudart", "undefined symbol")
BUILDS_ADVICE = (
    "Its native code was built for another torch than the sandbox's. Use matching builds: for a CPU build of torch, "
    "those of the same index, set by PIP_EXTRA_INDEX_URL or pip's configuration."
)


def check_in_guest(setup: UnlearningSetup) -> None:
    """Run a dry pass of the task's own network and import the plugin in a guest, before anything is trained.

    Bundled plugins and networks need neither check: no guest is started for them.

    Raises:
        TaskInvalidError: the network cannot be trained there.
        PluginLoadError: the plugin cannot be imported there or has no hook.
        SandboxError: the guest did not start.
    """
    facts = setup.facts
    stranger = facts.origin != "bundled"
    if not setup.own_network and not stranger:
        return
    sizes = batch_sizes(setup.task.recipe, setup.data) if setup.own_network else ()
    try:
        with setup.session(setup.runner, facts, {}, CHECK_S, setup.core_sets[0], try_batches=sizes) as session:
            session.greet()
            if stranger:
                outcome, _ = session.unlearn(0, 0, setup.originals.state(0), IMPORT_LIMIT_S, import_only=True)
                _refuse_unloaded(facts, outcome)
    except NetworkRefusedError as error:
        raise TaskInvalidError(refusal(setup.task, str(error), "inside the sandbox")) from error


def _refuse_unloaded(facts: PluginFacts, outcome: ModelOutcome) -> None:
    """Raise PluginLoadError or SandboxError unless the plugin was imported."""
    if outcome.import_s is not None:
        return
    seen = outcome.evidence
    if outcome.status is Status.INFRA_ERROR:
        raise SandboxError(f"{outcome.advice} {seen.error_message or '; '.join(seen.notes)}")
    message = seen.error_message or outcome.status.value
    if outcome.status is Status.TIMEOUT:
        message = f"its import did not end within {IMPORT_LIMIT_S:.0f} s"
    kind = f"{seen.error_type}: " if seen.error_type else ""
    shown = "" if seen.error_type in OWN_SETUP_ERRORS else seen.traceback or outcome.log.head
    frames = "\n".join(shown.strip().splitlines()[-MAX_SHOWN_LINES:])
    advice = BUILDS_ADVICE if any(sign in message for sign in BUILDS_SIGNS) else outcome.advice
    raise PluginLoadError(
        f"The plugin {facts.name} of {facts.distribution} {facts.version} cannot be loaded inside the sandbox, which was tried "
        f"before training: {kind}{message}\n{advice}" + (f"\n{frames}" if frames else "")
    )
