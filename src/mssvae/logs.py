"""Logging for programs that run the library unattended."""

import logging
import os
import sys
from pathlib import Path
from types import TracebackType


def log_to(path: str | os.PathLike) -> None:
    """Send log records, warnings and uncaught errors of this process to ``path`` and to any stderr.

    Each line names the job, by the path, as jobs side by side share stderr.
    Meant for the first line of a script; a library user configures logging as they like.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [logging.FileHandler(path, mode="w", encoding="utf-8")]
    if sys.stderr is not None:  # As under a program without a console.
        handlers.append(logging.StreamHandler())
    logging.basicConfig(
        level=logging.INFO,
        format=f"%(asctime)s %(levelname)s %(name)s [{_job(path)}]: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        handlers=handlers,
        force=True,
    )
    logging.captureWarnings(True)
    for library in ("fontTools", "rpy2"):  # Their notices about routine work hide ours.
        logging.getLogger(library).setLevel(logging.WARNING)
    sys.excepthook = _log_uncaught


def _job(path: str | os.PathLike) -> str:
    """Return what tells apart jobs side by side: the path of the log below a folder ``logs``."""
    parts = Path(path).with_suffix("").parts
    below = parts[::-1].index("logs") if "logs" in parts else 1
    return "/".join(parts[-below:]).replace("%", "%%")


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    logging.getLogger("mssvae").critical("%s", error, exc_info=(kind, error, traceback))
