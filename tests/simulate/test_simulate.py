import inspect

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from mssvae.errors import InputError
from mssvae.preprocess import quality_control
from mssvae.simulate import cohort, gaussian, rnaseq
from mssvae.simulate._counts import negative_binomial_counts
from mssvae.simulate._masks import LAYOUTS

GROUPS = {"a": 20, "b": 30, "c": 150}


@pytest.fixture(scope="module")
def terms():
    """150 terms of 40 genes, each sharing 10 genes with the one before."""
    rows = [
        (f"GO:{t:07}", f"term {t}", f"ENSG{g:011}")
        for t in range(150)
        for g in range(30 * t, 30 * t + 40)
    ]
    return pd.DataFrame(rows, columns=["ID", "Description", "gene"])


def simulate(terms, seed=0, **options):
    settings = {"n_genes": 2000, "n_shared": 4, "n_specific": 2} | options
    return cohort(terms, GROUPS, seed=seed, **settings)


@pytest.fixture(scope="module")
def adata(terms):
    return simulate(terms)


def test_a_cohort_has_whole_counts_of_platelet_like_libraries(adata):
    assert adata.shape == (200, 2000)
    assert adata.X.format == "csr"
    assert adata.X.dtype == np.float32
    assert (adata.X.data == np.round(adata.X.data)).all()
    assert adata.X.min() >= 0
    assert 13.5 < np.median(np.log(adata.X.sum(axis=1).A1)) < 14.5
    assert adata.obs["group"].value_counts(sort=False).to_dict() == GROUPS
    assert adata.var_names.is_unique
    assert adata.uns["source"]["kind"] == "synthetic"
    assert adata.uns["source"]["total_counts"] == adata.X.sum(dtype=np.float64)


def test_each_factor_loads_mostly_on_the_genes_of_its_term(adata, terms):
    assert sum(len(planted) for planted in adata.uns["truth"].values()) == 4 + 3 * 2
    for name, planted in adata.uns["truth"].items():
        for term, loading in zip(planted, adata.varm[f"true_{name}"].T, strict=True):
            loads = adata.var_names[loading != 0]
            members = loads.isin(terms["gene"][terms["ID"] == term])
            assert members.sum() >= 36
            assert members.mean() > 0.9


def test_planted_terms_hardly_overlap(adata, terms):
    planted = np.concatenate(list(adata.uns["truth"].values()))
    genes = terms["gene"][terms["ID"].isin(planted)]
    assert genes.duplicated().sum() <= 0.1 * len(genes)


def test_genes_of_a_specific_factor_vary_together_in_their_group_only(adata):
    log_cpm = np.log1p(adata.X.toarray() / adata.X.sum(axis=1).A1[:, None] * 1e6)
    # Genes on a linear path, expressed, and of no shared factor.
    linear = (np.arange(adata.n_vars) % 3 != 0) & (adata.varm["true_shared"] == 0).all(axis=1)
    linear &= log_cpm.mean(axis=0) > 3
    for group in GROUPS:
        own = (adata.obs["group"] == group).to_numpy()
        for k in range(2):
            genes = linear & (adata.varm[f"true_{group}"][:, k] != 0)
            factor = adata.obsm["true_specific"][own, k]
            score = log_cpm[:, genes].mean(axis=1)
            assert np.corrcoef(score[own], factor)[0, 1] > 0.8
            assert score[~own].std() < 0.5 * score[own].std()


def test_quality_control_has_samples_and_genes_to_remove(adata):
    filtered, steps, *_ = quality_control(adata)
    assert steps["samples_removed"].tolist() == [0, 2, 0, 0]
    assert (steps["genes_removed"] > 0).tolist() == [False, False, True, True]
    assert 1000 < filtered.n_vars < 1900
    planted = (adata.varm["true_shared"] != 0).any(axis=1)
    assert adata.var_names[planted].isin(filtered.var_names).mean() > 0.8


