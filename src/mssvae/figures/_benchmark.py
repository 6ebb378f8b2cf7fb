"""Cost of a fit against the size of data and model."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator

from mssvae.errors import InputError
from mssvae.figures._common import PAGE_WIDTH, group_colours, literal, require_columns, style

_PANELS = {
    "n_samples": "samples",
    "n_features": "features",
    "n_shared": "shared factors at the start",
    "n_studies": "studies",
}
_PHASES = {"start_s_per_epoch": "-", "end_s_per_epoch": "--"}
# So that points with nearly the same value can be told apart.
_MARKERS = "osD^vPX*"


@style()
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
        ``end_s_per_epoch``, ``limit_s_per_epoch``; as ``mssvae.benchmark.cost`` returns it.

    Raises
    ------
    InputError
        If a column or a sweep is missing.
    """
    require_columns(cost, ["sweep", *_PANELS, "variant", *_PHASES, "limit_s_per_epoch"], "cost")
    for sweep in _PANELS:
        if sweep not in cost["sweep"].to_numpy():
            raise InputError(f"cost table: no row of the sweep {sweep!r}")
    variants = list(cost["variant"].unique())
    colours = group_colours(variants)

    figure = Figure(figsize=(PAGE_WIDTH, 4.6), layout="constrained")
    figure.suptitle("Time per epoch")
    panels = figure.subplots(2, 2, sharey=True)
    for axes, (sweep, title) in zip(panels.flat, _PANELS.items(), strict=True):
        rows = cost[cost["sweep"] == sweep].sort_values(sweep)
        for variant, marker in zip(variants, _MARKERS, strict=False):
            lines = rows[rows["variant"] == variant]
            for phase, dashes in _PHASES.items():
                axes.plot(
                    lines[sweep],
                    lines[phase],
                    linestyle=dashes,
                    marker=marker,
                    markersize=3.5,
                    color=colours[variant],
                    markerfacecolor=colours[variant] if dashes == "-" else "white",
                )
        limits = rows[rows["variant"] == variants[0]]
        axes.plot(limits[sweep], limits["limit_s_per_epoch"], ":", marker=".", color="black")
        _logarithmic(axes, rows[sweep])
        axes.set_xlabel(title)
    for axes in panels[:, 0]:
        axes.set_ylabel("seconds per epoch")
    handles = [
        Line2D([], [], color=colours[variant], marker=marker, markersize=3.5)
        for variant, marker in zip(variants, _MARKERS, strict=False)
    ]
    handles += [Line2D([], [], color="0.4", linestyle=dashes) for dashes in _PHASES.values()]
    handles.append(Line2D([], [], color="black", linestyle=":", marker="."))
    limit = f"one matrix product ({variants[0]})"
    figure.legend(
        handles=handles,
        labels=[*map(literal, variants), "start, all columns live", "end, sparse masks", limit],
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
