"""The linear special case on simulated data that others published, with the true loadings.

Scenario 1 of Bayesian multi-study factor analysis (De Vito et al. 2021): four studies of 10 to 15
samples, 60 features, three shared factors and one of each study.
"""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import mssvae
from mssvae.fitting.linear import result

N_SHARED = 3


@pytest.fixture(scope="module")
def read(data_folder):
    folder = data_folder / "msfa_scenarios"
    return lambda name: pd.read_csv(folder / f"scenario1_{name}.csv.gz", index_col=0)


@pytest.fixture(scope="module")
def model(read):
    studies = [read(f"X_study{m}") for m in range(1, 5)]
    x = pd.concat(studies, ignore_index=True)
    group = np.repeat(list("abcd"), [len(study) for study in studies])
    obs = pd.DataFrame({"group": group}, index=x.index.astype(str))
    adata = ad.AnnData(x.to_numpy(), obs, pd.DataFrame(index=x.columns))
    model = mssvae.MSSVAE(adata, likelihood="gaussian", n_shared=N_SHARED, n_specific=1)
    return model.fit(decoder="linear")


def rv(one, two):
    """The RV coefficient of loadings [G x K], between 0 and 1."""
    one, two = one @ one.T, two @ two.T
    return np.trace(one @ two) / np.sqrt(np.trace(one @ one) * np.trace(two @ two))


def test_shared_loadings_are_as_near_the_truth_as_the_published_estimates(read, model):
    loadings = result.read(model.module).loadings[:, :N_SHARED].detach().numpy()
    truth = read("Phi_true").to_numpy()
    ours = rv(loadings * model.units["scale"].to_numpy()[:, None], truth)
    published = [rv(read(f"Phi_est_{way}").to_numpy(), truth) for way in ("OP", "SD")]
    assert ours > max(published) - 0.005


def test_a_feature_that_loads_on_no_shared_factor_is_rarely_taken(read, model):
    truth, found = (read("Phi_true") != 0).any(axis=1), model.support.shared.any(axis=1)
    assert (found.to_numpy() & ~truth.to_numpy()).sum() <= 3
    assert (truth.to_numpy() & ~found.to_numpy()).sum() <= 3