def test_equal_seeds_give_equal_cohorts_and_others_do_not(adata, terms):
    again, other = simulate(terms), simulate(terms, seed=1)
    assert (adata.X != again.X).nnz == 0
    assert adata.var_names.equals(again.var_names)
    assert adata.uns["truth"]["shared"].tolist() == again.uns["truth"]["shared"].tolist()
    assert (adata.X != other.X).nnz > 0


def test_a_cohort_survives_being_written(adata, tmp_path):
    import anndata as ad

    adata.write_h5ad(tmp_path / "cohort.h5ad")
    read = ad.read_h5ad(tmp_path / "cohort.h5ad")
    assert read.uns["truth"]["a"].tolist() == adata.uns["truth"]["a"].tolist()
    assert read.obs["group"].cat.categories.tolist() == list(GROUPS)


def test_libraries_of_each_group_have_the_mean_and_deviation_asked_for(terms):
    means, deviations = {"a": 12, "b": 14, "c": 15}, {"a": 0.1, "b": 0.3, "c": 0.8}
    options = {"library_log_mean": means, "library_log_sd": deviations}
    options |= {"n_genes": 1200, "n_shared": 1, "n_specific": 1, "seed": 2}
    made = cohort(terms, dict.fromkeys(GROUPS, 300), **options)
    library = pd.Series(np.log(made.X.sum(axis=1).A1)).groupby(made.obs["group"].to_numpy())
    # The median and quartiles, as one sample in a hundred has hardly any counts.
    assert (library.median() - pd.Series(means)).abs().max() < 0.1
    spread = (library.quantile(0.75) - library.quantile(0.25)) / 1.349
    assert (spread / pd.Series(deviations)).to_numpy() == pytest.approx(1, abs=0.2)


def test_genes_have_the_inverse_dispersions_asked_for(terms):
    """Moments of counts without factors: their variance is mu + mu^2 / theta."""
    options = {"n_genes": 800, "n_shared": 1, "n_specific": 0, "seed": 3, "library_log_sd": 0}
    options |= {"theta_log_intercept": -1, "theta_log_slope": 0.4, "theta_log_sd": 0.5}
    made = cohort(terms, {"a": 2000}, **options)
    counts = made.X.toarray()[np.log(made.X.sum(axis=1).A1) > 13]
    counts = counts[:, (made.varm["true_shared"] == 0).ravel() & (counts.mean(0) > 100)]
    mean, variance = counts.mean(axis=0), counts.var(axis=0)
    log_theta = np.log(mean**2 / (variance - mean))
    slope, intercept = np.polyfit(np.log(mean), log_theta, 1)
    assert slope == pytest.approx(0.4, abs=0.05)
    assert intercept == pytest.approx(-1, abs=0.3)
    rest = log_theta - intercept - slope * np.log(mean)
    assert rest.std() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("correlation", [0, 0.15, 0.3])
def test_factors_have_the_correlation_asked_for(terms, correlation):
    options = {"n_genes": 3000, "n_shared": 15, "n_specific": 10, "factor_correlation": correlation}
    made = cohort(terms, {"a": 2000, "b": 2000}, seed=4, **options)
    squares = []
    for group in ("a", "b"):
        own = (made.obs["group"] == group).to_numpy()
        factors = np.hstack([made.obsm["true_shared"], made.obsm["true_specific"]])[own]
        assert factors.std(axis=0) == pytest.approx(1, abs=0.08)
        correlations = np.corrcoef(factors.T)
        squares.append(np.square(correlations[np.triu_indices_from(correlations, 1)]))
    assert np.sqrt(np.mean(squares)) == pytest.approx(correlation, abs=0.04)


def test_genes_are_all_linear_where_none_is_asked_to_be_otherwise(terms):
    """Beyond two deviations a sine has turned back, and a line has not."""
    options = {"n_genes": 1500, "n_shared": 1, "n_specific": 0, "seed": 5, "library_log_sd": 0}
    options |= {"theta_log_intercept": 8, "baseline_log_sd": 0.5}
    for every, share in ((None, 0), (3, 1 / 3)):
        made = cohort(terms, {"a": 600}, nonlinear_every=every, **options)
        z = made.obsm["true_shared"][:, 0]
        loads = made.varm["true_shared"][:, 0] != 0
        expressed = np.asarray(made.X.mean(axis=0)).ravel() > 20
        x = made.X.toarray()[:, loads & expressed]
        falls = x[z > 1.5].mean(axis=0) < 0.8 * x[(z > 0.4) & (z < 0.9)].mean(axis=0)
        assert falls.mean() == pytest.approx(share, abs=0.1)


