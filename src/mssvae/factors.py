"""Tables about fitted factors, and the gene sets they stand for (section 5)."""

import numpy as np
import pandas as pd

from mssvae.data.matrices import as_numbers, refuse
from mssvae.data.validation import listed, number, require_columns, whole
from mssvae.errors import InputError


def gene_sets(masks: pd.DataFrame, threshold: float = 0.5) -> dict[str, list[str]]:
    """Return each factor's genes, those with ``|W| > threshold``, strongest first.

    Parameters
    ----------
    masks : DataFrame [genes x factors]
        The masks W, one column per factor.
    threshold : float
        Smallest weight that counts, itself excluded; not negative.

    Raises
    ------
    InputError
        If a gene or a factor has two rows or columns, a weight is missing or no number, or the
        threshold is none.
    """
    threshold = number("threshold", threshold, at_least=0)
    require_columns(masks, [], "masks")
    _check_unique(masks.index, "genes", "masks")
    _check_unique(masks.columns, "factors", "masks")

    def place(i: int, k: int) -> str:
        return f"gene {masks.index[i]!r}, factor {masks.columns[k]!r}"

    values = as_numbers(masks, "masks", place)
    refuse(~np.isfinite(values), "masks", "weights that are not finite", place)
    strengths = pd.DataFrame(np.abs(values), masks.index, masks.columns)
    sets = {}
    for factor, weights in strengths.items():
        members = weights[weights > threshold].sort_values(ascending=False, kind="stable")
        sets[factor] = members.index.tolist()
    return sets


def enriched_shares(factors: pd.DataFrame, summary: pd.DataFrame, small: int = 5) -> pd.DataFrame:
    """Return the numbers that section 5 quotes about enrichment, by kind of factor and study.

    Parameters
    ----------
    factors : DataFrame
        From ``MSSVAE.factor_table``, with ``n_genes``, the size of each gene set.
    summary : DataFrame
        From ``enrichment.summarise``: one row per factor, with ``set`` and ``n_enriched``.
    small : int
        Gene sets with fewer genes are counted as small.

    Returns
    -------
    DataFrame
        Rows: all shared factors, all specific factors, then each study's own. Columns:
        ``n_factors`` to start from; ``n_gene_sets``, those that are not empty; ``n_small``, empty
        ones included; ``n_enriched`` with at least one process; and this number as a share of the
        factors, ``share_of_factors``, and of the gene sets, ``share_of_gene_sets`` (NaN without
        any). The paper's denominator is likely the factors: it speaks of 60 clusters, ten for each
        of six groups.

    Raises
    ------
    InputError
        If a column or a number is missing, a factor has no row in ``summary``, or one has two.
    """
    small = whole("small", small)
    require_columns(factors, ["factor", "kind", "study", "n_genes"], "factors")
    require_columns(summary, ["set", "n_enriched"], "summary")
    _check_unique(factors["factor"], "factors", "factors")
    _check_unique(summary["set"], "sets", "summary")
    missing = factors.loc[~factors["factor"].isin(summary["set"]), "factor"]
    if len(missing):
        raise InputError(
            f"summary has no row of {len(missing)} factors: {listed(missing)}: give "
            "enrichment.summarise of the gene sets of all factors"
        )
    table = factors.merge(summary[["set", "n_enriched"]], left_on="factor", right_on="set")
    for column in ("n_genes", "n_enriched"):
        # Tables without rows have no types when they are read from a file.
        if len(table) and not pd.api.types.is_numeric_dtype(table[column]):
            raise InputError(f"{column} is of the type {table[column].dtype}: give whole numbers")
        gaps = table.loc[table[column].isna(), "factor"]
        if len(gaps):
            raise InputError(f"{len(gaps)} factors have no {column}: {listed(gaps)}")
    rows = [("shared", "all", table[table["kind"] == "shared"])]
    specific = table[table["kind"] == "specific"]
    rows.append(("specific", "all", specific))
    rows += [("specific", study, rows_) for study, rows_ in specific.groupby("study", sort=False)]
    result = pd.DataFrame(
        {
            "kind": kind,
            "study": study,
            "n_factors": len(part),
            "n_gene_sets": (part["n_genes"] > 0).sum(),
            "n_small": (part["n_genes"] < small).sum(),
            "n_enriched": (part["n_enriched"] > 0).sum(),
        }
        for kind, study, part in rows
    )
    result["share_of_factors"] = result["n_enriched"] / result["n_factors"]
    n_gene_sets = result["n_gene_sets"].where(result["n_gene_sets"] > 0)
    result["share_of_gene_sets"] = result["n_enriched"] / n_gene_sets
    return result


def _check_unique(names: pd.Index | pd.Series, what: str, source: str) -> None:
    names = pd.Index(names)
    repeated = names[names.duplicated()].unique()
    if len(repeated):
        raise InputError(
            f"{source}: {len(repeated)} {what} occur more than once: {listed(repeated)}"
        )
