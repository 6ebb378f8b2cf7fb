"""Shared factors of one fit, on samples of studies that it does not know."""

from collections.abc import Callable

import anndata
import numpy as np
import pandas as pd
import torch

from mssvae.data.inputs import read_studies
from mssvae.data.matrices import dense
from mssvae.data.validation import listed
from mssvae.errors import InputError
from mssvae.fitting.linear import result
from mssvae.fitting.linear.loop import project_linear
from mssvae.fitting.linear.posteriors import expected_values, infer
from mssvae.model import MSSVAE


def projected(model: MSSVAE) -> Callable[[anndata.AnnData], "Projection"]:
    """Return what takes the place of a fit to other studies: shared factors as they are.

    With it, ``unseen`` tells whether factors come back: they do where it is near what a fit to the
    other studies' own samples has.

    >>> evaluation.unseen(evaluation.projected(model), other)  # doctest: +SKIP

    Parameters
    ----------
    model : MSSVAE
        A linear fit to counts.

    Returns
    -------
    callable
        Takes an AnnData of the samples to go by, with the features of the model or some of them,
        and its study column; estimates intercepts of the studies, inverse dispersions and library
        sizes, and nothing of the loadings; and returns what predicts.

    Raises
    ------
    InputError
        If the model is no linear fit to counts.
    """
    linear = model.fit_settings is not None and model.fit_settings.decoder == "linear"
    if not linear or model.settings["likelihood"] != "negative_binomial":
        raise InputError("projected needs a model with a linear fit to counts")
    shared = result.read(model.module).loadings[:, : model.settings["n_shared"]]
    loadings = pd.DataFrame(shared.detach().cpu().numpy(), model.var_names)
    return lambda adata: Projection(loadings, adata, model.settings["study_key"])


class Projection:
    """Shared factors with given loadings [features x factors], on samples of other studies.

    Raises InputError if ``adata`` has features that the loadings do not have.
    """

    def __init__(self, loadings: pd.DataFrame, adata: anndata.AnnData, study_key: str) -> None:
        if unknown := adata.var_names.difference(loadings.index).tolist():
            raise InputError(f"adata has features that the model does not have: {listed(unknown)}")
        self.names, self.study_key = adata.var_names, study_key
        self.studies, study = read_studies(adata, study_key)
        self.parameters = project_linear(
            "negative_binomial",
            torch.as_tensor(dense(adata.X), dtype=torch.float32),
            study,
            torch.as_tensor(loadings.loc[self.names].to_numpy(), dtype=torch.float32),
        )

    @torch.no_grad()
    def predict(self, adata: anndata.AnnData, observed: list[str]) -> pd.DataFrame:
        """Return expected counts [n x G], with factors from observed features alone."""
        seen = torch.as_tensor(self.names.isin(observed))
        x = torch.as_tensor(dense(adata[:, self.names[seen.numpy()]].X), dtype=torch.float32)
        factors = torch.arange(self.parameters.loadings.shape[1])
        some, expected = self.parameters.of_features(seen), np.empty((len(x), len(self.names)))
        for number, name in enumerate(self.studies):
            rows = np.flatnonzero(adata.obs[self.study_key].astype(str) == name)
            posterior = infer(some, number, x[rows], factors)
            expected[rows] = expected_values(self.parameters, number, factors, posterior).numpy()
        return pd.DataFrame(expected, adata.obs_names, self.names)
