"""What is demanded of an unlearner, one small function each; its docstring is the demand.

A check builds on those it needs: where one of them does not hold it is skipped, so that one fault is reported once.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.conformance.bench import OTHER_SEED, Bench, Trial
from harness.conformance.cases import (
    EMPTY_VALIDATION,
    FORGET_ONE,
    LEFT_OVER,
    LONG,
    MLP,
    RESNET18,
    SMALL_CNN,
    Case,
    outputs_are_finite,
)
from harness.conformance.model import Broken, Check, Demand, NotApplicable
from harness.outcomes import ModelOutcome, Status

MAX_PRINTED_BYTES = 1 << 17
WRONG_SIGNATURE = "PluginValidationError"
NOT_FINITE = "NaN or infinite"
REFUSED = (Status.OUTPUT_INVALID, Status.OUTPUT_TOO_LARGE)
SPLITS = ("retain", "forget", "validation")
CHECKS: dict[str, Check] = {}
"""All checks by name, in the order in which they are made."""


def check(*needs: str) -> Callable[[Demand], Demand]:
    """Register a function as a check that builds on those named."""

    def register(look: Demand) -> Demand:
        name = look.__name__.replace("_", "-")
        CHECKS[name] = Check(name, (look.__doc__ or "").strip(), look, needs)
        return look

    return register


def _why(outcome: ModelOutcome) -> str:
    evidence = outcome.evidence
    said = ": ".join(part for part in (evidence.error_type, evidence.error_message) if part)
    return f"{outcome.status.value}{f' ({said})' if said else ''}"


def _finished(bench: Bench, case: Case, advice: str, *, on_gpu: bool = False) -> Trial:
    """The first trial of a case, which must have given a model."""
    trial = bench.trial(case, on_gpu=on_gpu)
    if not trial.outcome.status.finished:
        raise Broken(f"on {case.name}: {_why(trial.outcome)}", advice)
    return trial


def _either_finished(bench: Bench, hard: Case, plain: Case, advice: str) -> None:
    """What does well on the hard case does well on the plain one, which needs a guest of its own: asked only otherwise."""
    if not bench.trial(hard).outcome.status.finished:
        _finished(bench, plain, advice)


@check()
def loads(bench: Bench) -> str:
    """The plugin is found and imported in a clean guest, and implements the hook."""
    outcome = bench.trial().outcome
    if outcome.status is Status.SETUP_ERROR and outcome.evidence.error_type != WRONG_SIGNATURE:
        raise Broken(
            _why(outcome),
            "Declare every dependency in the package's metadata, name the module in the entry point, and mark the function "
            'with pluggy.HookimplMarker("harness").',
        )
    return ""


@check("loads")
def hook_signature(bench: Bench) -> str:
    """The hook takes no argument that the specification does not name."""
    outcome = bench.trial().outcome
    if outcome.status is Status.SETUP_ERROR:
        advice = "Take any of model, retain, forget, validation and context, by these names, and nothing else."
        raise Broken(_why(outcome), advice)
    return ""


@check("hook-signature")
def unlearns(bench: Bench) -> str:
    """A small network is unlearned without an exception or a crash, in place or by returning another."""
    outcome = bench.trial().outcome
    if not outcome.status.finished and outcome.status not in REFUSED:
        raise Broken(_why(outcome), outcome.advice)
    return "" if outcome.charged_s is None else f"in {outcome.charged_s:.2f} s"


@check("unlearns")
def keeps_the_architecture(bench: Bench) -> str:
    """The result is a torch.nn.Module whose state has the original's names, shapes and dtypes, or None."""
    outcome = bench.trial().outcome
    if outcome.status in REFUSED and NOT_FINITE not in (outcome.evidence.error_message or ""):
        advice = "Return the model itself, a copy of it, or context.new_model(), in the original's dtypes; or None."
        raise Broken(_why(outcome), advice)
    return ""


@check("keeps-the-architecture")
def finite(bench: Bench) -> str:
    """All weights that come back, and the outputs of the network with them, are finite."""
    trial = bench.trial()
    if trial.state is None:
        raise Broken(_why(trial.outcome), "Clip gradients or use a smaller learning rate; look for a division by zero.")
    if not outputs_are_finite(MLP, {**MLP.original(), **trial.state}):
        raise Broken("a forward pass overflows", "Clip gradients or use a smaller learning rate.")
    return ""


@check("finite")
def leaves_the_data_alone(bench: Bench) -> str:
    """Images and labels of all three splits are after the call what they were before."""
    changed = [split for split in SPLITS if bench.trial().seen[split] != 1]
    if changed:
        advice = (
            "Work on copies: images.clone(), labels.clone(); split.images and split.labels are the data themselves."
        )
        raise Broken(f"changed: {', '.join(changed)}", advice)
    return ""


