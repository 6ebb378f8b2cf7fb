"""Scores along the weight of the prior, the dense models beside it, and what is chosen by them."""

import logging
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from mssvae import MSSVAE, evaluation, simulate
from mssvae.errors import InputError
from mssvae.evaluation._peers import FactorAnalysis, Nmf
from mssvae.fitting.held_out import StudyMeans
from mssvae.fitting.selection import CANDIDATES

COLUMNS = ["method", "weight", "prior_scale", "entries", "n_shared", "n_specific"]
PLANTED = {"n_samples": 60, "n_features": 60, "n_studies": 2, "n_shared": 3, "n_specific": [1, 1]}


def to_anndata(x, names=("a", "b")):
    x = np.asarray(x, dtype=np.float32)
    studies = [names[i % len(names)] for i in range(len(x))]
    return ad.AnnData(x, pd.DataFrame({"group": studies}, index=[f"s{i}" for i in range(len(x))]))


def noise(n_samples=60, n_features=40):
    return to_anndata(np.random.default_rng(3).normal(size=(n_samples, n_features)))


@pytest.fixture(scope="module")
def planted():
    return simulate.gaussian(**PLANTED, nonlinear_every=10**6, seed=2)


def gaussian(adata, **settings):
    return MSSVAE(adata, likelihood="gaussian", device="cpu", **settings)


@pytest.fixture(scope="module")
def table(planted):
    model = gaussian(planted, n_shared=8, n_specific=3)
    return evaluation.path(model, weights=[400, 1], peers=[3], seed=1)


class TestPath:
    def test_it_has_sparse_fits_study_means_and_dense_models(self, table):
        assert table.columns.tolist() == [*COLUMNS, "score", "gain", "standard_error"]
        assert table["method"].tolist() == ["mssvae", "mssvae", "study means", "factor analysis"]
        assert table["prior_scale"].dropna().tolist() == [0.3, 120]  # Of all samples.
        assert table.set_index("method").loc["factor analysis", "entries"] == 3 * 60
        assert table["entries"].iloc[0] < table["entries"].iloc[1]

    def test_the_gain_is_over_study_means(self, table):
        means = table.set_index("method").loc["study means"]
        assert (means["entries"], means["gain"], means["standard_error"]) == (0, 0, 0)
        np.testing.assert_allclose(table["gain"], table["score"] - means["score"])
        found = table.iloc[1]
        assert (found["n_shared"], found["n_specific"]) == (3, 2)
        assert found["gain"] > 10 * found["standard_error"] > 0

    def test_its_fit_is_the_one_of_that_prior_and_its_score_that_of_unseen(self, planted, table):
        model = gaussian(planted, n_shared=8, n_specific=3)
        seen = model.held_out(seed=1).seen
        fit = gaussian(seen, n_shared=8, n_specific=3).fit(decoder="linear")
        alone = gaussian(seen, n_shared=8, n_specific=3).fit_path([7, 1])[1]
        pd.testing.assert_frame_equal(alone.masks.wide(), fit.masks.wide())
        pd.testing.assert_frame_equal(alone.predict(), fit.predict())
        units = to_anndata((planted.X - planted.X.mean(0)) / planted.X.std(0))
        units.obs, units.var = planted.obs, planted.var
        score = evaluation.unseen(lambda _: fit, units, likelihood="gaussian", seed=1)
        assert table["score"].iloc[1] == pytest.approx(score, abs=1e-5)

    @pytest.mark.parametrize("weight", [1, 0.1])  # Without and with factors.
    def test_a_fit_that_is_not_better_than_study_means_is_told(self, weight, caplog):
        model = gaussian(noise(200), n_shared=3, n_specific=0)
        evaluation.path(model, weights=[weight], peers=[], seed=1)
        assert "not better than the means of studies" in caplog.text
        assert "larger prior_scale" in caplog.text

    def test_a_fit_that_is_better_is_not(self, planted, caplog):
        model = gaussian(planted, n_shared=4, n_specific=1)
        evaluation.path(model, weights=[1], peers=[])
        assert "not better" not in caplog.text

    def test_the_model_that_is_given_stays_as_it_is(self, planted):
        model = gaussian(planted, n_shared=4, n_specific=1)
        model.fit_path([1])
        assert "not fitted" in repr(model)
        with pytest.raises(InputError, match="is fitted"):
            model.fit(decoder="linear").fit_path([1])

    @pytest.mark.parametrize("weights", [[], [0], [1, -1], ["a"]])
    def test_weights_that_are_none_are_refused(self, planted, weights):
        with pytest.raises(InputError, match="weights must be"):
            evaluation.path(gaussian(planted, n_shared=2, n_specific=1), weights=weights)


