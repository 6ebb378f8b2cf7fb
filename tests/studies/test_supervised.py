"""Factors in supervised learning: nothing of the samples to be judged is learned from."""

import math
import warnings
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from torch.distributions import NegativeBinomial

from mssvae.errors import InputError
from studies import supervised
from studies.supervised import augmentation, features, study
from studies.supervised.conditional_vae import ConditionalVAE, trained
from studies.supervised.data import samples, splits

DESIGN = supervised.Design(
    n_genes=30,
    n_factors=3,
    n_specific=1,
    folds=3,
    small="c",
    kept=6,
    drawn=15,
    master_seed=1,
)
SEED = 5


@pytest.fixture(scope="module")
def fitted():
    """``features.fitted``, which makes the fit to the same samples, groups and numbers once."""
    fits, fit = {}, features.fitted

    def once(train, *about):
        key = (train.X.tobytes(), *train.obs["group"], *about)
        if key not in fits:
            fits[key] = fit(train, *about)
        return fits[key]

    return once


@pytest.fixture(autouse=True)
def quick(monkeypatch, fitted):
    """Few epochs of the conditional VAE, few penalties that are tried, each linear fit once."""
    monkeypatch.setattr(augmentation, "_EPOCHS", 3)
    monkeypatch.setattr(study, "_PENALTIES", (0.01, 1.0))
    for module in (augmentation, features):
        monkeypatch.setattr(module, "fitted", fitted)


@pytest.fixture(scope="module")
def adata():
    """Counts of 45 genes in 60 samples of three groups, which factors and means tell apart."""
    rng = np.random.default_rng(0)
    n, n_genes = 20, 45
    groups = np.repeat(["a", "b", "c"], n)
    z = rng.normal(size=(len(groups), 3))
    loadings = rng.normal(0, 0.5, (3, n_genes)) * (rng.random((3, n_genes)) < 0.3)
    means = rng.normal(0, 0.6, (3, n_genes)).repeat(n, 0) + rng.normal(3, 0.4, n_genes)
    mean = np.exp(means + z @ loadings + rng.normal(0, 0.3, (len(groups), 1)))
    counts = rng.negative_binomial(5, 5 / (5 + mean)).astype(np.float32)
    names = [f"sample_{i}" for i in range(len(groups))]
    genes = pd.DataFrame(index=[f"gene_{j}" for j in range(n_genes)])
    return ad.AnnData(counts, pd.DataFrame({"group": groups}, names), genes)


def split_of(adata, fold=1):
    return next(
        one for one in splits(adata, DESIGN.folds, DESIGN.n_genes, SEED) if one.fold == fold
    )


@pytest.fixture(scope="module")
def split(adata):
    return split_of(adata)


ALL = [*features.METHODS, "none", *augmentation.METHODS]


