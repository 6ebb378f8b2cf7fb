"""Reading count matrices from Matrix Market files, with names beside them, and from .h5ad."""

import io
import logging
import re
from collections.abc import Sequence
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from mssvae.cohorts._content import read_text, readable, refuse_other
from mssvae.cohorts._gene_names import clean_names, refuse_row_numbers
from mssvae.errors import InputError

logger = logging.getLogger(__name__)

_BANNER = "%%MatrixMarket"
_FIELDS = ("integer", "unsigned-integer", "real", "double")
# Types of features, in small letters, of Cell Ranger and of tools that write the same files.
_GENES = "gene expression"
_OTHER_FEATURES = {
    "antibody capture",
    "crispr guide capture",
    "multiplexing capture",
    "antigen capture",
    "custom",
    "peaks",
    "vdj",
    "vdj-t",
    "vdj-b",
}


def read_h5ad(path: Path) -> tuple[np.ndarray | sparse.csr_matrix, pd.Index, pd.Index]:
    """Return the counts [samples x genes] in ``X`` of an AnnData, and the names of both.

    Raises InputError if the file is none, or ``X`` is missing or holds no numbers.
    """
    with path.open("rb") as stream:
        refuse_other(stream.read(512), path, b"\x89HDF")
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
    if adata.X.dtype.kind not in "iuf":
        raise InputError(f"{path}: X holds {adata.X.dtype}, no counts: put whole numbers there")
    matrix = _without_repeats(adata.X, path) if sparse.issparse(adata.X) else adata.X
    if "feature_types" not in adata.var:
        return matrix, adata.obs_names, adata.var_names
    genes = _are_genes(adata.var["feature_types"].astype(str).tolist(), adata.var_names, path)
    return matrix[:, genes], adata.obs_names, adata.var_names[genes]


def read_mtx(path: Path) -> tuple[sparse.csr_matrix, pd.Index, pd.Index]:
    """Return the counts [samples x genes] of a Matrix Market file, and the names of both.

    Raises
    ------
    InputError
        If the file is damaged or of a kind that holds no counts, or if the files of names are
        missing, differ, or do not fit.
    """
    with readable(path, "entries"):
        matrix = _parse(read_text(path, _BANNER.encode()), path)
    names = _read_names(path, "features", "genes")
    genes, samples = names[0], _read_names(path, "barcodes")[0]
    if matrix.shape == (len(samples), len(genes)) and len(samples) != len(genes):
        logger.warning("%s: rows are samples and columns are genes; read so", path)
        matrix = matrix.T
    if matrix.shape != (len(genes), len(samples)):
        raise InputError(
            f"{path}: the matrix has {matrix.shape[0]} rows and {matrix.shape[1]} columns, but the "
            f"files beside it name {len(genes)} genes and {len(samples)} samples (barcodes): it "
            "needs one row per gene and one column per sample, and names have no heading"
        )
    matrix = _without_repeats(sparse.coo_matrix(matrix.T), path)
    if 2 in names:
        are_genes = _are_genes(names[2].tolist(), genes, path)
        matrix, genes = matrix[:, are_genes], genes[are_genes]
    return matrix, samples, genes


def name_files(matrix: Path, *stems: str) -> list[Path]:
    """Return the files beside a matrix that may name its genes or samples.

    They end in a stem and ``.tsv`` or ``.tsv.gz``; what stands before it must begin the name of the
    matrix, too. Those that share the longest beginning with it are returned.
    """
    found = {}
    for path in sorted(matrix.parent.iterdir()):
        for stem in stems:
            prefix, end, rest = path.name.rpartition(f"{stem}.tsv")
            if end and rest in ("", ".gz") and matrix.name.startswith(prefix):
                found.setdefault(len(prefix), []).append(path)
    return found[max(found)] if found else []


def _parse(text: str, path: Path) -> sparse.coo_matrix:
    """Return the matrix of a Matrix Market file.

    SciPy's reader takes the number at the beginning of "24,5" or "24 999" in silence, and null
    bytes or a short line of sizes can end the process.
    """
    head = re.match(r"(.*)\n(?:%.*\n|[ \t]*\n)*(.*)\n?", text)
    banner = head[1].lower().split() if head else []
    if len(banner) != 5 or banner[:2] != [_BANNER.lower(), "matrix"]:
        raise InputError(
            f"{path}: not a Matrix Market file: the first line should be like '{_BANNER} matrix "
            "coordinate integer general': copy or write it again"
        )
    _, _, form, field, symmetry = banner
    if field not in _FIELDS or form not in ("coordinate", "array") or symmetry != "general":
        pattern = ", which says where counts are, not how large" if field == "pattern" else ""
        raise InputError(
            f"{path}: a Matrix Market file of the kind {' '.join(banner[2:])!r}{pattern}: counts "
            "are needed, 'integer general' or 'real general'"
        )
    size = head[2].split()
    n_cells = 3 if form == "coordinate" else 1
    if len(size) != max(n_cells, 2) or not all(re.fullmatch(r"\d{1,18}", part) for part in size):
        raise InputError(
            f"{path}: not a Matrix Market file: the line {head[2]!r} should have the numbers of "
            f"rows, columns{' and entries' if n_cells == 3 else ''}: copy or write it again"
        )
    shape = (int(size[0]), int(size[1]))
    n_entries = int(size[2]) if form == "coordinate" else shape[0] * shape[1]
    entries = _entries(text[head.end() :], n_cells, path)
    if len(entries) != n_entries:
        raise InputError(
            f"{path}: {n_entries} entries are announced, but there are {len(entries)}: the file is "
            "truncated or damaged; copy or write it again"
        )
    counts = entries[n_cells - 1].to_numpy()
    if form == "array":
        return sparse.coo_matrix(counts.reshape(shape, order="F"))
    places = entries[[0, 1]].to_numpy()
    outside = np.flatnonzero(
        ((places < 1) | (places > shape)).any(axis=1) | (places % 1).any(axis=1)
    )
    if len(outside):
        raise InputError(
            f"{path}: entry {outside[0] + 1} is in row {places[outside[0], 0]:g} and column "
            f"{places[outside[0], 1]:g} of {shape[0]} rows and {shape[1]} columns: write it again"
        )
    return sparse.coo_matrix((counts, (places - 1).astype(int).T), shape=shape)


