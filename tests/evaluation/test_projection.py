"""Shared factors of one fit on other studies."""

import anndata
import numpy as np
import pandas as pd
import pytest

from mssvae import MSSVAE, InputError, evaluation


def studies(names, seed, n=70, n_features=90):
    """Counts of studies with the same two factors of thirty features, and levels of their own."""
    loadings = np.zeros((n_features, 2))
    loadings[:30, 0] = loadings[30:60, 1] = 0.8
    rng = np.random.default_rng(seed)
    level = np.random.default_rng(0).normal(3, 1, n_features)
    levels = [level + rng.normal(0, 0.2, n_features) for _ in names]
    z = rng.normal(size=(n * len(names), 2))
    rate = np.exp(np.repeat(levels, n, 0) + z @ loadings.T + rng.normal(0, 0.3, (len(z), 1)))
    return anndata.AnnData(
        rng.poisson(rate).astype("float32"),
        pd.DataFrame({"group": np.repeat(names, n)}, [f"s{i}" for i in range(len(z))]),
        pd.DataFrame(index=[f"g{j}" for j in range(n_features)]),
    )


@pytest.fixture(scope="module")
def model():
    adata = studies(["a", "b"], seed=1)
    return MSSVAE(adata, n_shared=4, n_specific=1, device="cpu").fit(decoder="linear")


def test_factors_that_are_the_same_elsewhere_predict_as_those_fitted_there(model):
    other = studies(["c", "d"], seed=2)[:, :80].copy()

    def fit(adata):
        return MSSVAE(adata, n_shared=4, n_specific=1, device="cpu").fit(decoder="linear")

    there, here = (evaluation.unseen(way, other) for way in (fit, evaluation.projected(model)))
    assert here == pytest.approx(there, abs=0.1)
    mixed = model.var_names[np.random.default_rng(3).permutation(90)]
    wrong = anndata.AnnData(other.X, other.obs, pd.DataFrame(index=mixed[:80]))
    assert evaluation.unseen(evaluation.projected(model), wrong) < here - 0.2


def test_what_cannot_be_projected_is_refused(model):
    adata = studies(["a", "b"], seed=1)
    with pytest.raises(InputError, match="needs a model with a linear fit to counts"):
        evaluation.projected(MSSVAE(adata, n_shared=2, n_specific=1, device="cpu"))
    adata.var_names = [f"x{j}" for j in range(90)]
    with pytest.raises(InputError, match="features that the model does not have: 'x0'"):
        evaluation.projected(model)(adata)
