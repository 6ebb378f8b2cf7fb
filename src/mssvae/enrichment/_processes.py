"""What the tables and figures of the paper need from the tests of all gene sets."""

import logging
import math

import pandas as pd

from mssvae.data.validation import listed, number, whole
from mssvae.enrichment._checks import checked_terms, named_sets
from mssvae.errors import InputError

_log = logging.getLogger(__name__)


def summarise(
    terms: pd.DataFrame, gene_sets: dict[str, list[str]], fdr: float = 0.05
) -> pd.DataFrame:
    """Count genes and enriched processes of each gene set.

    Parameters
    ----------
    terms
        What `over_representation` returned for ``gene_sets``.
    gene_sets
        Ensembl gene ids by name of the set.
    fdr
        A process is enriched if its adjusted p-value is below this.

    Returns
    -------
    DataFrame
        One row per gene set, in the order given: ``set, n_genes`` (distinct), ``n_annotated`` (with
        a GO annotation), ``n_terms`` (tested), ``n_enriched, top_term`` (the process with the
        smallest p-value, enriched or not) and ``top_p_adjust``. A set that could not be tested has
        zeros, no ``top_term`` and NaN.

    Raises
    ------
    InputError
        If ``terms`` is not the table of these gene sets, with all of its rows, in any order; or
        ``fdr`` is no share.
    """
    gene_sets, fdr = named_sets(gene_sets), number("fdr", fdr, at_least=0, at_most=1)
    terms = checked_terms(terms, ["set", "ID", "Description", "pvalue", "p.adjust"])
    told = {name: len(set(genes)) for name, genes in gene_sets.items()}
    n_annotated, n_terms = (terms.attrs.get(key, {}) for key in ("n_annotated", "n_terms"))
    if terms.attrs.get("n_genes") != told:
        raise InputError("terms must be what over_representation returned for these gene_sets.")
    left = terms["set"].value_counts()
    cut = [name for name, n in n_terms.items() if left.get(name, 0) != n]
    if cut or left.sum() != sum(n_terms.values()):
        raise InputError(
            f"terms is not the whole table of over_representation, rows were dropped or added, of "
            f"{len(cut)} sets: {listed(cut)}: summarise it first."
        )
    first = terms.sort_values(["pvalue", "ID"]).drop_duplicates("set").set_index("set")
    enriched = terms.loc[terms["p.adjust"] < fdr, "set"]
    summary = pd.DataFrame(index=pd.Index(list(gene_sets), name="set", dtype=object))
    summary["n_genes"] = list(told.values())
    summary["n_annotated"] = [n_annotated[name] for name in gene_sets]
    summary["n_terms"] = [n_terms[name] for name in gene_sets]
    summary["n_enriched"] = enriched.value_counts().reindex(summary.index, fill_value=0)
    summary["top_term"] = first["Description"].reindex(summary.index)
    summary["top_p_adjust"] = first["p.adjust"].reindex(summary.index)
    return summary.reset_index()


def max_sets(n_sets: int, max_share: float = 0.10) -> int:
    """Return in how many of ``n_sets`` gene sets a process of Figures 4 and 5 may be enriched.

    It is ``max_share`` of them, rounded down, and at least two: of few sets the share would be one
    set, and a process that two factors have in common still tells them apart from the others.
    """
    return max(2, math.floor(max_share * n_sets + 1e-9))


def top_processes(
    terms: pd.DataFrame,
    n: int,
    fdr: float = 0.05,
    max_share: float = 0.10,
    n_sets: int | None = None,
) -> pd.DataFrame:
    """Choose the processes that tell the factors apart, as in Figures 4 and 5.

    Of the enriched processes, those enriched in more gene sets than `max_sets` allows are dropped;
    how many is logged. Of what is left, each set keeps the ``n`` largest fold enrichments.

    Parameters
    ----------
    terms
        Rows of `over_representation` for the gene sets of one figure.
    n
        Number of processes per gene set: 3 in Figure 4, 5 in Figure 5.
    fdr
        A process is enriched if its adjusted p-value is below this.
    max_share
        Largest share of the gene sets in which a process may be enriched; two may always have it.
    n_sets
        Number of gene sets, those without a row included; by default the sets in ``terms``.

    Returns
    -------
    DataFrame
        The rows chosen, by set in the order of ``terms``, then by falling fold enrichment; ties by
        p-value, then id.

    Raises
    ------
    InputError
        If ``terms`` lacks a column or a value, has a test twice, or a number is out of range.
    """
    terms = checked_terms(terms, ["set", "ID", "FoldEnrichment", "pvalue", "p.adjust"])
    n, fdr = whole("n", n), number("fdr", fdr, at_least=0, at_most=1)
    max_share = number("max_share", max_share, at_least=0, at_most=1)
    n_with_rows = terms["set"].nunique()
    n_sets = n_with_rows if n_sets is None else whole("n_sets", n_sets, at_least=n_with_rows)
    enriched = terms[terms["p.adjust"] < fdr]
    n_sets_of_term = enriched["ID"].map(enriched["ID"].value_counts())
    limit = max_sets(n_sets, max_share)
    telling = enriched[n_sets_of_term <= limit]
    dropped = enriched.loc[n_sets_of_term > limit, "ID"].unique()
    if len(dropped):
        _log.info(
            "%d of %d enriched processes left out, which more than %d of %d gene sets have, such "
            "as %s",
            len(dropped),
            enriched["ID"].nunique(),
            limit,
            n_sets,
            dropped[0],
        )
    position = {name: place for place, name in enumerate(terms["set"].unique())}
    return (
        telling.assign(position=telling["set"].map(position))
        .sort_values(
            ["position", "FoldEnrichment", "pvalue", "ID"], ascending=[True, False, True, True]
        )
        .groupby("position")
        .head(n)
        .drop(columns="position")
        .reset_index(drop=True)
    )
