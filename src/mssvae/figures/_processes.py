"""Enriched processes of each factor."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mssvae.errors import InputError
from mssvae.figures._common import (
    PAGE_HEIGHT,
    PAGE_WIDTH,
    SHARED_LOOK,
    full_title,
    group_looks,
    in_style,
    require_columns,
    require_finite,
)
from mssvae.figures._dots import Dots
from mssvae.figures._process_columns import (
    LAYOUTS,
    LINE_SPACING,
    MARGIN,
    draw_column,
    place,
    split_columns,
)
from mssvae.figures._text import literal, text_width, wrapped

# In points.
_TITLE, _LEGEND, _AXIS, _FOOTER, _FOOTER_FONT = 14, 32, 28, 9, 6
_LABEL_WIDTH = 60  # of a factor
_KINDS = ("shared", "specific")


@in_style
def processes(
    table: pd.DataFrame,
    factors: pd.DataFrame,
    *,
    kind: str,
    title: str,
    note: str | None = None,
    summary: pd.DataFrame | None = None,
    max_sets: int | None = None,
    background: str | None = None,
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
    summary
        What ``enrichment.summarise`` returned: with it, factors whose enriched processes were all
        left out of ``table`` are told from those that have none.
    max_sets
        In how many gene sets the processes of ``table`` may be enriched, to say it.
    background
        Which genes the sets were compared with, to say it.

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
            LAYOUTS[0].font,
            max_lines=1,
            weight="bold",
        )
        for f in factors.itertuples()
    ]
    factors = factors.assign(label=labels)
    table = table[table["set"].isin(factors["factor"])]
    require_finite(table, ["FoldEnrichment", "p.adjust", "Count"], "process")

    title = full_title(title, subject, note)
    footer = _footer(factors, table, summary, max_sets, background)
    top = _TITLE * (1 + title.count("\n")) + _LEGEND
    bottom = _AXIS + _FOOTER * (1 + footer.count("\n"))
    available = 72 * PAGE_HEIGHT - top - bottom
    for layout in LAYOUTS:
        columns = split_columns(table, factors, layout)
        n_lines = max(place(blocks)[1] for blocks in columns)
        if n_lines * layout.min_line <= available:
            break
    n_lines = max(n_lines, 3)  # room for what is said of a table without rows
    line = float(np.clip(available / n_lines, layout.min_line, layout.max_line))
    width, height = 72 * PAGE_WIDTH, top + n_lines * line + bottom

    figure = Figure(figsize=(width / 72, height / 72))
    figure.suptitle(title, x=MARGIN / width, y=1 - 5 / height, ha="left", va="top")
    figure.text(MARGIN / width, 5 / height, literal(footer), va="bottom", fontsize=_FOOTER_FONT)
    if table.empty:
        none = "no factor has a process to show"
        if factors.empty:
            none = f"the fit has no {'shared' if kind == 'shared' else 'study-specific'} factor"
        figure.text(0.5, 0.5, none, ha="center", va="center")
        return figure
    strip = 8 + max(text_width(literal(label), line / LINE_SPACING, "bold") for label in labels)
    dots = Dots(table, line)
    for i, blocks in enumerate(columns):
        left = i * width / layout.n_columns + MARGIN + strip + layout.names
        right = (i + 1) * width / layout.n_columns - MARGIN
        bounds = (left / width, bottom / height, (right - left) / width, n_lines * line / height)
        axes = figure.add_axes(bounds, ylim=(n_lines, 0))
        draw_column(axes, blocks, dots, looks, strip=strip, names=layout.names, line=line)
    dots.draw_legends(figure, y=1 - (top - 14) / height)
    return figure


def _footer(
    factors: pd.DataFrame,
    table: pd.DataFrame,
    summary: pd.DataFrame | None,
    max_sets: int | None,
    background: str | None,
) -> str:
    """Count the factors with an enriched process, and name those without a row and why."""
    shown = factors["factor"].isin(table["set"])
    enriched = shown
    if summary is not None:
        enriched = shown | factors["factor"].isin(summary.loc[summary["n_enriched"] > 0, "set"])
    text = f"Factors with an enriched process: {enriched.sum()} of {len(factors)}."
    if background is not None:
        text += f" Background: {background} genes."
    if max_sets is not None:
        n_sets = (factors["n_genes"] > 0).sum()
        text += f" Processes of more than {max_sets} of the {n_sets} gene sets are left out."
    if (enriched & ~shown).any():
        text += f" With such alone (number of genes): {_named(factors[enriched & ~shown])}."
    if (~enriched).any():
        text += f" Without one (number of genes): {_named(factors[~enriched])}."
    return wrapped(text, 72 * PAGE_WIDTH - 2 * MARGIN, _FOOTER_FONT)


def _named(factors: pd.DataFrame) -> str:
    return "; ".join(
        f"{study}: {', '.join(f'{f.label} ({f.n_genes:,})' for f in group.itertuples())}"
        for study, group in factors.groupby("study", sort=False)
    )
