"""What a model reads: studies and values of an AnnData, and the device to put them on."""

import logging
import re

import anndata
import numpy as np
import torch
from scipy import sparse

from mssvae.errors import InputError
from mssvae.validation import validate_counts, validate_names, validate_not_empty

log = logging.getLogger(__name__)


def resolve_device(device: str) -> torch.device:
    """Return the torch device of a name; of ``"auto"``, a GPU where there is one.

    Raises InputError if there is no such device.
    """
    available = torch.cuda.is_available()
    if device == "auto":
        device = "cuda" if available else "cpu"
        log.info("device auto: %s", device)
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise InputError(f"unknown device {device!r}: use auto, cpu, cuda or cuda:<number>")
    resolved = torch.device(device)
    if resolved.type == "cuda" and not available:
        raise InputError(
            f"device {device!r} was asked for, but torch {torch.__version__} finds no CUDA GPU: "
            "install a CUDA build and check nvidia-smi, or use device='cpu'"
        )
    if (resolved.index or 0) >= max(1, torch.cuda.device_count()):
        raise InputError(
            f"device {device!r} was asked for, but there are {torch.cuda.device_count()} GPUs, "
            "numbered from 0"
        )
    return resolved


def read_studies(adata: anndata.AnnData, study_key: str) -> tuple[list[str], torch.Tensor]:
    """Return the names of the studies, and each sample's number among them, [N].

    Raises InputError if the column is missing or incomplete, has fewer than two samples of a study,
    or names that cannot be kept apart.
    """
    if study_key not in adata.obs:
        raise InputError(
            f"adata.obs has no column {study_key!r}: set study_key to one of {list(adata.obs)}"
        )
    column = adata.obs[study_key]
    missing = column.index[column.isna()]
    if len(missing):
        raise InputError(
            f"{len(missing)} samples have no {study_key!r}, such as {missing[0]!r}: "
            "fill adata.obs or drop them"
        )
    column = column.astype("category").cat.remove_unused_categories()
    counts = column.value_counts(sort=False)
    small = counts.index[counts < 2]
    if len(small):
        raise InputError(
            f"study {small[0]!r} has one sample: a study's own factors need at least two; "
            "merge it with another study or drop it"
        )
    names = [str(name) for name in column.cat.categories]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"two studies of {study_key!r} are both written {name!r}, as a number and a text "
                "are: make them one"
            )
        if name == "shared" or "/" in name:  # A slash would split a key of an .h5ad file.
            raise InputError(
                f"no study may be called 'shared' or contain '/': rename {name!r} in {study_key!r}"
            )
    return names, torch.from_numpy(column.cat.codes.to_numpy().astype(np.int64))


def read_matrix(adata: anndata.AnnData, layer: str | None, likelihood: str) -> torch.Tensor:
    """Return the data as a dense float32 tensor [N, G].

    Raises InputError if names repeat, or the likelihood cannot be that of the values.
    """
    where = "adata.X" if layer is None else f"adata.layers[{layer!r}]"
    if layer is not None and layer not in adata.layers:
        raise InputError(f"adata has no layer {layer!r}: choose one of {list(adata.layers)}")
    if adata.isbacked:
        raise InputError(f"adata is on disk, in {adata.filename}: read it with adata.to_memory()")
    matrix = adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        raise InputError("adata.X is empty: put the data there, or name a layer")
    validate_names(adata.obs_names, adata.var_names, "adata")
    if likelihood == "negative_binomial":
        validate_counts(matrix, adata.obs_names, adata.var_names, where)
        validate_not_empty(matrix, adata.obs_names, where)
    dense = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
    dense = np.ascontiguousarray(dense, dtype=np.float32)
    if not np.isfinite(dense).all():
        i, j = np.argwhere(~np.isfinite(dense))[0]
        raise InputError(
            f"{where} is not finite for sample {adata.obs_names[i]!r}, "
            f"feature {adata.var_names[j]!r}: remove or impute such values"
        )
    if likelihood == "gaussian":
        constant = np.flatnonzero((dense == dense[0]).all(0))
        if len(constant):
            raise InputError(
                f"{where}: {len(constant)} features have the same value in every sample, such as "
                f"{adata.var_names[constant[0]]!r}: remove them first"
            )
    return torch.from_numpy(dense)
