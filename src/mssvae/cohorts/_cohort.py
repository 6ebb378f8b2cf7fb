"""Whole cohorts: counts, groups and where they come from."""

import hashlib
import logging
import os
from collections.abc import Sequence
from functools import partial, reduce
from itertools import pairwise
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from mssvae.cohorts._fetch import DownloadError, fetch
from mssvae.cohorts._groups import (
    check_mapped,
    map_labels,
    ordered_groups,
    read_group_mapping,
)
from mssvae.cohorts._matching import of_samples, simplified
from mssvae.cohorts._registry import Dataset, RegistryFile
from mssvae.cohorts._series import read_series_matrix
from mssvae.cohorts._sheets import read_sample_sheet
from mssvae.cohorts._tables import read_counts
from mssvae.data.files import sha256
from mssvae.data.validation import validate_names
from mssvae.errors import InputError

logger = logging.getLogger(__name__)


def from_geo(
    datasets: Sequence[Dataset],
    mapping: str | os.PathLike,
    groups: Sequence[str] | None = None,
    *,
    data_folder: str | os.PathLike | None = None,
    cache: str | os.PathLike,
) -> ad.AnnData:
    """Read or download datasets of GEO as one cohort.

    Parameters
    ----------
    datasets
        Entries of the registry; several are joined on the genes that all of them have. A sample
        that an earlier one has already is left out. It is the same if its name is, apart from
        capitals and from what separates letters and digits, or all its counts of those genes.
    mapping
        File that maps the labels of the samples to groups (see ``read_group_mapping``).
    groups
        All groups in the order wanted. By default, the order of the mapping.
    data_folder, cache
        Where to look for the files, and where to keep downloads (see ``fetch``).

    Returns
    -------
    AnnData
        The cohort, samples x genes. ``uns["source"]`` has ``kind`` "geo", ``accessions``,
        ``files`` (by accession and name: ``address``, ``sha256``), ``n_samples``, ``n_genes`` and
        ``total_counts``.

    Raises
    ------
    DownloadError
        If files are not on this machine and cannot be downloaded: names all of them.
    InputError
        If a file is damaged or is not what the registry expects, if counts and samples do not
        match, datasets have no gene in common, a label is not in the mapping or no sample is left
        by it, or the groups do not fit (see ``ordered_groups``).
    """
    # Before the downloads, which may take long.
    table = read_group_mapping(mapping)
    check_mapped(groups or [], table, str(mapping))
    paths = _fetch_all(datasets, data_folder, cache)
    adata = _joined([_read_dataset(dataset, paths[dataset.accession]) for dataset in datasets])
    logger.info("the cohort has %d samples and %d genes", *adata.shape)
    accessions = [dataset.accession for dataset in datasets]
    source = " + ".join(accessions)
    files = {
        dataset.accession: {
            file.name: {
                "address": file.address,
                "sha256": sha256(paths[dataset.accession][file.name]),
            }
            for file in (dataset.counts, *dataset.samples)
        }
        for dataset in datasets
    }

    labels = " and ".join(f"{dataset.label!r} of {dataset.accession}" for dataset in datasets)
    mapped = map_labels(adata.obs["label"], table, str(mapping), f"the characteristics {labels}")
    adata = adata[mapped.index].copy()
    adata.obs["group"] = ordered_groups(
        mapped, groups, f"{mapping} for {source}", default=table["group"].unique()
    )
    adata.uns["source"] = {"kind": "geo", "accessions": accessions, "files": files} | size(adata)
    return adata


def from_files(
    counts: str | os.PathLike,
    samples: str | os.PathLike,
    group_column: str,
    groups: Sequence[str] | None = None,
) -> ad.AnnData:
    """Read a count matrix and a sample sheet as a cohort.

    Parameters
    ----------
    counts
        Count matrix (see ``read_counts``).
    samples
        Sample sheet (see ``read_sample_sheet``); samples without counts are left out, and those
        that a tool has renamed are matched if just one fits. The log says which.
    group_column
        Column of the sample sheet that holds the group.
    groups
        All groups in the order wanted. By default, the order in which the counts have them.

    Returns
    -------
    AnnData
        The cohort, samples x genes. ``uns["source"]`` has ``kind`` "files", ``accessions``
        (empty), ``files`` (under "files", by role: ``name``, ``sha256``), ``n_samples``,
        ``n_genes`` and ``total_counts``.

    Raises
    ------
    InputError
        If a file is damaged, a count is not a whole number, a name repeats, a sample is not
        described, or the groups do not fit (see ``ordered_groups``).
    """
    adata = read_counts(counts)
    sheet = read_sample_sheet(samples)
    labels = _column(
        of_samples(sheet, adata.obs_names, samples), group_column, samples, "headings (first line)"
    )
    adata.obs["label"] = labels
    adata.obs["dataset"] = "files"
    adata.obs["group"] = ordered_groups(labels, groups, str(samples), default=labels.unique())
    files = {
        role: {"name": str(path), "sha256": sha256(path)}
        for role, path in (("counts", counts), ("samples", samples))
    }
    source = {"kind": "files", "accessions": [], "files": {"files": files}}
    adata.uns["source"] = source | size(adata)
    return adata


