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


class TestReplication:
    def test_planted_factors_come_back_and_those_of_other_genes_do_not(self, model):
        other = studies(["c", "d"], seed=2)[:, 10:].copy()
        other.var_names = [*other.var_names[:-1], "not in the model"]
        table = evaluation.replication(model, other, splits=2, seed=5)
        assert table.columns.tolist() == ["split", "method", "score"]
        scores = table.pivot_table("score", index="split", columns="method")
        assert scores.index.tolist() == [5, 6]
        assert (abs(scores["projected"] - scores["fitted there"]) < 0.1).all()
        for control in ("study means", "permuted"):
            assert (scores["projected"] > scores[control] + 0.2).all()
        known = other[:, :-1].copy()
        projected = evaluation.unseen(evaluation.projected(model), known, seed=6)
        assert scores.loc[6, "projected"] == pytest.approx(projected)

    def test_what_cannot_be_compared_is_refused(self, model):
        other = studies(["c", "d"], seed=2)
        with pytest.raises(InputError, match="splits must be a whole number, at least 1"):
            evaluation.replication(model, other, splits=0)
        unfitted = MSSVAE(other, n_shared=2, n_specific=1, device="cpu")
        with pytest.raises(InputError, match="needs a model with a linear fit to counts"):
            evaluation.replication(unfitted, other)
        other.var_names = [f"x{j}" for j in range(90)]
        with pytest.raises(InputError, match="none of the 90 features of the model, such as 'g0'"):
            evaluation.replication(model, other)
