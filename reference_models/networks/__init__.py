"""Networks and their inputs: all that a guest needs to build a model and to train it. Recipes are importable without torch."""
