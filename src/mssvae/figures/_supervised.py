"""How well groups are predicted from features of several methods, and with draws for a class."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mssvae.errors import InputError
from mssvae.figures._common import (
    ACCENT_COLOUR,
    PAGE_WIDTH,
    full_title,
    in_style,
    require_columns,
    require_finite,
)
from mssvae.figures._text import literal, wrapped

_OURS = "MSSVAE"
_MEASURES = {
    "features": {"balanced_accuracy": "balanced accuracy", "auc": "area under the curve, mean"},
    "augmentation": {"small_recall": "share recognised", "small_auc": "area under the curve"},
}
# Of a method's points, in rows.
_JITTER = 0.22


@in_style
def supervised(table: pd.DataFrame, title: str, small: str) -> Figure:
    """Draw two measures of features (above), and two of a small group with draws (below).

    A row per method. Small points are folds; large ones are their means, with a standard deviation
    to either side; crosses are means with permuted groups. Ours are in another colour.

    Parameters
    ----------
    table
        As ``studies.supervised.scores`` returns it: ``part`` (``"features"``, ``"augmentation"``
        and, if it was made, ``"permuted"``), ``method``, ``balanced_accuracy``, ``auc``,
        ``small_recall``, ``small_auc``. Methods keep their order.
    title
        What the data are called.
    small
        The small group.

    Raises
    ------
    InputError
        If a column, a number or a part is missing.
    """
    numbers = [measure for measures in _MEASURES.values() for measure in measures]
    require_columns(table, ["part", "method", *numbers], "supervised")
    require_finite(table, numbers, "supervised")
    for part in _MEASURES:
        if part not in table["part"].to_numpy():
            raise InputError(f"supervised table: no row of the part {part!r}")
    n_groups = [table.loc[table["part"] == part, "method"].nunique() for part in _MEASURES]
    figure = Figure(figsize=(PAGE_WIDTH, 1.6 + 0.32 * sum(n_groups)), layout="constrained")
    figure.suptitle(full_title(title, "disease of samples that fits have not seen", None))
    grid = figure.subplots(2, 2, sharey="row", height_ratios=n_groups)
    control = table[table["part"] == "permuted"]
    for panels, (part, measures) in zip(grid, _MEASURES.items(), strict=True):
        rows = table[table["part"] == part]
        for axes, (measure, label) in zip(panels, measures.items(), strict=True):
            _draw(axes, rows, measure)
            if part == "features" and len(control):
                means = control.groupby("method", sort=False)[measure].mean()
                places = [list(rows["method"].unique()).index(method) for method in means.index]
                axes.plot(means, places, "x", color="0.3", label="permuted groups, mean")
            of_small = part == "augmentation"
            axes.set_xlabel(literal(wrapped(f"{small}: {label}", 210, 8)) if of_small else label)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, measure: str) -> None:
    methods = list(rows["method"].unique())
    for place, method in enumerate(methods):
        values = rows.loc[rows["method"] == method, measure].to_numpy()
        colour = ACCENT_COLOUR if method.startswith(_OURS) else "0.25"
        apart = _JITTER * np.linspace(-1, 1, len(values)) if len(values) > 1 else np.zeros(1)
        first = place == 0
        axes.plot(
            *(values, place + apart, "o"),
            color=colour,
            markersize=2.5,
            alpha=0.45,
            label="a fold" if first else None,
        )
        axes.errorbar(
            *(values.mean(), place),
            xerr=values.std(ddof=1) if len(values) > 1 else 0,
            fmt="D",
            color=colour,
            markersize=5,
            capsize=2,
            elinewidth=0.9,
            label="mean, standard deviation" if first else None,
        )
    names = [literal(wrapped(method, 130, 8, max_lines=2)) for method in methods]
    axes.set_yticks(range(len(methods)), names)
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=6)
    axes.grid(axis="x")