def size(adata: ad.AnnData) -> dict[str, int]:
    """Return the numbers of samples and genes and the sum of all counts."""
    total = int(adata.X.sum(dtype="float64"))
    return {"n_samples": adata.n_obs, "n_genes": adata.n_vars, "total_counts": total}


def _fetch_all(
    datasets: Sequence[Dataset], data_folder: str | os.PathLike | None, cache: str | os.PathLike
) -> dict[str, dict[str, Path]]:
    """Return the paths of all files, by accession and name."""
    paths, missing = {}, []
    for dataset in datasets:
        paths[dataset.accession] = {}
        for file in (dataset.counts, *dataset.samples):
            try:
                path = fetch(dataset.accession, file, data_folder=data_folder, cache=cache)
                paths[dataset.accession][file.name] = path
            except DownloadError as error:
                missing.append(str(error))
    if missing:
        raise DownloadError("\n".join(missing))
    return paths


def _read_dataset(dataset: Dataset, paths: dict[str, Path]) -> ad.AnnData:
    """Return the counts of a dataset with ``obs`` ``label`` and ``dataset``."""
    path = paths[dataset.counts.name]
    counts = read_counts(path, dataset.counts.r_object)
    counts.obs_names = _renamed(counts.obs_names, dataset.counts)
    validate_names(counts.obs_names, counts.var_names, str(path))
    _check_content(path, dataset.counts, size(counts))

    parts = []
    for file in dataset.samples:
        path = paths[file.name]
        samples = read_series_matrix(path, dataset.sample_name)
        samples.index = _renamed(samples.index, file)
        _check_content(path, file, {"n_samples": len(samples)})
        if dataset.label is None:
            raise InputError(
                f"the registry does not say which characteristic of {dataset.accession} has the "
                f"diagnosis: set its label to one of {', '.join(samples.columns)}"
            )
        parts.append(_column(samples, dataset.label, path, "characteristics"))
    labels = pd.concat(parts)
    matrices = ", ".join(str(paths[file.name]) for file in dataset.samples)
    validate_names(labels.index, pd.Index([]), matrices)
    labels = labels.to_frame("label")
    counts.obs["label"] = of_samples(labels, counts.obs_names, matrices)["label"]
    counts.obs["dataset"] = dataset.accession
    logger.info("%s: %d samples, %d genes", dataset.accession, *counts.shape)
    return counts


def _renamed(names: pd.Index, file: RegistryFile) -> pd.Index:
    for pattern, replacement in file.rename.items():
        names = names.str.replace(pattern, replacement, regex=True)
    return names


def _joined(parts: Sequence[ad.AnnData]) -> ad.AnnData:
    """Join datasets on their common genes and leave out samples that an earlier one has."""
    genes = reduce(partial(pd.Index.intersection, sort=False), [part.var_names for part in parts])
    if genes.empty:
        first = ", ".join(f"{part.obs['dataset'].iloc[0]} {part.var_names[0]}" for part in parts)
        raise InputError(
            f"the datasets have no gene in common; their first genes are {first}: they must name "
            "genes in the same way"
        )
    kept, seen = [], set()
    for part in parts:
        part = part[:, genes].copy()
        names = part.obs_names.map(simplified)
        keys = list(zip(names, _row_digests(part.X), strict=True))
        new = np.array([seen.isdisjoint(both) for both in keys])
        if not new.all():
            logger.info(
                "%s: %d samples left out that an earlier dataset has, such as %s",
                part.obs["dataset"].iloc[0],
                (~new).sum(),
                part.obs_names[~new][0],
            )
        seen.update(*keys)
        kept.append(part[new])
    return ad.concat(kept)


def _row_digests(matrix: sparse.csr_matrix) -> list[bytes]:
    matrix.sort_indices()
    # Datasets may differ in how many bits their counts have.
    counts, genes = matrix.data.astype(np.float64), matrix.indices.astype(np.int64)
    return [
        hashlib.sha256(genes[start:end].tobytes() + counts[start:end].tobytes()).digest()
        for start, end in pairwise(matrix.indptr)
    ]


def _check_content(path: os.PathLike, file: RegistryFile, found: dict[str, int]) -> None:
    for key, expected in file.expect.items():
        if found.get(key) != expected:
            raise InputError(
                f"{path}: expected {key} = {expected}, found {found.get(key)}: delete the file and "
                f"fetch it anew from {file.address}, or correct the registry"
            )


def _column(table: pd.DataFrame, name: str, path: os.PathLike, where: str) -> pd.Series:
    """Return the column of a name, which was given ``where``; capitals count if both are there."""
    names = pd.Index([table.index.name, *table.columns])
    matches = names == name
    if not matches.any():
        matches = names.str.casefold() == name.casefold()
    if matches[0]:
        raise InputError(
            f"{path}: the first column, {name!r}, names the samples: name another column, one of "
            f"{', '.join(table.columns)}"
        )
    if not matches.any():
        raise InputError(
            f"{path}: there is no {name!r} of the samples among its {where}: name one of "
            f"{', '.join(table.columns)}"
        )
    found = table.loc[:, matches[1:]]
    column = found.iloc[:, 0]
    differ = found.ne(column, axis=0).any(axis=1)
    if differ.any():
        raise InputError(
            f"{path}: the column {name!r} is there more than once, with different cells for the "
            f"sample {column.index[differ][0]!r}: rename or remove all but one"
        )
    return column
