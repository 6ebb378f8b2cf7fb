"""How many gene sets have a process, by background, and of random sets in their place."""

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from mssvae.data.validation import listed, number, require_columns, whole
from mssvae.enrichment._python import Processes, adjusted, check_annotation
from mssvae.errors import InputError

_log = logging.getLogger(__name__)

BACKGROUNDS = ("fitted", "expressed", "annotated")
# Random genes are of the same of so many classes of mean expression.
_N_CLASSES = 10
_NUMBERS = ("n_enriched", "n_own", "n_processes")
_INTERVAL = (0.025, 0.975)


def background(genes: pd.DataFrame, name: str) -> list[str] | None:
    """Return the genes of a background, None for all that have an annotation.

    Parameters
    ----------
    genes
        From ``preprocess.select_genes``: ``gene, selected``, a row per gene that passed quality
        control.
    name
        ``"fitted"`` for the genes that were selected, ``"expressed"`` for all in the table,
        ``"annotated"`` for all that have an annotation, the default of clusterProfiler.

    Raises
    ------
    InputError
        If a column is missing or there is no such background.
    """
    require_columns(genes, ["gene", "selected"], "genes")
    if name not in BACKGROUNDS:
        raise InputError(f"background is {name!r}: use one of {', '.join(BACKGROUNDS)}.")
    if name == "annotated":
        return None
    return genes.loc[genes["selected"] | (name == "expressed"), "gene"].tolist()


def random_sets(
    gene_sets: Mapping[str, list[str]], expression: pd.Series, rng: np.random.Generator
) -> dict[str, list[str]]:
    """Return random sets of the sizes of gene sets, with as many genes of each class of expression.

    Parameters
    ----------
    gene_sets
        Distinct genes by name of the set.
    expression
        Mean expression of the genes to draw from, by gene. Its ten classes have equally many.

    Raises
    ------
    InputError
        If a gene set has genes that ``expression`` does not have.
    """
    ranks = expression.rank(method="first").to_numpy() - 1
    of_gene = pd.Series((ranks * _N_CLASSES // len(ranks)).astype(int), expression.index)
    genes = [of_gene.index[of_gene == label].to_numpy() for label in range(_N_CLASSES)]
    drawn = {}
    for name, members in gene_sets.items():
        if unknown := set(members).difference(of_gene.index):
            raise InputError(f"gene set {name!r} has genes without expression: {listed(unknown)}")
        sizes = np.bincount(of_gene[members], minlength=_N_CLASSES)
        parts = [rng.choice(genes[i], n, replace=False) for i, n in enumerate(sizes)]
        drawn[name] = np.concatenate(parts).tolist()
    return drawn


def compare_backgrounds(
    methods: Mapping[str, tuple[Mapping[str, list[str]], pd.DataFrame]],
    genes: pd.DataFrame,
    annotation: pd.DataFrame,
    random_draws: int = 100,
    adjust: str = "BY",
    fdr: float = 0.05,
    seed: int = 0,
    backgrounds: Sequence[str] = BACKGROUNDS,
) -> pd.DataFrame:
    """Count the gene sets with a process against each background, beside random sets.

    By the engine in Python, whose numbers are those of the others on the same annotation.

    Parameters
    ----------
    methods
        By name of a method, the genes of each factor, and the table of its factors: ``factor`` and
        ``kind`` (``"shared"`` or ``"specific"``). Random sets are of the sizes and expression of
        the first method's, drawn from the fitted genes.
    genes
        From ``preprocess.select_genes``: ``gene, mean, selected``.
    annotation
        Genes of all processes: a table of `go_gene_sets` or `read_gmt`.
    random_draws
        How often all sets are drawn.
    adjust, fdr
        As in `over_representation`; a process is enriched if its adjusted p-value is below ``fdr``.
    seed
        Of the random sets, which are the same for all backgrounds.
    backgrounds
        Those that are asked for, in their order; by default all.

    Returns
    -------
    DataFrame
        One row per ``background``, ``kind`` and ``method``, ``"random sets"`` after the first:
        ``n_background`` (annotated genes), ``n_sets`` (not empty), ``share_enriched``, and
        ``n_enriched`` (sets with a process), ``n_own`` (with one that no other set of the kind
        has), ``n_processes`` (distinct ones). Random sets have means and, in columns that end in
        ``_low`` and ``_high``, intervals of 95 % of the draws, which are NaN elsewhere.

    Raises
    ------
    InputError
        If a table lacks a column, a gene set a factor or a gene, or a number is out of range.
    """
    require_columns(genes, ["gene", "mean", "selected"], "genes")
    check_annotation(annotation)
    random_draws, fdr = whole("random_draws", random_draws), number("fdr", fdr, 0, 1)
    for method, (sets, factors) in methods.items():
        require_columns(factors, ["factor", "kind"], f"factors of {method}")
        if missing := set(factors["factor"]).difference(sets):
            raise InputError(f"methods: {method} has no gene set of {listed(sorted(missing))}")
    expression = genes[genes["selected"]].set_index("gene")["mean"]
    first, *others = methods
    rng = np.random.default_rng(whole("seed", seed, at_least=0))
    drawn = [random_sets(methods[first][0], expression, rng) for _ in range(random_draws)]
    rows = []
    for name in backgrounds:
        processes = Processes(annotation, background(genes, name), min_size=10, max_size=500)
        _log.info("background %s: %d annotated genes", name, processes.n_background)
        for kind in ("shared", "specific"):

            def counted(sets, factors, kind=kind, processes=processes):
                names = factors.loc[factors["kind"] == kind, "factor"]
                return _counted([sets[name] for name in names], processes, adjust, fdr)

            place = {"background": name, "kind": kind, "n_background": processes.n_background}
            rows.append(place | {"method": first} | counted(*methods[first]))
            of_draws = pd.DataFrame([counted(sets, methods[first][1]) for sets in drawn])
            rows.append(place | {"method": "random sets"} | of_draws.mean().to_dict())
            for column in _NUMBERS:
                low, high = of_draws[column].quantile(_INTERVAL)
                rows[-1] |= {f"{column}_low": low, f"{column}_high": high}
            rows += [place | {"method": method} | counted(*methods[method]) for method in others]
    table = pd.DataFrame(rows).astype({"n_sets": int})
    table["share_enriched"] = table["n_enriched"] / table["n_sets"].where(table["n_sets"] > 0)
    intervals = [f"{column}{end}" for column in _NUMBERS for end in ("", "_low", "_high")]
    return table[
        [*("background", "kind", "method", "n_background", "n_sets", "share_enriched"), *intervals]
    ]


def _counted(
    gene_sets: Iterable[list[str]], processes: Processes, adjust: str, fdr: float
) -> dict[str, int]:
    """Count the sets of one kind, those with a process and with one of their own, and processes."""
    enriched = []
    gene_sets = [genes for genes in gene_sets if genes]
    for genes in gene_sets:
        tested, _, p = processes.test(processes.annotated(genes))
        enriched.append(tested[adjusted(p, adjust) < fdr])
    n_sets = np.bincount(np.concatenate([np.empty(0, int), *enriched]))
    return {
        "n_sets": len(gene_sets),
        "n_enriched": sum(len(found) > 0 for found in enriched),
        "n_own": sum(bool((n_sets[found] == 1).any()) for found in enriched),
        "n_processes": int((n_sets > 0).sum()),
    }