def test_settings_of_real_cohorts_are_the_same_again_with_the_same_seed(terms):
    options = {
        "nonlinear_every": None,
        "factor_correlation": 0.2,
        "library_log_mean": dict.fromkeys(GROUPS, 13.8),
        "theta_log_intercept": -1.0,
        "theta_log_slope": 0.5,
        "theta_log_sd": 0.7,
    }
    one, again, other = (simulate(terms, seed, **options) for seed in (6, 6, 7))
    assert (one.X != again.X).nnz == 0
    assert (one.obsm["true_specific"] == again.obsm["true_specific"]).all()
    assert (one.X != other.X).nnz > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nonlinear_every": 2}, "nonlinear_every must be a whole number, at least 3, not 2"),
        ({"factor_correlation": 0.5}, "factor_correlation must be .* at most 0.4, not 0.5"),
        ({"baseline_log_sd": -1}, "baseline_log_sd must be a finite number, at least 0"),
        ({"library_log_mean": {"a": 14}}, "library_log_mean has no number for 'b', 'c'"),
        ({"library_log_mean": 99}, "library_log_mean of 'a' must be .* at most 30, not 99"),
        ({"library_log_sd": np.nan}, "library_log_sd of 'a' must be a finite number"),
        ({"theta_log_intercept": "1"}, "theta_log_intercept must be a finite number"),
        ({"theta_log_intercept": 1, "theta_log_slope": 9}, "theta_log_slope must be .* at most 2"),
        ({"theta_log_intercept": 1, "theta_log_sd": -1}, "theta_log_sd must be .* at least 0"),
        ({"theta_log_sd": 0.5}, "theta_log_sd is given without theta_log_intercept"),
    ],
)
def test_settings_that_no_real_cohort_has_are_refused_by_name(terms, options, message):
    with pytest.raises(InputError, match=message):
        simulate(terms, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_shared": 200}, r"only \d+ terms of 30 to 120 genes that hardly overlap, and 206"),
        ({"n_genes": 100}, "100 genes were asked for: the planted terms need"),
        ({"n_genes": 10**6}, "1000000 genes were asked for: .* GO gene sets have 4510"),
    ],
)
def test_too_few_terms_or_genes_is_an_error(terms, options, message):
    with pytest.raises(InputError, match=message):
        simulate(terms, **options)


def test_a_group_of_one_sample_is_an_error(terms):
    with pytest.raises(InputError, match="group 'b' must be a whole number, at least 2, not 1"):
        cohort(terms, {"a": 5, "b": 1})


# Sizes of the stress cases: unequal studies, five of them, no shared or no specific factor.
SIZES = {
    "as published": {},
    "five studies": {"n_studies": 5},
    "smallest blocks": {"n_studies": 5, "n_features": 90},
    "no shared factor": {"n_shared": 0},
    "no factor of its own in one study": {"n_specific": (2, 0, 2)},
    "no specific factor": {"n_specific": 0},
    "unequal studies": {"n_samples": (10, 3, 2), "n_specific": (3, 1, 2)},
    "more specific than shared factors": {"n_shared": 1, "n_specific": 5},
    "two studies": {"n_studies": 2, "n_features": 61, "n_shared": 3},
    "other nonlinear features": {"nonlinear_every": 4},
}
FEW = {"n_samples": 2, "n_features": 100}


def masks_of(adata):
    """The supports of the shared mask and of each study's own."""
    studies = adata.obs["group"].cat.categories
    return adata.varm["true_shared"] != 0, [adata.varm[f"true_{m}"] != 0 for m in studies]


