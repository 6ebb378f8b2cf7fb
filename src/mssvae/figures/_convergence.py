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
    in_style,
    require_columns,
    require_finite,
)

_PANELS = {
    "ELBO": {"elbo": "black"},
    "Reconstruction (expected log-likelihood)": {"reconstruction": "black"},
    "Kullback-Leibler divergence": {"kl": "black"},
    "Penalty on the masks": {"penalty": "black"},
    "Factors with a weight in the slab": {
        "n_active_shared": SHARED_COLOUR,
        "n_active_specific": ACCENT_COLOUR,
    },
    "Mask weights in the slab": {"n_slab": "black"},
}
_COUNTS = {"n_active_shared", "n_active_specific", "n_slab"}
_EARLY = {"facecolor": "white", "edgecolor": "0.7", "hatch": "//////", "linewidth": 0}
# The first epochs after a random start would squeeze the rest of the curve into a flat line.
_HIDDEN_START = 0.02


@in_style
def convergence(
    history: pd.DataFrame,
    factors: pd.DataFrame | None = None,
    *,
    title: str,
    note: str | None = None,
) -> Figure:
    r"""Draw the terms of the objective (eq. 2.4) and the size of the masks against the epoch.

    The background shows the spike's rate :math:`\lambda_0`, which rises during the fit
    (appendix B). The vertical axes span the values after the first 2 % of the epochs. While the
    spike is weak, no weight is more likely from the slab: those first epochs are hatched, without
    a line. After the last epoch the fit sets to zero what the masks do not need; dots at the right
    end show what is left, the numbers of the masks.

    Parameters
    ----------
    history
        One row per epoch: ``epoch``, ``elbo``, ``reconstruction``, ``kl``, ``penalty``,
        ``lambda0``, ``n_active_shared`` and ``n_active_specific`` (columns of the masks with a
        weight in the slab), ``n_slab`` (weights more likely from the slab than from the spike).
    factors
        One row per factor of the fitted masks, for the dots: ``kind`` (``"shared"`` or
        ``"specific"``), ``n_nonzero`` (weights that are not zero). By default, no dots.
    title
        Title of the cohort.
    note
        Remark for the title.

    Raises
    ------
    InputError
        If a column is missing, a value is missing or infinite, or there is no epoch.
    """
    columns = [column for lines in _PANELS.values() for column in lines]
    require_columns(history, ["epoch", "lambda0", *columns], "history")
    if history.empty:
        raise InputError("history table: no epoch; the fit has not run")
    require_finite(history, ["epoch", "lambda0", *columns], "history")
    left = {} if factors is None else _in_masks(factors)
    rungs = history.groupby("lambda0", sort=False)["epoch"].min()
    last = history["epoch"].max()
    ends = [*rungs.iloc[1:], last]
    shades = [str(0.98 - 0.12 * i / max(len(rungs) - 1, 1)) for i in range(len(rungs))]
    settled = history["epoch"] >= last * _HIDDEN_START
    # Epochs before any weight was in the slab; none, if none ever was.
    early = (history["n_slab"].cumsum() == 0) & history["n_slab"].any()

    # A line needs two epochs.
    marker = "." if len(history) == 1 else "-"

    figure = Figure(figsize=(PAGE_WIDTH, 5.4), layout="constrained")
    figure.suptitle(full_title(title, "convergence of the fit", note))
    panels = figure.subplots(3, 2, sharex=True)
    for axes, (panel, lines) in zip(panels.flat, _PANELS.items(), strict=True):
        for start, end, shade in zip(rungs, ends, shades, strict=True):
            axes.axvspan(start, end, color=shade, linewidth=0)
        counts = _COUNTS.intersection(lines)
        rows = history[~early] if counts else history
        if counts and early.any():
            axes.axvspan(history["epoch"].min(), rows["epoch"].min(), **_EARLY)
        for column, colour in lines.items():
            label = column.removeprefix("n_active_") if len(lines) > 1 else ""
            if column in left:
                axes.plot(last, left[column], "o", color=colour, markersize=4, clip_on=False)
                label = f"{label} ({left[column]:,} in the masks)".strip()
            axes.plot(rows["epoch"], rows[column], marker, color=colour, label=label)
        shown = [*rows.loc[settled, list(lines)].to_numpy().flat, *(left.get(c) for c in lines)]
        shown = [value for value in shown if value is not None]
        low, high = min(shown), max(shown)
        margin = 0.05 * (high - low) or 1.0
        axes.set_ylim(low - margin, high + margin)
        axes.set_title(panel)
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=bool(counts)))
        if counts and (left or len(lines) > 1):
            axes.legend()
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [Patch(facecolor=shade, edgecolor="0.6", linewidth=0.4) for shade in shades]
    labels = [rf"$\lambda_0$ = {rung:g}" for rung in rungs.index]
    if early.any():
        handles.append(Patch(**_EARLY))
        labels.append("no weight in the slab yet: the spike is still weak")
    text = "Background: rate of the spike. Vertical axes: values after the first 2 % of epochs."
    if left:
        text += "\nDots: the masks, after weights that are not needed were set to zero."
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), 6), title=text
    )
    return figure


def _in_masks(factors: pd.DataFrame) -> dict[str, int]:
    """Count the factors and weights of the masks, by the column of the history they end."""
    require_columns(factors, ["kind", "n_nonzero"], "factors")
    require_finite(factors, ["n_nonzero"], "factors")
    kinds = factors.loc[factors["n_nonzero"] > 0, "kind"]
    counts = {f"n_active_{kind}": int((kinds == kind).sum()) for kind in ("shared", "specific")}
    return counts | {"n_slab": int(factors["n_nonzero"].sum())}
