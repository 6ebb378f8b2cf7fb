"""Score on unseen samples against the number of entries."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from mssvae.errors import InputError
from mssvae.figures._common import (
    ACCENT_COLOUR,
    PAGE_WIDTH,
    full_title,
    group_looks,
    in_style,
    require_columns,
    require_finite,
)
from mssvae.figures._text import wrapped

_OURS, _MEANS = "mssvae", "study means"


@in_style
def unseen(table: pd.DataFrame, *, title: str, note: str | None = None) -> Figure:
    """Draw the score on unseen samples against the number of entries, which is logarithmic.

    Sparse fits are a line from a strong prior to a weak one; dense models are points. Bars are
    standard errors of the gain over the study means, which are the dashed line. Fits without an
    entry are not drawn: they are study means.

    Parameters
    ----------
    table
        As ``evaluation.path`` returns it: ``method``, ``weight``, ``entries``, ``n_shared``,
        ``score``, ``standard_error``.
    title
        Title of the cohort.
    note
        Remark for the title.

    Raises
    ------
    InputError
        If a column is missing, a number is missing or infinite, or there are no study means.
    """
    columns = ["entries", "n_shared", "score", "standard_error"]
    require_columns(table, ["method", "weight", *columns], "unseen")
    require_finite(table, columns, "unseen")
    means = table.loc[table["method"] == _MEANS, "score"]
    if len(means) != 1:
        raise InputError(f"unseen table: needs one row of the method {_MEANS!r}")
    drawn = table[(table["method"] != _MEANS) & (table["entries"] > 0)]
    peers = drawn[drawn["method"] != _OURS]
    looks = group_looks(peers["method"])

    figure = Figure(figsize=(PAGE_WIDTH, 4.2), layout="constrained")
    figure.suptitle(full_title(title, "samples that fits have not seen", note))
    axes = figure.subplots()
    axes.axhline(means.iloc[0], linestyle="--", color="0.4", label=_MEANS)
    bars = {"markersize": 5, "capsize": 2, "elinewidth": 0.8}
    ours = drawn[drawn["method"] == _OURS].sort_values("weight", ascending=False)
    place = (ours["entries"], ours["score"], ours["standard_error"])
    weights = ", ".join(f"{weight:g}" for weight in ours["weight"])
    label = wrapped(f"MSSVAE, prior times {weights} (from left)", 200, 6.5)
    axes.errorbar(*place, fmt="o-", color=ACCENT_COLOUR, label=label, **bars)
    for method, (colour, _, marker) in looks.items():
        rows = peers[peers["method"] == method]
        place = (rows["entries"], rows["score"], rows["standard_error"])
        label = f"{method}, {' and '.join(map(str, rows['n_shared']))} factors"
        axes.errorbar(*place, fmt=marker, color=colour, label=label, **bars)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.08, y=0.1)
    axes.set_xlabel("entries that are not zero")
    axes.set_ylabel("log-likelihood of a value (nats)")
    axes.grid()
    figure.legend(loc="outside lower center", ncols=2)
    return figure
