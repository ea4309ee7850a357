"""Architectures, training recipes, and batched training of populations of models."""
