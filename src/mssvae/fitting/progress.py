"""A progress bar where somebody can see it."""

import sys
from typing import Any

from tqdm import tqdm


def progress(epochs: range, total: int) -> tqdm:
    """Return a bar around the epochs to come, out of ``total``.

    It is shown on standard error if that is a terminal, and in notebooks; elsewhere it would fill a
    log, or there is nothing to write to.
    """
    return tqdm(
        epochs,
        "fit",
        total=total,
        initial=total - len(epochs),
        unit="epoch",
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
