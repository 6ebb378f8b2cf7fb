"""Score on unseen samples against the number of entries."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

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

_OURS, _MEANS = "mssvae", "study means"


@in_style
def unseen(table: pd.DataFrame, *, title: str, note: str | None = None) -> Figure:
    """Draw the score on unseen samples against the number of entries, which is logarithmic.

    Sparse fits are a line, each point with the weight of its prior; dense models are points with
    their numbers of factors. Bars are standard errors of the gain over the study means, which are
    the dashed line. Fits without an entry are not drawn: they are study means.

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
    ours = drawn[drawn["method"] == _OURS].sort_values("entries")
    place = (ours["entries"], ours["score"], ours["standard_error"])
    label = "MSSVAE, weight of the prior"
    axes.errorbar(*place, fmt="o-", color=ACCENT_COLOUR, label=label, **bars)
    for row in ours.itertuples():
        _note(axes, row, f"{row.weight:g}", ACCENT_COLOUR)
    for method, (colour, _, marker) in looks.items():
        rows = peers[peers["method"] == method]
        place = (rows["entries"], rows["score"], rows["standard_error"])
        label = f"{method}, factors"
        axes.errorbar(*place, fmt=marker, color=colour, label=label, **bars)
        for row in rows.itertuples():
            _note(axes, row, f"{row.n_shared}", colour)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.08, y=0.1)
    axes.set_xlabel("entries that are not zero")
    axes.set_ylabel("log-likelihood of a value (nats)")
    axes.grid()
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def _note(axes, row, text: str, colour: str) -> None:
    """Write a number beside a point."""
    place = {"xytext": (5, 4), "textcoords": "offset points"}
    axes.annotate(text, (row.entries, row.score), color=colour, **place)
