"""The harness as a library: runs, and reports with notebook display. Its names are re-exported by :mod:`harness`."""
