"""Error and disentanglement of several methods against the correlation of the factors."""

import itertools

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from mssvae.errors import InputError
from mssvae.figures._common import (
    PAGE_WIDTH,
    group_looks,
    in_style,
    require_columns,
    require_finite,
)
from mssvae.figures._text import literal, wrapped

_PANELS = {
    "mse": "mean squared error, unseen samples",
    "disentanglement": "disentanglement, unseen samples",
}
# How far apart the methods stand at a correlation, as a share of the way to the next one.
_SPREAD = 0.4


@in_style
def talk(summary: pd.DataFrame) -> Figure:
    """Draw both measures of the talk's study against the correlation of its two factors.

    Lines are medians over the replicates and bars quartiles. Methods stand a little apart, so that
    bars do not hide each other. The error is logarithmic.

    Parameters
    ----------
    summary
        ``method``, ``correlation``, ``measure`` (``"mse"`` and ``"disentanglement"``; others are
        not drawn), ``lower``, ``median``, ``upper``; as ``studies.talk.summary`` returns it.
        Legends keep the order of the methods.

    Raises
    ------
    InputError
        If a column, a number or a measure is missing, an error is not positive, or there are more
        methods than a figure can tell apart.
    """
    numbers = ["correlation", "lower", "median", "upper"]
    require_columns(summary, ["method", "measure", *numbers], "summary")
    require_finite(summary, numbers, "summary")
    for measure in _PANELS:
        if measure not in summary["measure"].to_numpy():
            raise InputError(f"summary table: no row of the measure {measure!r}")
    if (summary.loc[summary["measure"] == "mse", "lower"] <= 0).any():
        raise InputError("summary table: a mean squared error is not positive")
    methods = list(summary["method"].unique())
    looks = group_looks(methods)
    ticks = sorted(summary["correlation"].unique())
    gap = min((b - a for a, b in itertools.pairwise(ticks)), default=1.0)

    figure = Figure(figsize=(PAGE_WIDTH, 3.6), layout="constrained")
    figure.suptitle("Seven features of two factors")
    panels = figure.subplots(1, 2)
    for axes, (measure, label) in zip(panels, _PANELS.items(), strict=True):
        for i, method in enumerate(methods):
            colour, _, marker = looks[method]
            rows = summary[(summary["measure"] == measure) & (summary["method"] == method)]
            rows = rows.sort_values("correlation")
            x, low, middle, high = rows[numbers].to_numpy().T
            apart = gap * _SPREAD * ((i + 0.5) / len(methods) - 0.5)
            axes.errorbar(
                x + apart,
                middle,
                [middle - low, high - middle],
                fmt=f"{marker}-",
                color=colour,
                markersize=4,
                capsize=2,
                elinewidth=0.8,
                label=literal(wrapped(method, 150, 6.5, max_lines=2)),
            )
        axes.set_xticks(ticks)
        axes.set_xlabel("correlation of the factors")
        axes.set_ylabel(label)
        axes.grid()
    panels[0].set_yscale("log")
    panels[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[0].yaxis.set_major_formatter("{x:g}")
    panels[0].yaxis.set_minor_locator(NullLocator())
    panels[1].set_ylim(-0.03, 1.03)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
