"""True masks beside estimated ones, factor by factor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import SubFigure

from mssvae.figures._common import require_columns, require_finite
from mssvae.figures._masks import _cells
from mssvae.figures._text import literal, wrapped
from mssvae.metrics import jaccard

if TYPE_CHECKING:
    from mssvae.replicates import Factorisation

_ROW_HEIGHT, _MAX_ROWS_HEIGHT = 0.11, 3.6  # inches
_LINE_HEIGHT, _MARGINS = 0.135, 0.85  # of a line of a label; titles and colour bars
_NAME_WIDTH, _NAME_LINES = 75, 3  # of a panel, in points and lines
_ABSENT, _HATCH = "0.88", "//////"  # of a row without a factor; no grey is in the scale of colours


@dataclass(frozen=True)
class Pairing:
    """The factors of one panel: row by row a true factor and the estimated one that matches it.

    Attributes
    ----------
    true, found : list of str or None
        Names, of equal length. The true factors come first, in their order; None stands beside a
        true factor that was not found, and beside an estimated one that matches no true factor.
    n_empty : int
        Estimated factors left out because all their weights are zero.
    """

    true: list[str | None]
    found: list[str | None]
    n_empty: int


def pair_factors(truth: Factorisation, estimate: Factorisation) -> dict[str, Pairing]:
    """Match estimated to true factors, among the shared ones and among those of each study.

    The one-to-one assignment is that of the consensus score (equation C.4), which maximises the
    sum of the Jaccard indices; a pair without a common feature is none.

    Returns
    -------
    dict of str to Pairing
        ``"shared"`` first, then the studies in alphabetical order.

    Raises
    ------
    InputError
        If a table lacks a column, a weight is missing or infinite, or truth and estimate do not
        have the same features.
    """
    from scipy.optimize import linear_sum_assignment

    for name, tables in (("true", truth), ("estimated", estimate)):
        require_columns(tables.factors, ["factor", "kind", "study"], f"{name} factors")
        require_columns(tables.masks, tables.factors["factor"], f"{name} masks")
        require_finite(tables.masks, tables.factors["factor"], f"{name} masks")
    studies = pd.concat([truth.factors["study"], estimate.factors["study"]]).dropna()
    pairs = {}
    for panel in ("shared", *sorted(set(studies))):
        true, columns = truth.names(panel).tolist(), estimate.names(panel)
        support = estimate.masks[columns] != 0
        live = columns[support.any().to_numpy()].tolist()
        similarity = jaccard(truth.masks[true] != 0, support[live])
        match = {
            i: live[k]
            for i, k in zip(*linear_sum_assignment(similarity, maximize=True), strict=True)
            if similarity[i, k] > 0
        }
        spare = [name for name in live if name not in match.values()]
        pairs[panel] = Pairing(
            [*true, *[None] * len(spare)],
            [*(match.get(i) for i in range(len(true))), *spare],
            len(columns) - len(live),
        )
    return pairs


def mask_pairs_height(pairs: dict[str, Pairing]) -> float:
    """Return the height in inches that `draw_mask_pairs` needs."""
    return sum(_panel_heights(pairs)) + _MARGINS


def _panel_heights(pairs: dict[str, Pairing]) -> list[float]:
    rows = [len(pair.true) for pair in pairs.values()]
    height = min(_ROW_HEIGHT, _MAX_ROWS_HEIGHT / max(sum(rows), 1))
    lines = [2 + _name(panel).count("\n") for panel in pairs]
    return [max(n * height, m * _LINE_HEIGHT) for n, m in zip(rows, lines, strict=True)]


def _name(panel: str) -> str:
    return wrapped(panel, _NAME_WIDTH, 7, max_lines=_NAME_LINES)


def draw_mask_pairs(
    figure: SubFigure,
    truth: Factorisation,
    estimate: Factorisation,
    pairs: dict[str, Pairing],
    titles: Iterable[str],
) -> None:
    """Draw the size of the true weights on the left and of the estimated ones on the right.

    Factors are rows and features are columns, in the order of the tables; a panel holds the shared
    factors or those of one study. Every row has a true factor and the estimated one that matches
    it, so that both sides can be compared; a hatched row stands where there is none. Zeros are
    white and the smallest weight has a colour. With more than 1,500 features a cell of the image
    stands for several neighbours and shows the largest of their weights.

    Parameters
    ----------
    figure
        Where to draw, `mask_pairs_height` high.
    truth, estimate
        Masks and factors.
    pairs
        From `pair_factors`.
    titles
        Two: of the left and of the right side.
    """
    all_axes = figure.subplots(len(pairs), 2, height_ratios=_panel_heights(pairs), squeeze=False)
    for column, title, name, tables in zip(
        all_axes.T, titles, ("true", "estimated"), (truth, estimate), strict=True
    ):
        weights = np.abs(tables.masks[tables.factors["factor"]].to_numpy())
        limit = np.quantile(weights[weights > 0], 0.99) if weights.any() else 1.0
        colour = ScalarMappable(Normalize(0, limit), "viridis_r")
        colour.set_cmap(colour.cmap.with_extremes(bad="white", under=_ABSENT))
        column[0].set_title(literal(title))
        for axes, (panel, pair) in zip(column, pairs.items(), strict=True):
            rows = pair.true if name == "true" else pair.found
            _draw_panel(axes, tables.masks, rows, colour)
            n_factors = len(rows) - rows.count(None)
            if name == "true":
                axes.set_ylabel(f"{literal(_name(panel))}\n{n_factors} true")
            else:
                axes.yaxis.set_label_position("right")
                axes.set_ylabel(f"{n_factors} estimated\n{pair.n_empty} empty")
            side = "right" if name == "true" else "left"
            axes.yaxis.label.set(
                rotation="horizontal", horizontalalignment=side, verticalalignment="center"
            )
        axes.set_xlabel(f"{len(tables.masks):,} features; hatched: no matching factor")
        figure.colorbar(
            colour,
            ax=column.tolist(),
            label=f"{name} |w|",
            location="bottom",
            extend="max",
            aspect=50,
            pad=0.01,
        )


def _draw_panel(
    axes: Axes, masks: pd.DataFrame, rows: list[str | None], colour: ScalarMappable
) -> None:
    # A panel without any factor is one grey row.
    weights = masks.reindex(columns=rows or [None]).to_numpy(dtype=float)
    sizes = np.abs(_cells(weights)).T
    # Colours of their own: zeros are missing values, and what is missing lies below the scale.
    sizes = np.select([sizes == 0, np.isnan(sizes)], [np.nan, -1], sizes)
    axes.imshow(
        sizes,
        aspect="auto",
        interpolation="nearest",
        cmap=colour.cmap,
        norm=colour.norm,
    )
    for row, factor in enumerate(rows or [None]):
        if factor is None:
            axes.axhspan(
                row - 0.5, row + 0.5, fill=False, hatch=_HATCH, edgecolor="0.55", linewidth=0
            )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="0.6")
