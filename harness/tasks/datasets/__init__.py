"""Data sets: the drawn faces, CIFAR-10, Fashion-MNIST, and pictures in a folder."""
