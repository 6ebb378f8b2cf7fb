"""All methods on all data of a comparison: measures as columns, methods as rows."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from mssvae.errors import InputError
from mssvae.figures._common import ACCENT_COLOUR, PAGE_WIDTH, in_style, require_columns
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
    _Column("unseen", "unseen samples\n(nats a value)"),
    _Column("agreement_halves", "agreement\nof halves", share=True),
    _Column("entries", "entries", log=True),
    _Column("seconds", "seconds", log=True),
)
_OTHERS = "#0072b2"
_ROW, _PANEL, _TOP, _BOTTOM = 0.135, 0.42, 0.45, 0.35  # inches
_NAME_FONT, _NAME_WIDTH = 6.5, 110  # points
_GAP = 0.1  # inches between columns


@in_style
def comparison(
    table: pd.DataFrame,
    *,
    data: Mapping[str, str],
    methods: Mapping[str, str],
    ours: Sequence[str],
) -> Figure:
    """Draw the main measures of all methods on all data.

    Columns that no data have are left out, and so are methods that data do not have. Seconds and
    entries are logarithmic.

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
        (title, rows, [name for name in methods if (rows["method"] == name).any()])
        for name, title in data.items()
        if len(rows := table[table["data"] == name])
    ]
    valid = table[table["value"].notna()]
    columns = [column for column in _COLUMNS if (valid["measure"] == column.measure).any()]
    heights = [_PANEL + _ROW * len(names) for *_, names in panels]
    figure = Figure(figsize=(PAGE_WIDTH, sum(heights) + _TOP + _BOTTOM))
    width, height = PAGE_WIDTH, sum(heights) + _TOP + _BOTTOM
    shown = {
        name: wrapped(title, _NAME_WIDTH, _NAME_FONT, max_lines=1)
        for name, title in methods.items()
    }
    left = 0.2 + max(text_width(name, _NAME_FONT) for name in shown.values()) / 72
    each = (width - left - 0.1) / max(len(columns), 1)
    top = height - _TOP
    for (title, rows, names), size in zip(panels, heights, strict=True):
        bottom = top - size + _PANEL - 0.12
        box = [bottom / height, _ROW * len(names) / height]
        axes = [
            figure.add_axes(((left + i * each) / width, box[0], (each - _GAP) / width, box[1]))
            for i in range(len(columns))
        ]
        for one, column in zip(axes, columns, strict=True):
            _draw(one, column, rows, names, ours)
        labels = [literal(shown[name]) for name in names]
        axes[0].set_yticks(range(len(names)), labels, fontsize=_NAME_FONT)
        for label, name in zip(axes[0].get_yticklabels(), names, strict=True):
            label.set_color(ACCENT_COLOUR if name in ours else "black")
        _tell_failures(axes[0], rows, names)
        place = (0.1 / width, (bottom + _ROW * len(names) + 0.05) / height)
        figure.text(*place, literal(title), weight="bold", fontsize=7.5)
        top -= size
    for i, column in enumerate(columns):
        place = ((left + (i + 0.5) * each - _GAP / 2) / width, 1 - 0.06 / height)
        figure.text(*place, column.title, ha="center", va="top", fontsize=7)
    _draw_legend(figure)
    return figure


def _draw(
    axes: Axes, column: _Column, rows: pd.DataFrame, names: list[str], ours: Sequence[str]
) -> None:
    """Draw one measure of all methods on one data set; nothing where there is no value."""
    found = rows[rows["value"].notna()]
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [""] * len(names))
    axes.tick_params(axis="y", length=0)
    axes.spines[["left"]].set_visible(False)
    if not (found["measure"] == column.measure).any():
        axes.set_xticks([])
        axes.spines[["bottom"]].set_visible(False)
        axes.patch.set_visible(False)
        return
    axes.hlines(range(len(names)), 0, 1, transform=axes.get_yaxis_transform(), color="0.9", lw=0.5)
    for i, name in enumerate(names):
        colour = ACCENT_COLOUR if name in ours else _OTHERS
        marker = "o" if name in ours else "s"
        for measure, is_open in ((column.open, True), (column.measure, False)):
            chosen = (found["method"] == name) & (found["measure"] == measure)
            values = found.loc[chosen, "value"]
            if values.empty or (column.log and (values <= 0).any()):
                continue
            look = {"facecolor": "none" if is_open else colour, "edgecolor": colour}
            axes.scatter(values, [i] * len(values), s=9, marker=marker, lw=0.6, zorder=3, **look)
            if len(values) > 1 and not is_open:
                axes.plot(
                    [values.median()] * 2, [i - 0.4, i + 0.4], color="black", lw=0.8, zorder=4
                )
    if column.share:
        axes.set_xlim(-0.04, 1.04)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    elif column.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=4))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.12)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.margins(x=0.12)
    axes.tick_params(axis="x", labelsize=5.5, pad=1.5)


def _tell_failures(axes: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    """Write what became of methods that gave no result."""
    failed = rows[(rows["measure"] == "fitted") & (rows["value"] == 0)]
    for i, name in enumerate(names):
        notes = failed.loc[failed["method"] == name, "note"]
        if len(notes) and len(notes) == len(
            rows[(rows["method"] == name) & (rows["measure"] == "fitted")]
        ):
            note = wrapped(str(notes.iloc[0]).split(": run")[0], 330, 5.5, max_lines=1)
            place = {"transform": axes.get_yaxis_transform(), "zorder": 5}
            axes.text(0.05, i, literal(note), fontsize=5.5, va="center", color="0.35", **place)


def _draw_legend(figure: Figure) -> None:
    point = {"lw": 0, "markersize": 3.2}
    edge = {"color": "0.3", "marker": "s", **point}
    handles = {
        "MSSVAE": Line2D([], [], color=ACCENT_COLOUR, marker="o", **point),
        "others": Line2D([], [], color=_OTHERS, marker="s", **point),
        "entries by the method's own rule": Line2D([], [], **edge),
        "by the best threshold": Line2D([], [], markerfacecolor="none", **edge),
        "median of replicates": Line2D([], [], color="black", lw=0.8),
    }
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncols=len(handles))