class TestNothingLeaks:
    def test_folds_have_every_sample_once_and_no_sample_twice(self, adata):
        judged = []
        for one in splits(adata, 3, DESIGN.n_genes, SEED):
            assert not one.train.obs_names.intersection(one.test.obs_names).size
            assert one.train.n_obs + one.test.n_obs == adata.n_obs
            assert one.test.obs["group"].value_counts().between(6, 7).all()
            judged += one.test.obs_names.tolist()
        assert sorted(judged) == sorted(adata.obs_names)

    def test_genes_are_selected_by_the_training_samples_alone(self, adata, split):
        """Other counts of the samples to be judged; then other counts of one to learn from."""

        def with_noise(names):
            changed = adata.copy()
            rows = changed.obs_names.get_indexer(names)
            noise = np.random.default_rng(1).integers(0, 2000, changed.X[rows].shape)
            changed.X[rows] += noise.astype(np.float32)
            return split_of(changed)

        found = with_noise(split.test.obs_names)
        assert found.train.var_names.equals(split.train.var_names)
        np.testing.assert_array_equal(found.train.X, split.train.X)
        assert (found.test.X != split.test.X).any()
        other = with_noise(split.train.obs_names[:3])
        assert not other.train.var_names.equals(split.train.var_names)

    @pytest.mark.parametrize("method", ALL)
    def test_of_samples_to_be_judged_neither_groups_nor_other_samples_count(self, method, split):
        """The first has the same probabilities whatever they are, but for rounding."""
        judge = study.by_features if method in features.METHODS else study.augmented
        test = split.test.copy()
        test.X[1:] = test.X[1:, ::-1]
        test.obs["group"] = "nobody knows"
        expected, found = (
            judge(one, DESIGN, method, SEED)[0] for one in (split, replace(split, test=test))
        )
        np.testing.assert_allclose(found.iloc[0], expected.iloc[0], rtol=0.01)
        assert (abs(found.iloc[1:] - expected.iloc[1:]) > 0.01).any(axis=None)

    def test_groups_of_training_samples_count_where_they_are_studies_alone(self, split):
        train = split.train.copy()
        train.obs["group"] = train.obs["group"].to_numpy()[::-1]
        for method, learn in features.METHODS.items():
            found, expected = (
                learn(one, DESIGN.n_factors, DESIGN.n_specific, SEED)(split.test.X)
                for one in (train, split.train)
            )
            same = found.shape == expected.shape and np.array_equal(found, expected)
            assert same == (method != "MSSVAE, groups as studies"), method

    def test_draws_are_made_of_the_samples_that_are_kept(self, split, monkeypatch):
        given = []

        def spy(train, *about):
            given.append(train)
            return augmentation.oversampling(train, *about)

        monkeypatch.setitem(augmentation.METHODS, "spy", spy)
        study.augmented(split, DESIGN, "spy", SEED)
        (train,) = given
        assert train.obs["group"].value_counts()["c"] == DESIGN.kept
        assert set(train.obs_names) <= set(split.train.obs_names)
        others = split.train.obs_names[split.train.obs["group"] != "c"]
        assert set(others) <= set(train.obs_names)

    def test_penalties_are_chosen_by_samples_that_are_kept_not_by_draws(self, split, monkeypatch):
        given, real = [], study.searched

        def spy(x, groups, seed):
            given.append((x, groups))
            return real(x, groups, seed)

        monkeypatch.setattr(study, "searched", spy)
        study.augmented(split, DESIGN, "oversampling", SEED)
        ((x, groups),) = given
        train = study.thinned(split.train, "c", DESIGN.kept, SEED)
        np.testing.assert_array_equal(x, features.log_expression(train.X))
        pd.testing.assert_series_equal(groups, train.obs["group"])


class TestFeatures:
    def test_samples_are_of_no_study_that_the_model_knows(self, split):
        """So all have the features that ``transform`` gives a new study: the shared factors."""
        transform = features.factors_of_groups(split.train, 3, 1, SEED)
        model = features.fitted(split.train, 3, 1, SEED)
        new = split.test.copy()
        new.obs["group"] = "another"
        shared = model.transform(new).shared
        used = shared.columns[(model.masks.shared != 0).any()]
        np.testing.assert_array_equal(transform(split.test.X), shared[used])

    @pytest.mark.parametrize("method", features.METHODS)
    def test_of_few_samples_and_one_factor(self, method, split):
        transform = features.METHODS[method](split.train, 1, 0, SEED)
        found = transform(split.test.X[:1])
        assert found.shape == (1, 30 if method == "genes" else 1)
        assert np.isfinite(found).all()

    def test_a_fit_without_factors_tells_no_group_from_another(self, split):
        """Counts of one mean for all genes and samples: a column of zeros, which is classified."""
        noise = np.random.default_rng(0).poisson(50, split.train.shape).astype(np.float32)
        train = split.train.copy()
        train.X = noise
        with warnings.catch_warnings(action="ignore"):
            found = features.factors_of_one_study(train, 2, 0, SEED)(split.test.X)
        assert found.shape == (split.test.n_obs, 1)
        assert (found == 0).all()

    def test_library_sizes_do_not_count(self, split):
        for method in ("genes", "PCA", "factor analysis", "NMF"):
            transform = features.METHODS[method](split.train, 2, 0, SEED)
            found, expected = transform(3 * split.test.X), transform(split.test.X)
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


