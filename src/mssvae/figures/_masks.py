"""Heat map of the masks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mssvae.figures._common import (
    PAGE_WIDTH,
    SHARED_LOOK,
    Look,
    full_title,
    group_looks,
    in_style,
    require_columns,
    require_finite,
)
from mssvae.figures._text import literal, wrapped

_HEIGHT_PER_FACTOR, _MIN_PANEL_HEIGHT = 0.055, 0.55  # inches
_NAME_WIDTH, _NAME_LINES = 90, 5  # of a group, in points and lines
_LINE_HEIGHT = 0.125  # inches
_BARS_WIDTH = 0.12  # of the width of the masks
_MAX_CELLS = 1500  # about as many as a printer shows across the page


@in_style
def masks(
    masks: pd.DataFrame,
    factors: pd.DataFrame,
    stability: pd.DataFrame | None = None,
    *,
    title: str,
    note: str | None = None,
) -> Figure:
    r"""Draw the masks W(S) and W(m) of section 2.2: one panel of shared factors, one per study.

    Factors are rows and genes are columns. A gene is placed at the factor in which the absolute
    value of its weight is largest, and the genes of a factor go from the largest to the smallest
    weight, so that the genes of a factor form a block. Factors and genes with zero weights only
    are left out, and the figure says how many. With more than 1,500 genes a cell of the image
    stands for several neighbours and shows the largest of their weights, so that none vanishes.
    Colours span the range that holds 99 % of the non-zero weights.

    Parameters
    ----------
    masks
        Weights, genes x factors: one row per gene and a column for each factor.
    factors
        One row per factor: ``factor`` (a column of ``masks``), ``kind`` (``"shared"`` or
        ``"specific"``), ``study`` (of a specific factor). The order of the panels and of the
        factors within a panel is that of the rows.
    stability
        What fits to subsamples say of the factors: ``factor`` and ``mean_frequency`` of its
        entries, from 0 to 1, which is drawn as a bar beside each factor; None draws no bars.
    title
        Title of the cohort.
    note
        Remark for the title.

    Raises
    ------
    InputError
        If a column is missing, a weight is missing or infinite, or there are more studies than a
        figure can tell apart.
    """
    require_columns(factors, ["factor", "kind", "study"], "factors")
    require_columns(masks, factors["factor"], "masks")
    require_finite(masks, factors["factor"], "masks")
    panel_of = factors["study"].where(factors["kind"] == "specific", "shared").to_numpy()
    panels = list(dict.fromkeys(panel_of))
    looks = group_looks(panel for panel in panels if panel != "shared")
    weights = masks[factors["factor"]].to_numpy()
    live = np.flatnonzero((weights != 0).any(axis=0))
    genes = _genes_in_blocks(weights)
    limit = np.quantile(np.abs(weights[weights != 0]), 0.99) if len(genes) else 1.0

    colour = ScalarMappable(Normalize(-limit, limit), "RdBu_r")
    shown = [live[panel_of[live] == panel] for panel in panels]
    labels = [
        f"{wrapped(panel, _NAME_WIDTH, 7, max_lines=_NAME_LINES)}\n"
        f"{len(k)} of {(panel_of == panel).sum()} factors"
        for panel, k in zip(panels, shown, strict=True)
    ]
    heights = [
        max(len(k) * _HEIGHT_PER_FACTOR, _MIN_PANEL_HEIGHT, _LINE_HEIGHT * (label.count("\n") + 2))
        for label, k in zip(labels, shown, strict=True)
    ]
    figure = Figure(figsize=(PAGE_WIDTH, sum(heights) + 1.4), layout="constrained")
    figure.suptitle(full_title(title, "masks", note))
    if not panels:
        figure.text(0.5, 0.5, "the fit has no factor", ha="center", va="center")
        return figure
    if stability is None:
        all_axes = figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False)[:, 0]
    else:
        require_columns(stability, ["factor", "mean_frequency"], "stability")
        frequency = stability.set_index("factor")["mean_frequency"].reindex(factors["factor"])
        all_axes, all_bars = figure.subplots(
            len(panels),
            2,
            height_ratios=heights,
            width_ratios=[1, _BARS_WIDTH],
            squeeze=False,
        ).T
        for axes, panel, k in zip(all_bars, panels, shown, strict=True):
            _draw_bars(axes, frequency.to_numpy()[k], looks.get(panel, SHARED_LOOK))
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("frequency")
    for axes, panel, label, k in zip(all_axes, panels, labels, shown, strict=True):
        _draw_panel(axes, weights[np.ix_(genes, k)], colour, label)
        _draw_strip(axes, looks.get(panel, SHARED_LOOK))
    axes.set_xlabel(
        f"{len(genes):,} genes with a non-zero weight (of {len(masks):,}), "
        "ordered by the factor of their largest weight"
    )
    figure.colorbar(
        colour,
        ax=figure.axes,
        label="weight w",
        location="bottom",
        extend="both",
        aspect=50,
        pad=0.01,
    )
    return figure


def _draw_panel(axes: Axes, weights: np.ndarray, colour: ScalarMappable, label: str) -> None:
    """Draw the weights [genes x factors] of a panel, a row for each factor."""
    if weights.shape[1]:
        axes.imshow(
            _cells(weights).T,
            aspect="auto",
            interpolation="nearest",
            cmap=colour.cmap,
            norm=colour.norm,
        )
    else:
        axes.text(0.5, 0.5, "all weights are zero", ha="center", va="center")
    axes.set_ylabel(
        literal(label),
        rotation="horizontal",
        horizontalalignment="right",
        verticalalignment="center",
        labelpad=9,
    )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="0.8")


def _draw_bars(axes: Axes, frequency: np.ndarray, look: Look) -> None:
    """Draw how often the entries of factors come back, one bar for each row of the panel."""
    rows = np.arange(len(frequency))
    axes.barh(rows, frequency, 0.8, color=look.colour)
    axes.set(xlim=(0, 1), ylim=(max(len(rows), 1) - 0.5, -0.5), xticks=[0, 0.5, 1], yticks=[])
    axes.tick_params(labelbottom=False)


def _draw_strip(axes: Axes, look: Look) -> None:
    """Draw the look of a group along the left side of its panel."""
    point = 1 / (72 * PAGE_WIDTH)
    axes.add_patch(
        Rectangle(
            (-8 * point, 0),
            7 * point,
            1,
            transform=axes.transAxes,
            clip_on=False,
            facecolor=look.colour,
            hatch=look.hatch,
            edgecolor="white",
            linewidth=0,
        )
    )


def _genes_in_blocks(weights: np.ndarray) -> np.ndarray:
    """Return the positions of the genes with a non-zero weight, [n], in the order of display."""
    if not weights.size:
        return np.arange(0)
    size = np.abs(weights)
    factor = size.argmax(axis=1)
    weight = weights[np.arange(len(weights)), factor]
    order = np.lexsort((-weight, factor))
    return order[weight[order] != 0]


def _cells(weights: np.ndarray) -> np.ndarray:
    """Return the weight of largest absolute value of each run of genes, [<= 1500, factors]."""
    n_cells = min(len(weights), _MAX_CELLS)
    starts = np.arange(n_cells) * len(weights) // n_cells
    low, high = np.minimum.reduceat(weights, starts), np.maximum.reduceat(weights, starts)
    return np.where(high >= -low, high, low)
