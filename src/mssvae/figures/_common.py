"""What all figures share: style, colours of groups, titles, checks of tables, and saving."""

import functools
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from mssvae.data.files import atomic_path
from mssvae.data.validation import validate_n_groups
from mssvae.errors import InputError
from mssvae.figures._text import literal, quiet, use_fonts, wrapped

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

# What tells a second and a third round of groups from the first: hatches.
_HATCHES = ("", "//////", "......")
_MARKERS = "osD^vPX*"


class Look(NamedTuple):
    """What a group, or whatever else is told apart, is drawn with."""

    colour: str
    hatch: str
    marker: str


SHARED_LOOK = Look(SHARED_COLOUR, "", "o")


def style() -> AbstractContextManager:
    """Return a context in which figures have the project's style."""
    return matplotlib.rc_context(fname=Path(__file__).with_name("style.mplstyle"))


def in_style(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorate a function that returns a figure: in the project's style, with all its letters."""

    @functools.wraps(draw)
    def draw_in_style(*args: object, **kwargs: object) -> Figure:
        with style():
            figure = draw(*args, **kwargs)
            use_fonts(figure)
        return figure

    return draw_in_style


def group_looks(groups: Iterable[str]) -> dict[str, Look]:
    """Assign a look to each group, in alphabetical order of their names.

    The order of display does not matter, so a group keeps its look in all figures of a cohort. The
    first eight have colours that the colour-blind can tell apart; the next ones have these again,
    with another hatch and marker.

    Raises
    ------
    InputError
        If there are more groups than looks (`mssvae.data.validation.MAX_GROUPS`).
    """
    groups = sorted(set(groups))
    validate_n_groups(groups)
    looks = {}
    for i, group in enumerate(groups):
        turn, place = divmod(i, len(_PALETTE))
        marker = _MARKERS[(place + turn) % len(_MARKERS)]
        looks[group] = Look(_PALETTE[place], _HATCHES[turn], marker)
    return looks


def group_colours(groups: Iterable[str]) -> dict[str, str]:
    """Return the colour of each group's look; raises as `group_looks`."""
    return {group: look.colour for group, look in group_looks(groups).items()}


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


def require_finite(frame: pd.DataFrame, columns: Iterable[str], table: str) -> None:
    """Raise `InputError` naming the first value of ``columns`` that is missing or infinite."""
    columns = list(columns)
    bad = ~np.isfinite(frame[columns].to_numpy(dtype=float))
    if bad.any():
        i, j = np.argwhere(bad)[0]
        raise InputError(
            f"{table} table: {columns[j]!r} of row {frame.index[i]!r} is "
            f"{frame[columns[j]].iloc[i]}, which cannot be drawn: correct or leave out the row"
        )


def full_title(cohort: str, subject: str, note: str | None) -> str:
    """Return whose data a figure shows and what of it, and below that the note, if any."""
    size = {"size": matplotlib.rcParams["figure.titlesize"], "weight": "bold"}
    title = wrapped(f"{cohort}: {subject}", 72 * PAGE_WIDTH - 30, **size)
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
    with style(), quiet():
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
