"""Papers that bundled methods and metrics come from, by their number on arXiv: first author, year and title."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """A paper; ``author`` is its first, as "Family, Given"."""

    author: str
    year: int
    title: str


PAPERS = {
    "1905.00414": Paper("Kornblith, Simon", 2019, "Similarity of Neural Network Representations Revisited"),
    "1911.04933": Paper(
        "Golatkar, Aditya", 2019, "Eternal Sunshine of the Spotless Net: Selective Forgetting in Deep Networks"
    ),
    "1912.03817": Paper("Bourtoule, Lucas", 2019, "Machine Unlearning"),
    "2003.10595": Paper("Song, Liwei", 2020, "Systematic Evaluation of Privacy Risks of Machine Learning Models"),
    "2005.02205": Paper("Chen, Min", 2020, "When Machine Unlearning Jeopardizes Privacy"),
    "2006.14755": Paper("Wu, Yinjun", 2020, "DeltaGrad: Rapid Retraining of Machine Learning Models"),
    "2010.10981": Paper("Graves, Laura", 2020, "Amnesiac Machine Learning"),
    "2012.13431": Paper("Golatkar, Aditya", 2020, "Mixed-Privacy Forgetting in Deep Networks"),
    "2112.03570": Paper("Carlini, Nicholas", 2021, "Membership Inference Attacks From First Principles"),
    "2201.06640": Paper("Goel, Shashwat", 2022, "Towards Adversarial Evaluations for Inexact Machine Unlearning"),
    "2205.08096": Paper(
        "Chundawat, Vikram S.",
        2022,
        "Can Bad Teaching Induce Forgetting? Unlearning in Deep Networks using an Incompetent Teacher",
    ),
    "2302.09880": Paper("Kurmanji, Meghdad", 2023, "Towards Unbounded Machine Unlearning"),
    "2304.04934": Paper("Jia, Jinghan", 2023, "Model Sparsity Can Simplify Machine Unlearning"),
    "2308.07707": Paper(
        "Foster, Jack", 2023, "Fast Machine Unlearning Without Retraining Through Selective Synaptic Dampening"
    ),
    "2310.12508": Paper(
        "Fan, Chongyu",
        2023,
        "SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency in Both Image Classification and Generation",
    ),
    "2403.01218": Paper(
        "Hayes, Jamie",
        2024,
        "Inexact Unlearning Needs More Careful Evaluations to Avoid a False Sense of Privacy",
    ),
    "2405.20272": Paper(
        "Bertran, Martin", 2024, "Reconstruction Attacks on Machine Unlearning: Simple Models are Vulnerable"
    ),
    "2405.07987": Paper("Huh, Minyoung", 2024, "The Platonic Representation Hypothesis"),
    "2406.01257": Paper("Zhao, Kairan", 2024, "What makes unlearning hard and what to do about it"),
    "2406.09073": Paper(
        "Triantafillou, Eleni",
        2024,
        "Are we making progress in unlearning? Findings from the first NeurIPS unlearning competition",
    ),
    "2410.01276": Paper("Cadet, Xavier F.", 2024, "Deep Unlearn: Benchmarking Machine Unlearning"),
    "2410.23232": Paper("Georgiev, Kristian", 2024, "Attribute-to-Delete: Machine Unlearning via Datamodel Matching"),
    "2505.22310": Paper(
        "Siddiqui, Shoaib Ahmed",
        2025,
        "From Dormant to Deleted: Tamper-Resistant Unlearning Through Weight-Space Regularization",
    ),
    "2506.13009": Paper(
        "Naderloui, Nima",
        2025,
        "Rectifying Privacy and Efficacy Measurements in Machine Unlearning: A New Inference Attack Perspective",
    ),
    "2506.20893": Paper(
        "Ebrahimpour-Boroojeny, Ali",
        2025,
        "On the Necessity of Output Distribution Reweighting for Effective Class Unlearning",
    ),
    "2601.19755": Paper("Ribero, Mónica", 2026, "Regularized f-Divergence Kernel Tests"),
    "2604.07386": Paper(
        "Zheng, Weidong", 2026, "Label Leakage Attacks in Machine Unlearning: A Parameter and Inversion-Based Approach"
    ),
    "2604.08271": Paper(
        "Gao, Yichen", 2026, "An Illusion of Unlearning? Assessing Machine Unlearning Through Internal Representations"
    ),
    "2605.02196": Paper(
        "Khan, Abdullah Ahmad", 2026, "DurableUn: Quantization-Induced Recovery Attacks in Machine Unlearning"
    ),
    "2605.08730": Paper(
        "Zheng, Weidong",
        2026,
        "Classification-Head Bias in Class-Level Machine Unlearning: Diagnosis, Mitigation, and Evaluation",
    ),
}
