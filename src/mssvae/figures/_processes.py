"""Enriched processes of each factor."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mssvae.errors import InputError
from mssvae.figures._common import (
    PAGE_HEIGHT,
    PAGE_WIDTH,
    SHARED_LOOK,
    Look,
    full_title,
    group_looks,
    in_style,
    require_columns,
    require_finite,
    text_colour_on,
)
from mssvae.figures._dots import Dots
from mssvae.figures._text import literal, text_width, wrapped

# Vertical positions are in lines of text; all other lengths are in points.
_GAP, _HEADER = 0.35, 0.5  # below a factor, and around the name of a study
_LINE_SPACING = 1.2  # height of a line over the size of its font
_MARGIN, _TITLE, _LEGEND, _AXIS, _FOOTER, _FOOTER_FONT = 5, 14, 32, 28, 9, 6


@dataclass(frozen=True)
class _Layout:
    """How rows are set in the columns of a page."""

    n_columns: int
    names: int  # width of the names of processes
    min_line: float  # least and greatest height of a line
    max_line: float

    @property
    def font(self) -> float:
        """The largest size of the font."""
        return self.max_line / _LINE_SPACING


_LAYOUTS = (
    _Layout(1, names=235, min_line=8.0, max_line=9.0),
    _Layout(2, names=165, min_line=6.0, max_line=6.6),
    _Layout(3, names=112, min_line=5.8, max_line=6.2),
)
_TICK = 6  # distance of a name from the axis
_LABEL_WIDTH = 60  # of a factor
_KINDS = ("shared", "specific")


@dataclass(frozen=True)
class _Block:
    """The rows of one factor, with the names of study and processes cut into lines."""

    study: str
    header: str
    label: str
    rows: pd.DataFrame
    names: list[str]

    @property
    def heights(self) -> list[int]:
        return [1 + name.count("\n") for name in self.names]


@in_style
def processes(
    table: pd.DataFrame,
    factors: pd.DataFrame,
    *,
    kind: str,
    title: str,
    note: str | None = None,
) -> Figure:
    """Draw the top enriched processes of each factor (figures 4 and 5 of the paper).

    A dot plot: fold enrichment (on a logarithmic axis where it spans more than a factor of ten),
    the number of the factor's genes in the process, and the adjusted p-value. Factors without a
    row are named below, with their number of genes. All rows are drawn, in up to three columns:
    where they do not fit, from about 190 rows on, the figure is taller than a page of 7 x 9 inches.

    Parameters
    ----------
    table
        One row per factor and process, in the order of display: ``set`` (the factor),
        ``Description``, ``FoldEnrichment``, ``p.adjust``, ``Count``.
    factors
        One row per factor, in the order of display: ``factor``, ``kind`` (``"shared"`` or
        ``"specific"``), ``study`` (of a specific factor), ``n_genes``.
    kind
        Which factors to draw. If there is none, the figure says so.
    title
        Title of the cohort.
    note
        Remark for the title.

    Raises
    ------
    InputError
        If a column is missing, a number is missing or infinite, a row's factor is not in
        ``factors``, the ``kind`` is another, or there are more studies than a figure can tell
        apart.
    """
    require_columns(table, ["set", "Description", "FoldEnrichment", "p.adjust", "Count"], "process")
    require_columns(factors, ["factor", "kind", "study", "n_genes"], "factors")
    unknown = set(table["set"]) - set(factors["factor"])
    if unknown:
        raise InputError(f"process table: set {min(unknown)!r} is not in the factors table")
    if kind not in _KINDS:
        raise InputError(f"kind must be one of {', '.join(_KINDS)}, not {kind!r}")
    factors = factors[factors["kind"] == kind]
    if kind == "shared":
        factors = factors.assign(study=kind)
        looks = {"shared": SHARED_LOOK}
        subject = "processes of the shared factors"
    else:
        looks = group_looks(factors["study"])
        subject = "processes of the study-specific factors"
    # The study is the header of its factors, so their labels need not repeat it.
    labels = [
        wrapped(
            f.factor.removeprefix(f.study).strip(" _-:.") or f.factor,
            _LABEL_WIDTH,
            _LAYOUTS[0].font,
            max_lines=1,
            weight="bold",
        )
        for f in factors.itertuples()
    ]
    factors = factors.assign(label=labels)
    table = table[table["set"].isin(factors["factor"])]
    require_finite(table, ["FoldEnrichment", "p.adjust", "Count"], "process")

    title = full_title(title, subject, note)
    footer = _footer(factors, table)
    top = _TITLE * (1 + title.count("\n")) + _LEGEND
    bottom = _AXIS + _FOOTER * (1 + footer.count("\n"))
    available = 72 * PAGE_HEIGHT - top - bottom
    for layout in _LAYOUTS:
        columns = _columns(table, factors, layout)
        n_lines = max(_place(blocks)[1] for blocks in columns)
        if n_lines * layout.min_line <= available:
            break
    n_lines = max(n_lines, 3)  # room for what is said of a table without rows
    line = float(np.clip(available / n_lines, layout.min_line, layout.max_line))
    width, height = 72 * PAGE_WIDTH, top + n_lines * line + bottom

    figure = Figure(figsize=(width / 72, height / 72))
    figure.suptitle(title, x=_MARGIN / width, y=1 - 5 / height, ha="left", va="top")
    figure.text(_MARGIN / width, 5 / height, literal(footer), va="bottom", fontsize=_FOOTER_FONT)
    if table.empty:
        none = "no factor has an enriched process"
        if factors.empty:
            none = f"the fit has no {'shared' if kind == 'shared' else 'study-specific'} factor"
        figure.text(0.5, 0.5, none, ha="center", va="center")
        return figure
    strip = 8 + max(text_width(literal(label), line / _LINE_SPACING, "bold") for label in labels)
    dots = Dots(table, line)
    for i, blocks in enumerate(columns):
        left = i * width / layout.n_columns + _MARGIN + strip + layout.names
        right = (i + 1) * width / layout.n_columns - _MARGIN
        bounds = (left / width, bottom / height, (right - left) / width, n_lines * line / height)
        axes = figure.add_axes(bounds, ylim=(n_lines, 0))
        _draw_column(axes, blocks, dots, looks, strip=strip, names=layout.names, line=line)
    dots.draw_legends(figure, y=1 - (top - 14) / height)
    return figure


def _footer(factors: pd.DataFrame, table: pd.DataFrame) -> str:
    """Count the factors with a row and name those without."""
    without = factors[~factors["factor"].isin(table["set"])]
    text = f"Factors with an enriched process: {len(factors) - len(without)} of {len(factors)}."
    if len(without):
        studies = (
            f"{study}: {', '.join(f'{f.label} ({f.n_genes:,})' for f in group.itertuples())}"
            for study, group in without.groupby("study", sort=False)
        )
        text += f" Without one (number of genes): {'; '.join(studies)}."
    return wrapped(text, 72 * PAGE_WIDTH - 2 * _MARGIN, _FOOTER_FONT)


def _columns(table: pd.DataFrame, factors: pd.DataFrame, layout: _Layout) -> list[list[_Block]]:
    """Split the factors with rows into columns of about equal height, none across two columns."""
    width = 72 * PAGE_WIDTH / layout.n_columns - 3 * _MARGIN
    headers = {
        study: wrapped(study, width, layout.font + 0.5, max_lines=3, weight="bold")
        for study in factors["study"].unique()
    }
    blocks = []
    for factor in factors.itertuples():
        rows = table[table["set"] == factor.factor]
        width = layout.names - _TICK
        names = [wrapped(name, width, layout.font, max_lines=2) for name in rows["Description"]]
        if names:
            blocks.append(_Block(factor.study, headers[factor.study], factor.label, rows, names))
    heights = np.array([sum(block.heights) + _GAP for block in blocks])
    middles = np.cumsum(heights) - heights / 2
    column = (layout.n_columns * middles / heights.sum()).astype(int)
    return [
        [block for block, c in zip(blocks, column, strict=True) if c == i]
        for i in range(layout.n_columns)
    ]


def _place(blocks: list[_Block]) -> tuple[list[float], float]:
    """Return the line at which each factor of a column begins, and the number of lines."""
    starts, end, study = [], 0.0, None
    for block in blocks:
        if block.study != study:
            end += _HEADER + 1.1 * (1 + block.header.count("\n"))
        starts.append(end)
        end += sum(block.heights) + _GAP
        study = block.study
    return starts, end


def _draw_column(
    axes: Axes,
    blocks: list[_Block],
    dots: Dots,
    looks: dict[str, Look],
    *,
    strip: float,
    names: float,
    line: float,
) -> None:
    """Draw, from left to right, the strip of factors, the names of the processes and the dots."""
    font = line / _LINE_SPACING
    # Horizontal positions left of the axes, in axes widths.
    point = 1 / (72 * axes.figure.get_figwidth() * axes.get_position().width)
    left = -(names + strip) * point
    beside = axes.get_yaxis_transform()
    ticks, labels = [], []
    study = None
    for i, (block, start) in enumerate(zip(blocks, _place(blocks)[0], strict=True)):
        heights = np.array(block.heights)
        y = start + np.cumsum(heights) - heights / 2
        end = start + heights.sum()
        if block.study != study:
            axes.text(
                left,
                start - 0.25,
                literal(block.header),
                transform=beside,
                va="bottom",
                linespacing=1.0,
                fontsize=font + 0.5,
                fontweight="bold",
            )
            study = block.study
        # Alternating bands lead the eye from a factor to its dots.
        axes.add_patch(
            Rectangle(
                (left, start),
                1 - left,
                end - start,
                transform=beside,
                clip_on=False,
                color="0.94" if i % 2 else "0.98",
                linewidth=0,
                zorder=0,
            )
        )
        _draw_label(
            axes, block.label, looks[block.study], (left, start, (strip - 3) * point, end), font
        )
        axes.hlines(y, 0, 1, transform=beside, color="0.8", linewidth=0.4, zorder=1)
        dots.draw(axes, block.rows, y)
        ticks.extend(y)
        labels.extend(map(literal, block.names))
    axes.set_yticks(ticks, labels, fontsize=font, linespacing=1.0)
    axes.tick_params(axis="y", length=0, pad=3)
    axes.spines["left"].set_visible(False)
    dots.set_axis(axes)


def _draw_label(
    axes: Axes, label: str, look: Look, box: tuple[float, float, float, float], font: float
) -> None:
    """Draw the strip of a factor with its label; ``box`` is its left, top, width and bottom."""
    left, start, width, end = box
    beside = axes.get_yaxis_transform()
    axes.add_patch(
        Rectangle(
            (left, start),
            width,
            end - start,
            transform=beside,
            clip_on=False,
            facecolor=look.colour,
            hatch=look.hatch,
            edgecolor="white",
            linewidth=0,
        )
    )
    axes.text(
        left + width / 2,
        (start + end) / 2,
        literal(label),
        transform=beside,
        ha="center",
        va="center_baseline",
        fontsize=font,
        fontweight="bold",
        color=text_colour_on(look.colour),
        bbox={"facecolor": look.colour, "linewidth": 0, "pad": 0.5} if look.hatch else None,
    )
