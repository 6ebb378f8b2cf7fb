"""The engine that needs no R: the rules of clusterProfiler on a table of gene sets."""

from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from mssvae.enrichment._r import TERM_COLUMNS
from mssvae.errors import InputError
from mssvae.validation import listed, require_columns

# What statsmodels calls the methods of R's p.adjust.
_METHODS = {
    "holm": "holm",
    "hochberg": "simes-hochberg",
    "hommel": "hommel",
    "bonferroni": "bonferroni",
    "BH": "fdr_bh",
    "BY": "fdr_by",
}


def check_annotation(annotation: Any) -> None:
    """Raise InputError unless ``annotation`` is a table of gene sets."""
    columns = ["ID", "Description", "gene"]
    require_columns(annotation, columns, "annotation")
    for column in columns:
        wrong = [cell for cell in annotation[column].unique() if not isinstance(cell, str)]
        if wrong:
            raise InputError(f"annotation: {listed(wrong)} in column {column} is no text")


def software() -> dict[str, Any]:
    """Return the versions of what computes the tests."""
    return {"packages": {name: version(name) for name in ("scipy", "statsmodels")}}


def run(
    queries: dict[str, list[str]],
    universe: list[str] | None,
    annotation: pd.DataFrame,
    adjust: str,
    min_size: int,
    max_size: int,
) -> pd.DataFrame:
    """Test gene sets of distinct genes, as ``base_engine`` of ``enrichment.R`` does.

    Parameters
    ----------
    annotation
        Genes of the processes, one row per pair: ``ID, Description, gene``.

    Returns
    -------
    DataFrame
        The columns of `over_representation`, up to ``Count``.
    """
    from scipy.sparse import csr_array
    from scipy.stats import hypergeom

    term_of_pair, terms = pd.factorize(annotation["ID"], sort=True)
    gene_of_pair, genes = pd.factorize(annotation["gene"])
    pairs = np.ones(len(annotation), dtype=np.int64), (term_of_pair, gene_of_pair)
    members = csr_array(pairs, shape=(len(terms), len(genes)))
    members.data[:] = 1  # A pair that the table has twice counts once.
    genes, names = pd.Index(genes), annotation.groupby("ID", sort=True)["Description"].first()
    background = np.ones(len(genes), bool) if universe is None else genes.isin(universe)
    size = members @ background
    allowed = (size >= min_size) & (size <= max_size)

    tables = []
    for name, wanted in queries.items():
        query = pd.Index(wanted, dtype=object)
        query = query[query.isin(genes)]
        places = genes.get_indexer(query)
        # A process counts as tested if it has a gene of the query, even one outside the background.
        tested = np.flatnonzero((members[:, places].sum(axis=1) > 0) & allowed)
        inside = background[places]
        hits = members[tested][:, places[inside]]
        hits.sort_indices()
        count = np.diff(hits.indptr)
        p = hypergeom.sf(count - 1, background.sum(), size[tested], len(query))
        found = np.split(query[inside].to_numpy()[hits.indices], hits.indptr[1:-1])
        table = pd.DataFrame(
            {
                "set": name,
                "ID": terms[tested],
                "Description": names.to_numpy()[tested],
                "GeneRatio": [f"{k}/{len(query)}" for k in count],
                "BgRatio": [f"{m}/{background.sum()}" for m in size[tested]],
                "pvalue": p,
                "p.adjust": _adjust(p, adjust),
                "qvalue": _q_values(p),
                "geneID": ["/".join(of_term) for of_term in found[: len(tested)]],
                "Count": count,
            }
        )
        tables.append(table.sort_values("pvalue", kind="stable"))
    tables = [table for table in tables if len(table)] or [pd.DataFrame(columns=list(TERM_COLUMNS))]
    return pd.concat(tables, ignore_index=True).astype(TERM_COLUMNS)


def _adjust(p: np.ndarray, method: str) -> np.ndarray:
    """Adjust p-values for multiple testing, as R's ``p.adjust`` does."""
    from statsmodels.stats.multitest import multipletests

    if method == "none" or len(p) == 0:
        return p
    return multipletests(p, method=_METHODS[method])[1]


def _q_values(p: np.ndarray) -> np.ndarray:
    """Return Storey's q-values, the share of true null hypotheses estimated at lambda = 0.05.

    NaN where that share cannot be estimated: it comes out as 0, or there is one p-value.
    """
    if len(p) <= 1 or (null_share := min(1.0, np.mean(p >= 0.05) / 0.95)) == 0:
        return np.full(len(p), np.nan)
    return null_share * _adjust(p, "BH")
