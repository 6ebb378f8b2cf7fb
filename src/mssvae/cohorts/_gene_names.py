"""Names of genes and samples: what has none, what is no gene, and what has changed names."""

import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from mssvae.errors import InputError

logger = logging.getLogger(__name__)

_Matrix = np.ndarray | sparse.csr_matrix

# Whole names, in which capitals do not count. The last two are of pandas and R.
_NO_NAME = {
    "sample": r"|unnamed: \d+(_level_\d+)?",
    "gene": r"|n/?a|#n/a|#ref!|#name\?|#value!|nan|<na>|null|none|-+|\?|\.|unnamed: \d+|na\.\d*",
}
_NO_GENES = {
    "summary rows": r"__.+|n_(unmapped|multimapping|nofeature|ambiguous)|(un)?assigned"
    r"|unassigned_.+|no_feature|ambiguous|too_low_aqual|not_aligned|alignment_not_unique|unmapped|\*"
    r"|((grand|column) )?(total|sum)s?|total[ _.]?(counts|reads)|lib(rary)?[ _.]?size",
    "spike-ins": r"ercc[-_.]\d{5}",
    "antibodies or hashtags": r".*[-_ ]totalseq.*|hash[-_ ]?tag[-_ ]?\w*|(hto|adt)[-_ ].+",
}
_MONTH = (
    "(jan(uary|uar)?|feb(ruary|ruar)?|fév|mar(ch|s)?|mrz|märz?|apr(il)?|avr|may|mai|june?|juni|juin"
    "|july?|juli|juil|aug(ust)?|août|sept?(ember)?|oct(ober)?|okt|nov(ember)?|dec(ember)?|dez|déc"
    r"|dic)\.?"
)
# What spreadsheet programs make of MARCH1, SEPT2, DEC1 and 2310009E13.
_DATE = (
    rf"\d{{1,4}}[-/. ]+{_MONTH}([-/. ]+\d{{2,4}})?|{_MONTH}[-/. ]+\d{{1,4}}"
    r"|\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T][\d:.]+)?|\d{1,2}/\d{1,2}(/\d{2,4})?"
    r"|\d{1,2}\.\d{1,2}\.(\d{2,4})?|\d([.,]\d+)?e\+\d+"
)
_DAY_NUMBER = r"(3[6-9]\d{3}|4\d{4})(\.0)?"  # Since 1900, of the years 1998 to 2036.
_ENSEMBL = re.compile(
    r"(?:gene:)?(?P<kind>ENS[A-Z]{0,6}G)(?P<number>\d{11}|R\d{10})"
    r"(?:\.\d+(?:_\d+)?)?(?P<copy>[-_.]PAR[-_.]Y)?",
    re.IGNORECASE,
)
_DAMAGED = re.compile("[\x00-\x1f\x7f\ufffd]")


def clean_names(names: pd.Index, what: str, source: str) -> pd.Index:
    """Return the names of samples or genes (``what``) as text without blanks around it.

    Raises InputError if one has no name, or has characters that no name has, such as tabs.
    """
    names = pd.Index([str(name).strip() for name in names], dtype=object)
    nameless = np.flatnonzero(_whole(names, _NO_NAME[what]))
    if len(nameless):
        place = nameless[0]
        before = f", after {names[place - 1]!r}" if place else ""
        raise InputError(
            f"{source}: {len(nameless)} {what}s have no name, the first ({names[place]!r}) in row "
            f"or column {place + 1} of the {what}s{before}: name or remove them"
        )
    damaged = [name for name in names if _DAMAGED.search(name)]
    if damaged:
        raise InputError(
            f"{source}: the name {damaged[0]!r} of a {what} has a tab, a line end or damaged "
            "characters: is the file damaged, or is a row of several cells in quotes?"
        )
    return names


def clean_samples(samples: pd.Index, genes: pd.Index, source: str) -> pd.Index:
    """Return the names of the samples, cleaned; InputError if they are names of genes."""
    samples = clean_names(samples, "sample", source)
    are_genes = len(samples) > 0 and all(map(_ENSEMBL.fullmatch, samples))
    if are_genes and not any(map(_ENSEMBL.fullmatch, map(str, genes))):
        raise InputError(
            f"{source}: samples are called as genes, such as {samples[0]!r}: samples and genes are "
            "exchanged; transpose the matrix"
        )
    return samples


