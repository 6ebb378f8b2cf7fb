"""The study of assumptions: what its data are, and how methods are scored."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mssvae.errors import InputError
from studies import assumptions
from studies.assumptions import BLOCK, N_SHARED, NOISE_SD, WORLDS, World, simulate


def truth(adata):
    """Return loadings [60 x 5] and factors [N x 5]."""
    return np.hstack([adata.varm[key] for key in adata.varm]), adata.obsm["true"]


@pytest.mark.parametrize("anchors", [0, 1, 2, 3])
def test_each_factor_has_so_many_anchors(anchors):
    loadings, _ = truth(simulate(World(anchors=anchors), 1))
    n_factors = (loadings != 0).sum(axis=1)
    own = loadings[np.arange(60), np.repeat(np.arange(5), BLOCK)]
    assert (own != 0).all()
    assert n_factors.tolist() == ([1] * anchors + [2] * (BLOCK - anchors)) * 5


def test_data_are_loadings_times_factors_plus_noise():
    adata = simulate(World(n_samples=(4000, 2000)), 1)
    loadings, z = truth(adata)
    noise = adata.X - z @ loadings.T
    np.testing.assert_allclose(noise.std(0), NOISE_SD, rtol=0.05)
    assert adata.obs["group"].value_counts().to_dict() == {"study_1": 4000, "study_2": 2000}
    own = z[:, N_SHARED:]
    assert (own[:4000, 1] == 0).all()
    assert (own[4000:, 0] == 0).all()
    np.testing.assert_allclose(np.corrcoef(z[:4000, :4].T), np.eye(4), atol=0.05)


class TestViolations:
    """Each is what it is called, and the others hold."""

    def test_correlation(self):
        _, z = truth(simulate(World(n_samples=(9000, 100), correlation=0.6), 1))
        off = np.corrcoef(z[:9000, :4].T)[np.triu_indices(4, 1)]
        np.testing.assert_allclose(off, 0.6, atol=0.03)

    def test_dependent(self):
        _, z = truth(simulate(World(dependent=True), 1))
        assert np.linalg.matrix_rank(z[:, :3]) == 2
        assert z[:, 2].var() == pytest.approx(1, abs=0.2)

    def test_parallel(self):
        loadings, _ = truth(simulate(World(parallel=True), 1))
        block = loadings[3:BLOCK, :2]
        assert np.linalg.matrix_rank(block) == 1
        assert np.linalg.matrix_rank(truth(simulate(World(), 1))[0][3:BLOCK, :2]) == 2

    def test_flat(self):
        """A second loading changes nothing in nearly all samples."""
        adata = simulate(World(n_samples=(2000, 2000), flat=True), 1)
        loadings, z = truth(adata)
        own = loadings * (np.arange(5) == np.repeat(np.arange(5), BLOCK)[:, None])
        rest = adata.X - z @ own.T
        np.testing.assert_allclose(rest.std(0), NOISE_SD, rtol=0.1)

    def test_mappings(self):
        """Anchors of one factor are monotone, and not multiples of each other."""
        adata = simulate(World(n_samples=(5000, 5000), mappings=True), 1)
        one, two, three = (adata.X[:, j] for j in range(3))
        _, z = truth(adata)
        for x in (one, two, three):
            assert abs(stats.spearmanr(x, z[:, 0])[0]) > 0.6
        assert abs(np.corrcoef(one, two)[0, 1]) < 0.97 * abs(np.corrcoef(one, one)[0, 1])

    def test_heavy(self):
        loadings, z = truth(adata := simulate(World(heavy=True), 1))
        assert stats.kurtosis((adata.X - z @ loadings.T).ravel()) > 20

    def test_counts(self):
        x = simulate(World(counts=True), 1).X
        assert (x == x.round()).all()
        assert x.min() >= 0
        assert (x.var(0) > 2 * x.mean(0)).all()


def test_worlds_differ_in_one_thing():
    for name, world in WORLDS.items():
        default = World()
        changed = [key for key in vars(default) if getattr(world, key) != getattr(default, key)]
        assert len(changed) <= 1, name


def test_dense_loadings_are_cut_where_that_is_best():
    adata = simulate(World(), 1)
    loadings, z = truth(adata)
    noisy = loadings + 0.1 * np.random.default_rng(0).normal(size=loadings.shape)
    found = assumptions._dense(noisy, z, adata)
    np.testing.assert_array_equal(found.loadings != 0, loadings != 0)


def test_scores_are_a_row_per_method_and_measure_and_the_same_again():
    name = "negative binomial counts"
    table, again = (assumptions.scores(name, 7, 1) for _ in range(2))
    not_seconds = "measure != 'seconds'"
    pd.testing.assert_frame_equal(table.query(not_seconds), again.query(not_seconds))
    sparse = ["MSSVAE, Gaussian", "MSSVAE, negative binomial"]
    dense = ["factor analysis, varimax", "NMF"]
    assert set(table["method"]) == {*sparse, *dense}
    for method, rows in table.groupby("method"):
        parts = {"shared consensus", "specific consensus"} if method in sparse else set()
        assert set(rows["measure"]) == {"consensus", "disentanglement", "seconds"} | parts
    assert table.query(not_seconds)["value"].between(0, 1).all()

    found = assumptions.summary(pd.concat([table, table.assign(value=3.0), table]))
    assert found["method"].tolist() == list(table["method"].unique())
    assert found.columns.tolist() == ["world", "method", *table["measure"].unique()]
    first = table.set_index(["method", "measure"])["value"]
    assert found["consensus"].tolist() == [first[method, "consensus"] for method in found["method"]]


def test_a_world_that_is_none_is_named():
    with pytest.raises(InputError, match="no world 'flat': choose one of all assumptions hold"):
        assumptions.scores("flat", 1, 1)