@pytest.mark.parametrize("simulator", [gaussian, rnaseq])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
def test_every_factor_has_two_linear_anchor_features_in_its_studies(simulator, layout, sizes):
    adata = simulator(**FEW | sizes, layout=layout)
    every = sizes.get("nonlinear_every", 3)
    linear = np.arange(1, adata.n_vars + 1) % every != 0
    shared, specific = masks_of(adata)
    for own in specific:
        mask = np.hstack([shared, own])
        anchors = linear & (mask.sum(axis=1) == 1)
        assert (mask[anchors].sum(axis=0) >= 2).all()


@pytest.mark.parametrize("simulator", [gaussian, rnaseq])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
def test_no_two_columns_of_the_masks_are_equal(simulator, layout, sizes):
    shared, specific = masks_of(simulator(**FEW | sizes, layout=layout))
    columns = np.hstack([shared, *specific]).T
    assert len(np.unique(columns, axis=0)) == len(columns)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_some_features_of_every_study_load_on_shared_and_specific_factors(layout):
    shared, specific = masks_of(gaussian(2, layout=layout))
    for own in specific:
        assert (shared.any(axis=1) & own.any(axis=1)).sum() >= 6


def test_shared_blocks_share_features_only_in_the_overlapping_layout():
    shared = masks_of(gaussian(2, layout="blocks"))[0]
    assert shared.sum(axis=1).max() == 1
    shared = masks_of(gaussian(2, n_features=140, layout="overlapping"))[0]
    for before, after in zip(shared.T[:-1], shared.T[1:], strict=True):
        assert (before & after).sum() == 5


def test_stray_entries_are_a_share_of_those_outside_the_blocks():
    options = {"n_samples": 2, "n_features": 1000}
    block_shared, block_specific = masks_of(rnaseq(**options, stray=0))
    shared, specific = masks_of(rnaseq(**options))
    blocks = np.hstack([block_shared, *block_specific])
    stray = np.hstack([shared, *specific])[~blocks]
    assert 0.045 < stray.mean() <= 0.05
    assert np.hstack([shared, *specific])[blocks].all()


def test_weights_have_the_mean_and_variance_asked_for():
    adata = gaussian(2, n_features=3000)
    for name, mean in {"shared": 8, "study_1": 10, "study_3": 10}.items():
        weights = adata.varm[f"true_{name}"]
        weights = weights[weights != 0]
        assert weights.mean() == pytest.approx(mean, abs=0.02)
        assert weights.var() == pytest.approx(0.01, rel=0.2)
    adata = rnaseq(2, 200, shared_weight=3, specific_weight=-1, weight_variance=0)
    assert set(np.unique(adata.varm["true_shared"])) == {0, 3}
    assert set(np.unique(adata.varm["true_study_2"])) == {-1, 0}


@pytest.fixture(scope="module")
def published():
    return gaussian()


def explained(adata, study, h, every=3):
    """The sum over the factors of section 4.1, one entry at a time."""
    own = (adata.obs["group"] == study).to_numpy()
    signal = np.zeros((own.sum(), adata.n_vars))
    for matrix, factors in [("true_shared", "true_shared"), (f"true_{study}", "true_specific")]:
        for j, weights in enumerate(adata.varm[matrix]):
            for k in np.flatnonzero(weights):
                z = adata.obsm[factors][own, k]
                signal[:, j] += weights[k] * (h(z) if (j + 1) % every == 0 else z)
    return own, signal


def test_gaussian_data_are_the_published_size(published):
    assert published.shape == (3000, 100)
    assert published.X.dtype == np.float32
    assert published.obs["group"].value_counts(sort=False).to_dict() == {
        "study_1": 1000,
        "study_2": 1000,
        "study_3": 1000,
    }
    assert published.varm["true_shared"].shape == (100, 8)
    assert published.varm["true_study_3"].shape == (100, 2)


