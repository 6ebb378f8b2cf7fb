"""All methods on all data of a comparison: measures as columns, methods as rows."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from mssvae.errors import InputError
from mssvae.figures._common import ACCENT_COLOUR, PAGE_HEIGHT, PAGE_WIDTH, in_style, require_columns
from mssvae.figures._text import literal, text_width, wrapped


class _Column(NamedTuple):
    measure: str
    title: str
    log: bool = False
    share: bool = False  # Between 0 and 1.
    open: str | None = None  # A second measure in the same column, drawn with open points.


_COLUMNS = (
    _Column("consensus", "consensus\nwith the truth", share=True, open="best_consensus"),
    _Column("disentanglement", "disentangle-\nment", share=True),
    _Column("labels", "labels from\nfactors", share=True),
    _Column("enriched", "factors with\na process", share=True),
    _Column("unseen", "unseen samples\n(nats a value)"),
    _Column("agreement_halves", "agreement\nof halves", share=True),
    _Column("entries", "entries", log=True),
    _Column("seconds", "seconds", log=True),
)
_OTHERS = "#0072b2"
# Inches: of a row at most and at least, around those of a panel (_TITLE above), around all panels.
_ROW, _SMALL_ROW, _PANEL, _TITLE, _TOP, _BOTTOM = 0.135, 0.07, 0.33, 0.14, 0.42, 0.3
_NAME_FONT, _NAME_WIDTH = 6.5, 110  # points
_HEADING = {"weight": "bold", "fontsize": 7}
_GAP = 0.18  # inches between columns


@in_style
def comparison(
    table: pd.DataFrame,
    *,
    data: Mapping[str, str],
    methods: Mapping[str, str],
    ours: Sequence[str],
) -> Figure:
    """Draw the main measures of all methods on all data.

    Columns that no data have are left out, and so are methods that data do not have or that are not
    for such data. Seconds and entries are logarithmic.

    Parameters
    ----------
    table
        ``data``, ``method``, ``measure``, ``value``, ``replicate`` and ``note``, a row per measure;
        ``fitted`` is 0 where a method gave no result.
    data, methods
        Titles by name, in the order of the panels and of their rows.
    ours
        Methods to stress.

    Raises
    ------
    InputError
        If a column is missing, there is no row, or one has data or a method without a title.
    """
    require_columns(table, ["data", "method", "measure", "value", "note"], "comparison")
    for key, titles in (("data", data), ("method", methods)):
        if unknown := set(table[key]) - set(titles):
            raise InputError(f"comparison table: no title of the {key} {sorted(unknown)[0]!r}")
    if table.empty:
        raise InputError("comparison table: no row")
    panels = [
        (title, rows, [name for name in methods if name in _suitable(rows)])
        for name, title in data.items()
        if len(rows := table[table["data"] == name])
    ]
    valid = table[table["value"].notna()]
    columns = [column for column in _COLUMNS if (valid["measure"] == column.measure).any()]
    n_rows, room = sum(len(names) for *_, names in panels), PAGE_HEIGHT - _TOP - _BOTTOM
    row = min(max((room - _PANEL * len(panels)) / n_rows, _SMALL_ROW), _ROW)
    height = _TOP + _PANEL * len(panels) + row * n_rows + _BOTTOM
    font = min(_NAME_FONT, 0.9 * 72 * row)
    shown = {
        name: literal(wrapped(title, _NAME_WIDTH, font, max_lines=1))
        for name, title in methods.items()
    }
    left = 0.2 + max(text_width(name, font) for name in shown.values()) / 72
    each = (PAGE_WIDTH - left) / max(len(columns), 1)
    figure = Figure(figsize=(PAGE_WIDTH, height))
    limits = {column.measure: _decades(valid, column.measure) for column in columns if column.log}
    top = height - _TOP
    for title, rows, names in panels:
        figure.text(0.1 / PAGE_WIDTH, top / height, literal(title), va="top", **_HEADING)
        bottom = top - _TITLE - row * len(names)
        for i, column in enumerate(columns or [None]):
            place = (left + i * each, bottom, each - _GAP, row * len(names))
            axes = figure.add_axes(np.divide(place, [PAGE_WIDTH, height] * 2))
            _set_rows(axes, [shown[name] for name in names] if i == 0 else [], len(names), font)
            if i == 0:
                _tell_failures(axes, rows, names, font)
                for label, name in zip(axes.get_yticklabels(), names, strict=True):
                    label.set_color(ACCENT_COLOUR if name in ours else "black")
            _draw(axes, column, rows, names, ours, limits)
        top = bottom - (_PANEL - _TITLE)
    for i, column in enumerate(columns):
        place = ((left + (i + 0.5) * each - _GAP / 2) / PAGE_WIDTH, 1 - 0.06 / height)
        figure.text(*place, column.title, ha="center", va="top", fontsize=6.5)
    several = bool(table.duplicated(["data", "method", "measure"]).any())
    _draw_legend(figure, columns, several)
    return figure


def _suitable(rows: pd.DataFrame) -> set[str]:
    """Return the methods of one data set but those that are not for such data."""
    unsuitable = rows["note"].astype(str).str.startswith("not for these data")
    return set(rows["method"]) - set(rows.loc[(rows["measure"] == "fitted") & unsuitable, "method"])


def _decades(valid: pd.DataFrame, measure: str) -> tuple[float, float]:
    """Return the powers of ten around all values of a measure that are above zero."""
    values = valid.loc[(valid["measure"] == measure) & (valid["value"] > 0), "value"]
    if values.empty:
        return 1, 10
    low, high = (np.log10(value) for value in (values.min(), values.max()))
    return 10 ** np.floor(low), 10 ** max(np.ceil(high), np.floor(low) + 1)


def _set_rows(axes: Axes, names: list[str], n: int, font: float) -> None:
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names, fontsize=font)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.patch.set_visible(False)


def _draw(
    axes: Axes,
    column: _Column | None,
    rows: pd.DataFrame,
    names: list[str],
    ours: Sequence[str],
    limits: Mapping[str, tuple[float, float]],
) -> None:
    """Draw one measure of all methods on one data set; nothing where there is no value."""
    found = rows[rows["value"].notna()]
    if column is None or not (found["measure"] == column.measure).any():
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        return
    lines = {"transform": axes.get_yaxis_transform(), "color": "0.9", "linewidth": 0.5}
    axes.hlines(range(len(names)), 0, 1, **lines)
    for i, name in enumerate(names):
        is_ours = name in ours
        colour, marker = (ACCENT_COLOUR, "o") if is_ours else (_OTHERS, "s")
        for measure in filter(None, (column.open, column.measure)):
            chosen = (found["method"] == name) & (found["measure"] == measure)
            values = found.loc[chosen, "value"]
            if column.log:
                values = values[values > 0]
            face = "none" if measure == column.open else colour
            look = {"facecolor": face, "edgecolor": colour, "linewidth": 0.6, "zorder": 3}
            axes.scatter(values, [i] * len(values), s=8, marker=marker, **look)
            if len(values) > 1 and measure == column.measure:
                middle = [values.median()] * 2
                axes.plot(middle, [i - 0.4, i + 0.4], color="black", linewidth=0.8, zorder=4)
    if column.share:
        axes.set_xlim(-0.04, 1.04)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    elif column.log:
        axes.set_xscale("log")
        low, high = limits[column.measure]
        axes.set_xlim(0.8 * low, 1.25 * high)
        axes.xaxis.set_major_locator(LogLocator(numticks=3))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.margins(x=0.12)
        axes.xaxis.set_major_locator(MaxNLocator(2))
    axes.tick_params(axis="x", labelsize=5.5, pad=1.5)


def _tell_failures(axes: Axes, rows: pd.DataFrame, names: list[str], font: float) -> None:
    """Write what became of methods that gave no result on any replicate, over all columns."""
    axes.set_zorder(1)
    fitted = rows[rows["measure"] == "fitted"]
    for i, name in enumerate(names):
        of_method = fitted[fitted["method"] == name]
        if len(of_method) and not of_method["value"].any():
            note = literal(wrapped(str(of_method["note"].iloc[0]), 330, font, max_lines=1))
            place = axes.get_yaxis_transform()
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.3}
            look = {"fontsize": 0.85 * font, "color": "0.35", "va": "center", "bbox": box}
            axes.text(0.02, i, note, transform=place, **look)


def _draw_legend(figure: Figure, columns: Sequence[_Column], several: bool) -> None:
    """Explain the looks that there are."""
    point = {"lw": 0, "markersize": 3.2}
    edge = {"color": "0.3", "marker": "s", **point}
    handles = {
        "MSSVAE": Line2D([], [], color=ACCENT_COLOUR, marker="o", **point),
        "others": Line2D([], [], color=_OTHERS, marker="s", **point),
    }
    if any(column.open for column in columns):
        handles["entries by the method's own rule"] = Line2D([], [], **edge)
        handles["by the best threshold"] = Line2D([], [], markerfacecolor="none", **edge)
    if several:
        handles["median of replicates"] = Line2D([], [], color="black", lw=0.8)
    figure.legend(
        handles.values(), handles.keys(), loc="lower center", ncols=len(handles), borderpad=0.2
    )
