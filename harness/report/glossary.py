"""The glossary of metrics: names in words, and what each metric measures.

Pages take the names from here, and ``docs/reference/metrics.md`` is generated from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.evaluation import Metric
from harness.report.words import label


@dataclass(frozen=True)
class Entry:
    """What one metric, or several of one kind, measure.

    Attributes:
        anchor: fragment of its place on a page, and name of its picture.
        title: heading.
        text: what is measured, and how to read the number; plain text, two to four sentences.
        names: names in words of metrics, by full name; headline metrics all have one.
        family: evaluator whose other metrics are of this kind, too; empty if none.
    """

    anchor: str
    title: str
    text: str
    names: dict[str, str]
    family: str = ""


ENTRIES = (
    Entry(
        "difference",
        "Test for any difference",
        "If unlearning were perfect, it would not matter which models are called unlearned and which retrained. The names are "
        "shuffled 999 times, and the real difference is compared with the shuffled ones. p is the share of shuffles with a "
        "difference as large as the real one: below 0.05 the models differ.",
        {"forgetting.difference_p": "Test for any difference, p"},
    ),
    Entry(
        "memory-left",
        "Memory left",
        "A model that was trained on an example is more confident on it than a model that was not. This is how much of that "
        "extra confidence is left: the slope of the shifts of all forgotten examples after unlearning over their shifts "
        "before. 0 % is as retrained, 100 % as if nothing had been done, below 0 % too much was forgotten.",
        {
            "forgetting.memory_left": "Memory left",
            "forgetting.memory_left_worst": "Memory left, largest of all views",
        },
        "forgetting",
    ),
    Entry(
        "memory-bound",
        "Upper bound of the memory left",
        "With few models, the memory that is left is known only within an interval. The bound is its upper end, the largest "
        "of several views: with 95 % confidence no more is left. Lower is better; more models lower it.",
        {"forgetting.memory_bound": "Memory left, upper bound"},
    ),
    Entry(
        "accuracy",
        "Accuracy",
        "The share of examples that a model classifies correctly. On the retain and test sets it shows what unlearning has "
        "cost. On the forget set a higher value than that of retrained models is memory, and a lower one is damage, so the "
        "value of the control is wanted, not 0 %.",
        {
            "accuracy.retain": "Accuracy, retain set",
            "accuracy.forget": "Accuracy, forget set",
            "accuracy.validation": "Accuracy, validation set",
            "accuracy.test": "Accuracy, test set",
        },
        "accuracy",
    ),
    Entry(
        "likelihood-ratio-attack",
        "Likelihood-ratio attack (LiRA)",
        "An attacker knows how confident retrained and unlearned models usually are on an example, and tells from the "
        "confidence of one model which kind it is. The AUC is the area under the attack's ROC curve: 0.5 is a coin toss, 1 is "
        "certainty. Too little and too much forgetting both raise it.",
        {"lira.auc": "Likelihood-ratio attack, AUC"},
        "lira",
    ),
    Entry(
        "direction",
        "Direction of the shift",
        "The mean shift of confidence on forgotten examples against retrained models, in their standard deviations. It says "
        "on which side the models are: above 0 too little was forgotten, below 0 too much.",
        {"lira.direction": "Direction: too little (+) or too much (−) forgotten"},
    ),
    Entry(
        "ks-distance",
        "Kolmogorov-Smirnov distance",
        "For one forgotten example, the largest gap between two curves: the share of unlearned and of retrained models whose "
        "confidence is below a value. 0 means equal, 1 no overlap; the metric is the mean over examples. Few models are "
        "never at 0, so read it beside the control.",
        {"ks.mean_d": "Kolmogorov-Smirnov distance, mean"},
        "ks",
    ),
    Entry(
        "forgetting-quality",
        "Forgetting quality of the 2023 Challenge",
        "For each forgotten example, epsilon says how well the best attack tells unlearned from retrained models. An example "
        "gets 1 point if epsilon is below 0.5, and half as many for each further 0.5. F is the mean; higher is better. "
        "Retraining itself stays far below 1, so read it beside the control.",
        {"forgetting_quality.f_official": "Forgetting quality F of the Challenge"},
        "forgetting_quality",
    ),
    Entry(
        "time",
        "Time of retraining",
        "The median time of unlearning a model, divided by that of retraining one in the same sandbox. Lower is better; at "
        "1 or more (100 %), retraining is the better method.",
        {"efficiency.ratio": "Time, as a share of retraining"},
        "efficiency",
    ),
    Entry(
        "wrong-labels",
        "Wrong labels remembered",
        "On tasks with mislabelled examples, exactly these are to be forgotten. Counted is the share of them that a model "
        "still gives the wrong label it was trained on. Retrained models never saw that label and give it now and then by "
        "mistake, so their value is wanted.",
        {"interclass_confusion.forget_wrong": "Wrong labels still given"},
        "interclass_confusion",
    ),
    Entry(
        "confusion",
        "Confusion of classes",
        "Wrong labels teach a model to take one class for another. Counted is the share of test examples of the confused "
        "classes that are taken for each other. Retrained models confuse some, too, so their value is wanted.",
        {"interclass_confusion.test_confusion": "Confused classes on the test set"},
    ),
    Entry(
        "membership",
        "Membership inference on single models",
        "An attacker sees one model and guesses from its loss which examples it was trained on: those with a loss below a "
        "threshold. The accuracy of the guess on forgotten against unseen examples is compared with that on retrained "
        "models: the two sets may differ for other reasons than training.",
        {},
        "membership",
    ),
    Entry(
        "before-after",
        "Attack with the models before and after",
        "Who holds the model before and after unlearning can look at what has changed: forgotten examples lose confidence, "
        "unseen ones do not. The AUC measures how well this gives the forgotten examples away. Retraining gives some away, "
        "too, so its value is wanted.",
        {},
        "before_after",
    ),
    Entry(
        "divergence",
        "Distance of posteriors",
        "The probabilities that an unlearned and a retrained model give to all classes of the same example, and the distance "
        "between them. Two retrained models differ as well, so the excess over that, or the control, is to be read.",
        {},
        "divergence",
    ),
    Entry(
        "klom",
        "KL divergence of margins (KLoM)",
        "For one example, the histograms of confidence over unlearned and over retrained models in 20 equal bins, and the KL "
        "divergence of the one from the other, in nats. It depends on the number of models and is never 0, so read it beside "
        "the control.",
        {},
        "klom",
    ),
    Entry(
        "variance",
        "Variance between models",
        "Runs with several unlearned models of each original show where differences come from: from the original's training "
        "seed (between the groups), or from the method's own seed (within a group). A correct method varies as much as "
        "retraining does.",
        {},
        "variance",
    ),
    Entry(
        "recovery",
        "Memory that comes back",
        "A method may only hide what it was to forget. So the weights are changed a little: noise, rounding, a few steps of "
        "training. If memory comes back in unlearned models, and not in retrained ones, it was never gone. Wanted is what "
        "retrained models have.",
        {
            "durability.recovery_p": "Test whether memory comes back, p",
            "durability.memory_regained": "Memory after changes of the weights",
        },
        "durability",
    ),
    Entry(
        "new-last-layer",
        "Memory in the features",
        "The last layer of a network may hide what the layers before it still know. It is replaced by a new one that is fitted "
        "to retained examples alone. If that is more confident in forgotten examples than on retrained models, the features "
        "remember them. 0 is as retrained, 1 as if nothing had been done.",
        {
            "representation.feature_memory": "Memory left in the features",
            "representation.refit_phi": "Confidence of a new last layer",
        },
        "representation",
    ),
    Entry(
        "feature-similarity",
        "Similarity of features",
        "Two models agree if the same examples lie near each other in their features (centred kernel alignment). Two retrained "
        "models differ as well; the excess is the distance beyond that, 0 if unlearned models are like retrained ones.",
        {"representation.cka_excess": "Distance of features (CKA)"},
    ),
    Entry(
        "retained-examples",
        "Privacy of retained examples",
        "Retained examples were in the training of unlearned and of retrained models, so nothing should tell the two apart on "
        "them. The collateral is how much better than on control models an attack does. Above 0 unlearning has changed what "
        "the model reveals about people who asked for nothing; the direction says whether they are more or less exposed.",
        {
            "collateral.change": "Privacy collateral on retained examples",
            "collateral.auc": "Attack on retained examples, AUC",
            "collateral.exposure": "Membership of retained examples",
        },
        "collateral",
    ),
    Entry(
        "forgotten-classes",
        "Attacks on a forgotten class",
        "A retrained model never saw the forgotten class: it answers with a similar one, and gives the class a low value on "
        "all other inputs. A method that only silences the class does neither. The AUCs measure how well this gives it away, "
        "with inputs of the class and without any; 0.5 is a coin toss.",
        {
            "class_forgetting.neighbour_auc": "Attack by the most similar class, AUC",
            "class_forgetting.outsider_auc": "Attack without inputs of the forgotten class, AUC",
            "class_forgetting.head_bias": "Bias against the forgotten class",
            "class_forgetting.class_named": "Models that name the forgotten class",
        },
        "class_forgetting",
    ),
    Entry(
        "whole-models",
        "Comparison of whole models",
        "A model is one observation, with its confidence in all forgotten examples at once. The test sees traces that no single "
        "example shows. The lower bound of epsilon says how far from (epsilon, delta)-indistinguishable the models are, with "
        "95 % confidence; few models can show little of it.",
        {
            "joint.p": "Test for a difference of whole models, p",
            "joint.epsilon_lower_bound": "Epsilon of whole models, lower bound",
        },
        "joint",
    ),
    Entry(
        "by-memorisation",
        "Attack by memorisation",
        "Most forgotten examples were hardly memorised, and hide in the mean those that were. The forget set is divided into "
        "groups by how much the originals remember; half of the models order the examples, the other half is attacked. A "
        "line that rises to the right shows a method that leaves what was memorised; the control stays at chance.",
        {
            "strata.auc_most_memorised": "Attack on the most memorised examples, AUC",
            "strata.tpr_at_1_percent_fpr_most_memorised": "Most memorised examples recognised at 1 % false alarms",
            "strata.mean_d_most_memorised": "KS distance on the most memorised examples",
            "strata.shift_most_memorised": "Shift on the most memorised examples",
        },
        "strata",
    ),
    Entry(
        "change-of-weights",
        "Change of the weights",
        "Someone who has a model before and after unlearning sees how its weights changed. If the change points where the loss "
        "of certain examples rises, these were removed. The AUC says how well that names forgotten among retained examples; "
        "0.5 is a coin toss, and the control's value is wanted. An outsider has the model after alone.",
        {
            "difference.removed_auc": "Forgotten examples named by the change of weights, AUC",
            "difference.outsider_auc": "Unlearned models recognised on test examples, AUC",
            "difference.distance": "Distance from the original's weights",
            "difference.barrier": "Barrier to the original's weights",
        },
        "difference",
    ),
)
_BY_NAME = {name: entry for entry in ENTRIES for name in entry.names}
_BY_FAMILY = {entry.family: entry for entry in ENTRIES if entry.family}


def entry_of(evaluator: str, name: str) -> Entry | None:
    """Return the entry of a metric; None for a metric of an evaluator that the glossary does not know."""
    return _BY_NAME.get(f"{evaluator}.{name}") or _BY_FAMILY.get(evaluator)


def title_of(evaluator: str, metric: Metric) -> str:
    """Return a metric's name in words; without one in the glossary, its machine name without underscores."""
    entry = _BY_NAME.get(f"{evaluator}.{metric.name}")
    return label(evaluator, metric) if entry is None else entry.names[f"{evaluator}.{metric.name}"]


def entries_of(metrics: Iterable[tuple[str, str]]) -> list[Entry]:
    """Return the entries of metrics, given by evaluator and name, in the glossary's order."""
    wanted = {entry.anchor for one in metrics if (entry := entry_of(*one))}
    return [entry for entry in ENTRIES if entry.anchor in wanted]
