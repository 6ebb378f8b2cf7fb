"""What a run found, for the front page of its report."""

import re

import pandas as pd

from mssvae.figures._common import require_columns

_METRICS = (("consensus", "shared"), ("consensus", "specific"), ("disentanglement", "all"))


def cohort_findings(title: str, factors: pd.DataFrame, shares: pd.DataFrame | None) -> str:
    """Say in a line of reStructuredText how many factors a cohort has, and how many are enriched.

    Parameters
    ----------
    title
        Title of the cohort.
    factors
        One row per factor: ``kind`` (``"shared"`` or ``"specific"``), ``study`` (of a specific
        factor), ``n_nonzero`` (genes with a weight).
    shares
        What ``factors.enriched_shares`` returned; None if gene sets were not tested.
    """
    require_columns(factors, ["kind", "study", "n_nonzero"], "factors")
    shared, specific = (factors[factors["kind"] == kind] for kind in ("shared", "specific"))
    by_group = "; ".join(
        f"{_escaped(group)}: {_in_use(rows)}" for group, rows in specific.groupby("study")
    )
    found = (
        f"- **{_escaped(title)}**: genes have {_in_use(shared)} shared factors and "
        f"{_in_use(specific)} specific ones{f' ({by_group})' if by_group else ''}."
    )
    if shares is None:
        return f"{found} Their gene sets were not tested for processes."
    require_columns(shares, ["kind", "study", "n_gene_sets", "n_enriched"], "enriched shares")
    enriched = ", ".join(
        f"{row.n_enriched} of {row.n_gene_sets} {row.kind} ones"
        for row in shares[shares["study"] == "all"].itertuples()
    )
    return f"{found} Of the factors with a gene set, {enriched} have an enriched process."


def unseen_findings(title: str, table: pd.DataFrame) -> str:
    """Say in a line of reStructuredText how the best fits do on samples they have not seen.

    Parameters
    ----------
    title
        Title of the cohort.
    table
        What ``evaluation.path`` returned.
    """
    require_columns(table, ["method", "entries", "score"], "unseen")
    best = table.sort_values("score", ascending=False).drop_duplicates("method")
    scores = ", ".join(
        f"{_escaped(row.method)} {row.score:.3f} ({row.entries:,} entries)"
        for row in best.itertuples()
    )
    return (
        f"- **{_escaped(title)}**, log-likelihood of a value of samples that fits have not seen, "
        f"the best of each method: {scores}."
    )


def random_findings(table: pd.DataFrame, background: str) -> str:
    """Say in a line of reStructuredText whether enriched gene sets are more than random ones.

    Parameters
    ----------
    table
        What ``enrichment.compare_backgrounds`` returned of ``MSSVAE`` and ``permuted labels``.
    background
        Which of its backgrounds the figures have.
    """
    numbers = ["n_sets", "n_enriched", "n_own", "n_enriched_low", "n_enriched_high"]
    require_columns(table, ["background", "kind", "method", *numbers], "backgrounds")
    table = table[table["background"] == background].set_index(["kind", "method"])
    parts = []
    for kind in ("shared", "specific"):
        ours, random, permuted = (
            table.loc[(kind, method)] for method in ("MSSVAE", "random sets", "permuted labels")
        )
        if not ours["n_sets"]:
            parts.append(f"{kind} none")
            continue
        verdict = "more than chance"
        if ours["n_enriched"] <= random["n_enriched_high"]:
            verdict = "no more than chance"
        parts.append(
            f"{kind} {ours['n_enriched']:.0f} of {ours['n_sets']:.0f}, random sets of equal size "
            f"and expression {random['n_enriched']:.1f} ({random['n_enriched_low']:.1f} to "
            f"{random['n_enriched_high']:.1f}), permuted groups {permuted['n_enriched']:.0f} of "
            f"{permuted['n_sets']:.0f}: {verdict}"
        )
    return f"Against the {background} genes: {'; '.join(parts)}."


def simulation_findings(title: str, summary: pd.DataFrame) -> str:
    """Say in lines of reStructuredText how well each method did on a simulation.

    Parameters
    ----------
    title
        Title of the simulation.
    summary
        Its rows of what ``replicates.summarise`` returned; of several stages the last counts.
    """
    columns = ["method", "stage", "metric", "part", "n", "median", "worst"]
    require_columns(summary, columns, "summary")
    lines = []
    for method, rows in summary.groupby("method", sort=False):
        rows = rows[rows["stage"] == rows["stage"].iloc[-1]].set_index(["metric", "part"])
        scores = ", ".join(
            f"{metric} {part} {rows.loc[(metric, part), 'median']:.2f} "
            f"({rows.loc[(metric, part), 'worst']:.2f})"
            for metric, part in _METRICS
            if (metric, part) in rows.index
        )
        lines.append(
            f"- **{_escaped(title)}**, method {_escaped(method)}, {rows['n'].iloc[0]} data sets: "
            f"median (worst) {scores}."
        )
    return "\n".join(lines)


def talk_findings(summary: pd.DataFrame) -> str:
    """Say in a line of reStructuredText how the methods of the talk's study separate factors.

    Parameters
    ----------
    summary
        What ``studies.talk.summary`` returned.
    """
    require_columns(summary, ["method", "correlation", "measure", "median"], "summary")
    rows = summary[summary["measure"] == "disentanglement"]
    ends = sorted({rows["correlation"].min(), rows["correlation"].max()})
    table = rows.pivot_table("median", "method", "correlation", sort=False)[ends]
    scores = "; ".join(
        f"{_escaped(method)} {' and '.join(f'{value:.2f}' for value in values)}"
        for method, values in zip(table.index, table.to_numpy(), strict=True)
    )
    return (
        "- **Seven features of two factors**, median disentanglement where these have a "
        f"correlation of {' and '.join(f'{end:g}' for end in ends)}: {scores}."
    )


def assumption_findings(summary: pd.DataFrame) -> str:
    """Say in a line of reStructuredText where assumptions matter most to the first method.

    Parameters
    ----------
    summary
        What ``studies.assumptions.summary`` returned; the first row is where all hold.
    """
    require_columns(summary, ["world", "method", "consensus"], "summary")
    method = summary["method"].iloc[0]
    ours = summary[summary["method"] == method].set_index("world")["consensus"]
    lowest = ", ".join(
        f"{value:.2f} with {_escaped(world)}" for world, value in ours[1:].nsmallest(3).items()
    )
    return (
        f"- **Assumptions of the theory**: the median consensus of {_escaped(method)} is "
        f"{ours.iloc[0]:.2f} where all hold; lowest are {lowest}."
    )


def _in_use(factors: pd.DataFrame) -> str:
    return f"{(factors['n_nonzero'] > 0).sum()} of {len(factors)}"


def _escaped(name: object) -> str:
    """Return a name such that no sign in it is markup."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", " ".join(str(name).split()))
