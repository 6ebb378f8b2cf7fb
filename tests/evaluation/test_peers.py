import anndata
import numpy as np
import pandas as pd
import pytest

from mssvae.errors import InputError
from mssvae.evaluation import peer_factors

GENES = [f"g{j}" for j in range(300)]


@pytest.fixture(scope="module")
def adata():
    """A shared factor of the first 40 genes; each study has one of 30 genes of its own."""
    rng = np.random.default_rng(4)
    group = np.repeat(["a", "b"], 80)
    log_mean = np.full((160, 300), 4.0)
    log_mean[:, :40] += rng.normal(size=(160, 1))
    log_mean[:80, 60:90] += rng.normal(size=(80, 1))
    log_mean[80:, 90:120] += rng.normal(size=(80, 1))
    obs = pd.DataFrame({"group": group}, [f"s{i}" for i in range(160)])
    x = rng.poisson(np.exp(log_mean)).astype("float32")
    return anndata.AnnData(x, obs, pd.DataFrame(index=GENES))


@pytest.mark.parametrize("method", ["factor_analysis", "nmf"])
def test_peers_have_the_numbers_that_they_are_told(adata, method):
    masks, factors, latent = peer_factors(adata, method, 2, 1, 30)
    assert factors["factor"].tolist() == ["shared_01", "shared_02", "a_01", "b_01"]
    assert factors["kind"].tolist() == ["shared"] * 2 + ["specific"] * 2
    assert masks.index.tolist() == GENES
    assert (masks != 0).sum().tolist() == [30] * 4
    assert latent.index.equals(adata.obs_names)
    assert latent.notna().sum().tolist() == [160, 160, 80, 80]
    assert latent["b_01"].notna().tolist() == [False] * 80 + [True] * 80


def test_factor_analysis_finds_planted_blocks_and_keeps_shared_ones_apart(adata):
    # The second one is of the genes without a factor, as expression is relative.
    masks, *_ = peer_factors(adata, "factor_analysis", 2, 1, 40)
    support = masks != 0
    found = {name: set(support.index[support[name]]) for name in support}
    assert found["shared_01"] == set(GENES[:40])
    assert found["a_01"] > set(GENES[60:90])
    assert found["b_01"] > set(GENES[90:120])
    assert found["a_01"].isdisjoint(GENES[:40])


def test_there_may_be_no_specific_or_no_shared_factor(adata):
    assert peer_factors(adata, "nmf", 2, 0, 5)[0].shape == (300, 2)
    assert peer_factors(adata, "factor_analysis", 0, 2, 5)[0].shape == (300, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pca", 1, 1, 5), "no method 'pca': choose one of factor_analysis, nmf"),
        (("nmf", -1, 1, 5), "n_shared must be a whole number, at least 0"),
        (("nmf", 1, 1, 0), "n_genes must be a whole number, at least 1"),
        (("nmf", 1, 1, 5, "site"), "adata.obs has no column 'site'"),
    ],
)
def test_settings_of_peers_out_of_range_are_errors(adata, arguments, message):
    with pytest.raises(InputError, match=message):
        peer_factors(adata, *arguments)
