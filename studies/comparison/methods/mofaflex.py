"""MOFA-FLEX (mofaflex), studies as groups; logarithms of relative expression for counts.

As its preset for MOFA: a horseshoe on the weights, a normal likelihood, rate 0.05; on the CPU.
Values are taken from the means of their study, as it does by itself. It has no rule for entries:
all count. Loadings are of all groups.
"""

import warnings

import anndata
import numpy as np

from mssvae.evaluation._peers import LinearFactors
from studies.comparison.interface import Fitted, Problem
from studies.comparison.linear import fitted, scaled

PACKAGE = "mofaflex"


def fit(adata: anndata.AnnData, problem: Problem, max_epochs: int = 10_000) -> Fitted:
    """Fit all studies together, each a group, for the package's ``max_epochs`` at the most."""
    from mofaflex import MOFAFLEX, DataOptions, ModelOptions, TrainingOptions

    study = adata.obs["group"].astype(str)

    def analyse(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        values = anndata.AnnData(y, adata.obs[[]], adata.var[[]])
        groups = {name: {"features": values[study == name].copy()} for name in study.unique()}
        model = MOFAFLEX(
            groups,
            DataOptions(plot_data_overview=False, remove_constant_features=False),
            ModelOptions(
                n_factors=problem.n_factors, weight_prior="Horseshoe", likelihoods="Normal"
            ),
            TrainingOptions(
                device="cpu",
                lr=0.05,
                max_epochs=max_epochs,
                seed=problem.seed % 2**31,
                save_path=False,
            ),
        )
        # By name, as groups and features have an order of their own.
        loadings = model.get_weights()["features"][adata.var_names].to_numpy()
        z = np.empty((len(y), len(loadings)))
        for values in model.get_factors().values():
            z[adata.obs_names.get_indexer(values.index)] = values.to_numpy()
        return scaled(y, loadings, z)

    with warnings.catch_warnings(action="ignore"):
        return fitted(LinearFactors(adata, problem.likelihood, analyse, study_key="group"), adata)