@check("finite")
def ends_in_eval_mode(bench: Bench) -> str:
    """The model comes in eval mode and is given back in it."""
    if bench.trial().seen["training"]:
        raise Broken("the model is in training mode after the call", "Call model.eval() before returning.")
    return ""


@check("finite")
def same_seed_same_weights(bench: Bench) -> str:
    """Two calls with the same seed give the very same weights."""
    if not bench.trial().same_weights(bench.trial(repeat=1)):
        raise Broken(
            "two calls with one seed gave different weights",
            "Draw from torch's, numpy's or Python's global streams, which are seeded, or seed your own generators with "
            "context.seed; let nothing depend on the clock or on os.urandom.",
        )
    return ""


@check("same-seed-same-weights")
def another_seed_another_result(bench: Bench) -> str:
    """With another seed the weights differ, unless the method draws nothing at random."""
    first, other = bench.trial(), bench.trial(seed=OTHER_SEED)
    if other.state is None:
        raise Broken(_why(other.outcome), other.outcome.advice)
    if not first.same_weights(other):
        return ""
    if first.seen["initial_seed"] == other.seen["initial_seed"]:
        raise Broken(
            "two seeds gave the same weights, and torch was seeded with a constant",
            "Do not call torch.manual_seed with a number of your own: all streams are seeded from context.seed, and the spread "
            "over seeds is part of what is measured.",
        )
    return "deterministic: another seed gives the same weights"


@check("finite")
def quiet(bench: Bench) -> str:
    """No more than 128 KiB are printed for a model."""
    log = bench.trial().outcome.log
    printed = len(log.head.encode()) + len(log.tail.encode()) + log.dropped_bytes
    if printed > MAX_PRINTED_BYTES:
        raise Broken(f"{printed} bytes were printed", "Print once an epoch or less; what is more is not kept.")
    return ""


@check("finite")
def small_cnn(bench: Bench) -> str:
    """A convolutional network without normalisation is unlearned."""
    advice = "Parameters may have any number of dimensions; find layers by their type."
    _either_finished(bench, EMPTY_VALIDATION, SMALL_CNN, advice)
    return ""


@check("small-cnn")
def resnet18(bench: Bench) -> str:
    """A ResNet-18 is unlearned: residual blocks, BatchNorm, and integer counters among its buffers."""
    advice = "Walk model.modules() rather than children; leave buffers that are not floating-point as they are."
    _either_finished(bench, LEFT_OVER, RESNET18, advice)
    return ""


@check("resnet18")
def one_left_over(bench: Bench) -> str:
    """The last batch may hold a single example, also in a network with BatchNorm."""
    advice = "Say drop_last=True, or put BatchNorm into eval mode for a batch of one, which has no variance."
    _finished(bench, LEFT_OVER, advice)
    return ""


@check("small-cnn")
def empty_validation_set(bench: Bench) -> str:
    """The validation set may be empty."""
    _finished(bench, EMPTY_VALIDATION, "Ask len(validation) before taking a batch of it or dividing by it.")
    return ""


@check("finite")
def forget_set_of_one(bench: Bench) -> str:
    """The forget set may hold a single example."""
    advice = "Expect batches of one: no squeeze() without a dimension, no unbiased variance, no drop_last on forget."
    _finished(bench, FORGET_ONE, advice)
    return ""


@check("finite")
def keeps_its_budget(bench: Bench) -> str:
    """With a time limit far below what the training recipe would take, it returns a model in time."""
    limit_s = bench.budget_s + 2 * (bench.trial().outcome.charged_s or 0.0)
    outcome = bench.trial(LONG, limit_s=limit_s).outcome
    if not outcome.status.finished:
        advice = (
            "Look at context.remaining_s before every step, and stop while a tenth of context.time_limit_s is left."
        )
        raise Broken(f"{_why(outcome)} under a limit of {limit_s:.1f} s", advice)
    return f"{outcome.charged_s:.2f} s of {limit_s:.2f} s"


@check("finite")
def works_on_cuda(bench: Bench) -> str:
    """On a GPU, where there is one, the model is unlearned and stays on the data's device."""
    if not bench.has_gpu:
        raise NotApplicable("there is no CUDA device here")
    advice = "Put every tensor that you make on context.device."
    if not _finished(bench, MLP, advice, on_gpu=True).seen["with_data"]:
        raise Broken("the model is on another device than the data", advice)
    return ""
