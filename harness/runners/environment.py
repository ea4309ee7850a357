"""Environment variables of guests and builds, the same for every runner."""

from __future__ import annotations

EPOCH_S = 315_532_800
"""Modification time of all packed files: 1 January 1980, the earliest time a zip archive can represent."""

BUILD = {
    "SOURCE_DATE_EPOCH": str(EPOCH_S),
    "PYTHONHASHSEED": "0",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}
"""Variables of a build, for reproducible wheels."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def guest_environment(tmp: str, threads: int) -> dict[str, str]:
    """Return a guest's variables, except PATH and those that select GPUs.

    torch's caches need a folder that is writable and executable. The guest creates these folders before each model and empties
    ``tmp`` after it.

    Args:
        tmp: scratch folder of the guest.
        threads: number of threads of a model's process.
    """
    home = f"{tmp}/home"
    return {
        "HOME": home,
        "TMPDIR": tmp,
        "USER": "harness",
        "LOGNAME": "harness",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "XDG_CACHE_HOME": f"{home}/.cache",
        "TORCHINDUCTOR_CACHE_DIR": f"{home}/.cache/inductor",
        "TRITON_CACHE_DIR": f"{home}/.cache/triton",
        "MPLCONFIGDIR": f"{home}/.cache/matplotlib",
        "PYTHONHASHSEED": "0",
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TORCH_DEVICE_BACKEND_AUTOLOAD": "0",  # autoload reads all installed metadata and fails if a package is damaged
        **dict.fromkeys(THREADS, str(threads)),
    }