@pytest.mark.parametrize("study", ["study_1", "study_2", "study_3"])
def test_gaussian_features_are_linear_or_squared_factors_and_noise(published, study):
    own, signal = explained(published, study, np.square)
    noise = published.X[own] - signal
    assert noise.var() == pytest.approx(0.2, rel=0.02)
    assert np.abs(noise.mean(axis=0)).max() < 0.08  # More than 5 standard errors.


def test_an_anchor_feature_moves_by_its_weight_with_its_factor(published):
    z = published.obsm["true_shared"][:, 0]
    assert np.polyfit(z, published.X[:, 0], 1)[0] == pytest.approx(8, abs=0.4)
    assert np.polyfit(z**2, published.X[:, 2], 1)[0] == pytest.approx(8, abs=0.4)


def test_factors_have_the_standard_deviation_asked_for(published):
    for factors in (published.obsm["true_shared"], published.obsm["true_specific"]):
        assert factors.std(axis=0) == pytest.approx(0.5, rel=0.06)
    assert np.corrcoef(published.obsm["true_shared"].T)[0, 1:] == pytest.approx(0, abs=0.1)
    wide = gaussian(4000, n_studies=2, n_features=60, factor_sd=3)
    assert wide.obsm["true_shared"].std() == pytest.approx(3, rel=0.02)


def test_a_study_with_fewer_factors_has_zero_columns_at_the_end():
    adata = gaussian((5, 4, 3), n_specific=(2, 0, 1))
    assert adata.obs["group"].value_counts(sort=False).tolist() == [5, 4, 3]
    nonzero = adata.obsm["true_specific"] != 0
    assert nonzero[:5].all()
    assert not nonzero[5:9].any()
    assert (nonzero[9:] == [True, False]).all()
    assert adata.varm["true_study_2"].shape == (100, 0)


def test_the_nonlinear_features_can_be_rarer():
    adata = gaussian(5, nonlinear_every=10, noise_variance=0)
    own, signal = explained(adata, "study_2", np.square, every=10)
    assert adata.X[own] == pytest.approx(signal, rel=1e-5, abs=1e-5)


def test_counts_are_whole_and_of_log_normal_libraries():
    adata = rnaseq((960, 960, 1280), 300)
    assert adata.X.format == "csr"
    assert adata.X.dtype == np.float32
    assert (adata.X.data == np.round(adata.X.data)).all()
    assert adata.X.data.min() > 0
    log_library = np.log(adata.X.sum(axis=1).A1)
    assert log_library.mean() == pytest.approx(12, abs=0.05)
    assert log_library.std() == pytest.approx(0.5, abs=0.03)


def test_published_counts_are_split_by_30_30_and_40_percent():
    adata = rnaseq(n_features=70)
    assert (adata.obs["group"].value_counts(sort=False) / 3200).tolist() == [0.3, 0.3, 0.4]


def test_expected_counts_are_the_normalised_softplus_times_the_library():
    # Without intercepts, spread of libraries and biological variation but that of small means.
    adata = rnaseq(500, 100, intercept_sd=0, library_log_sd=0, bcv_phi=0, bcv_nu=1e6)
    for study in adata.obs["group"].cat.categories:
        own, signal = explained(adata, study, lambda z: np.sin(3 * np.pi / 4 * z))
        softplus = np.log1p(np.exp(signal))
        mean = np.exp(12) * softplus / softplus.sum(axis=1, keepdims=True)
        counts = adata.X[own].toarray()
        # Variance of a negative binomial count with BCV^2 = 1 / mean.
        pearson = (counts - mean) / np.sqrt(mean + mean)
        expressed = mean > 20
        assert expressed.mean() > 0.5
        assert pearson[expressed].mean() == pytest.approx(0, abs=0.03)
        assert pearson[expressed].std() == pytest.approx(1, abs=0.03)


def test_genes_differ_by_their_intercepts():
    adata = rnaseq(
        200, 1000, n_shared=0, n_specific=(1, 0, 0), library_log_sd=0, intercept_sd=2, stray=0
    )
    # Of the third study, which has no factor: expression is softplus(b), normalised.
    mean = adata.X[400:].toarray().mean(axis=0)
    b = np.random.default_rng(1).normal(0, 2, 100_000)
    softplus = np.log1p(np.exp(b))
    assert np.std(mean) / np.mean(mean) == pytest.approx(softplus.std() / softplus.mean(), rel=0.1)


