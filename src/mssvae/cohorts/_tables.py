"""Reading count matrices."""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from mssvae.errors import InputError
from mssvae.validation import validate_counts, validate_names


def read_counts(path: str | os.PathLike, r_object: str | None = None) -> ad.AnnData:
    """Read a count matrix.

    Parameters
    ----------
    path
        A file of one of these kinds, all but ``.h5ad`` also with ``.gz``:

        - ``.csv``, or tab-separated ``.tsv`` and ``.txt``: genes x samples, where the first line
          names the samples and the first column the genes;
        - ``.mtx`` (Matrix Market): genes x samples. The first columns of ``genes.tsv`` (or
          ``features.tsv``) and ``barcodes.tsv`` in the same folder, without headings, name genes
          and samples;
        - ``.RData``: a matrix or data frame of R, genes x samples, with row and column names;
        - ``.h5ad``: samples x genes in ``X``.
    r_object
        For ``.RData``, the name of the counts, as in R: ``"counts"`` or ``"dge$counts"``. None
        takes the only object that there is.

    Returns
    -------
    AnnData
        Samples x genes, CSR, float32; names only in ``obs`` and ``var``.

    Raises
    ------
    InputError
        If the file is damaged, not rectangular or no AnnData with ``X``, if files of names or the
        object of R are missing or do not fit, if sample or gene names repeat, or if a count is
        negative, not whole or not a number.
    """
    path = Path(path)
    match _kind(path):
        case ".h5ad":
            matrix, samples, genes = _read_h5ad(path)
        case ".mtx":
            matrix, samples, genes = _read_mtx(path)
        case ".RData":
            matrix, samples, genes = _read_rdata(path, r_object)
        case _:
            matrix, samples, genes = _read_text_counts(path)
    validate_names(samples, genes, str(path))
    validate_counts(matrix, samples, genes, str(path))
    return ad.AnnData(
        sparse.csr_matrix(matrix, dtype=np.float32),
        obs=pd.DataFrame(index=samples),
        var=pd.DataFrame(index=genes),
    )


def gzip_fault(path: Path) -> str | None:
    """Say why a file called .gz cannot be decompressed to its end; None if it can."""
    if path.suffix != ".gz":
        return None
    try:
        with gzip.open(path) as stream:
            # Python takes a file of no bytes for gzip.
            if not stream.read(1):
                return "the gzip file is empty"
            while stream.read(1 << 20):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return f"the gzip file is truncated, damaged or not compressed ({error})"
    return None


@contextmanager
def readable(path: str | os.PathLike, what: str) -> Iterator[None]:
    """Turn the errors of reading a table of ``what`` into InputError that names the file."""
    # Before it is read: damaged text would be blamed on the form of the table.
    if fault := gzip_fault(Path(path)):
        raise InputError(f"{path}: {fault}: copy or download it again, or compress it with gzip")
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the text is not UTF-8 ({error}): save it as UTF-8") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"{path}: not a table of {what} ({str(error).strip()}): give every line as many cells "
            "as the first"
        ) from error