class TestPeers:
    def test_study_means_of_counts_are_profiles_times_library_sizes(self):
        means = StudyMeans(to_anndata([[2, 6, 2], [9, 0, 1], [2, 6, 2], [9, 0, 1]]), "group", "nb")
        new = to_anndata([[10, 30, 0], [18, 0, 7]])
        expected = means.predict(new, observed=["0", "1"])
        np.testing.assert_allclose(expected, [[10, 30, 10], [18, 0, 2]])
        assert expected.index.tolist() == ["s0", "s1"]

    def test_study_means_of_real_values(self):
        means = StudyMeans(to_anndata([[1, 2], [5, 6], [3, 2], [5, 8]]), "group", "gaussian")
        np.testing.assert_allclose(
            means.predict(to_anndata([[0, 0], [0, 0]]), ["0"]), [[2, 2], [5, 7]]
        )

    @pytest.mark.parametrize("make", [Nmf, lambda a, k: FactorAnalysis(a, k, "negative_binomial")])
    def test_dense_factors_of_counts_are_inferred_from_observed_features(self, make):
        rng = np.random.default_rng(0)
        depth, part = rng.uniform(5000, 20000, (300, 1)), rng.beta(2, 2, (300, 1))
        one, two = rng.dirichlet(np.full(40, 1.0), 2)
        mean = depth * (part * one + (1 - part) * two)
        counts = to_anndata(rng.poisson(mean))
        observed = counts.var_names[:20].tolist()
        hidden = counts[200:].copy()
        hidden.X[:, 20:] = 10**6  # Not looked at.
        expected = make(counts[:200], 2).predict(hidden, observed).to_numpy()[:, 20:]
        off = np.abs(expected - mean[200:, 20:]).mean() / mean[200:, 20:].mean()
        flat = depth[200:] * mean[:200, 20:].sum(0) / mean[:200].sum()
        assert off < 0.5 * np.abs(flat - mean[200:, 20:]).mean() / mean[200:, 20:].mean()


class TestAuto:
    def test_numbers_and_prior_are_chosen_by_samples_held_out(self, planted, caplog):
        caplog.set_level(logging.INFO)
        model = gaussian(planted, n_shared="auto", n_specific="auto").fit()
        n_shared, n_specific = (model.settings[key] for key in ("n_shared", "n_specific"))
        assert f"factors auto: {n_shared} shared, {n_specific} of each study" in caplog.text
        assert (n_shared, n_specific) in CANDIDATES.sizes("auto", "auto")[:2]
        assert model.fit_settings.prior_scale in (30, 120, 480)
        used = model.factor_table().query("n_nonzero > 0")["kind"].value_counts()
        assert used.to_dict() == {"shared": 3, "specific": 2}

    @pytest.fixture
    def few_candidates(self, monkeypatch):
        few = replace(CANDIDATES, n_shared=(5,), n_specific=(1,))
        for module in ("model", "fitting.decoders", "fitting.selection"):
            monkeypatch.setattr(f"mssvae.{module}.CANDIDATES", few)

    @pytest.mark.usefixtures("few_candidates")
    def test_the_prior_is_the_one_that_was_tried_however_many_samples(self):
        model = gaussian(noise(1600, 8), n_shared="auto", n_specific=1).fit(decoder="linear")
        assert 1600 / model.fit_settings.prior_scale in CANDIDATES.weights

    def test_what_is_given_is_kept(self, planted):
        model = gaussian(planted, n_shared=4, n_specific="auto").fit(prior_scale=99)
        assert (model.settings["n_shared"], model.fit_settings.prior_scale) == (4, 99)
        assert model.settings["n_specific"] in (1, 2, 5, 10)

    @pytest.mark.usefixtures("few_candidates")
    def test_a_chosen_fit_is_saved_and_read(self, planted, tmp_path):
        model = gaussian(planted, n_shared="auto", n_specific=1)
        model.save(tmp_path / "before.npz")
        assert MSSVAE.load(tmp_path / "before.npz", planted).settings["n_shared"] == "auto"
        model.fit().save(tmp_path / "model.npz")
        read = MSSVAE.load(tmp_path / "model.npz", planted)
        pd.testing.assert_frame_equal(read.masks.wide(), model.masks.wide())

    def test_noise_has_no_factor_and_that_is_told(self, caplog):
        model = gaussian(noise(), n_shared="auto", n_specific="auto").fit()
        assert not model.support.wide().to_numpy().any()
        assert "no factor" in caplog.text

    @pytest.mark.usefixtures("few_candidates")
    def test_a_fit_that_fails_asks_again(self, planted, monkeypatch):
        model = gaussian(planted, n_shared="auto", n_specific=1)

        def fail(*arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr("mssvae.fitting.decoders.write", fail)
        with pytest.raises(KeyboardInterrupt):
            model.fit(decoder="linear")
        assert model.settings["n_shared"] == "auto"

    def test_other_words_are_refused(self, planted):
        with pytest.raises(InputError, match="n_shared must be a whole number"):
            gaussian(planted, n_shared="many")
