"""What quality control removed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mssvae.errors import InputError
from mssvae.figures._common import (
    ACCENT_COLOUR,
    PAGE_WIDTH,
    SHARED_COLOUR,
    full_title,
    group_colours,
    in_style,
    require_columns,
    require_finite,
)
from mssvae.figures._text import literal, wrapped

_LINE_HEIGHT = 0.115  # inches, of the labels


@in_style
def qc(
    samples: pd.DataFrame,
    genes: pd.DataFrame,
    steps: pd.DataFrame,
    *,
    min_log_library: float,
    min_gene_counts: float,
    min_cpm_share: float,
    title: str,
    groups: Sequence[str] | None = None,
    note: str | None = None,
) -> Figure:
    """Draw the samples and genes against the thresholds of quality control (appendix C.4).

    Parameters
    ----------
    samples
        One row per sample: ``sample``, ``group``, ``counts`` (library size), ``kept``.
    genes
        One row per gene: ``gene``, ``counts`` (over the kept samples), ``cpm_share`` (share of
        samples, 0 to 1, in which the gene passes the threshold on counts per million), ``kept``.
    steps
        One row per step: ``rule`` (text), ``samples_removed``, ``samples_left``,
        ``genes_removed``, ``genes_left``.
    min_log_library
        Threshold on the natural logarithm of the library size.
    min_gene_counts, min_cpm_share
        Thresholds on the ``counts`` and ``cpm_share`` of a gene.
    title
        Title of the cohort.
    groups
        All groups in the order of display. By default, the order in which the samples have them.
    note
        Remark for the title.

    Raises
    ------
    InputError
        If a column is missing, a number is missing or infinite, ``groups`` are not those of the
        samples, or there are more than a figure can tell apart.
    """
    require_columns(samples, ["sample", "group", "counts", "kept"], "samples")
    require_columns(genes, ["gene", "counts", "cpm_share", "kept"], "genes")
    changes = [f"{kind}_{what}" for kind in ("samples", "genes") for what in ("removed", "left")]
    require_columns(steps, ["rule", *changes], "steps")
    require_finite(samples, ["counts"], "samples")
    require_finite(genes, ["counts", "cpm_share"], "genes")
    require_finite(steps, changes, "steps")

    present = samples["group"].unique()
    groups = present if groups is None else groups
    if set(groups) != set(present):
        raise InputError(
            f"samples table: its groups are {', '.join(present)}, but those to draw are "
            f"{', '.join(groups)}: name the same groups"
        )

    sizes = samples.groupby("group").size()
    names = [f"{wrapped(g, 85, 6.5, max_lines=4)}\n(n = {sizes[g]:,})" for g in groups]
    rules = [wrapped(rule, 135, 6.5, max_lines=3) for rule in steps["rule"]]
    # Inches for the panels above and below, with room for the names of groups and of steps.
    row = 0.1 + _LINE_HEIGHT * max([2, *(1 + name.count("\n") for name in names)])
    step = 0.02 + _LINE_HEIGHT * max([2, *(1 + rule.count("\n") for rule in rules)])
    heights = [max(2.9, 0.9 + row * len(groups)), 0.5 + step * max(len(steps), 1)]
    figure = Figure(figsize=(PAGE_WIDTH, sum(heights) + 0.5), layout="constrained")
    figure.suptitle(full_title(title, "quality control", note))
    top, bottom = figure.subfigures(2, 1, height_ratios=heights)
    left, right = top.subplots(1, 2)
    _draw_samples(left, samples, dict(zip(groups, names, strict=True)), min_log_library)
    _draw_genes(right, genes, min_gene_counts, min_cpm_share)
    for axes, kind in zip(bottom.subplots(1, 2, sharey=True), ("samples", "genes"), strict=True):
        _draw_steps(axes, steps.assign(rule=rules), kind)
    return figure


def _draw_samples(
    axes: Axes, samples: pd.DataFrame, groups: dict[str, str], threshold: float
) -> None:
    """Draw the library sizes; ``groups`` gives the label of each group, in the order of rows."""
    colours = group_colours(groups)
    # Points of a group are spread vertically so that they do not hide each other.
    spread = np.random.default_rng(0).uniform(-0.3, 0.3, len(samples))
    y = samples["group"].map({group: i for i, group in enumerate(groups)}) + spread
    # A sample without counts is drawn at ln(1).
    x = np.log(samples["counts"].clip(lower=1))
    kept = samples["kept"].astype(bool)
    axes.scatter(x[kept], y[kept], s=5, c=samples["group"].map(colours)[kept], linewidth=0)
    axes.scatter(x[~kept], y[~kept], s=18, c="black", marker="x", linewidth=1, label="removed")
    axes.axvline(threshold, color=ACCENT_COLOUR, linestyle="--", label=f"ln = {threshold:g}")
    axes.set_yticks(range(len(groups)), [literal(label) for label in groups.values()])
    axes.set_ylim(max(len(groups), 1) - 0.5, -0.5)
    axes.set_xlabel("library size, ln(counts)")
    axes.set_title(f"Samples: {kept.sum():,} of {len(samples):,} kept", pad=14)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderpad=0)


def _draw_genes(axes: Axes, genes: pd.DataFrame, min_counts: float, min_share: float) -> None:
    axes.set_title(f"Genes: {genes['kept'].sum():,} of {len(genes):,} kept", pad=14)
    if genes.empty:
        axes.text(0.5, 0.5, "no gene", transform=axes.transAxes, ha="center")
        return
    # One is added so that genes without counts have a place on the logarithmic axis.
    cells = axes.hexbin(
        genes["counts"] + 1,
        genes["cpm_share"],
        xscale="log",
        bins="log",
        gridsize=(36, 22),
        mincnt=1,
        cmap="cividis_r",
        linewidths=0.1,
        rasterized=True,
    )
    axes.axvline(min_counts + 1, color=ACCENT_COLOUR, linestyle="--")
    axes.axhline(min_share, color=ACCENT_COLOUR, linestyle="--")
    axes.set_xlabel("counts over the kept samples + 1")
    axes.set_ylabel("share of samples above the CPM threshold")
    axes.figure.colorbar(cells, ax=axes, label="genes", fraction=0.05, pad=0.02)


def _draw_steps(axes: Axes, steps: pd.DataFrame, kind: str) -> None:
    left, removed = steps[f"{kind}_left"], steps[f"{kind}_removed"]
    y = range(len(steps))
    axes.barh(y, left, color=SHARED_COLOUR, height=0.6, label="left")
    axes.barh(y, removed, left=left, color=ACCENT_COLOUR, height=0.6, label="removed")
    for i, (n_left, n_removed) in enumerate(zip(left, removed, strict=True)):
        text = f" {n_left:,}" + (f" (−{n_removed:,})" if n_removed else "")
        axes.text(n_left + n_removed, i, text, va="center", fontsize=6.5)
    axes.set_yticks(y, [literal(rule) for rule in steps["rule"]])
    axes.set_ylim(max(len(steps), 1) - 0.4, -0.6)
    # Room for the numbers at the ends of the bars.
    axes.set_xlim(0, 1.35 * max((left + removed).max(), 1) if len(steps) else 1)
    axes.set_title(f"{kind.capitalize()} left after each step")
    axes.locator_params(axis="x", nbins=4)
