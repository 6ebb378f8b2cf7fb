"""The registry of public datasets."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

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
        If the file is no YAML or has a key twice, an accession is asked for twice or is not in the
        registry, or its entry lacks a key, has an unknown one, a number or a regular expression is
        none.
    """
    # Here, as only those who read a registry need PyYAML.
    from mssvae.pipeline.yaml_files import read_yaml

    registry = read_yaml(path)
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
        try:
            datasets.append(_dataset(accession, registry[accession]))
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{path}: the entry {accession} has a missing or an unknown key: {error}"
            ) from error
        except InputError as error:
            raise InputError(f"{path}: the entry {accession} {error}") from error
        except re.error as error:
            raise InputError(
                f"{path}: the entry {accession} renames samples by {error.pattern!r}, which is no "
                f"regular expression: {error}"
            ) from error
    return datasets


def _dataset(accession: str, entry: Any) -> Dataset:
    """Return an entry, as `read_yaml` gave it, as a dataset."""
    entry = _given(entry)
    counts, samples = _file(entry.pop("counts")), [_file(file) for file in entry.pop("samples")]
    return Dataset(accession=accession, counts=counts, samples=samples, **entry)


def _file(entry: Any) -> RegistryFile:
    entry = _given(entry)
    expect, rename = (_given(entry.pop(key, None) or {}) for key in ("expect", "rename"))
    for key, number in expect.items():
        if not str(number).isdecimal():
            raise InputError(f"expects {key} to be {number!r}, which is no whole number")
    for pattern in rename:
        re.compile(pattern)
    expect = {key: int(number) for key, number in expect.items()}
    return RegistryFile(**entry, expect=expect, rename=rename)


def _given(entry: Any) -> dict[str, Any]:
    """Return the keys of an entry, with None for null."""
    if not isinstance(entry, dict):
        raise InputError(f"has {entry!r} where keys with values should be")
    return {key: None if value in ("~", "null") else value for key, value in entry.items()}
