"""Results of a simulation study: scores, masks, and data against factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from mssvae.errors import InputError
from mssvae.figures._common import (
    PAGE_WIDTH,
    SHARED_COLOUR,
    full_title,
    in_style,
)
from mssvae.figures._mask_pairs import (
    Pairing,
    draw_mask_pairs,
    mask_pairs_height,
    pair_factors,
)
from mssvae.figures._scores import draw_scores, score_values, scores_height, stages
from mssvae.figures._text import literal, wrapped

if TYPE_CHECKING:
    import anndata as ad

    from mssvae.replicates import Factorisation

_DATA_HEIGHT, _TITLE_HEIGHT = 2.2, 0.4  # inches
_LABEL_WIDTH = 60  # points
_N_DATA_COLUMNS = 6  # of panels d and e together, a factor each


@in_style
def simulation(
    scores: pd.DataFrame,
    truth: Factorisation,
    estimate: Factorisation,
    *,
    title: str,
    method: str,
    replicate: int,
    data: ad.AnnData | None = None,
    note: str | None = None,
) -> Figure:
    """Draw the results of a simulation study (figures 2 and 3 of the paper).

    (a) Scores of all replicates (appendix C.1), methods side by side, in several rows if there are
    many; a bar and a number mark the median. If there are scores from before and after the
    assignment of columns by Theorem 2, those before are hollow and the numbers are those after.
    (b, c) True and estimated masks of one replicate, in matching rows; estimated factors whose
    weights are all zero are left out and counted. (d, e), with ``data``: for some shared factors
    and some of the first study's own, a linear and a nonlinear feature that load on this factor
    alone, against the posterior mean of the estimated factor that matches it.

    Parameters
    ----------
    scores
        One row per score: ``method``, ``replicate``, ``stage`` (``"trained"`` or ``"assigned"``),
        ``part``, ``metric``, ``value`` (0 to 1). Methods are drawn in the order of the table.
    truth, estimate
        Factors of the replicate to show; ``estimate.latent`` is needed with ``data``.
    title
        Title of the simulation.
    method, replicate
        What ``estimate`` is from.
    data
        Data of the replicate from ``mssvae.simulate``, for panels d and e.
    note
        Remark for the title.

    Raises
    ------
    InputError
        If a column or a score is missing, a score is not between 0 and 1, a stage is unknown, there
        are more methods than a figure can tell apart, truth and estimate do not have the same
        features, or the samples of ``data`` are not those of ``estimate.latent``.
    """
    pairs = pair_factors(truth, estimate)
    heights = [scores_height(scores), mask_pairs_height(pairs)]
    if data is not None:
        heights.append(_DATA_HEIGHT)
    figure = Figure(figsize=(PAGE_WIDTH, sum(heights) + _TITLE_HEIGHT), layout="constrained")
    figure.suptitle(full_title(title, "simulation study", note))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights)
    draw_scores(parts[0], scores)
    of = wrapped(f"Estimated masks, method {method}", 190, 7.5, max_lines=1, weight="bold")
    titles = (f"b   True masks, replicate {replicate}", f"c   {of}")
    draw_mask_pairs(parts[1], truth, estimate, pairs, titles)
    if data is not None:
        _draw_data(parts[2], truth, estimate, pairs, data)
    return figure


@in_style
def worst(
    scores: pd.DataFrame,
    truth: Factorisation,
    estimate: Factorisation,
    *,
    title: str,
    method: str,
    replicate: int,
    note: str | None = None,
) -> Figure:
    """Draw the masks of the replicate with the lowest consensus (figure 6 of the paper).

    Parameters
    ----------
    scores
        As for `simulation`; the consensus of the replicate, at the last stage, is in the title.
    truth, estimate
        Factors of the replicate; panels as b and c of `simulation`.
    title
        Title of the simulation.
    method, replicate
        What ``estimate`` is from.
    note
        Remark for the title.

    Raises
    ------
    InputError
        As for `simulation`, or if there is no consensus of the replicate.
    """
    pairs = pair_factors(truth, estimate)
    figure = Figure(
        figsize=(PAGE_WIDTH, mask_pairs_height(pairs) + _TITLE_HEIGHT), layout="constrained"
    )
    last = stages(scores)[-1]
    consensus = [
        score_values(scores, method, last, "consensus", part) for part in ("shared", "specific")
    ]
    if replicate not in consensus[0].index:
        raise InputError(
            f"scores table: no consensus of replicate {replicate} for method {method!r} (its "
            f"replicates: {', '.join(map(str, consensus[0].index))})"
        )
    shared, specific = (values[replicate] for values in consensus)
    subject = (
        f"worst of {len(consensus[0])} replicates ({replicate}) of method {method}, "
        f"consensus {shared:.2f} shared and {specific:.2f} specific"
    )
    figure.suptitle(full_title(title, subject, note))
    titles = ("True masks", "Estimated masks")
    draw_mask_pairs(figure.subfigures(), truth, estimate, pairs, titles)
    return figure


def _draw_data(
    figure: SubFigure,
    truth: Factorisation,
    estimate: Factorisation,
    pairs: dict[str, Pairing],
    data: ad.AnnData,
) -> None:
    if estimate.latent is None or not estimate.latent.index.equals(data.obs_names):
        raise InputError(
            "latent table of the estimate: its samples are not those of the data; give both of the "
            "same replicate"
        )
    values = data.to_df()
    support = truth.masks[truth.factors["factor"]] != 0
    alone = support.sum(axis=1) == 1
    # The simulators count features from 1.
    number = np.arange(1, len(alone) + 1)
    nonlinear = number % data.uns["simulation"]["nonlinear_every"] == 0

    n_columns = [int(np.clip(len(truth.names("shared")), 2, 4))]  # Two hold the heading.
    n_columns.append(_N_DATA_COLUMNS - n_columns[0])
    figure.supxlabel(
        "above: true factor; below: the matching estimated factor, whose posterior mean is drawn",
        fontsize=6.5,
    )
    halves = figure.subfigures(1, 2, width_ratios=n_columns)
    # No table names a study if there are only shared factors.
    for letter, half, n, panel in zip("de", halves, n_columns, pairs, strict=False):
        factors = "shared factors" if panel == "shared" else f"factors of {panel}"
        width = 72 * PAGE_WIDTH * n / _N_DATA_COLUMNS - 25
        heading = wrapped(f"Data against {factors}", width, 7.5, max_lines=1, weight="bold")
        half.suptitle(literal(f"{letter}   {heading}"), x=0.01, ha="left", fontsize=7.5)
        axes = half.subplots(2, n, squeeze=False)
        for each in axes.flat:
            each.set_axis_off()
        n_true = len(truth.names(panel))
        if n_true == 0:
            half.text(0.5, 0.5, "no factor", ha="center")
        for k in range(min(n_true, n)):
            true, found = pairs[panel].true[k], pairs[panel].found[k]
            for row, kind in enumerate((~nonlinear, nonlinear)):
                features = support.index[support[true] & alone & kind]
                _draw_feature(axes[row, k], features, values, found, estimate.latent)
            axes[0, k].set_title(_short(true), fontweight="normal", loc="center")
            axes[1, k].set_xlabel(_short(found) if found else "")


def _draw_feature(
    axes: Axes, features: pd.Index, values: pd.DataFrame, factor: str | None, latent: pd.DataFrame
) -> None:
    """Draw the first of the features against an estimated factor."""
    if factor is None or features.empty:
        missing = "factor\nnot found" if factor is None else "no feature\nof this kind"
        axes.text(0.5, 0.5, missing, ha="center", va="center", transform=axes.transAxes)
        return
    axes.set_axis_on()
    # Points of other studies than the factor's own are NaN and not drawn.
    axes.scatter(
        latent[factor], values[features[0]], s=2, color=SHARED_COLOUR, linewidth=0, rasterized=True
    )
    axes.set_ylabel(_short(features[0]))
    axes.xaxis.set_major_locator(MaxNLocator(2))
    axes.yaxis.set_major_locator(MaxNLocator(2))


def _short(name: str) -> str:
    """Return the name of a factor or feature as a label of a small panel."""
    return literal(wrapped(name, _LABEL_WIDTH, 7, max_lines=1))
