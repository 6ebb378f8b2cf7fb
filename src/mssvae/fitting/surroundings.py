"""What a caller has set for torch and numpy, kept away from fits; and memory that they keep."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version

import numpy as np
import torch


@contextmanager
def own_surroundings() -> Iterator[None]:
    """Compute with gradients and in single precision, on devices that are named, as documented.

    Whatever the caller's modes of torch (inference, no gradients, mixed precision, a default
    device) and the caller's handling of floating-point errors of numpy are. They come back after.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":  # It would slow every operation down.
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(np.errstate(all="ignore"))
        yield


def keep_freed_memory() -> None:
    """Let this process keep the memory that a gradient step frees, for the next step.

    Returned to the system and asked for anew, as by default, it costs up to a fifth of the time
    (docs/performance.md). Only glibc has this setting; elsewhere nothing changes.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        # The largest values that glibc takes for M_TRIM_THRESHOLD and M_MMAP_THRESHOLD.
        for parameter, value in ((-1, 2**31 - 1), (-3, 2**25)):
            libc.mallopt(parameter, value)


def device_name(device: torch.device) -> str:
    """Return what a device is: the name of a GPU, or the machine's architecture."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.machine()


def machine(device: torch.device) -> dict[str, object]:
    """Return what a fit was made with, for manifests: device, threads and versions."""
    packages = ("anndata", "numpy", "pandas", "scikit-learn", "scipy", "torch")
    return {
        "device": str(device),
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }
