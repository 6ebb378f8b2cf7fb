"""Scores of all replicates of a simulation study."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from mssvae.errors import InputError
from mssvae.figures._common import PAGE_WIDTH, Look, group_looks, require_columns
from mssvae.figures._text import literal, text_width, wrapped

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
_AXIS_WIDTH = 72 * (PAGE_WIDTH - 0.4)  # points
_NUMBER_WIDTH, _NUMBER_HEIGHT = 15, 8  # points that the number of a median takes
_ROW_HEIGHT, _LEGEND_LINE = 1.9, 0.14  # inches
_LEGEND_WIDTH, _LEGEND_FONT, _HANDLE = 140, 6.5, 25  # points; of a label at most, of a handle


def stages(scores: pd.DataFrame) -> list[str]:
    """Return the stages that the scores are from, the last one last.

    Raises
    ------
    InputError
        If a column is missing, there is no score, or a stage is unknown.
    """
    require_columns(scores, ["method", "replicate", "stage", "part", "metric", "value"], "scores")
    if scores.empty:
        raise InputError("scores table: no score")
    unknown = set(scores["stage"]) - set(_STAGES)
    if unknown:
        raise InputError(
            f"scores table: unknown stage {sorted(unknown)[0]!r} (known: {', '.join(_STAGES)})"
        )
    return [stage for stage in _STAGES if stage in set(scores["stage"])]


def score_values(
    scores: pd.DataFrame, method: str, stage: str, metric: str, part: str
) -> pd.Series:
    """Return one score of a method, by replicate.

    Raises
    ------
    InputError
        If there is none, or one that is not between 0 and 1.
    """
    wanted = {"method": method, "stage": stage, "metric": metric, "part": part}
    rows = scores[np.logical_and.reduce([scores[key] == value for key, value in wanted.items()])]
    if rows.empty:
        raise InputError(
            f"scores table: no {metric} of part {part!r} for method {method!r} at stage {stage!r}"
        )
    for row in rows[rows["value"].notna() & ~rows["value"].between(0, 1)].itertuples():
        raise InputError(
            f"scores table: the {metric} of part {part!r} of replicate {row.replicate} for method "
            f"{method!r} is {row.value}, not between 0 and 1"
        )
    return rows.set_index("replicate")["value"].sort_index()


def scores_height(scores: pd.DataFrame) -> float:
    """Return the height in inches that `draw_scores` needs."""
    stages(scores)
    labels, n_columns = _legend(scores)
    lines = -(-len(labels) // n_columns)
    return _ROW_HEIGHT * len(_rows(scores["method"].nunique())) + _LEGEND_LINE * (1 + lines)


def draw_scores(figure: SubFigure, scores: pd.DataFrame) -> None:
    """Draw all scores, methods side by side, in as many rows as their number takes."""
    shown = stages(scores)
    methods = scores["method"].unique().tolist()
    looks = group_looks(methods)
    strips = [(method, stage) for method in methods for stage in shown]
    rows = _rows(len(methods))
    room = _AXIS_WIDTH * _STRIPS_WIDTH / len(rows[0]) / len(methods)
    upright = room < _NUMBER_WIDTH
    panels = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    for axes, row in zip(panels, rows, strict=True):
        for i, (metric, part) in enumerate(row):
            for s, (method, stage) in enumerate(strips):
                values = score_values(scores, method, stage, metric, part)
                middle = i + _STRIPS_WIDTH * ((s + 0.5) / len(strips) - 0.5)
                width = _STRIPS_WIDTH / len(strips)
                _draw_strip(axes, values, looks[method], middle, width, stage == shown[-1], upright)
        axes.set_ylim(-0.04, 1.25 if upright else 1.15)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.grid(axis="y")
        axes.set_xlim(-0.5, len(rows[0]) - 0.5)
        axes.set_xticks(range(len(row)), [f"{metric}\n{part}" for metric, part in row])
        axes.tick_params(axis="x", length=0)
    panels[0].set_title("a   Scores of all replicates")
    _draw_legend(figure, scores, looks)


def _rows(n_methods: int) -> list[tuple[tuple[str, str], ...]]:
    """Split the scores into rows in which each median has room for its number, upright."""
    per_row = int(_AXIS_WIDTH * _STRIPS_WIDTH // (_NUMBER_HEIGHT * n_methods))
    per_row = min(max(per_row, 1), len(_SCORES))
    return [_SCORES[i : i + per_row] for i in range(0, len(_SCORES), per_row)]


def _draw_strip(
    axes: Axes,
    values: pd.Series,
    look: Look,
    middle: float,
    width: float,
    is_last: bool,
    upright: bool,
) -> None:
    """Draw a score of all replicates around ``middle``, filled and with its median if the last."""
    # In the order of the replicates, so that equal values do not hide each other.
    x = middle + ((np.arange(len(values)) + 0.5) / len(values) - 0.5) * 0.8 * width
    axes.scatter(
        x,
        values,
        s=7,
        marker=look.marker,
        facecolor=look.colour if is_last else "none",
        edgecolor=look.colour,
        linewidth=0.4,
        alpha=0.8,
    )
    text = "none"
    if values.notna().any():
        median = values.median()
        axes.hlines(median, middle - width * 0.45, middle + width * 0.45, color="black")
        text = f"{median:.2f}"
    if is_last:
        rotation = "vertical" if upright else "horizontal"
        axes.text(middle, 1.06, text, ha="center", va="bottom", fontsize=6, rotation=rotation)


def _legend(scores: pd.DataFrame) -> tuple[list[str], int]:
    """Return the labels of the legend, methods first, and in how many columns they are set."""
    counts = scores.groupby("method", sort=False)["replicate"].nunique()
    labels = [
        f"{wrapped(method, _LEGEND_WIDTH, _LEGEND_FONT, max_lines=1)} (n = {n})"
        for method, n in counts.items()
    ]
    if len(stages(scores)) > 1:
        labels += ["as trained", "after the assignment"]
    labels.append("median")
    widest = max(text_width(label, _LEGEND_FONT) for label in labels) + _HANDLE
    return labels, min(int(_AXIS_WIDTH // widest), len(labels))


def _draw_legend(figure: SubFigure, scores: pd.DataFrame, looks: dict[str, Look]) -> None:
    labels, n_columns = _legend(scores)
    methods = scores["method"].unique()
    point = {"markersize": 3, "linewidth": 0}
    handles = [
        Line2D([], [], color=looks[method].colour, marker=looks[method].marker, **point)
        for method in methods
    ]
    if len(stages(scores)) > 1:
        edge = {"color": "black", "marker": "o", **point}
        handles += [Line2D([], [], markerfacecolor="none", **edge), Line2D([], [], **edge)]
    handles.append(Line2D([], [], color="black"))
    figure.legend(
        handles,
        list(map(literal, labels)),
        loc="outside lower center",
        ncols=n_columns,
        borderpad=0,
        columnspacing=1.2,
        handletextpad=0.3,
        handlelength=1,
    )