class TestDraws:
    @pytest.mark.parametrize("method", augmentation.METHODS)
    def test_are_counts_of_the_group_and_the_same_again(self, method, split):
        draw = augmentation.METHODS[method]
        found, again, other = (draw(split.train, "c", 8, 3, 1, seed) for seed in (SEED, SEED, 2))
        assert found.shape == (8, split.train.n_vars)
        assert (found >= 0).all()
        assert (found % 1 == 0).all()
        np.testing.assert_array_equal(found, again)
        assert (found != other).any()

    def test_of_our_model_are_spread_as_the_group_is(self, split):
        """Means of genes by their study's intercepts, and totals of the group's samples."""
        drawn = augmentation.model_draws(split.train, "c", 400, 3, 1, SEED)
        means = split.train.to_df().groupby(split.train.obs["group"].to_numpy()).mean()
        logs = np.log(means)
        near = {group: abs(np.log(drawn.mean(0)) - logs.loc[group]).mean() for group in logs.index}
        assert near["c"] < 0.5 * min(near["a"], near["b"])
        totals = split.train.X[split.train.obs["group"] == "c"].sum(1)
        assert drawn.sum(1).mean() == pytest.approx(totals.mean(), rel=0.1)

    def test_oversampling_repeats_samples_of_the_group(self, split):
        drawn = augmentation.oversampling(split.train, "b", 9, 3, 1, SEED)
        of_group = split.train.X[split.train.obs["group"] == "b"]
        assert all((of_group == row).all(1).any() for row in drawn)


class TestConditionalVAE:
    @pytest.fixture
    def model(self):
        counts = torch.from_numpy(np.random.default_rng(0).poisson(4, (12, 5)).astype(np.float32))
        return ConditionalVAE(counts + 1, 2, 3, 4, seed=0), counts + 1

    @torch.no_grad()
    def test_loss_is_the_lower_bound_written_out(self, model):
        model, counts = model
        group = torch.tensor([0, 1] * 6)
        mean, log_variance = model.posterior(counts, group)
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(3))
        total = 0.0
        for i in range(12):
            z = mean[i] + torch.exp(log_variance[i] / 2) * noise[i]
            given = torch.cat([z, torch.eye(2)[group[i]]])
            shares = torch.softmax(model.decoder(given), 0)
            for j in range(5):
                mu, theta = float(shares[j] * counts[i].sum()), math.exp(model.log_theta[j])
                x = float(counts[i, j])
                total += math.lgamma(x + theta) - math.lgamma(theta) - math.lgamma(x + 1)
                total += theta * math.log(theta / (theta + mu)) + x * math.log(mu / (theta + mu))
            for m, v in zip(mean[i].tolist(), log_variance[i].tolist(), strict=True):
                total -= 0.5 * (math.exp(v) + m**2 - 1 - v)
        found = model.loss(counts, group, torch.Generator().manual_seed(3)).item()
        assert found == pytest.approx(-total / 12, rel=1e-5)

    def test_training_lowers_the_loss(self, model):
        model, counts = model
        group = torch.tensor([0, 1] * 6)
        before = model.loss(counts, group, torch.Generator().manual_seed(1)).item()
        trained(model, counts, group, 200, seed=2)
        after = model.loss(counts, group, torch.Generator().manual_seed(1)).item()
        assert after < before - 0.1

    def test_expected_counts_are_shares_of_the_total_by_group(self, model):
        model, counts = model
        z, library = torch.zeros(12, 3), counts.sum(1, keepdim=True)
        found = [model.counts_given(z, torch.full((12,), g), library) for g in (0, 1)]
        assert all(isinstance(one, NegativeBinomial) for one in found)
        for one in found:
            torch.testing.assert_close(one.mean.sum(1, keepdim=True), library)
        assert (abs(found[0].mean - found[1].mean) > 1e-4).any()