def _entries(text: str, n_cells: int, path: Path) -> pd.DataFrame:
    """Return the entries below the sizes as numbers; InputError shows a line that is none."""
    if not text.strip():
        return pd.DataFrame({j: [] for j in range(n_cells)})
    entries = pd.read_csv(
        io.BytesIO(text.encode()),
        sep=r"\s+",
        header=None,
        keep_default_na=False,
        low_memory=False,
    )
    numbers = entries.apply(pd.to_numeric, errors="coerce")
    bad = np.flatnonzero(numbers.isna().any(axis=1))
    if len(bad) or numbers.shape[1] != n_cells:
        place = bad[0] if len(bad) else 0
        cells = " ".join(map(str, entries.iloc[place]))
        what = "row, column and count" if n_cells == 3 else "one count"
        raise InputError(
            f"{path}: entry {place + 1}, {cells.strip()!r}, must have {what}: write it again"
        )
    return numbers


def _without_repeats(matrix: sparse.spmatrix, path: Path) -> sparse.csr_matrix:
    """Return the matrix as CSR, where entries that were there several times are added up."""
    stored = matrix.nnz
    matrix = sparse.csr_matrix(matrix, dtype=np.float64)  # Sums may leave the range of bytes.
    matrix.sum_duplicates()
    if matrix.nnz < stored:
        logger.warning(
            "%s: %d entries are of a gene and sample that have one already; added up",
            path,
            stored - matrix.nnz,
        )
    matrix.eliminate_zeros()
    return matrix


def _read_names(matrix: Path, *stems: str) -> dict[int, pd.Index]:
    """Return the columns of the file of names beside a matrix: 0 holds the names."""
    paths = name_files(matrix, *stems)
    if not paths:
        places = [f"{stem}.tsv{end}" for stem in sorted(stems, reverse=True) for end in ("", ".gz")]
        raise InputError(
            f"{matrix}: there is no {' or '.join(places)} beside it: put the names of the "
            f"{stems[-1]} there, one per line"
        )
    tables = [_read_name_file(path) for path in paths]
    for path, table in zip(paths[1:], tables[1:], strict=True):
        if not table[0].equals(tables[0][0]):
            raise InputError(
                f"{matrix}: {paths[0].name} and {path.name} beside it differ: keep the one that "
                "belongs to the matrix"
            )
    logger.info("%s: names from %s", matrix, paths[0].name)
    return max(tables, key=len)


def _read_name_file(path: Path) -> dict[int, pd.Index]:
    with readable(path, "names"):
        text = read_text(path)
        table = pd.read_csv(
            io.BytesIO(text.encode()), sep="\t", header=None, dtype=str, keep_default_na=False
        )
    what = "sample" if "barcodes.tsv" in path.name else "gene"
    names = clean_names(table[0], what, str(path))
    if table.shape[1] > 1:
        refuse_row_numbers(names, table[1][0], path)
    elif all(re.search("[,;|]", name) for name in names):
        raise InputError(
            f"{path}: cells are not separated by tabs, as in {names[0]!r}: write the names in the "
            "first column and a tab after each"
        )
    return {0: names} | {j: pd.Index(table[j]) for j in range(1, table.shape[1])}


def _are_genes(types: Sequence[str], names: pd.Index, path: Path) -> np.ndarray:
    """Say which features are genes, by their types; all are if the types are no types of those."""
    folded = [kind.strip().casefold() for kind in types]
    genes = np.array([kind == _GENES for kind in folded], dtype=bool)
    if not genes.any():
        if _OTHER_FEATURES.isdisjoint(folded):
            return np.ones(len(names), dtype=bool)
        raise InputError(
            f"{path}: there is no gene: no feature is of the type Gene Expression, but "
            f"{names[0]!r} is {types[0]!r}: give the matrix of Gene Expression"
        )
    if "" in folded:
        raise InputError(
            f"{path}: the feature {names[folded.index('')]!r} has no type, as others have: say "
            "whether it is Gene Expression"
        )
    for kind, features in names[~genes].groupby(np.asarray(types)[~genes]).items():
        logger.warning(
            "%s: %d features of the type %s left out, such as %s",
            path,
            len(features),
            kind,
            features[0],
        )
    return genes
