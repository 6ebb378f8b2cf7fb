"""Checks of gene sets, and of the tables that tests of them give."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import pandas as pd

from mssvae.data.validation import listed, require_columns
from mssvae.errors import InputError

_EXAMPLE = "Ensembl ids of human genes without version, such as ENSG00000000419"
_log = logging.getLogger(__name__)


def named_sets(gene_sets: Any) -> dict[str, list[str]]:
    """Return gene sets with names that are text; numbers, as of clusters, become text.

    Raises InputError, which names the set, unless they are a dict of lists of str.
    """
    if not isinstance(gene_sets, dict):
        raise InputError("gene_sets must be a dict of lists of Ensembl ids by name of the set.")
    for name, genes in gene_sets.items():
        is_name = isinstance(name, str | Integral) and not isinstance(name, bool)
        if not is_name or not str(name).strip():
            raise InputError(f"a gene set has the name {name!r}: give text or a whole number.")
        check_genes(genes, f"gene set {name!r}")
    repeated = [name for name, n in Counter(map(str, gene_sets)).items() if n > 1]
    if repeated:
        raise InputError(
            f"{len(repeated)} names of gene sets occur as text and as a number: "
            f"{listed(repeated)}: make them unique."
        )
    return {str(name): genes for name, genes in gene_sets.items()}


def check_genes(genes: Any, what: str) -> None:
    """Raise InputError unless genes are a list of str."""
    if not isinstance(genes, list):
        raise InputError(f"{what} is a {type(genes).__name__}: give a list of Ensembl ids.")
    wrong = [gene for gene in genes if not isinstance(gene, str)]
    if wrong:
        raise InputError(f"{what} contains {listed(wrong)}, which is not a str: give Ensembl ids.")


def warn_of_genes_that_do_not_count(
    gene_sets: Mapping[str, list[str]], universe: list[str] | None, annotated: set[str]
) -> None:
    """Log a warning of genes that a test leaves out, or counts where they should not.

    Genes without annotation among others are ordinary: these the caller counts.
    """
    unknown = [name for name, genes in gene_sets.items() if genes and annotated.isdisjoint(genes)]
    if unknown:
        _log.warning(
            "%d gene sets without a gene that has a GO annotation are not tested: %s: give %s",
            len(unknown),
            listed(unknown),
            _EXAMPLE,
        )
    by_name = {f"gene set {name!r}": genes for name, genes in gene_sets.items()}
    for name, genes in (by_name | {"the universe": universe or []}).items():
        other = [gene for gene in genes if gene not in annotated and _plain(gene) in annotated]
        if other:
            _log.warning(
                "%s: %d of %d genes are left out, as they are written otherwise than in the "
                "annotation, such as %r for %r: give %s",
                name,
                len(other),
                len(genes),
                other[0],
                _plain(other[0]),
                _EXAMPLE,
            )
    if universe is None:
        return
    outside = {name: len(set(genes).difference(universe)) for name, genes in gene_sets.items()}
    told = [f"{name!r} ({n} of {len(set(gene_sets[name]))})" for name, n in outside.items() if n]
    if told:
        _log.warning(
            "%d gene sets have genes outside the universe, which count as drawn but cannot be in a "
            "process: %s: give the universe that the sets were chosen from",
            len(told),
            ", ".join(told[:10]) + (f" and {len(told) - 10} more" if len(told) > 10 else ""),
        )


def checked_terms(terms: Any, columns: Iterable[str]) -> pd.DataFrame:
    """Return the table of tests with numbered rows.

    Raises InputError unless it has these columns, without gaps, and each test once.
    """
    columns = list(columns)
    require_columns(terms, columns, "terms")
    gaps = [column for column in columns if terms[column].isna().any()]
    if gaps:
        raise InputError(
            f"terms has rows without {listed(gaps)}: give the table of over_representation."
        )
    repeated = terms.loc[terms.duplicated(["set", "ID"]), ["set", "ID"]]
    if len(repeated):
        name, process = repeated.iloc[0]
        raise InputError(
            f"terms has {len(repeated)} rows more than once, such as process {process!r} of set "
            f"{name!r}: give each test once."
        )
    return terms.reset_index(drop=True)


def _plain(gene: str) -> str:
    """Return an id without blanks around it and without its version, in capitals."""
    return gene.strip().upper().partition(".")[0]
