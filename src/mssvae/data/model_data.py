"""The data of a model: values by sample and feature, their studies and their units."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import anndata
import numpy as np
import pandas as pd
import torch

from mssvae.data.inputs import (
    Units,
    check_own_units,
    observed_features,
    read_matrix,
    read_names,
    read_new,
    read_studies,
    require_anndata,
    warn_of_constant_studies,
)
from mssvae.data.validation import listed
from mssvae.errors import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Samples:
    """Samples of one study.

    Attributes
    ----------
    rows : array [n]
        Where they are among all.
    study : int or None
        Its number among the model's; none if the model does not know it.
    x : Tensor [n, G]
    observed : Tensor of bool [G]
        The features to go by.
    """

    rows: np.ndarray
    study: int | None
    x: torch.Tensor
    observed: torch.Tensor


@dataclass(frozen=True)
class ModelData:
    """What a model is fitted to.

    Attributes
    ----------
    likelihood : {"negative_binomial", "gaussian"}
    obs_names, var_names : Index [N], [G]
    studies : list of str
    study : Tensor [N], on the CPU
        The number of each sample's study.
    raw : Tensor [N, G], on the CPU
        As they are in the AnnData: counts in single precision, others in double.
    units : Units or None
        What ``x`` is measured in; None for values as they are.
    x : Tensor [N, G]
        What the model works on, in single precision, on its device.
    """

    likelihood: str
    obs_names: pd.Index
    var_names: pd.Index
    studies: list[str]
    study: torch.Tensor
    raw: torch.Tensor
    units: Units | None
    x: torch.Tensor

    @classmethod
    def read(
        cls,
        adata: anndata.AnnData,
        study_key: str,
        layer: str | None,
        likelihood: str,
        device: torch.device,
    ) -> "ModelData":
        """Return the data of an AnnData; Gaussian values in units of their own.

        Raises InputError as ``MSSVAE`` does.
        """
        names = read_names(adata)
        studies, study = read_studies(adata, study_key)
        values = read_matrix(adata, layer, likelihood, names)
        warn_of_constant_studies(values, study, studies)
        not_yet = torch.empty(0, device=device)
        data = cls(likelihood, *names, studies, study, values, None, not_yet)
        return data.in_units(standardise=True)

    def in_units(self, standardise: bool) -> "ModelData":
        """Return the data with Gaussian values in units of their own, or as they are."""
        units, x = None, self.raw
        if self.likelihood == "gaussian" and standardise:
            units = Units.standard(self.raw)
            x = units.standardised(self.raw)
        elif self.likelihood == "gaussian":
            x = check_own_units(self.raw, self.var_names)
        return replace(self, units=units, x=x.to(self.x.device))

    def __len__(self) -> int:
        return len(self.x)

    @property
    def device(self) -> torch.device:
        """Where ``x`` is."""
        return self.x.device

    @property
    def study_there(self) -> torch.Tensor:
        """The number of each sample's study, on the device of ``x``, [N]."""
        return self.study.to(self.x.device)

    @property
    def n_samples(self) -> list[int]:
        """The number of samples of each study."""
        return np.bincount(self.study).tolist()

    def table_of_units(self) -> pd.DataFrame:
        """Return centre and scale of each feature, copies; 0 and 1 of values as they are."""
        n = len(self.var_names)
        centre, scale = np.zeros(n), np.ones(n)
        if self.units is not None:
            centre, scale = self.units.centre.numpy().copy(), self.units.scale.numpy().copy()
        return pd.DataFrame({"centre": centre, "scale": scale}, index=self.var_names)

    def rows(self, m: int) -> torch.Tensor:
        """Return the positions of the samples of study m."""
        return (self.study == m).nonzero().flatten()

    def about(self) -> dict[str, object]:
        """Return what a saved model recognises its data by, with the keys of ``DATA``."""
        return {
            "studies": self.studies,
            "obs_names": self.obs_names.tolist(),
            "var_names": self.var_names.tolist(),
            "data_sha256": self.sha256(),
            "studies_sha256": self.studies_sha256(),
        }

    def sha256(self) -> str:
        """Return the checksum of the values in single precision."""
        return hashlib.sha256(self.raw.float().numpy().tobytes()).hexdigest()

    def studies_sha256(self) -> str:
        """Return the checksum of the numbers of the samples' studies."""
        return hashlib.sha256(self.study.numpy().tobytes()).hexdigest()

    def to_anndata(self, study_key: str) -> anndata.AnnData:
        """Return ``x`` as an AnnData, with the studies in a column of ``obs``."""
        obs = pd.DataFrame(
            {study_key: pd.Categorical.from_codes(self.study, self.studies)}, self.obs_names
        )
        return anndata.AnnData(self.x.cpu().numpy(), obs, pd.DataFrame(index=self.var_names))

    def check_same(self, adata: anndata.AnnData) -> None:
        """Raise InputError unless samples and features of an AnnData are these."""
        require_anndata(adata)
        for what, names, own in (
            ("features", adata.var_names, self.var_names),
            ("samples", adata.obs_names, self.obs_names),
        ):
            if names.tolist() != own.tolist():
                raise InputError(f"the {what} of adata are not those that the model was fitted to")

    def samples(
        self,
        adata: anndata.AnnData | None,
        observed: Sequence[str] | None,
        settings: Mapping[str, Any],
        new_studies: bool,
    ) -> tuple[pd.Index, list[Samples]]:
        """Return the names of samples to infer from, and by study what of them is observed.

        Parameters
        ----------
        adata : AnnData or None
            New samples; None for those of the model.
        observed : list of str or None
            Features to go by; None for all that there are.
        settings : mapping
            Of the model: where an AnnData has studies and values.
        new_studies : bool
            Whether studies may be others than the model's.

        Raises
        ------
        InputError
            As ``MSSVAE.predict`` does.
        """
        if adata is None:
            study, studies, names = self.study.numpy(), self.studies, self.obs_names
            values, features = self.raw, self.var_names
        else:
            new = read_new(adata, settings, self.var_names)
            study, studies, names = new.study, new.studies, new.names
            values, features = new.x, new.features
        seen = observed_features(features, observed, self.var_names)
        x = values.new_zeros(len(names), len(self.var_names))
        x[:, self.var_names.get_indexer(features)] = values
        if self.units is not None:
            x = self.units.standardised(x)
        x = x.float()
        if not torch.isfinite(x[:, seen]).all():
            i = int((~torch.isfinite(x[:, seen])).any(1).nonzero()[0])
            raise InputError(f"sample {names[i]!r} has values that are too large to infer from")
        groups = []
        for position, name in enumerate(studies):
            if name not in self.studies and not new_studies:
                raise InputError(
                    f"the model was not fitted to a study {name!r}, but to {listed(self.studies)}"
                )
            known = self.studies.index(name) if name in self.studies else None
            rows = np.flatnonzero(study == position)
            if known is None:
                log.info("study %r is new: its samples have the shared factors alone", name)
            groups.append(Samples(rows, known, x[rows].to(self.device), seen))
        return names, groups