@pytest.mark.parametrize("mean", [5.0, 100.0, 10_000.0])
def test_counts_have_the_mean_and_variance_of_the_trend(mean):
    phi, nu = 0.2, 30
    means = np.full(400_000, mean)
    counts = negative_binomial_counts(means, np.random.default_rng(0), phi, nu)
    # E[nu / chi-squared(nu)] = nu / (nu - 2).
    squared_bcv = (phi + mean**-0.5) ** 2 * nu / (nu - 2)
    assert counts.mean() == pytest.approx(mean, rel=0.01)
    assert counts.var() == pytest.approx(mean + squared_bcv * mean**2, rel=0.03)


@pytest.mark.parametrize("simulator", [gaussian, rnaseq])
def test_equal_seeds_give_equal_data_and_others_do_not(simulator):
    def arrays(seed):
        adata = simulator(5, 200, seed=seed)
        return [np.asarray(adata.to_df()), *adata.obsm.values(), *adata.varm.values()]

    for first, again, other in zip(arrays(1), arrays(1), arrays(2), strict=True):
        assert (first == again).all()
        assert (first != other).any()


@pytest.mark.parametrize("simulator", [gaussian, rnaseq])
def test_data_settings_and_truth_survive_being_written(simulator, tmp_path):
    adata = simulator((4, 3), 50, n_studies=2, n_shared=0, n_specific=(3, 0), seed=7)
    adata.write_h5ad(tmp_path / "data.h5ad")
    read = ad.read_h5ad(tmp_path / "data.h5ad")
    assert (read.to_df() == adata.to_df()).all(axis=None)
    assert read.varm["true_shared"].shape == (50, 0)
    assert (read.varm["true_study_1"] == adata.varm["true_study_1"]).all()
    assert (read.obsm["true_specific"] == adata.obsm["true_specific"]).all()
    settings = read.uns["simulation"]
    assert settings["simulator"] == simulator.__name__
    assert settings["layout"] == "blocks"
    assert settings["seed"] == 7
    assert list(settings["n_samples"]) == [4, 3]
    assert list(settings["n_specific"]) == [3, 0]
    options = {name: value for name, value in settings.items() if name != "simulator"}
    assert (simulator(**options).to_df() == adata.to_df()).all(axis=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "ring"}, "no layout 'ring': choose one of blocks, overlapping"),
        ({"n_features": 69}, "69 features are too few for 14 factors.* at least 70 features"),
        ({"n_shared": 0, "n_specific": 0}, "there is no factor to simulate"),
        ({"n_shared": -1}, "n_shared must be a whole number, at least 0, not -1"),
        ({"n_specific": (2, -1, 2)}, "n_specific must be a whole number, at least 0, not -1"),
        ({"n_samples": (9, 9)}, "n_samples has 2 entries for 3 studies"),
        ({"n_specific": (1, 1, 1, 1)}, "n_specific has 4 entries for 3 studies"),
        ({"n_samples": (9, 1, 9)}, "n_samples must be a whole number, at least 2, not 1"),
        ({"n_studies": 1}, "n_studies must be a whole number, at least 2, not 1"),
        ({"nonlinear_every": 2}, "nonlinear_every must be a whole number, at least 3, not 2"),
        ({"noise_variance": -0.1}, "noise_variance must be a finite number, at least 0"),
        ({"n_samples": 10**9}, r"3,000,000,000 samples \(n_samples\) .* are too many"),
        ({"n_features": 10**12}, r"1,000,000,000,000 features \(n_features\) .* are too many"),
        ({"n_studies": 10**12}, "n_studies is 1000000000000: at most 10,000"),
        ({"n_samples": [[9, 9], [9, 9], [9, 9]]}, "n_samples must be a whole number"),
    ],
)
def test_settings_out_of_range_are_errors(options, message):
    with pytest.raises(InputError, match=message):
        gaussian(**options)


