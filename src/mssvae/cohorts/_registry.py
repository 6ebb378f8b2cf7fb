"""The registry of public datasets."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mssvae.errors import InputError


@dataclass(frozen=True)
class RegistryFile:
    """A file of a dataset.

    Parameters
    ----------
    name, address
        File name, and the address to download it from.
    format
        ``"table"`` (genes x samples, tab-separated) or ``"series_matrix"``.
    expect
        What the content must have: ``n_samples`` and, for counts, ``n_genes`` and ``total_counts``.
    sha256
        Checksum of the file, where its bytes never change.
    """

    name: str
    address: str
    format: str
    expect: dict[str, int]
    sha256: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A dataset of the registry.

    Parameters
    ----------
    sample_name
        Field of the series matrix that holds the sample names used in the counts.
    label
        Characteristic of a sample that is mapped to its group.
    counts, samples
        The count matrix and the description of its samples.
    """

    accession: str
    title: str
    citation: str
    sample_name: str
    label: str
    counts: RegistryFile
    samples: RegistryFile


def read_registry(path: str | os.PathLike, accessions: Sequence[str]) -> list[Dataset]:
    """Read datasets from the registry, a YAML file (``config/datasets.yaml`` explains its keys).

    Returns
    -------
    list of Dataset
        One per accession, in the order asked for.

    Raises
    ------
    InputError
        If an accession is asked for twice or is not in the registry, or its entry lacks a key, has
        an unknown one, or names an unknown format.
    """
    import yaml

    registry = yaml.safe_load(Path(path).read_text())
    datasets = []
    for accession in accessions:
        if accessions.count(accession) > 1:
            raise InputError(
                f"the config names {accession!r} more than once in datasets: keep one of them"
            )
        if accession not in registry:
            raise InputError(
                f"{path}: there is no dataset {accession!r}, only {', '.join(registry)}: correct "
                "the config or add an entry"
            )
        entry = dict(registry[accession])
        try:
            files = {role: RegistryFile(**entry.pop(role)) for role in ("counts", "samples")}
            datasets.append(Dataset(accession=accession, **entry, **files))
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{path}: the entry {accession} has a missing or an unknown key: {error}"
            ) from error
        for role, expected in (("counts", "table"), ("samples", "series_matrix")):
            if files[role].format != expected:
                raise InputError(
                    f"{path}: the {role} of {accession} have the unknown format "
                    f"{files[role].format!r}: use {expected!r}"
                )
    return datasets