def _kind(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix


def _separator(path: Path) -> str:
    separators = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
    if _kind(path) not in separators:
        raise InputError(
            f"{path}: unknown kind of file: use .csv, .tsv or .txt, also with .gz; counts also as "
            ".mtx, .RData or .h5ad"
        )
    return separators[_kind(path)]


def _read_text_counts(path: Path) -> tuple[np.ndarray, pd.Index, pd.Index]:
    # The first line is read apart: pandas would rename samples that occur twice.
    options = {"sep": _separator(path), "header": None, "index_col": 0, "keep_default_na": False}
    with readable(path, "genes x samples"):
        samples = pd.read_csv(path, nrows=1, dtype=str, **options).iloc[0]
        counts = pd.read_csv(path, skiprows=1, dtype={0: str}, low_memory=False, **options)
    if len(samples) != counts.shape[1]:
        raise InputError(
            f"{path}: the first line names {len(samples)} samples but the next has "
            f"{counts.shape[1]} counts: it needs one cell above the gene names, and one per sample"
        )
    counts = _as_numbers(counts)
    return counts.to_numpy().T, pd.Index(samples.to_numpy()), counts.index.rename(None)


def _as_numbers(counts: pd.DataFrame) -> pd.DataFrame:
    # Cells that are not numbers become NaN, which the check of counts reports with their names.
    for column in counts.select_dtypes(exclude="number"):
        counts[column] = pd.to_numeric(counts[column].astype(str), errors="coerce")
    return counts


def _read_h5ad(path: Path) -> tuple[np.ndarray | sparse.spmatrix, pd.Index, pd.Index]:
    try:
        adata = ad.read_h5ad(path)
    # anndata raises many kinds of errors, depending on the part that the file lacks.
    except Exception as error:
        raise InputError(
            f"{path}: not a readable .h5ad file ({error}): copy it again, or write the counts with "
            "AnnData.write_h5ad"
        ) from error
    if adata.X is None:
        raise InputError(f"{path}: there is no X: put the counts there")
    return adata.X, adata.obs_names, adata.var_names


def _read_mtx(path: Path) -> tuple[sparse.csr_matrix, pd.Index, pd.Index]:
    from scipy.io import mmread

    with readable(path, "counts"):
        try:
            matrix = sparse.csr_matrix(mmread(path).T)
        except ValueError as error:
            raise InputError(
                f"{path}: not a Matrix Market file ({error}): copy or write it again"
            ) from error
    genes = _read_names(path, "genes", "features")
    samples = _read_names(path, "barcodes")
    if matrix.shape != (len(samples), len(genes)):
        raise InputError(
            f"{path}: the matrix has {matrix.shape[1]} rows and {matrix.shape[0]} columns, but the "
            f"files beside it name {len(genes)} genes and {len(samples)} samples (barcodes): it "
            "needs one row per gene and one column per sample"
        )
    return matrix, samples, genes


def _read_names(matrix: Path, *stems: str) -> pd.Index:
    places = [matrix.with_name(f"{stem}.tsv{end}") for stem in stems for end in ("", ".gz")]
    path = next((place for place in places if place.exists()), None)
    if path is None:
        raise InputError(
            f"{matrix}: there is no {' or '.join(place.name for place in places)} beside it: put "
            f"the names of the {stems[0]} there, one per line"
        )
    with readable(path, "names"):
        table = pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False)
    return pd.Index(table[0].to_numpy())


def _read_rdata(path: Path, r_object: str | None) -> tuple[np.ndarray, pd.Index, pd.Index]:
    import rdata

    # edgeR's class is a list.
    classes = rdata.conversion.DEFAULT_CLASS_MAP | {"DGEList": lambda content, attributes: content}
    try:
        objects = rdata.read_rda(path, constructor_dict=classes)
    # rdata raises many kinds of errors, depending on where the file is damaged.
    except Exception as error:
        raise InputError(
            f"{path}: not a readable .RData file ({error}): copy or download it again, or write "
            "the counts alone with save() in R"
        ) from error
    if r_object is None and len(objects) == 1:
        r_object = next(iter(objects))
    counts = objects
    for part in (r_object or "").split("$"):
        counts = counts.get(part) if isinstance(counts, dict) else None
    if hasattr(counts, "to_pandas"):  # A matrix of R comes as xarray.DataArray.
        counts = counts.to_pandas()
    if not isinstance(counts, pd.DataFrame) or {axis.inferred_type for axis in counts.axes} != {
        "string"
    }:
        names = [
            f"{name}${part}" if part else name
            for name, content in objects.items()
            for part in (content if isinstance(content, dict) else [None])
        ]
        raise InputError(
            f"{path}: {r_object!r} is no matrix or data frame of R with row and column names: name "
            f"the counts among {', '.join(names)}"
        )
    # Integers of a data frame come with a mask for NA.
    matrix = _as_numbers(counts).to_numpy(dtype=float, na_value=np.nan)
    genes, samples = (pd.Index([str(name) for name in axis]) for axis in counts.axes)
    return matrix.T, samples, genes
