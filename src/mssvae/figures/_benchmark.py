"""Cost of a fit against the size of data and model."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator

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
    "n_samples": "samples",
    "n_features": "features",
    "n_shared": "shared factors at the start",
    "n_studies": "studies",
}
_PHASES = {"start_s_per_epoch": "-", "end_s_per_epoch": "--"}


@in_style
def benchmark(cost: pd.DataFrame) -> Figure:
    """Draw the time per epoch of each variant against samples, features, factors and studies.

    Solid lines are the start of a fit, when all columns are live, and dashed ones its end, when the
    masks are sparse; the dotted line is the matrix product with as many operations as the first
    variant has at the start. Both axes are logarithmic, and the panels share the vertical one.

    Parameters
    ----------
    cost
        ``sweep`` (``"n_samples"``, ``"n_features"``, ``"n_shared"``, ``"n_studies"``; others are
        not drawn), a column for each of these, ``variant``, ``start_s_per_epoch``,
        ``end_s_per_epoch``, ``limit_s_per_epoch``; as ``studies.benchmark.cost`` returns it.

    Raises
    ------
    InputError
        If a column, a number or a sweep is missing, or there are more variants than a figure can
        tell apart.
    """
    require_columns(cost, ["sweep", *_PANELS, "variant", *_PHASES, "limit_s_per_epoch"], "cost")
    require_finite(cost, [*_PANELS, *_PHASES, "limit_s_per_epoch"], "cost")
    for sweep in _PANELS:
        if sweep not in cost["sweep"].to_numpy():
            raise InputError(f"cost table: no row of the sweep {sweep!r}")
    variants = list(cost["variant"].unique())
    looks = group_looks(variants)

    figure = Figure(figsize=(PAGE_WIDTH, 4.6), layout="constrained")
    figure.suptitle("Time per epoch")
    panels = figure.subplots(2, 2, sharey=True)
    for axes, (sweep, title) in zip(panels.flat, _PANELS.items(), strict=True):
        rows = cost[cost["sweep"] == sweep].sort_values(sweep)
        for variant, (colour, _, marker) in looks.items():
            lines = rows[rows["variant"] == variant]
            for phase, dashes in _PHASES.items():
                axes.plot(
                    lines[sweep],
                    lines[phase],
                    linestyle=dashes,
                    marker=marker,
                    markersize=3.5,
                    color=colour,
                    markerfacecolor=colour if dashes == "-" else "white",
                )
        limits = rows[rows["variant"] == variants[0]]
        axes.plot(limits[sweep], limits["limit_s_per_epoch"], ":", marker=".", color="black")
        _logarithmic(axes, rows[sweep])
        axes.set_xlabel(title)
    for axes in panels[:, 0]:
        axes.set_ylabel("seconds per epoch")
    handles = [
        Line2D([], [], color=looks[variant].colour, marker=looks[variant].marker, markersize=3.5)
        for variant in variants
    ]
    handles += [Line2D([], [], color="0.4", linestyle=dashes) for dashes in _PHASES.values()]
    handles.append(Line2D([], [], color="black", linestyle=":", marker="."))
    limit = f"one matrix product ({variants[0]})"
    labels = [*variants, "start, all columns live", "end, sparse masks", limit]
    figure.legend(
        handles=handles,
        labels=[literal(wrapped(label, 85, 6.5, max_lines=3)) for label in labels],
        loc="outside lower center",
        ncols=4,
    )
    return figure


def _logarithmic(axes: Axes, sizes: pd.Series) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted(sizes.unique())
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid()
