"""The registry of public datasets."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mssvae.errors import InputError


@dataclass(frozen=True)
class RegistryFile:
    """A file of a dataset.

    Parameters
    ----------
    name, address
        File name, and the address to download it from.
    expect
        What the content must have, as far as it is known: ``n_samples`` and, for counts,
        ``n_genes`` and ``total_counts``.
    rename
        Regular expressions and what takes their place in the names of the samples, in this order.
    r_object
        Name of the counts in a file of R (see ``read_counts``).
    sha256
        Checksum of the file, where it is known and its bytes never change.
    """

    name: str
    address: str
    expect: dict[str, int] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    r_object: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A dataset of the registry.

    Parameters
    ----------
    sample_name
        Field of the series matrices that holds the sample names used in the counts.
    label
        Characteristic of a sample that is mapped to its group; None where it is not known.
    counts
        The count matrix.
    samples
        The series matrices, one per sequencing platform.
    """

    accession: str
    title: str
    citation: str
    sample_name: str
    label: str | None
    counts: RegistryFile
    samples: list[RegistryFile]


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
        an unknown one, or a regular expression is none.
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
            counts = RegistryFile(**entry.pop("counts"))
            samples = [RegistryFile(**file) for file in entry.pop("samples")]
            datasets.append(Dataset(accession=accession, counts=counts, samples=samples, **entry))
            for pattern in (pattern for file in (counts, *samples) for pattern in file.rename):
                re.compile(pattern)
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{path}: the entry {accession} has a missing or an unknown key: {error}"
            ) from error
        except re.error as error:
            raise InputError(
                f"{path}: the entry {accession} renames samples by {error.pattern!r}, which is no "
                f"regular expression: {error}"
            ) from error
    return datasets
