"""The engine that needs no R: the rules of clusterProfiler on a table of gene sets."""

from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from mssvae.data.validation import listed, require_columns
from mssvae.enrichment._r import TERM_COLUMNS
from mssvae.errors import InputError

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


class Processes:
    """Processes of an allowed size in a background, to test sets of distinct genes for.

    Parameters
    ----------
    annotation
        Genes of the processes, one row per pair: ``ID, Description, gene``.
    universe
        The background; None for all genes of the annotation.
    min_size, max_size
        Smallest and largest number of background genes of the processes tested.

    Attributes
    ----------
    ids, descriptions : array [P]
        Of all processes.
    size : array [P]
        Their numbers of background genes.
    n_background : int
        Number of annotated genes of the background.
    """

    def __init__(
        self,
        annotation: pd.DataFrame,
        universe: list[str] | None,
        min_size: int,
        max_size: int,
    ) -> None:
        from scipy.sparse import csr_array

        term_of_pair, ids = pd.factorize(annotation["ID"], sort=True)
        gene_of_pair, genes = pd.factorize(annotation["gene"])
        pairs = np.ones(len(annotation), dtype=np.int64), (gene_of_pair, term_of_pair)
        self._terms_of_gene = csr_array(pairs, shape=(len(genes), len(ids)))
        self._terms_of_gene.data[:] = 1  # A pair that the table has twice counts once.
        self._genes = pd.Index(genes)
        self._inside = np.ones(len(genes), bool) if universe is None else self._genes.isin(universe)
        self.ids = np.asarray(ids, dtype=object)
        self.descriptions = annotation.groupby("ID", sort=True)["Description"].first().to_numpy()
        self.size = self._inside @ self._terms_of_gene
        self.n_background = int(self._inside.sum())
        self._allowed = (self.size >= min_size) & (self.size <= max_size)
        self._sizes, self._place_of_size = np.unique(
            np.where(self._allowed, self.size, 0), return_inverse=True
        )
        self._tails: dict[int, np.ndarray] = {}

    def annotated(self, genes: list[str]) -> np.ndarray:
        """Return the numbers of those genes that have an annotation, in the order given."""
        places = self._genes.get_indexer(pd.Index(genes, dtype=object))
        return places[places >= 0]

    def test(self, query: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the processes tested, how many of their genes are in the query, and p-values.

        A process counts as tested if it has a gene of the query, even one outside the background.
        """
        tested = np.flatnonzero((self._counts(query) > 0) & self._allowed)
        count = self._counts(query[self._inside[query]])[tested]
        n = len(query)
        if n not in self._tails:
            self._tails[n] = upper_tails(n, self._sizes, self.n_background)
        return tested, count, self._tails[n][self._place_of_size[tested], count]

    def found(self, query: np.ndarray, tested: np.ndarray) -> list[str]:
        """Return the genes of the query in each process tested, joined by "/"."""
        query = query[self._inside[query]]
        hits = self._terms_of_gene[query][:, tested].T.tocsr()
        hits.sort_indices()
        names = self._genes[query].to_numpy()[hits.indices]
        return ["/".join(part) for part in np.split(names, hits.indptr[1:-1])[: len(tested)]]

    def _counts(self, query: np.ndarray) -> np.ndarray:
        return np.bincount(self._terms_of_gene[query].indices, minlength=len(self.ids))


def upper_tails(n_drawn: int, sizes: np.ndarray, n_background: int) -> np.ndarray:
    """Return P(X >= k) of hypergeometric X, a row for each size of a process, a column for each k.

    X is how many genes of the process are among ``n_drawn`` of the ``n_background``. All tails at
    once from ratios of neighbouring probabilities, as one at a time takes minutes for random sets.
    """
    most = np.minimum(sizes, n_drawn)[:, None]  # The largest k, from which sums go down.
    k = most - np.arange(most.max(initial=0) + 1)
    others = n_background - sizes[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (k + 1) * (others - n_drawn + k + 1) / ((sizes[:, None] - k) * (n_drawn - k))
        ratio[:, 0] = 1
        logs = np.cumsum(np.log(np.where((k >= 0) & (ratio > 0), ratio, 0)), axis=1)
    sums = np.cumsum(np.exp(logs - logs.max(axis=1, keepdims=True, initial=-np.inf)), axis=1)
    tails = sums / sums[:, -1:]
    return np.take_along_axis(tails, np.maximum(k, 0), axis=1)


def run(
    queries: dict[str, list[str]],
    universe: list[str] | None,
    annotation: pd.DataFrame,
    adjust: str,
    min_size: int,
    max_size: int,
) -> pd.DataFrame:
    """Test gene sets of distinct genes, as ``base_engine`` of ``enrichment.R`` does.

    Returns
    -------
    DataFrame
        The columns of `over_representation`, up to ``Count``.
    """
    processes = Processes(annotation, universe, min_size, max_size)
    tables = []
    for name, genes in queries.items():
        query = processes.annotated(genes)
        tested, count, p = processes.test(query)
        table = pd.DataFrame(
            {
                "set": name,
                "ID": processes.ids[tested],
                "Description": processes.descriptions[tested],
                "GeneRatio": [f"{k}/{len(query)}" for k in count],
                "BgRatio": [f"{m}/{processes.n_background}" for m in processes.size[tested]],
                "pvalue": p,
                "p.adjust": adjusted(p, adjust),
                "qvalue": _q_values(p),
                "geneID": processes.found(query, tested),
                "Count": count,
            }
        )
        tables.append(table.sort_values("pvalue", kind="stable"))
    tables = [table for table in tables if len(table)] or [pd.DataFrame(columns=list(TERM_COLUMNS))]
    return pd.concat(tables, ignore_index=True).astype(TERM_COLUMNS)


def adjusted(p: np.ndarray, method: str) -> np.ndarray:
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
    return null_share * adjusted(p, "BH")