class TestScores:
    @pytest.mark.parametrize("part", supervised.PARTS)
    def test_have_a_row_per_fold_and_method_and_are_the_same_again(self, part, adata, monkeypatch):
        monkeypatch.delitem(augmentation.METHODS, "MSSVAE")  # Its fits take time.
        monkeypatch.setattr(features, "METHODS", dict(list(features.METHODS.items())[:2]))
        table, again = (supervised.scores(adata, DESIGN, part, 2) for _ in range(2))
        methods = ["none", *augmentation.METHODS] if part == "augmentation" else features.METHODS
        assert table["method"].tolist() == [*methods] * 3
        assert table["fold"].tolist() == np.repeat([1, 2, 3], len(methods)).tolist()
        assert set(table["part"]) == {part}
        assert set(table["replicate"]) == {2}
        scores = table[["balanced_accuracy", "auc", "small_recall", "small_auc"]]
        assert ((scores >= 0) & (scores <= 1)).all(axis=None)
        pd.testing.assert_frame_equal(table.drop(columns="seconds"), again.drop(columns="seconds"))

    def test_groups_are_found_and_permuted_ones_are_not(self, adata, monkeypatch):
        monkeypatch.setattr(features, "METHODS", {"genes": features.genes})
        found = supervised.scores(adata, DESIGN, "features", 1)
        control = pd.concat(supervised.scores(adata, DESIGN, "permuted", i) for i in range(4))
        assert found["balanced_accuracy"].mean() > 0.9
        assert 0.2 < control["balanced_accuracy"].mean() < 0.47
        assert 0.35 < control["auc"].mean() < 0.65

    def test_data_are_not_changed(self, adata, monkeypatch):
        monkeypatch.setattr(features, "METHODS", {"genes": features.genes})
        before = adata.obs["group"].tolist()
        supervised.scores(adata, DESIGN, "permuted", 1)
        assert adata.obs["group"].tolist() == before

    def test_measures_of_probabilities(self):
        truth = pd.Series(["a", "a", "b", "c"])
        right = pd.DataFrame(
            {"a": [1, 0.4, 0.2, 0], "b": [0, 0.6, 0.7, 0.1], "c": [0, 0, 0.1, 0.9]}
        )
        found = study.measures(truth, right, "a")
        assert found["balanced_accuracy"] == pytest.approx((0.5 + 1 + 1) / 3)
        assert found["small_recall"] == 0.5
        assert found["small_auc"] == 1
        assert found["auc"] == 1

    def test_summary_has_differences_in_the_same_fold(self):
        rows = [
            ("features", method, 1, fold, *[base + 0.1 * fold + gain] * 6)
            for method, gain in (("genes", 0), ("PCA", 0.5))
            for fold, base in ((1, 3.0), (2, 7.0))
        ]
        columns = ["part", "method", "replicate", "fold", *study.MEASURES]
        found = supervised.summary(pd.DataFrame(rows, columns=columns))
        assert found["measure"].drop_duplicates().tolist() == list(study.MEASURES)
        row = found[(found["method"] == "PCA") & (found["measure"] == "auc")].iloc[0]
        assert row["splits"] == 2
        assert row["mean"] == pytest.approx(5.65)
        assert row["sd"] == pytest.approx(4.1 / math.sqrt(2))
        assert row["difference"] == pytest.approx(0.5)
        assert row["difference_sd"] == pytest.approx(0, abs=1e-9)


class TestMistakes:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"small": "z"}, "small: no sample is of the group 'z'"),
            ({"kept": 4}, "kept: 4 of the 1[34] training samples of 'c' cannot be kept"),
            ({"kept": 40}, "kept: 40 of the 1[34] training samples of 'c' cannot be kept"),
            ({"folds": 21}, "the group 'a' has 20 samples, fewer than 21 folds"),
            ({"n_genes": 46}, "n_genes: 46 genes were asked for"),
        ],
    )
    def test_of_a_design_are_named(self, change, message, adata):
        with pytest.raises(InputError, match=message):
            supervised.scores(adata, replace(DESIGN, **change), "augmentation", 1)

    def test_an_unknown_part_is_named(self, adata):
        with pytest.raises(InputError, match="unknown part 'all': choose one of features, perm"):
            supervised.scores(adata, DESIGN, "all", 1)

    def test_a_group_too_small_for_the_folds_within_is_named(self, adata):
        few = adata[np.r_[0:45]].copy()
        with pytest.raises(
            InputError, match=r"the group 'c' has [34] training samples, fewer than"
        ):
            supervised.scores(few, DESIGN, "features", 1)

    def test_a_sample_without_counts_of_the_selected_genes_is_named(self, adata, split):
        empty = adata.copy()
        empty.X[empty.obs_names.get_loc(split.test.obs_names[0])] = 0
        with pytest.raises(InputError, match=f"sample '{split.test.obs_names[0]}' has no counts"):
            split_of(empty)


def test_samples_are_those_of_the_series_with_enough_counts(data_folder):
    adata = samples(f"{data_folder}/GSE68086/")
    assert adata.n_obs == 284
    assert adata.n_vars > 50_000
    assert adata.obs["group"].value_counts().idxmin() == "Glioblastoma"
