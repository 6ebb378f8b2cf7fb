"""How much memory a process takes, on Linux."""

import re
from pathlib import Path


def peak_memory() -> float:
    """Return the largest memory that this process had so far, in MiB.

    Not ``ru_maxrss`` of ``getrusage``, which a child inherits from its parent.
    """
    return _status("self", "VmHWM")


def memory_of(process: int) -> float:
    """Return the memory of a process now, in MiB; 0 if there is none of this number."""
    try:
        return _status(str(process), "VmRSS")
    except (OSError, TypeError):  # It has ended, or has no memory any more.
        return 0.0


def _status(process: str, key: str) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(rf"{key}:\s+(\d+) kB", status)[1]) / 2**10
