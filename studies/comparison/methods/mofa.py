"""MOFA+ (mofapy2): Gaussian, studies as groups; logarithms of relative expression for counts.

Settings are mofapy2's own, with the sparsity that its documentation advises for several groups.
Values are taken from the means of their study, as it does by itself. An entry is one that is in
the slab with probability above one half. Loadings are of all groups: it has no factor of one study,
but a factor may explain nothing of a study.
"""

import anndata
import numpy as np
import pandas as pd

from mssvae.evaluation._peers import LinearFactors
from studies.comparison.interface import Fitted, Problem, columns
from studies.comparison.linear import scaled

PACKAGE = "mofapy2"


def fit(adata: anndata.AnnData, problem: Problem) -> Fitted:
    """Fit all studies together, each a group."""
    from mofapy2.run.entry_point import entry_point

    study = adata.obs["group"].astype(str).to_numpy()
    groups = np.unique(study)
    order = np.concatenate([np.flatnonzero(study == group) for group in groups])
    within: list[np.ndarray] = []

    def analyse(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        run = entry_point()
        run.set_data_options()
        run.set_data_matrix(
            [[y[study == group] for group in groups]],
            likelihoods=["gaussian"],
            groups_names=groups.tolist(),
            samples_names=[adata.obs_names[study == group].tolist() for group in groups],
            features_names=[adata.var_names.tolist()],
        )
        run.set_model_options(
            factors=problem.n_factors, spikeslab_weights=True, ard_factors=True, ard_weights=True
        )
        run.set_train_options(seed=problem.seed % 2**31, quiet=True)
        run.build()
        run.run()
        moments = run.model.nodes["W"].getExpectations()[0]
        parameters = run.model.nodes["W"].getParameters()[0]
        within.append(np.asarray(parameters["theta"]) > 0.5)
        z = np.empty((len(y), moments["E"].shape[1]))
        z[order] = run.model.nodes["Z"].getExpectations()["E"]
        return scaled(y, moments["E"].T, z)

    model = LinearFactors(adata, problem.likelihood, analyse, study_key="group")
    loadings = columns(model.loadings.T, adata.var_names)
    return Fitted(
        loadings,
        columns(model.factors, adata.obs_names),
        support=pd.DataFrame(within[0], loadings.index, loadings.columns),
        predict=model.predict,
    )
