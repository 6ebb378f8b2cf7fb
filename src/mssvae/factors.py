"""Tables about fitted factors, and the gene sets they stand for (section 5)."""

import pandas as pd


def gene_sets(masks: pd.DataFrame, threshold: float = 0.5) -> dict[str, list[str]]:
    """Return each factor's genes, those with ``|W| > threshold``, strongest first.

    Parameters
    ----------
    masks : DataFrame [genes x factors]
        The masks W, one column per factor.
    """
    sets = {}
    for factor, weights in masks.abs().items():
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
    """
    table = factors.merge(summary[["set", "n_enriched"]], left_on="factor", right_on="set")
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
