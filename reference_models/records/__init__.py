"""Records of a training that unlearning methods read: journals of updates, and SISA's checkpoints."""
