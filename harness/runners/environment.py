"""What guests and builds find around them, the same for every runner: variables, home, temporary and cache folders."""

from __future__ import annotations

EPOCH_S = 315_532_800
"""1 January 1980, the oldest time that a zip archive can hold: of all files that are packed."""

BUILD = {
    "SOURCE_DATE_EPOCH": str(EPOCH_S),
    "PYTHONHASHSEED": "0",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}
"""Variables of a build, so that the same source makes the same wheel on every machine."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def guest_environment(tmp: str, threads: int) -> dict[str, str]:
    """Return the variables of a guest, but for where programs and GPUs are.

    torch's caches need a place that can be written to and executed from. The guest makes the folders before every model, and
    empties ``tmp`` after it.

    Args:
        tmp: scratch folder of the guest.
        threads: of a model's process.
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
        "TORCH_DEVICE_BACKEND_AUTOLOAD": "0",  # reads the metadata of all that is installed, and dies of one damaged package
        **dict.fromkeys(THREADS, str(threads)),
    }