def clean_genes(matrix: _Matrix, genes: pd.Index, source: str) -> tuple[_Matrix, pd.Index]:
    """Return the counts [samples x genes] of genes alone, and their names.

    Rows of the file that are no genes are left out, and versions of Ensembl ids are taken off. The
    copy of a gene on chromosome Y (``_PAR_Y``) is added to the gene. The log says so.

    Raises
    ------
    InputError
        If a gene has no name or is called as a date, or two names mean the same gene.
    """
    genes = clean_names(genes, "gene", source)
    for what, pattern in _NO_GENES.items():
        found = _whole(genes, pattern)
        if found.any():
            logger.warning(
                "%s: %d rows are no genes and left out: %s, such as %s",
                source,
                found.sum(),
                what,
                genes[found][0],
            )
            matrix, genes = matrix[:, ~found], genes[~found]
    _refuse_dates(genes, source)
    matrix, genes = _with_bare_ids(matrix, genes, source)
    folded = genes.str.casefold()
    alike = genes[folded.duplicated(keep=False) & ~genes.duplicated(keep=False)]
    if len(alike):
        logger.warning(
            "%s: %d gene names differ in their capitals only, such as %s; each is a gene",
            source,
            len(alike),
            alike[0],
        )
    return matrix, genes


def refuse_row_numbers(names: pd.Index, column: str, source: str | Path) -> None:
    """Raise InputError if names are 0, 1, 2, ... or 1, 2, 3, ..., beside a ``column`` of names."""
    for first in (0, 1):
        if list(names) == [str(number) for number in range(first, first + len(names))]:
            raise InputError(
                f"{source}: the first column numbers the rows: it must hold the names, so remove "
                f"it, or put {column!r} first"
            )


def _whole(names: pd.Index, pattern: str) -> np.ndarray:
    whole = re.compile(pattern, re.IGNORECASE)
    return np.array([bool(whole.fullmatch(name)) for name in names], dtype=bool)


def _refuse_dates(genes: pd.Index, source: str) -> None:
    dates = _whole(genes, _DATE)
    # Among names of letters, a number is no Entrez id.
    if 2 * _whole(genes, r"\d+").sum() < len(genes):
        dates |= _whole(genes, _DAY_NUMBER)
    if dates.any():
        raise InputError(
            f"{source}: {dates.sum()} gene names are dates or rounded numbers, such as "
            f"{', '.join(map(repr, genes[dates][:3]))}: a spreadsheet program has changed them "
            "(MARCHF1, SEPTIN2, DELEC1); take the names from the original file, or remove the rows"
        )


def _with_bare_ids(matrix: _Matrix, genes: pd.Index, source: str) -> tuple[_Matrix, pd.Index]:
    """Take versions off Ensembl ids, and add copies of genes on chromosome Y to the gene."""
    matches = [_ENSEMBL.fullmatch(gene) for gene in genes]
    bare = pd.Index(
        [
            match["kind"].upper() + match["number"].upper().replace("R", "0") if match else gene
            for match, gene in zip(matches, genes, strict=True)
        ],
        dtype=object,
    )
    changed = np.flatnonzero(bare != genes)
    if len(changed) == 0:
        return matrix, genes
    copies = np.array([bool(m and (m["copy"] or m["number"][0] in "Rr")) for m in matches])
    originals = bare[~copies]
    repeated = originals[originals.duplicated() & (originals != genes[~copies])]
    if len(repeated):
        same = genes[(bare == repeated[0]) & ~copies]
        raise InputError(
            f"{source}: {' and '.join(same)} are one gene, {repeated[0]}, as are {len(repeated)} "
            "in all: keep one row of each, or add their counts"
        )
    logger.info(
        "%s: %d Ensembl ids are without version now, such as %s for %s",
        source,
        len(changed),
        bare[changed[0]],
        genes[changed[0]],
    )
    if not copies.any() or originals.has_duplicates:
        return matrix, bare
    logger.info("%s: %d genes of chromosome Y (PAR) added to X's", source, copies.sum())
    places, names = pd.factorize(bare)
    to_gene = sparse.csr_matrix(
        (np.ones(len(genes)), (range(len(genes)), places)),
        shape=(len(genes), len(names)),
    )
    return sparse.csr_matrix(matrix) @ to_gene, names
