"""What a model reads: studies and values of an AnnData, and the device to put them on."""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anndata
import numpy as np
import pandas as pd
import torch

from mssvae.data.matrices import as_numbers, dense, refuse
from mssvae.data.validation import (
    listed,
    validate_counts,
    validate_names,
    validate_not_empty,
    validate_study_names,
    written_alike,
)
from mssvae.errors import InputError

log = logging.getLogger(__name__)

# Features that differ by fewer rounding errors of their largest value are constant.
_ROUNDING_ERRORS = 8
# Sums over samples of larger values could be infinite.
_LARGEST = 1e300
# Outside of this range a feature's spread, and its mean in spreads, call for standardising.
_FAR_FROM_1 = 30


def require_anndata(adata: object) -> None:
    """Raise InputError unless ``adata`` is an AnnData in memory."""
    if not isinstance(adata, anndata.AnnData):
        kind = type(adata).__name__
        raise InputError(
            f"an AnnData is needed, not a {kind}: read files with anndata.read_h5ad, make one of a "
            "table with anndata.AnnData(X, obs, var), or pick one modality"
        )
    if adata.isbacked:
        raise InputError(f"adata is on disk, in {adata.filename}: read it with adata.to_memory()")


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the torch device of a name; of ``"auto"``, a GPU where there is one.

    Raises InputError if there is no such device.
    """
    name = str(device) if isinstance(device, torch.device) else device
    available = torch.cuda.is_available()
    if isinstance(name, str) and name == "auto":
        name = "cuda" if available else "cpu"
        log.info("device auto: %s", name)
    if not isinstance(name, str) or not re.fullmatch(r"cpu|cuda(:(0|[1-9]\d*))?", name):
        raise InputError(f"unknown device {device!r}: use auto, cpu, cuda or cuda:<number>")
    if name.startswith("cuda"):
        if not available:
            raise InputError(
                f"device {name!r} was asked for, but torch {torch.__version__} finds no CUDA GPU: "
                "install a CUDA build and check nvidia-smi, or use device='cpu'"
            )
        number, count = int(name.partition(":")[2] or 0), torch.cuda.device_count()
        if number >= count:
            raise InputError(
                f"device {name!r} was asked for, but there are {count} GPUs, numbered from 0"
            )
    return torch.device(name)


def read_names(adata: anndata.AnnData) -> tuple[pd.Index, pd.Index]:
    """Return the names of samples and features, as text.

    Raises InputError if there are no samples or features, or names repeat.
    """
    for what, n in (("samples (rows)", adata.n_obs), ("features (columns)", adata.n_vars)):
        if n == 0:
            raise InputError(f"adata has no {what}: look at what was filtered before")
    for what, index in (("sample", adata.obs_names), ("feature", adata.var_names)):
        if index.hasnans:
            raise InputError(f"{int(index.isna().sum())} {what} names of adata are missing")
    names = tuple(
        pd.Index([str(name) for name in index], dtype=object, name=index.name)
        for index in (adata.obs_names, adata.var_names)
    )
    validate_names(*names, "adata")
    return names


def read_studies(adata: anndata.AnnData, study_key: str) -> tuple[list[str], torch.Tensor]:
    """Return the names of the studies, and each sample's number among them, [N].

    Raises InputError if the column is missing or incomplete, has fewer than two samples of a study,
    or names that cannot be kept apart.
    """
    if list(adata.obs).count(study_key) != 1:
        raise InputError(
            f"adata.obs has no column {study_key!r}, or several: set study_key to one of "
            f"{list(adata.obs)}"
        )
    column = adata.obs[study_key]
    blank = column.isna() | column.astype(str).str.strip().eq("")
    missing = column.index[blank.to_numpy()]
    if len(missing):
        raise InputError(
            f"{len(missing)} samples have no {study_key!r}: {listed(missing)}: fill adata.obs or "
            "drop them"
        )
    column = column.astype("category").cat.remove_unused_categories()
    counts = column.value_counts(sort=False)
    small = counts.index[counts < 2]
    if len(small):
        which = f"study {listed(small)} has" if len(small) == 1 else f"studies {listed(small)} have"
        raise InputError(
            f"{which} one sample: a study's own factors need at least two; merge it with another "
            "study or drop it"
        )
    names = [
        name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        for name in column.cat.categories
    ]
    written = Counter(name.strip() for name in names)
    for name in names:
        if written[name.strip()] > 1:
            raise InputError(
                f"two studies of {study_key!r} are both written {name.strip()!r}, but for blanks "
                "or as a number and a text are: make them one"
            )
    validate_study_names(names, f"adata.obs[{study_key!r}]")
    if both := written_alike(names):
        log.warning(
            "are %r and %r of %r two studies, or one written in two ways?", *both, study_key
        )
    return names, torch.from_numpy(column.cat.codes.to_numpy().astype(np.int64))


def read_matrix(
    adata: anndata.AnnData, layer: str | None, likelihood: str, names: tuple[pd.Index, pd.Index]
) -> torch.Tensor:
    """Return a copy of the data, dense, [N, G]: counts in single precision, others in double.

    Raises InputError if the likelihood cannot be that of the values.
    """
    values = read_values(adata, layer, likelihood, names)
    dense, where = values.numpy(), _where(layer)
    if likelihood == "negative_binomial":
        if (dense == dense[0]).all():
            raise InputError(f"{where}: all {len(dense)} samples have the same counts")
        return values
    matrix, features = adata.X if layer is None else adata.layers[layer], names[1]
    rounding = _rounding_error(matrix.dtype)
    largest, least = dense.max(0), dense.min(0)
    spread = _ROUNDING_ERRORS * rounding * np.maximum(np.abs(largest), np.abs(least))
    constant = features[largest - least <= spread]
    if len(constant):
        raise InputError(
            f"{where}: {len(constant)} features have the same value in every sample, such "
            f"as {listed(constant)} (but for rounding): remove them first"
        )
    return values


def _where(layer: str | None) -> str:
    return "adata.X" if layer is None else f"adata.layers[{layer!r}]"


def read_values(
    adata: anndata.AnnData, layer: str | None, likelihood: str, names: tuple[pd.Index, pd.Index]
) -> torch.Tensor:
    """Return a copy of values, dense, [N, G]: counts in single precision, others in double.

    Raises InputError if the likelihood cannot be that of single values.
    """
    where = _where(layer)
    if layer is not None and layer not in list(adata.layers):
        raise InputError(f"adata has no layer {layer!r}: choose one of {list(adata.layers)}")
    matrix = adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        raise InputError("adata.X is empty: put the data there, or name a layer")
    samples, features = names

    def place(i: int, j: int) -> str:
        return f"sample {samples[i]!r}, feature {features[j]!r}"

    matrix = as_numbers(matrix, where, place)
    counts = likelihood == "negative_binomial"
    if counts:
        validate_counts(matrix, samples, features, where)
        validate_not_empty(matrix, samples, where)
    # Single precision does for counts; of other values a large mean may leave few digits.
    matrix = matrix.astype(np.float32 if counts else np.float64)
    values = np.ascontiguousarray(dense(matrix))
    largest = min(_LARGEST, float(np.finfo(values.dtype).max))
    bad = ~(np.abs(values) < largest)
    refuse(bad, where, "missing, infinite or above 1e300: remove or impute such values", place)
    return torch.from_numpy(values)


@dataclass(frozen=True)
class NewSamples:
    """Samples that a model was not fitted to.

    Attributes
    ----------
    names : Index [n]
    studies : list of str
    study : array [n]
        The number of each sample's study.
    features : Index [g]
        Those of the model that the samples have.
    x : Tensor [n, g]
    """

    names: pd.Index
    studies: list[str]
    study: np.ndarray
    features: pd.Index
    x: torch.Tensor


def read_new(
    adata: anndata.AnnData, settings: Mapping[str, Any], var_names: pd.Index
) -> NewSamples:
    """Return new samples of a model with these settings and features.

    Raises InputError if there are none, no feature is the model's, or values cannot be of the
    likelihood.
    """
    require_anndata(adata)
    samples, features = read_names(adata)
    known = features.isin(var_names)
    if not known.any():
        raise InputError(
            f"adata has none of the {len(var_names)} features of the model, such as "
            f"{var_names[0]!r}: are they called otherwise?"
        )
    study_key, layer = settings["study_key"], settings["layer"]
    if list(adata.obs).count(study_key) != 1 or adata.obs[study_key].isna().any():
        raise InputError(f"adata.obs[{study_key!r}], the study of each sample, is not there")
    column = adata.obs[study_key].astype(str).str.strip()
    # Of the features that the model does not know, nothing matters.
    values = read_values(adata[:, known], layer, settings["likelihood"], (samples, features[known]))
    codes, studies = pd.factorize(column)
    return NewSamples(samples, studies.tolist(), codes, features[known], values)


def observed_features(
    features: pd.Index, observed: Sequence[str] | None, var_names: pd.Index
) -> torch.Tensor:
    """Return which of a model's features are observed, bool [G].

    Raises InputError if some of ``observed`` are not there.
    """
    if observed is None:
        observed = features
    elif isinstance(observed, str):
        raise InputError(f"observed must be a list of features, not {observed!r}")
    observed = pd.Index([str(name) for name in observed])
    if not len(observed):
        raise InputError("observed is empty: name at least one feature")
    unknown = observed.difference(features, sort=False)
    if len(unknown):
        raise InputError(
            f"observed must be features of the model that adata has; these are none: "
            f"{listed(unknown)}"
        )
    return torch.from_numpy(np.array(var_names.isin(observed)))


def _rounding_error(dtype: np.dtype) -> float:
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)


def warn_of_constant_studies(x: torch.Tensor, study: torch.Tensor, studies: list[str]) -> None:
    """Log a warning of studies whose samples are all the same; of samples x [N, G]."""
    for m, name in enumerate(studies):
        samples = x[study == m]
        if (samples == samples[0]).all():
            log.warning(
                "the %d samples of study %r are all the same: it can have no factors",
                len(samples),
                name,
            )


@dataclass(frozen=True)
class Units:
    """What features are measured in: ``x = centre + scale x'``, x' being what the model works on.

    Attributes
    ----------
    centre, scale : Tensor [G]
        In double precision, on the CPU.
    """

    centre: torch.Tensor
    scale: torch.Tensor

    @classmethod
    def standard(cls, values: torch.Tensor) -> "Units":
        """Return means and standard deviations over all samples, of values [N, G] in double."""
        centre = values.mean(0)
        residuals = values - centre
        # Scaled first: squares of very large or small numbers are out of range.
        largest = residuals.abs().amax(0)
        return cls(centre, largest * (residuals / largest).square().mean(0).sqrt())

    def standardised(self, values: torch.Tensor) -> torch.Tensor:
        """Return x' of values [N, G], in single precision."""
        return ((values - self.centre) / self.scale).float()


def check_own_units(values: torch.Tensor, features: pd.Index) -> torch.Tensor:
    """Return Gaussian values [N, G] as they are, in single precision; warn if they are far from 1.

    Raises InputError if they are out of range.
    """
    x = values.float()
    if not torch.isfinite(x).all():
        feature = features[int((~torch.isfinite(x)).any(0).nonzero()[0])]
        raise InputError(
            f"values of feature {feature!r} are too large for single precision: divide them, or "
            "fit with standardise=True"
        )
    units = Units.standard(values)
    far = (units.scale > _FAR_FROM_1) | (units.scale < 1 / _FAR_FROM_1)
    far |= units.centre.abs() > _FAR_FROM_1 * units.scale.clamp_min(1)
    if far.any():
        log.warning(
            "%d of %d features, such as %r, are far from standard deviations of 1 around 0, and "
            "are fitted as they are: their factors follow their units, but with standardise=True",
            int(far.sum()),
            len(far),
            features[int(far.nonzero()[0])],
        )
    return x
