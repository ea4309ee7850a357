"""Training of whole populations of models, and their logits."""
