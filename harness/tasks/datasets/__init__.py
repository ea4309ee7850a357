"""Datasets: generated faces, CIFAR-10, Fashion-MNIST, scikit-learn's, files of a user's own, and functions of plugins."""
