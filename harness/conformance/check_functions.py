"""Requirements of unlearners, a small function each; its docstring is the requirement, addressed to the plugin's author.

A check is skipped unless the checks that it needs hold, so that a fault is reported once.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.conformance.cases import (
    EMPTY_VALIDATION,
    FORGET_ONE,
    LEFT_OVER,
    LONG,
    MLP,
    RESNET18,
    SMALL_CNN,
    TOKENS,
    VECTORS,
    Case,
    outputs_are_finite,
)
from harness.conformance.check import Check, CheckFailed, CheckFunction, NotApplicable
from harness.conformance.trial_runner import OTHER_SEED, Trial, TrialRunner
from harness.core.outcomes import ModelOutcome, Status

MAX_PRINTED_BYTES = 1 << 17
WRONG_SIGNATURE = "PluginValidationError"
NOT_FINITE = "NaN or infinite"
REFUSED = (Status.OUTPUT_INVALID, Status.OUTPUT_TOO_LARGE)
SPLITS = ("retain", "forget", "validation")
CHECKS: dict[str, Check] = {}
"""All checks by name, in the order of execution."""


def check(*needs: str) -> Callable[[CheckFunction], CheckFunction]:
    """Register a function as a check that needs the checks named in ``needs``."""

    def register(look: CheckFunction) -> CheckFunction:
        name = look.__name__.replace("_", "-")
        CHECKS[name] = Check(name, (look.__doc__ or "").strip(), look, needs)
        return look

    return register


def _why(outcome: ModelOutcome) -> str:
    evidence = outcome.evidence
    said = ": ".join(part for part in (evidence.error_type, evidence.error_message) if part)
    return f"{outcome.status.value}{f' ({said})' if said else ''}"


def _finished(trials: TrialRunner, case: Case, advice: str, *, on_gpu: bool = False) -> Trial:
    """Return the first trial of a case; raise unless it returned a model."""
    trial = trials.trial(case, on_gpu=on_gpu)
    if not trial.outcome.status.finished:
        raise CheckFailed(f"on {case.name}: {_why(trial.outcome)}", advice)
    return trial


def _either_finished(trials: TrialRunner, hard: Case, plain: Case, advice: str) -> None:
    """Raise unless the hard or the plain case returned a model; the plain case needs its own guest, so it runs second."""
    if not trials.trial(hard).outcome.status.finished:
        _finished(trials, plain, advice)


@check()
def loads(trials: TrialRunner) -> str:
    """Be importable in a clean guest, and implement the hook."""
    outcome = trials.trial().outcome
    if outcome.status is Status.SETUP_ERROR and outcome.evidence.error_type != WRONG_SIGNATURE:
        raise CheckFailed(
            _why(outcome),
            "Declare every dependency in the package's metadata, name the module in the entry point, and decorate the function "
            'with pluggy.HookimplMarker("harness").',
        )
    return ""


@check("loads")
def hook_signature(trials: TrialRunner) -> str:
    """Take only hook arguments that the specification names."""
    outcome = trials.trial().outcome
    if outcome.status is Status.SETUP_ERROR:
        advice = "Take only arguments named model, retain, forget, validation or context."
        raise CheckFailed(_why(outcome), advice)
    return ""


@check("hook-signature")
def unlearns(trials: TrialRunner) -> str:
    """Unlearn a small network without an exception or a crash, in place or by returning a network."""
    outcome = trials.trial().outcome
    if not outcome.status.finished and outcome.status not in REFUSED:
        raise CheckFailed(_why(outcome), outcome.advice)
    return "" if outcome.charged_s is None else f"in {outcome.charged_s:.2f} s"


@check("unlearns")
def keeps_the_architecture(trials: TrialRunner) -> str:
    """Return None, or a torch.nn.Module with the original's state names, shapes and dtypes."""
    outcome = trials.trial().outcome
    if outcome.status in REFUSED and NOT_FINITE not in (outcome.evidence.error_message or ""):
        advice = "Return None, the model itself, a copy of it, or context.new_model(), in the original's dtypes."
        raise CheckFailed(_why(outcome), advice)
    return ""


@check("keeps-the-architecture")
def finite(trials: TrialRunner) -> str:
    """Return finite weights that give finite outputs."""
    trial = trials.trial()
    if trial.state is None:
        raise CheckFailed(
            _why(trial.outcome), "Clip gradients or use a smaller learning rate; look for a division by zero."
        )
    if not outputs_are_finite(MLP, {**MLP.original(), **trial.state}):
        raise CheckFailed("a forward pass overflows", "Clip gradients or use a smaller learning rate.")
    return ""


@check("finite")
def leaves_the_data_alone(trials: TrialRunner) -> str:
    """Leave inputs and labels of all three splits unchanged."""
    changed = [split for split in SPLITS if trials.trial().seen[split] != 1]
    if changed:
        advice = "Work on copies: inputs.clone(), labels.clone(). split.inputs and split.labels are not copies."
        raise CheckFailed(f"changed: {', '.join(changed)}", advice)
    return ""


@check("finite")
def ends_in_eval_mode(trials: TrialRunner) -> str:
    """Return the model in eval mode, in which it was passed."""
    if trials.trial().seen["training"]:
        raise CheckFailed("the model is in training mode after the call", "Call model.eval() before returning.")
    return ""


