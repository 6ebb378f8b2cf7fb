"""What all figures share: style, colours of groups, titles, checks of tables, and saving."""

import os
import textwrap
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from mssvae.errors import InputError
from mssvae.files import atomic_path

PAGE_WIDTH, PAGE_HEIGHT = 7.0, 9.0
SHARED_COLOUR = "#7f7f7f"
ACCENT_COLOUR = "#d55e00"
# Okabe and Ito's colour-blind-safe palette, the ones that are strongest on white first.
_PALETTE = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#f0e442",
    "#000000",
)


def style() -> AbstractContextManager:
    """Return a context, also usable as a decorator, in which figures have the project's style."""
    return matplotlib.rc_context(fname=Path(__file__).with_name("style.mplstyle"))


def group_colours(groups: Iterable[str]) -> dict[str, str]:
    """Assign a colour-blind-safe colour to each group, in alphabetical order of their names.

    The order of display does not matter, so a group keeps its colour in all figures of a cohort.

    Raises
    ------
    InputError
        If there are more groups than colours that can be told apart (eight).
    """
    groups = sorted(set(groups))
    if len(groups) > len(_PALETTE):
        raise InputError(
            f"{len(groups)} groups, but a figure can tell at most {len(_PALETTE)} apart by colour: "
            f"merge some of {', '.join(groups)}"
        )
    return dict(zip(groups, _PALETTE, strict=False))


def text_colour_on(colour: str) -> str:
    """Return black or white, whichever can be read on the colour."""
    luminance = np.dot(to_rgb(colour), (0.3, 0.6, 0.1))
    return "white" if luminance < 0.55 else "black"


def require_columns(frame: pd.DataFrame, columns: Iterable[str], table: str) -> None:
    """Raise `InputError` naming the first of ``columns`` that ``frame`` lacks."""
    for column in columns:
        if column not in frame.columns:
            raise InputError(
                f"{table} table: no column {column!r} "
                f"(its columns: {', '.join(map(str, frame.columns))})"
            )


def literal(text: str) -> str:
    """Return a text that is not ours such that matplotlib takes no part of it for a formula."""
    return text.replace("$", r"\$")


def full_title(cohort: str, subject: str, note: str | None) -> str:
    """Return whose data a figure shows and what of it, and below that the note, if any."""
    title = textwrap.fill(f"{cohort}: {subject}", 80)  # as many characters as fit the page
    return literal(title if note is None else f"{title}\n[{note}]")


def source_note(source: dict) -> str | None:
    """Return what the title of a figure has to say about where the counts come from.

    Parameters
    ----------
    source
        Description of a cohort's counts, with a key ``kind``.

    Returns
    -------
    The warning if ``kind`` is ``"synthetic"``, None for observed counts.

    Raises
    ------
    InputError
        If there is no ``kind``.
    """
    if "kind" not in source:
        raise InputError("source of the counts: no key 'kind', so real and synthetic look alike")
    if source["kind"] == "synthetic":
        return "synthetic data"
    return None


def save(figure: Figure, pdf: str | os.PathLike, png: str | os.PathLike) -> None:
    """Write a figure as PDF (TrueType fonts) and PNG (300 dots per inch).

    Each file is written whole or not at all, and equal figures give equal bytes: no date and
    no program version is stored.

    Parameters
    ----------
    figure
        What one of the functions of this package returned.
    pdf, png
        Paths to write.
    """
    with style():
        # Laying out again starts from the last result and moves things a little: do it once.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        _round_positions(figure)
        with atomic_path(pdf) as path:
            unset = dict.fromkeys(("Creator", "Producer", "CreationDate"))
            figure.savefig(path, format="pdf", metadata=unset)
        with atomic_path(png) as path:
            figure.savefig(path, format="png", metadata={"Software": None})


def _round_positions(figure: Figure) -> None:
    """Round off the last digits of the layout, in which its solver differs from run to run."""
    for axes in figure.axes:
        axes.set_position(_rounded(axes.get_position(original=True).bounds))
    subfigures = list(figure.subfigs)
    for subfigure in subfigures:
        box = subfigure.bbox_relative
        box.set_points(_rounded(box.get_points()))
        subfigures += subfigure.subfigs


def _rounded(positions: ArrayLike) -> np.ndarray:
    # Adding zero turns -0, which would be written as such, into 0.
    return np.round(positions, 6) + 0.0
