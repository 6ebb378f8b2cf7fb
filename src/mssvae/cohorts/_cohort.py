"""Whole cohorts: counts, groups and where they come from."""

import logging
import os
from collections.abc import Sequence

import anndata as ad
import pandas as pd

from mssvae.cohorts._fetch import fetch
from mssvae.cohorts._groups import map_labels, ordered_groups, read_group_mapping
from mssvae.cohorts._registry import Dataset, RegistryFile
from mssvae.cohorts._tables import read_counts, read_sample_sheet, read_series_matrix
from mssvae.errors import InputError
from mssvae.files import sha256
from mssvae.validation import validate_names

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
        Entries of the registry; several are joined on the genes that all of them have.
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
        ``files`` (by accession and role: ``name``, ``address``, ``sha256``), ``n_samples``,
        ``n_genes`` and ``total_counts``.

    Raises
    ------
    DownloadError
        If a file is not on this machine and cannot be downloaded.
    InputError
        If a file is damaged or is not what the registry expects, if counts and samples do not
        match, a label is not in the mapping, or the groups do not fit (see the message).
    """
    parts, files = [], {}
    for dataset in datasets:
        roles = {"counts": dataset.counts, "samples": dataset.samples}
        paths = {
            role: fetch(dataset.accession, file, data_folder=data_folder, cache=cache)
            for role, file in roles.items()
        }
        counts = read_counts(paths["counts"])
        _check_content(paths["counts"], dataset.counts, size(counts))
        samples = read_series_matrix(paths["samples"], dataset.sample_name)
        _check_content(paths["samples"], dataset.samples, {"n_samples": len(samples)})
        labels = _column(samples, dataset.label, paths["samples"])
        counts.obs["label"] = _of_samples(labels, counts.obs_names, paths["samples"])
        counts.obs["dataset"] = dataset.accession
        parts.append(counts)
        logger.info("%s: %d samples, %d genes", dataset.accession, *counts.shape)
        files[dataset.accession] = {
            role: {"name": file.name, "address": file.address, "sha256": sha256(paths[role])}
            for role, file in roles.items()
        }

    accessions = [dataset.accession for dataset in datasets]
    source = " + ".join(accessions)
    sample_names = pd.Index([name for part in parts for name in part.obs_names])
    validate_names(sample_names, parts[0].var_names, source)
    adata = ad.concat(parts, join="inner")
    logger.info("the cohort has %d samples and %d genes", *adata.shape)

    table = read_group_mapping(mapping)
    mapped = map_labels(adata.obs["label"], table, str(mapping))
    adata = adata[mapped.index].copy()
    adata.obs["group"] = ordered_groups(mapped, groups, source, default=table["group"].unique())
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
        Sample sheet (see ``read_sample_sheet``); samples without counts are left out.
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
        If a file is damaged, a count is not a whole number, a name repeats, a sample has no group
        or a group has one sample, or the groups do not fit (see the message).
    """
    adata = read_counts(counts)
    sheet = read_sample_sheet(samples)
    labels = _of_samples(_column(sheet, group_column, samples), adata.obs_names, samples)
    if len(sheet) > len(labels):
        extra = sheet.index.difference(labels.index)
        logger.warning("%s: %d samples have no counts, such as %s", samples, len(extra), extra[0])
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


def _check_content(path: os.PathLike, file: RegistryFile, found: dict[str, int]) -> None:
    for key, expected in file.expect.items():
        if found.get(key) != expected:
            raise InputError(
                f"{path}: expected {key} = {expected}, found {found.get(key)}: delete the file and "
                f"fetch it anew from {file.address}, or correct the registry"
            )


def _column(table: pd.DataFrame, name: str, path: os.PathLike) -> pd.Series:
    if name not in table.columns:
        raise InputError(
            f"{path}: there is no {name!r} of the samples: there are {', '.join(table.columns)}"
        )
    return table[name]


def _of_samples(values: pd.Series, samples: pd.Index, path: os.PathLike) -> pd.Series:
    missing = samples.difference(values.index, sort=False)
    if len(missing):
        raise InputError(
            f"{path}: {len(missing)} samples of the count matrix are not described, such as "
            f"{missing[0]!r}: add them, or remove their counts"
        )
    return values[samples]