@pytest.mark.parametrize("stray", [-0.1, 5])
def test_a_share_of_stray_entries_above_one_or_below_zero_is_an_error(stray):
    with pytest.raises(InputError, match="stray must be a finite number, at least 0, at most 1"):
        rnaseq(2, 100, stray=stray)


SETTINGS = {
    simulator: [name for name in inspect.signature(simulator).parameters if name != "layout"]
    for simulator in (gaussian, rnaseq)
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, "1", None, True, 1j])
@pytest.mark.parametrize(
    ("simulator", "name"),
    [(simulator, name) for simulator, names in SETTINGS.items() for name in names],
)
def test_every_setting_that_is_no_finite_number_is_refused_by_name(simulator, name, value):
    with pytest.raises(InputError, match=rf"{name} (must be a|has 1 entries)"):
        simulator(**{"n_samples": 2, "n_features": 100} | {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("library_log_mean", 100),
        ("library_log_mean", 1e9),
        ("library_log_mean", -1),
        ("library_log_sd", 1e9),
        ("bcv_phi", 1e9),
        ("bcv_phi", 1e200),
        ("factor_sd", 1e9),
        ("shared_weight", 1e9),
        ("specific_weight", -1e9),
        ("weight_variance", 1e9),
        ("intercept_sd", 1e9),
    ],
)
def test_settings_of_counts_that_are_too_large_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=name):
        rnaseq(5, 100, **{name: value})


def test_a_sample_that_expresses_no_gene_is_refused():
    with pytest.raises(InputError, match="a sample expresses no gene: lower shared_weight"):
        rnaseq(50, 20, n_studies=2, n_shared=1, n_specific=0, shared_weight=1e6, stray=1)


def test_the_largest_settings_give_finite_data():
    largest = {"factor_sd": 1e6, "shared_weight": 1e6, "specific_weight": -1e6}
    adata = gaussian(5, weight_variance=1e6, noise_variance=1e6, **largest)
    assert np.isfinite(adata.X).all()


def test_settings_may_be_numpy_scalars():
    adata = gaussian(np.int64(5), np.int32(80), factor_sd=np.float32(0.5), n_specific=np.array(2))
    assert (adata.X == gaussian(5, 80).X).all()


def test_means_of_zero_give_counts_of_zero():
    counts = negative_binomial_counts(np.zeros(5), np.random.default_rng(0))
    assert counts.tolist() == [0] * 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_genes": 2000.5}, "n_genes must be a whole number"),
        ({"n_shared": "4"}, "n_shared must be a whole number"),
        ({"n_specific": np.nan}, "n_specific must be a whole number"),
        ({"n_shared": 0, "n_specific": 0}, "there is no factor to simulate"),
        ({"term_size": 30}, "term_size must be a smallest and a largest number, not 30"),
        ({"term_size": ("30", 120)}, "term_size must be a whole number"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"groups": {}}, "groups must be numbers of samples by name"),
        ({"groups": ["a", "b"]}, "groups must be numbers of samples by name"),
        ({"groups": {"a": 5, "shared": 5}}, "no group may be called 'shared'"),
        ({"groups": {"a/b": 5}}, "no group may be called 'a/b'"),
        ({"groups": {1: 5}}, "no group may be called 1"),
        ({"groups": {"a": 2.5}}, "number of samples of group 'a' must be a whole number"),
    ],
)
def test_settings_of_a_cohort_out_of_range_are_errors(terms, options, message):
    with pytest.raises(InputError, match=message):
        cohort(terms, **{"groups": GROUPS, "n_genes": 2000, **options})


def test_gene_sets_of_a_cohort_need_their_columns(terms):
    with pytest.raises(InputError, match="go_gene_sets has no column 'gene'"):
        cohort(terms.drop(columns="gene"))
    gap = terms.copy()
    gap.loc[3, "gene"] = None
    with pytest.raises(InputError, match="go_gene_sets has 1 rows without ID or gene"):
        cohort(gap)
