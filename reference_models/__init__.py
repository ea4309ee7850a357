"""Architectures, training recipes and batched training of whole populations."""
