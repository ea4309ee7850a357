"""The harness as a library: runs, and reports that show themselves in a notebook. Its names are offered by :mod:`harness`."""
