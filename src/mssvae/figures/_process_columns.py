"""Columns of enriched processes: the rows of factors, their places and their drawing."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from mssvae.figures._common import PAGE_WIDTH, Look, text_colour_on
from mssvae.figures._dots import Dots
from mssvae.figures._text import literal, wrapped

# Vertical positions are in lines of text; all other lengths are in points.
_GAP, _HEADER = 0.35, 0.5  # below a factor, and around the name of a study
LINE_SPACING = 1.2  # height of a line over the size of its font
MARGIN = 5
_TICK = 6  # distance of a name from the axis


@dataclass(frozen=True)
class Layout:
    """How rows are set in the columns of a page."""

    n_columns: int
    names: int  # width of the names of processes
    min_line: float  # least and greatest height of a line
    max_line: float

    @property
    def font(self) -> float:
        """The largest size of the font."""
        return self.max_line / LINE_SPACING


LAYOUTS = (
    Layout(1, names=235, min_line=8.0, max_line=9.0),
    Layout(2, names=165, min_line=6.0, max_line=6.6),
    Layout(3, names=112, min_line=5.8, max_line=6.2),
)


@dataclass(frozen=True)
class Block:
    """The rows of one factor, with the names of study and processes cut into lines."""

    study: str
    header: str
    label: str
    rows: pd.DataFrame
    names: list[str]

    @property
    def heights(self) -> list[int]:
        return [1 + name.count("\n") for name in self.names]


def split_columns(table: pd.DataFrame, factors: pd.DataFrame, layout: Layout) -> list[list[Block]]:
    """Split the factors with rows into columns of about equal height, none across two columns."""
    width = 72 * PAGE_WIDTH / layout.n_columns - 3 * MARGIN
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
            blocks.append(Block(factor.study, headers[factor.study], factor.label, rows, names))
    heights = np.array([sum(block.heights) + _GAP for block in blocks])
    middles = np.cumsum(heights) - heights / 2
    column = (layout.n_columns * middles / heights.sum()).astype(int)
    return [
        [block for block, c in zip(blocks, column, strict=True) if c == i]
        for i in range(layout.n_columns)
    ]


def place(blocks: list[Block]) -> tuple[list[float], float]:
    """Return the line at which each factor of a column begins, and the number of lines."""
    starts, end, study = [], 0.0, None
    for block in blocks:
        if block.study != study:
            end += _HEADER + 1.1 * (1 + block.header.count("\n"))
        starts.append(end)
        end += sum(block.heights) + _GAP
        study = block.study
    return starts, end


def draw_column(
    axes: Axes,
    blocks: list[Block],
    dots: Dots,
    looks: dict[str, Look],
    *,
    strip: float,
    names: float,
    line: float,
) -> None:
    """Draw, from left to right, the strip of factors, the names of the processes and the dots."""
    font = line / LINE_SPACING
    # Horizontal positions left of the axes, in axes widths.
    point = 1 / (72 * axes.figure.get_figwidth() * axes.get_position().width)
    left = -(names + strip) * point
    beside = axes.get_yaxis_transform()
    ticks, labels = [], []
    study = None
    for i, (block, start) in enumerate(zip(blocks, place(blocks)[0], strict=True)):
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
