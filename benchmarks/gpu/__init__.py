"""The proof that the harness works on a GPU; see :mod:`benchmarks.gpu.__main__`."""
