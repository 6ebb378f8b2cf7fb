"""Scores that need no truth."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from mssvae import MSSVAE, evaluation, simulate
from mssvae.errors import InputError
from mssvae.results.tables import FactorTables


class Means:
    """Predicts the mean of each study."""

    def __init__(self, adata):
        self.means = pd.DataFrame(adata.X, columns=adata.var_names).groupby(
            adata.obs["group"].to_numpy()
        )
        self.means = self.means.mean()

    def predict(self, adata, observed):
        return self.means.loc[adata.obs["group"]]


@pytest.fixture(scope="module")
def planted():
    adata = simulate.gaussian(60, 80, n_studies=2, n_shared=3, nonlinear_every=10**6, seed=2)
    adata.X = (adata.X - adata.X.mean(0)) / adata.X.std(0)
    return adata


def test_factors_predict_unseen_samples_better_than_means(planted):
    def fit(adata):
        return MSSVAE(adata, likelihood="gaussian", n_shared=8, n_specific=3, device="cpu").fit()

    means = evaluation.unseen(Means, planted, likelihood="gaussian")
    factors = evaluation.unseen(fit, planted, likelihood="gaussian")
    # Values have unit variance; noise from twelve samples costs the rest.
    assert means == pytest.approx(-0.5 * np.log(2 * np.pi) - 0.5, abs=0.4)
    assert factors > means + 1


def test_counts_are_scored_by_a_negative_binomial():
    rng = np.random.default_rng(0)
    x = rng.negative_binomial(2, 2 / (2 + 20), size=(400, 30))
    adata = ad.AnnData(
        x.astype(np.float32), pd.DataFrame({"group": ["a", "b"] * 200}, index=map(str, range(400)))
    )
    entropy = -0.5 * np.log(2 * np.pi * np.e * (20 + 20**2 / 2))  # Of a normal, about.
    assert evaluation.unseen(Means, adata) == pytest.approx(entropy, abs=0.4)


def test_the_same_share_of_every_study_is_held_out():
    study = pd.Series(["a"] * 50 + ["b"] * 10)
    held = evaluation.held_out_samples(study, 0.2, seed=1)
    assert (held[:50].sum(), held[50:].sum()) == (10, 2)
    with pytest.raises(InputError, match="study 'b' has too few samples to hold 1 of 2 out"):
        evaluation.held_out_samples(pd.Series(["a"] * 9 + ["b"] * 2))


def test_split_counts_add_up_and_are_independent_if_poisson():
    counts = np.random.default_rng(0).poisson(50, size=(4000, 2))
    first, second = evaluation.split_counts(counts, 0.8)
    assert (first + second == counts).all()
    assert first.mean() == pytest.approx(40, rel=0.02)
    assert abs(np.corrcoef(first[:, 0], second[:, 0])[0, 1]) < 0.05


def test_overdispersed_counts_need_their_theta_to_be_split_independently():
    counts = np.random.default_rng(0).negative_binomial(2, 2 / (2 + 50), size=(4000, 2))
    shared = np.corrcoef(*(part[:, 0] for part in evaluation.split_counts(counts, 0.5)))[0, 1]
    parts = evaluation.split_counts_overdispersed(counts, 2.0, 0.5)
    assert shared > 0.8
    assert abs(np.corrcoef(*(part[:, 0] for part in parts))[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": [[1.5]]}, "whole numbers"),
        ({"counts": [[-1]]}, "whole numbers"),
        ({"share": 1.0}, "share must be above 0 and below 1"),
        ({"theta": 0.0}, "theta must be positive"),
    ],
)
def test_what_cannot_be_split_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        evaluation.split_counts_overdispersed(**{"counts": [[1]], "theta": 1.0, **change})


def tables(shared, own):
    return FactorTables(pd.DataFrame(np.transpose(shared)), {"a": pd.DataFrame(np.transpose(own))})


def test_agreement_matches_factors_and_counts_those_of_one_fit_alone():
    one = tables([[1, 1, 0, 0], [0, 0, 1, 1]], [[1, 0, 0, 0]])
    two = tables([[0, 0, 1, 1], [1, 1, 1, 0], [1, 0, 0, 1]], [[0, 0, 0, 0]])
    assert evaluation.agreement(one, one) == 1
    assert evaluation.agreement(one, two) == pytest.approx((1 + 2 / 3) / 4)
    with pytest.raises(InputError, match="same features and studies"):
        evaluation.agreement(one, tables([[1, 1]], [[0, 1]]))
