"""Checks of this machine: what a run needs, known weaknesses of the engine, and attacks on the sandbox."""
