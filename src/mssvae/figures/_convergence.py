"""Course of a fit over its epochs."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from mssvae.errors import InputError
from mssvae.figures._common import (
    ACCENT_COLOUR,
    PAGE_WIDTH,
    SHARED_COLOUR,
    full_title,
    require_columns,
    style,
)

_PANELS = {
    "ELBO": {"elbo": "black"},
    "Reconstruction (expected log-likelihood)": {"reconstruction": "black"},
    "Kullback-Leibler divergence": {"kl": "black"},
    "Penalty on the masks": {"penalty": "black"},
    "Factors with a non-zero weight": {
        "n_active_shared": SHARED_COLOUR,
        "n_active_specific": ACCENT_COLOUR,
    },
    "Mask weights in the slab": {"n_slab": "black"},
}
# The first epochs after a random start would squeeze the rest of the curve into a flat line.
_HIDDEN_START = 0.02


@style()
def convergence(history: pd.DataFrame, *, title: str, note: str | None = None) -> Figure:
    r"""Draw the terms of the objective (eq. 2.4) and the size of the masks against the epoch.

    The background shows the spike's rate :math:`\lambda_0`, which rises during the fit
    (appendix B). The vertical axes span the values after the first 2 % of the epochs.

    Parameters
    ----------
    history
        One row per epoch: ``epoch``, ``elbo``, ``reconstruction``, ``kl``, ``penalty``,
        ``lambda0``, ``n_active_shared`` and ``n_active_specific`` (columns of the masks with a
        weight in the slab), ``n_slab`` (weights more likely from the slab than from the spike).
    title
        Title of the cohort.
    note
        Remark for the title.

    Raises
    ------
    InputError
        If a column is missing or there is no epoch.
    """
    columns = [column for lines in _PANELS.values() for column in lines]
    require_columns(history, ["epoch", "lambda0", *columns], "history")
    if history.empty:
        raise InputError("history table: no epoch; the fit has not run")
    rungs = history.groupby("lambda0", sort=False)["epoch"].min()
    ends = [*rungs.iloc[1:], history["epoch"].max()]
    shades = [str(0.98 - 0.12 * i / max(len(rungs) - 1, 1)) for i in range(len(rungs))]
    settled = history[history["epoch"] >= history["epoch"].max() * _HIDDEN_START]

    # A line needs two epochs.
    marker = "." if len(history) == 1 else "-"

    figure = Figure(figsize=(PAGE_WIDTH, 5.2), layout="constrained")
    figure.suptitle(full_title(title, "convergence of the fit", note))
    panels = figure.subplots(3, 2, sharex=True)
    for axes, (panel, lines) in zip(panels.flat, _PANELS.items(), strict=True):
        for start, end, shade in zip(rungs, ends, shades, strict=True):
            axes.axvspan(start, end, color=shade, linewidth=0)
        for column, colour in lines.items():
            label = column.removeprefix("n_active_")
            axes.plot(history["epoch"], history[column], marker, color=colour, label=label)
        low, high = settled[list(lines)].min(axis=None), settled[list(lines)].max(axis=None)
        margin = 0.05 * (high - low) or 1.0
        axes.set_ylim(low - margin, high + margin)
        axes.set_title(panel)
        if len(lines) > 1:
            axes.legend()
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(
        handles=[Patch(facecolor=shade, edgecolor="0.6", linewidth=0.4) for shade in shades],
        labels=[rf"$\lambda_0$ = {rung:g}" for rung in rungs.index],
        loc="outside lower center",
        ncols=min(len(rungs), 8),
        title="Background: rate of the spike. Vertical axes: values after the first 2 % of epochs.",
    )
    return figure
