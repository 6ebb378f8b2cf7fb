"""How many gene sets have a process, by background, beside random sets."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mssvae.figures._common import (
    PAGE_WIDTH,
    SHARED_COLOUR,
    full_title,
    group_looks,
    in_style,
    require_columns,
    require_finite,
)
from mssvae.figures._text import literal

_RANDOM = "random sets"
_ROWS = {"n_enriched": "sets with a process", "n_own": "with one of their own"}


@in_style
def backgrounds(table: pd.DataFrame, *, title: str, note: str | None = None) -> Figure:
    """Draw how many gene sets have an enriched process, and one that no other set has.

    A panel for shared and one for specific factors; random sets as a grey bar over the interval of
    95 % with a line at the mean.

    Parameters
    ----------
    table
        What ``enrichment.compare_backgrounds`` returned.
    title
        Title of the cohort.
    note
        Remark for the title.

    Raises
    ------
    InputError
        If a column or a number is missing, or there are more methods than a figure can tell apart.
    """
    columns = ["n_background", "n_sets", *_ROWS]
    ends = [f"{column}_{end}" for column in _ROWS for end in ("low", "high")]
    require_columns(table, ["background", "kind", "method", *columns, *ends], "backgrounds")
    require_finite(table, columns, "backgrounds")
    require_finite(table[table["method"] == _RANDOM], ends, "backgrounds")
    methods = [method for method in table["method"].unique() if method != _RANDOM]
    of_methods = group_looks(methods)
    looks = {method: of_methods[method] for method in methods}  # In the order of the table.
    sizes = table.drop_duplicates("background").set_index("background")["n_background"]

    figure = Figure(figsize=(PAGE_WIDTH, 4.8), layout="constrained")
    figure.suptitle(full_title(title, "gene sets with an enriched process", note))
    panels = figure.subplots(2, 2, sharex=True, sharey="col")
    for column, kind in enumerate(("shared", "specific")):
        panels[0, column].set_title(f"{kind} factors")
        for row, number in enumerate(_ROWS):
            rows = table[table["kind"] == kind]
            _draw(panels[row, column], rows, number, list(sizes.index), looks)
        panels[1, column].set_xlabel("background")
        panels[1, column].set_xticks(
            range(len(sizes)), [f"{name}\n({n:,} genes)" for name, n in sizes.items()]
        )
    for axes, label in zip(panels[:, 0], _ROWS.values(), strict=True):
        axes.set_ylabel(label)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, [literal(label) for label in labels], loc="outside lower center", ncols=len(labels)
    )
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, number: str, names: list[str], looks: dict) -> None:
    random = rows[rows["method"] == _RANDOM].set_index("background").loc[names]
    low, high = random[f"{number}_low"], random[f"{number}_high"]
    places = np.arange(len(names))
    axes.bar(
        places,
        high - low,
        0.8,
        bottom=low,
        color=SHARED_COLOUR,
        alpha=0.45,
        label="random sets, 95 % of them and their mean",
    )
    axes.hlines(random[number], places - 0.4, places + 0.4, color="black", linewidth=1)
    offsets = (np.arange(len(looks)) - (len(looks) - 1) / 2) * 0.8 / max(len(looks), 1)
    for offset, (method, look) in zip(offsets, looks.items(), strict=True):
        values = rows[rows["method"] == method].set_index("background").loc[names, number]
        axes.plot(
            places + offset,
            values,
            linestyle="",
            marker=look.marker,
            markersize=5,
            color=look.colour,
            clip_on=False,
            zorder=3,
            label=method,
        )
    n_sets = rows["n_sets"].max()
    axes.axhline(n_sets, color="0.6", linestyle=":", linewidth=0.8)
    axes.set_ylim(0, 1.08 * max(n_sets, 1))
    axes.margins(x=0.02)
