"""A progress bar where somebody can see it."""

import sys
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm


def progress(
    steps: Sequence[Any], name: str = "fit", unit: str = "epoch", done: int = 0
) -> "tqdm[Any]":
    """Return a bar around the steps to come, after those that are done already.

    It is shown on standard error if that is a terminal, and in notebooks; elsewhere it would fill a
    log, or there is nothing to write to. A bar of one of several fits is below that of all.
    """
    return tqdm(
        steps,
        name,
        total=done + len(steps),
        initial=done,
        unit=unit,
        leave=None,
        disable=not (_is_terminal(sys.stderr) or _in_notebook()),
    )


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, TypeError, ValueError):
        return False  # None, what only has ``write``, or what is closed.


def _in_notebook() -> bool:
    """Return whether this is the kernel of a notebook, which shows what goes to standard error."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return sys.stderr is not None and getattr(shell, "kernel", None) is not None
