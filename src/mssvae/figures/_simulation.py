"""Results of a simulation study: scores, masks, and data against factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mssvae.errors import InputError
from mssvae.figures._common import (
    PAGE_WIDTH,
    SHARED_COLOUR,
    full_title,
    group_colours,
    literal,
    require_columns,
    style,
)
from mssvae.figures._mask_pairs import (
    Pairing,
    draw_mask_pairs,
    mask_pairs_height,
    pair_factors,
)

if TYPE_CHECKING:
    import anndata as ad

    from mssvae.replicates import Factorisation

_SCORES = (
    ("consensus", "shared"),
    ("consensus", "specific"),
    ("relevance", "shared"),
    ("relevance", "specific"),
    ("recovery", "shared"),
    ("recovery", "specific"),
    ("disentanglement", "all"),
)
_STAGES = ("trained", "assigned")  # before and after the assignment of columns by Theorem 2
_STRIPS_WIDTH = 0.8  # of the distance from one score to the next
_SCORES_HEIGHT, _DATA_HEIGHT, _TITLE_HEIGHT = 2.1, 2.2, 0.4  # inches
_N_DATA_COLUMNS = 6  # of panels d and e together, a factor each


@style()
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

    (a) Scores of all replicates (appendix C.1), methods side by side; a bar and a number mark the
    median. If there are scores from before and after the assignment of columns by Theorem 2, those
    before are hollow and the numbers are those after. (b, c) True and estimated masks of one
    replicate, in matching rows; estimated factors whose weights are all zero are left out and
    counted. (d, e), with ``data``: for some shared factors and some of the first study's own, a
    linear and a nonlinear feature that load on this factor alone, against the posterior mean of
    the estimated factor that matches it.

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
        If a column or a score is missing, a stage is unknown, truth and estimate do not have the
        same features, or the samples of ``data`` are not those of ``estimate.latent``.
    """
    pairs = pair_factors(truth, estimate)
    heights = [_SCORES_HEIGHT, mask_pairs_height(pairs)]
    if data is not None:
        heights.append(_DATA_HEIGHT)
    figure = Figure(figsize=(PAGE_WIDTH, sum(heights) + _TITLE_HEIGHT), layout="constrained")
    figure.suptitle(full_title(title, "simulation study", note))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights)
    _draw_scores(parts[0].subplots(), scores)
    titles = (f"b   True masks, replicate {replicate}", f"c   Estimated masks, method {method}")
    draw_mask_pairs(parts[1], truth, estimate, pairs, titles)
    if data is not None:
        _draw_data(parts[2], truth, estimate, pairs, data)
    return figure


@style()
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
    last = _stages(scores)[-1]
    consensus = [
        _values(scores, method, last, "consensus", part) for part in ("shared", "specific")
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


def _stages(scores: pd.DataFrame) -> list[str]:
    """Return the stages that the scores are from, the last one last."""
    require_columns(scores, ["method", "replicate", "stage", "part", "metric", "value"], "scores")
    if scores.empty:
        raise InputError("scores table: no score")
    unknown = set(scores["stage"]) - set(_STAGES)
    if unknown:
        raise InputError(
            f"scores table: unknown stage {sorted(unknown)[0]!r} (known: {', '.join(_STAGES)})"
        )
    return [stage for stage in _STAGES if stage in set(scores["stage"])]


def _values(scores: pd.DataFrame, method: str, stage: str, metric: str, part: str) -> pd.Series:
    """Return one score of a method, by replicate."""
    wanted = {"method": method, "stage": stage, "metric": metric, "part": part}
    rows = scores[np.logical_and.reduce([scores[key] == value for key, value in wanted.items()])]
    if rows.empty:
        raise InputError(
            f"scores table: no {metric} of part {part!r} for method {method!r} at stage {stage!r}"
        )
    return rows.set_index("replicate")["value"].sort_index()


def _draw_scores(axes: Axes, scores: pd.DataFrame) -> None:
    stages = _stages(scores)
    methods = scores["method"].unique().tolist()
    colours = group_colours(methods)
    strips = [(method, stage) for method in methods for stage in stages]
    width = _STRIPS_WIDTH / len(strips)
    for i, (metric, part) in enumerate(_SCORES):
        for s, (method, stage) in enumerate(strips):
            values = _values(scores, method, stage, metric, part)
            middle = i - _STRIPS_WIDTH / 2 + (s + 0.5) * width
            # In the order of the replicates, so that equal values do not hide each other.
            x = middle + ((np.arange(len(values)) + 0.5) / len(values) - 0.5) * 0.8 * width
            is_last = stage == stages[-1]
            face = colours[method] if is_last else "none"
            axes.scatter(
                x, values, s=7, facecolor=face, edgecolor=colours[method], linewidth=0.4, alpha=0.8
            )
            median = values.median()
            axes.hlines(median, middle - width * 0.45, middle + width * 0.45, color="black")
            if is_last:
                axes.text(middle, 1.06, f"{median:.2f}", ha="center", fontsize=6)
    axes.set_ylim(-0.04, 1.15)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.grid(axis="y")
    axes.set_xlim(-0.5, len(_SCORES) - 0.5)
    axes.set_xticks(range(len(_SCORES)), [f"{metric}\n{part}" for metric, part in _SCORES])
    axes.tick_params(axis="x", length=0)
    n_replicates = scores.groupby("method")["replicate"].nunique()
    axes.set_title("a   Scores of all replicates")
    handles = [
        Line2D([], [], color=colours[method], marker="o", markersize=3, linewidth=0)
        for method in methods
    ]
    labels = [literal(f"{method} (n = {n_replicates[method]})") for method in methods]
    if len(stages) > 1:
        edge = {"color": "black", "marker": "o", "markersize": 3, "linewidth": 0}
        handles += [Line2D([], [], markerfacecolor="none", **edge), Line2D([], [], **edge)]
        labels += ["as trained", "after the assignment"]
    handles.append(Line2D([], [], color="black"))
    labels.append("median")
    axes.legend(
        handles,
        labels,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(labels),
        borderpad=0,
        columnspacing=1.2,
        handletextpad=0.3,
        handlelength=1,
    )


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
        heading = literal(f"{letter}   Data against {factors}")
        half.suptitle(heading, x=0.01, ha="left", fontsize=7.5)
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
            axes[0, k].set_title(literal(true), fontweight="normal", loc="center")
            axes[1, k].set_xlabel(literal(found or ""))


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
    axes.set_ylabel(literal(features[0]))
    axes.xaxis.set_major_locator(MaxNLocator(2))
    axes.yaxis.set_major_locator(MaxNLocator(2))
