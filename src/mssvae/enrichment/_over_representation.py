"""Hypergeometric tests of gene sets against Gene Ontology biological processes."""

import logging
from collections.abc import Iterable
from typing import Any

import pandas as pd

from mssvae.data.validation import whole
from mssvae.enrichment import _python, _r
from mssvae.enrichment._checks import check_genes, named_sets, warn_of_genes_that_do_not_count
from mssvae.errors import InputError

ENGINES = ("auto", "clusterprofiler", "base", "python")
ADJUSTMENTS = ("holm", "hochberg", "hommel", "bonferroni", "BH", "BY", "none")
_log = logging.getLogger(__name__)


def over_representation(
    gene_sets: dict[str, list[str]],
    universe: list[str] | None = None,
    engine: str = "auto",
    adjust: str = "BY",
    min_size: int = 10,
    max_size: int = 500,
    annotation: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Test which GO biological processes occur in gene sets more often than by chance.

    For a gene set with ``n`` annotated genes, ``k`` of them in a process which has ``M`` of the
    ``N`` annotated genes of the universe, the p-value is the hypergeometric ``P(X >= k)``: Fisher's
    one-sided exact test of section 5. A gene belongs to a process through any evidence code and
    through any descendant of the process. P-values are adjusted within a gene set, over the
    processes with at least one gene of the set and an allowed size.

    All engines follow the rules of clusterProfiler's ``enrichGO`` and give the same answer on the
    same annotation. Those in R must be called from the main thread, as R is not thread-safe.

    Parameters
    ----------
    gene_sets
        Ensembl gene ids (without version suffix) by name of the set; a name that is a number
        becomes text. Ids which are repeated or have no annotation are dropped; how many is logged,
        a set of which nothing is left and ids with a version as a warning.
    universe
        Ensembl ids of the genes analysed, of which the gene sets are subsets; by default all
        annotated genes. Genes of a set outside it are logged as a warning.
    engine
        ``"clusterprofiler"`` for ``clusterProfiler::enrichGO``, ``"base"`` for the same test on the
        annotation packages of R alone, ``"python"`` for the same test without R, on ``annotation``;
        ``"auto"`` for the first of these that can be had. Which, and why, is logged.
    adjust
        Correction for multiple testing, a method of R's ``p.adjust``; ``"BY"`` is
        Benjamini-Yekutieli.
    min_size, max_size
        Smallest and largest number of genes ``M`` of the processes tested.
    annotation
        For the engine in Python, the genes of all processes, each with those of its descendants: a
        table of `go_gene_sets` or `read_gmt`. The engines in R have their own.

    Returns
    -------
    DataFrame
        One row per gene set and process: ``set, ID, Description, GeneRatio`` ("k/n"), ``BgRatio``
        ("M/N"), ``pvalue, p.adjust, qvalue`` (NaN where it cannot be estimated), ``geneID`` (the k
        genes in the order of the gene set, joined by "/"), ``Count`` (k) and ``FoldEnrichment``
        ((k/n) / (M/N)). Sets are in the order given, processes by p-value, then id. A set without
        annotated genes or without processes of an allowed size has no row. ``attrs["engine"]``
        holds the engine, versions and settings; ``attrs["n_genes"]``, ``attrs["n_annotated"]`` and
        ``attrs["n_terms"]`` by set the number of its distinct genes, the n and the number of rows.

    Raises
    ------
    InputError
        If genes are not a list of str, two sets have one name, no gene of the universe is
        annotated, a gene set is larger than the universe, a setting is not allowed, ``annotation``
        is not such a table, or the engine asked for cannot be had.
    """
    gene_sets = named_sets(gene_sets)
    _check_inputs(universe, engine, adjust)
    min_size, max_size = _check_sizes(min_size, max_size)
    functions, engine = _load_engine(engine, annotation)

    annotated = set(annotation["gene"] if functions is None else functions.annotated_genes())
    n_background = _count_background(universe, annotated)
    queries = {name: list(dict.fromkeys(genes)) for name, genes in gene_sets.items()}
    warn_of_genes_that_do_not_count(queries, universe, annotated)
    n_annotated = {name: len(annotated.intersection(genes)) for name, genes in queries.items()}
    for name, n in n_annotated.items():
        if n > n_background:
            raise InputError(
                f"gene set {name!r} has {n} annotated genes, more than the {n_background} of the "
                "universe: the universe must contain the genes of the sets."
            )
    _log.info(
        "%d gene sets with %d genes: dropped %d repeated and %d without GO annotation",
        len(gene_sets),
        _total(gene_sets.values()),
        _total(gene_sets.values()) - _total(queries.values()),
        _total(queries.values()) - sum(n_annotated.values()),
    )

    settings = {"adjust": adjust, "min_size": min_size, "max_size": max_size}
    if functions is None:
        software = _python.software()
        terms = _python.run(queries, universe, annotation, **settings)
    else:
        software = _r.software(functions, engine)
        terms = _r.run(functions, engine, queries, universe, **settings)
    terms["FoldEnrichment"] = _quotient(terms["GeneRatio"]) / _quotient(terms["BgRatio"])
    _log.info("tested with engine %s, %s", engine, software)
    terms.attrs["engine"] = {
        "engine": engine,
        **software,
        **settings,
        "n_background": n_background,
    }
    terms.attrs["n_genes"] = {name: len(genes) for name, genes in queries.items()}
    terms.attrs["n_annotated"] = n_annotated
    n_terms = terms["set"].value_counts()
    terms.attrs["n_terms"] = {name: int(n_terms.get(name, 0)) for name in queries}
    return terms


def go_gene_sets(min_size: int = 1, max_size: int = 1_000_000) -> pd.DataFrame:
    """Return the GO biological processes of an allowed size, with their genes, from R's annotation.

    Parameters
    ----------
    min_size, max_size
        Smallest and largest number of annotated human genes of a process, among all Ensembl genes.

    Returns
    -------
    DataFrame
        One row per process and gene: ``ID, Description, gene`` (Ensembl id), ordered by ID, then
        gene. A gene belongs to a process as in `over_representation`.

    Raises
    ------
    InputError
        If the sizes are not allowed, or R or its annotation packages are missing.
    """
    min_size, max_size = _check_sizes(min_size, max_size)
    table = _r.load_functions().go_gene_sets(min_size, max_size)
    sets = _r.to_pandas(table, {"ID": object, "Description": object, "genes": object})
    sets["gene"] = sets.pop("genes").str.split("/")
    return sets.explode("gene", ignore_index=True)


def _check_inputs(universe: Any, engine: str, adjust: str) -> None:
    if universe is not None:
        check_genes(universe, "universe")
    if engine not in ENGINES:
        raise InputError(f"engine is {engine!r}: use one of {', '.join(ENGINES)}.")
    if adjust not in ADJUSTMENTS:
        raise InputError(f"adjust is {adjust!r}: use one of {', '.join(ADJUSTMENTS)}.")


def _check_sizes(min_size: int, max_size: int) -> tuple[int, int]:
    """Return the smallest and largest size as Python's whole numbers."""
    min_size, max_size = whole("min_size", min_size), whole("max_size", max_size)
    if min_size > max_size:
        raise InputError(
            f"min_size is {min_size} and max_size {max_size}: use 1 <= min_size <= max_size."
        )
    return min_size, max_size


def _load_engine(engine: str, annotation: pd.DataFrame | None) -> tuple[Any, str]:
    """Return the functions of R, None where it is not needed, and the engine to run."""
    if annotation is not None:
        _python.check_annotation(annotation)
    if engine == "python" and annotation is None:
        raise InputError(
            "engine 'python' needs annotation, the genes of all GO processes: give a table of "
            "enrichment.read_gmt or enrichment.go_gene_sets."
        )
    if engine == "python":
        return None, "python"
    try:
        functions = _r.load_functions()
    except _r.MissingR as error:
        if engine == "auto" and annotation is not None:
            _log.info("engine python, as the others cannot be had: %s", error)
            return None, "python"
        raise _r.MissingR(
            f"{error} Or give the genes of all GO processes as annotation, for engine 'python'."
        ) from error
    version = _r.installed_version(functions, "clusterProfiler")
    chosen = _choose_engine(engine, version)
    why = f"R has clusterProfiler {version}" if version else "R has no clusterProfiler"
    _log.info("engine %s, as %s", chosen, why if engine == "auto" else "asked for")
    if annotation is not None:
        _log.info("engine %s takes R's own annotation, not the one given", chosen)
    return functions, chosen


def _choose_engine(engine: str, clusterprofiler: str) -> str:
    """Return the engine to run, given the version of clusterProfiler ("" if not installed)."""
    if engine == "base" or (engine == "auto" and not clusterprofiler):
        return "base"
    if not clusterprofiler:
        raise InputError(
            "engine 'clusterprofiler' needs the R package clusterProfiler, which is not installed. "
            "Install it (conda: bioconductor-clusterprofiler=4.10.0) or use engine 'base'."
        )
    major, minor = (int(number) for number in clusterprofiler.split(".")[:2])
    if (major, minor) >= (4, 19):
        raise InputError(
            f"clusterProfiler {clusterprofiler} cuts gene sets to the universe before the test, "
            "which versions before 4.19 do not. Install 4.10.0 "
            "(conda: bioconductor-clusterprofiler=4.10.0) or use engine 'base'."
        )
    return "clusterprofiler"


def _count_background(universe: list[str] | None, annotated: set[str]) -> int:
    if universe is None:
        return len(annotated)
    n_background = len(annotated.intersection(universe))
    if n_background == 0:
        raise InputError(
            f"none of the {len(universe)} genes of the universe has a GO annotation: give Ensembl "
            "ids of human genes without version suffix, such as ENSG00000000419."
        )
    _log.info("universe of %d genes, %d of them annotated", len(universe), n_background)
    return n_background


def _total(lists: Iterable[list[str]]) -> int:
    return sum(len(genes) for genes in lists)


def _quotient(ratios: pd.Series) -> pd.Series:
    """Turn "k/n" into the number k/n."""
    parts = ratios.str.split("/")
    return parts.str[0].astype(float) / parts.str[1].astype(float)
