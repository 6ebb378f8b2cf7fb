"""Reading count matrices."""

import logging
import os
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from mssvae.cohorts._content import existing, kind
from mssvae.cohorts._count_tables import read_count_table
from mssvae.cohorts._gene_names import clean_genes, clean_samples
from mssvae.cohorts._matrices import read_h5ad, read_mtx
from mssvae.cohorts._r_files import read_r
from mssvae.data.validation import validate_counts, validate_names
from mssvae.errors import InputError

logger = logging.getLogger(__name__)

# Whole numbers up to these are exact in single and in double precision.
_EXACT_SINGLE = 2**24
_EXACT_DOUBLE = 2**53


def read_counts(path: str | os.PathLike, r_object: str | None = None) -> ad.AnnData:
    """Read a count matrix.

    The log says what is left out or changed: rows and columns that are no genes or samples (such
    as ``__no_feature``, antibodies and symbols), versions of Ensembl ids, and how a file was read
    that is not quite what its name says.

    Parameters
    ----------
    path
        A file of one of these kinds, all but ``.h5ad`` also with ``.gz``:

        - ``.csv``, or tab-separated ``.tsv`` and ``.txt``: genes x samples, where the first line
          names the samples and the first column the genes. Lines of ``#`` and empty lines above
          are passed over, and cells may be separated by semicolons, bars or blanks;
        - ``.mtx`` (Matrix Market): genes x samples. The first columns of ``genes.tsv`` (or
          ``features.tsv``) and ``barcodes.tsv`` in the same folder, without headings, name genes
          and samples. With ``GSM1_`` before it, as in ``GSM1_matrix.mtx``, files that begin in the
          same way come first. With types of features, only ``Gene Expression`` is taken;
        - ``.RData``, ``.rda`` or ``.rds``: a matrix or data frame of R, genes x samples, with row
          and column names;
        - ``.h5ad``: samples x genes in ``X``. With ``var["feature_types"]``, only
          ``Gene Expression`` is taken.
    r_object
        For ``.RData``, the name of the counts, as in R: ``"counts"`` or ``"dge$counts"``. None
        takes the only object that there is.

    Returns
    -------
    AnnData
        Samples x genes, CSR, float32, or float64 where a count is above 2^24, so that all are
        exact; names only in ``obs`` and ``var``.

    Raises
    ------
    InputError
        If the file is damaged, not what its name says, not rectangular or no AnnData with ``X``, if
        files of names or the object of R are missing or do not fit, if a sample or a gene has no
        name, a name repeats or a spreadsheet program has made it a date, if there is no sample or
        no gene, or if a count is negative, not whole, not a number or 2^53 or more.
    """
    path = existing(path)
    match kind(path):
        case ".h5ad":
            matrix, samples, genes = read_h5ad(path)
        case ".mtx":
            matrix, samples, genes = read_mtx(path)
        case ".rdata" | ".rda" | ".rds":
            matrix, samples, genes = read_r(path, r_object)
        case _:
            matrix, samples, genes = read_count_table(path)
    samples = clean_samples(samples, genes, str(path))
    validate_counts(matrix, samples, genes, str(path))
    matrix, genes = clean_genes(matrix, genes, str(path))
    validate_names(samples, genes, str(path))
    for what, names in (("sample", samples), ("gene", genes)):
        if names.empty:
            raise InputError(f"{path}: there is no {what}: is this the whole count matrix?")
    return ad.AnnData(
        sparse.csr_matrix(matrix, dtype=_exact_type(matrix, samples, genes, path)),
        obs=pd.DataFrame(index=samples),
        var=pd.DataFrame(index=genes),
    )


def _exact_type(
    matrix: np.ndarray | sparse.csr_matrix, samples: pd.Index, genes: pd.Index, path: Path
) -> type[np.floating]:
    """Return the smallest type that holds the counts exactly."""
    largest = float(matrix.max())
    if largest <= _EXACT_SINGLE:
        return np.float32
    entries = sparse.coo_matrix(matrix)
    place = entries.data.argmax()
    gene, sample = genes[entries.col[place]], samples[entries.row[place]]
    if largest >= _EXACT_DOUBLE:
        raise InputError(
            f"{path}: the count of gene {gene!r} in sample {sample!r} is {largest:g}, too large to "
            "be exact: are these raw counts?"
        )
    logger.warning(
        "%s: counts are kept in double precision: that of gene %s in sample %s is %d",
        path,
        gene,
        sample,
        largest,
    )
    return np.float64
