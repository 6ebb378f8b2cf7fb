"""Dots of enriched processes: place, size and colour, and the legends of these."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter, MaxNLocator


class Dots:
    """Scales of the dots, common to all columns."""

    def __init__(self, table: pd.DataFrame, line: float):
        significance = -np.log10(table["p.adjust"].clip(lower=np.finfo(float).tiny))
        # A few very small p-values would leave one colour to all the others.
        high = max(significance.quantile(0.95), significance.min() + 1)
        self.colour = ScalarMappable(Normalize(significance.min(), high), "viridis_r")
        self.extend = "max" if significance.max() > high else "neither"
        self.max_count = table["Count"].max() or 1
        self.line = line
        low, high = table["FoldEnrichment"].min(), table["FoldEnrichment"].max()
        self.log = high > 10 * low > 0
        self.limits = (min(1.0, low / 1.3), high * 1.5) if self.log else (0.0, high * 1.12)

    def diameter(self, count: pd.Series | int) -> pd.Series | float:
        """Return the diameter in points: the area grows with the count, from a visible start."""
        return 2 + (self.line - 2) * np.sqrt(count / self.max_count)

    def draw(self, axes: Axes, rows: pd.DataFrame, y: np.ndarray) -> None:
        significance = -np.log10(rows["p.adjust"].clip(lower=np.finfo(float).tiny))
        axes.scatter(
            rows["FoldEnrichment"],
            y,
            s=self.diameter(rows["Count"]) ** 2,
            c=self.colour.to_rgba(significance),
            edgecolor="0.25",
            linewidth=0.3,
            zorder=3,
            clip_on=False,
        )

    def draw_legends(self, figure: Figure, y: float) -> None:
        width, height = 72 * figure.get_size_inches()
        axes = figure.add_axes((130 / width, y, 110 / width, 6 / height))
        bar = figure.colorbar(self.colour, cax=axes, orientation="horizontal", extend=self.extend)
        bar.locator = MaxNLocator(4, integer=True)
        bar.ax.text(
            -0.08,
            0.5,
            r"$-\log_{10}$ adjusted p-value",
            transform=axes.transAxes,
            ha="right",
            va="center",
        )
        counts = sorted({max(1, round(self.max_count * share)) for share in (0.1, 0.4, 1.0)})
        figure.legend(
            handles=[
                Line2D([], [], marker="o", linestyle="", color="0.5", ms=self.diameter(count))
                for count in counts
            ],
            labels=[f"{count:,}" for count in counts],
            title="genes of the factor in the process",
            ncols=len(counts),
            loc="center left",
            bbox_to_anchor=(290 / width, y + 3 / height),
        )

    def set_axis(self, axes: Axes) -> None:
        """Give the axes the scale of the fold enrichment."""
        if self.log:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(LogFormatter())
            axes.xaxis.set_minor_formatter("")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlim(self.limits)
        axes.set_xlabel("fold enrichment", loc="right")