@check("finite")
def same_seed_same_weights(trials: TrialRunner) -> str:
    """Return identical weights for the same seed."""
    if not trials.trial().same_weights(trials.trial(repeat=1)):
        raise CheckFailed(
            "two calls with the same seed returned different weights",
            "Use the global generators of torch, numpy and Python, which are seeded, or seed your own generators with "
            "context.seed. Do not depend on the clock or os.urandom.",
        )
    return ""


@check("same-seed-same-weights")
def another_seed_another_result(trials: TrialRunner) -> str:
    """Return different weights for another seed, unless the method is deterministic."""
    first, other = trials.trial(), trials.trial(seed=OTHER_SEED)
    if other.state is None:
        raise CheckFailed(_why(other.outcome), other.outcome.advice)
    if not first.same_weights(other):
        return ""
    if first.seen["initial_seed"] == other.seen["initial_seed"]:
        raise CheckFailed(
            "two seeds returned the same weights, and torch was seeded with a constant",
            "Do not call torch.manual_seed with a constant: all generators are seeded from context.seed, and the spread over "
            "seeds is measured.",
        )
    return "deterministic: another seed returns the same weights"


@check("finite")
def quiet(trials: TrialRunner) -> str:
    """Print at most 128 KiB per model."""
    log = trials.trial().outcome.log
    printed = len(log.head.encode()) + len(log.tail.encode()) + log.dropped_bytes
    if printed > MAX_PRINTED_BYTES:
        raise CheckFailed(f"{printed} bytes were printed", "Print at most once per epoch; further output is dropped.")
    return ""


@check("finite")
def small_cnn(trials: TrialRunner) -> str:
    """Unlearn a convolutional network without normalisation."""
    advice = "Accept parameters with any number of dimensions, and find layers by their type."
    _either_finished(trials, EMPTY_VALIDATION, SMALL_CNN, advice)
    return ""


@check("small-cnn")
def resnet18(trials: TrialRunner) -> str:
    """Unlearn a ResNet-18, with residual blocks, BatchNorm and integer buffers."""
    advice = "Iterate over model.modules() instead of children(); leave buffers that are not floating-point unchanged."
    _either_finished(trials, LEFT_OVER, RESNET18, advice)
    return ""


@check("resnet18")
def one_left_over(trials: TrialRunner) -> str:
    """Accept a last batch of a single example, also in a network with BatchNorm."""
    advice = "Use drop_last=True, or set BatchNorm to eval mode for a batch of one, which has no variance."
    _finished(trials, LEFT_OVER, advice)
    return ""


@check("small-cnn")
def empty_validation_set(trials: TrialRunner) -> str:
    """Accept an empty validation set."""
    _finished(trials, EMPTY_VALIDATION, "Check len(validation) before loading a batch of it or dividing by it.")
    return ""


@check("finite")
def vectors(trials: TrialRunner) -> str:
    """Unlearn on vectors of numbers, or raise NotImplementedError with the reason."""
    return _other_inputs(trials, VECTORS, "Take inputs of any shape from the loaders; do not index channels or rows.")


@check("vectors")
def token_ids(trials: TrialRunner) -> str:
    """Unlearn on token ids, whole numbers that an embedding reads, or raise NotImplementedError with the reason."""
    return _other_inputs(
        trials, TOKENS, "Pass inputs to the model as they come from the loaders; do not compute with them."
    )


def _other_inputs(trials: TrialRunner, case: Case, advice: str) -> str:
    evidence = trials.trial(case).outcome.evidence
    if evidence.error_type == "NotImplementedError" and evidence.error_message:
        raise NotApplicable(evidence.error_message)
    _finished(trials, case, advice)
    return ""


@check("finite")
def forget_set_of_one(trials: TrialRunner) -> str:
    """Accept a forget set of a single example."""
    advice = "Support batches of one: no squeeze() without a dimension, no unbiased variance, no drop_last on forget."
    _finished(trials, FORGET_ONE, advice)
    return ""


@check("finite")
def keeps_its_budget(trials: TrialRunner) -> str:
    """Return a model in time under a time limit far below the duration of the training recipe."""
    limit_s = trials.budget_s + 2 * (trials.trial().outcome.charged_s or 0.0)
    outcome = trials.trial(LONG, limit_s=limit_s).outcome
    if not outcome.status.finished:
        advice = "Check context.remaining_s before every step, and stop when a tenth of context.time_limit_s is left."
        raise CheckFailed(f"{_why(outcome)} under a limit of {limit_s:.1f} s", advice)
    return f"{outcome.charged_s:.2f} s of {limit_s:.2f} s"


@check("finite")
def works_on_cuda(trials: TrialRunner) -> str:
    """Unlearn on a GPU, if there is one, and leave the model on the data's device."""
    if not trials.has_gpu:
        raise NotApplicable("this machine has no CUDA device")
    advice = "Create every tensor on context.device."
    if not _finished(trials, MLP, advice, on_gpu=True).seen["with_data"]:
        raise CheckFailed("the model is on another device than the data", advice)
    return ""
