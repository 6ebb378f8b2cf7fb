"""Fits with a linear decoder: against closed forms, and on planted factors."""

import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import multivariate_normal, nbinom

import mssvae
from mssvae import simulate
from mssvae.core.linear.observations import CountObservation, GaussianObservation
from mssvae.data.matrices import dense
from mssvae.errors import FitError, InputError
from mssvae.fitting.linear.loadings import update_loadings
from mssvae.fitting.linear.loop import fit_linear
from mssvae.fitting.linear.posteriors import update_factor_covariances, update_posteriors
from mssvae.fitting.linear.start import start
from mssvae.fitting.nonlinearity import calls_for_networks, curved_shares

SIZES = {"n_shared": 8, "n_specific": 3, "hidden": (8, 8), "device": "cpu"}


def planted(seed=3, **settings):
    """Two studies with three shared linear factors and two of each study's own."""
    settings = {"n_studies": 2, "n_shared": 3, "nonlinear_every": 10**6, **settings}
    return simulate.gaussian(80, 120, seed=seed, **settings)


@pytest.fixture(scope="module")
def fitted():
    adata = planted()
    return adata, mssvae.MSSVAE(adata, likelihood="gaussian", **SIZES).fit()


def counts(n=120, n_features=40, seed=0):
    """Counts of two studies with one shared factor on half of the genes."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 1)) * (np.arange(n_features) < n_features // 2)
    x = rng.negative_binomial(5, 5 / (5 + 20 * np.exp(z)))
    return ad.AnnData(
        x.astype(np.float32),
        pd.DataFrame({"group": np.repeat(["a", "b"], n // 2)}, index=[f"s{i}" for i in range(n)]),
        pd.DataFrame(index=[f"g{j}" for j in range(n_features)]),
    )


def gaussian_state(n_iterations=3):
    adata = planted()
    x = torch.from_numpy((adata.X - adata.X.mean(0)) / adata.X.std(0)).float()
    study = torch.from_numpy(adata.obs["group"].astype("category").cat.codes.to_numpy().copy())
    state = start(GaussianObservation, x, study.long(), 4, 2)
    for _ in range(n_iterations):
        update_posteriors(state)
        update_loadings(state, selects=False)
        update_factor_covariances(state)
    return state


def test_planted_factors_are_found_without_a_false_feature(fitted):
    adata, model = fitted
    assert model.fit_settings.decoder == "linear"
    parts = {"true_shared": model.support.shared} | {
        f"true_{study}": table for study, table in model.support.specific.items()
    }
    for key, found in parts.items():
        truth, found = adata.varm[key] != 0, found.to_numpy()
        found = found[:, found.any(0)]
        assert found.shape == truth.shape
        for column in truth.T:
            overlap = [(column & other).sum() / (column | other).sum() for other in found.T]
            assert max(overlap) >= 0.95


def test_gaussian_posteriors_are_exact():
    """One Newton step arrives: the mean is that of the normal posterior."""
    state = gaussian_state()
    update_posteriors(state)
    parameters, data, posterior = state.parameters, state.data[0], state.posteriors[0]
    loadings = parameters.loadings[:, data.factors].double().numpy()
    precision = np.exp(-parameters.log_noise.double().numpy())
    prior = parameters.factor_covariances[0].double().numpy()
    assert abs(prior - np.eye(len(prior))).max() > 0.1
    covariance = np.linalg.inv(np.linalg.inv(prior) + (loadings.T * precision) @ loadings)
    centred = (data.x - parameters.bias - parameters.intercepts[0]).double().numpy()
    expected = centred * precision @ loadings @ covariance
    np.testing.assert_allclose(posterior.mean, expected, atol=1e-4)
    np.testing.assert_allclose(posterior.covariance[0], covariance, atol=1e-5)


def test_the_lower_bound_is_the_evidence_where_posteriors_are_exact():
    from mssvae.fitting.linear.objective import history_row

    state = gaussian_state()
    update_posteriors(state)
    evidence = 0.0
    for study, data in enumerate(state.data):
        parameters = state.parameters
        loadings = parameters.loadings[:, data.factors].double().numpy()
        mean = (parameters.bias + parameters.intercepts[study]).double().numpy()
        prior = parameters.factor_covariances[study].double().numpy()
        noise = np.exp(parameters.log_noise.double().numpy())
        covariance = loadings @ prior @ loadings.T + np.diag(noise)
        evidence += multivariate_normal(mean, covariance).logpdf(data.x.double().numpy()).sum()
    assert history_row(state, 0.0)["elbo"] == pytest.approx(evidence / state.n_samples, rel=1e-4)


def test_correlations_of_factors_are_each_studys():
    """Two factors on features of their own, which are correlated in the second study alone."""
    rng = np.random.default_rng(0)
    n, correlation = 300, 0.7
    z = rng.normal(size=(2 * n, 2))
    z[n:, 1] = correlation * z[n:, 0] + np.sqrt(1 - correlation**2) * z[n:, 1]
    x = z @ np.kron(np.eye(2), np.ones(10)) + 0.5 * rng.normal(size=(2 * n, 20))
    obs = pd.DataFrame({"group": np.repeat(["a", "b"], n)}, index=[f"s{i}" for i in range(2 * n)])
    adata = ad.AnnData(x.astype(np.float32), obs, pd.DataFrame(index=[f"g{j}" for j in range(20)]))
    sizes = SIZES | {"n_shared": 2, "n_specific": 0}
    model = mssvae.MSSVAE(adata, likelihood="gaussian", **sizes).fit(decoder="linear")
    one, two = model.module.factor_covariances.numpy()
    support = model.support.shared.to_numpy()
    np.testing.assert_array_equal(support.sum(1), 1)  # None has both.
    observed = np.corrcoef(z[:n].T)[0, 1], np.corrcoef(z[n:].T)[0, 1]
    for covariance, expected in zip((one, two), observed, strict=True):
        found = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        assert abs(found) == pytest.approx(abs(expected), abs=0.05)


def test_dense_loadings_are_regressions_on_the_posteriors():
    """With exact scores and nothing to select, a feature's terms solve its normal equations."""
    state = gaussian_state()
    update_posteriors(state)
    for posterior in state.posteriors:
        posterior.covariance = torch.zeros_like(posterior.covariance)
    before = state.parameters.loadings.clone()
    update_loadings(state, selects=False)
    terms = []
    for study, (data, posterior) in enumerate(zip(state.data, state.posteriors, strict=True)):
        row = torch.zeros(len(data.x), before.shape[1] + 3)
        row[:, data.factors] = posterior.mean
        row[:, before.shape[1]] = 1
        row[:, before.shape[1] + 1 + study] = 1
        terms.append(row)
    terms = torch.cat(terms).double().numpy()
    x = torch.cat([data.x for data in state.data]).double().numpy()
    noise = np.exp(state.parameters.log_noise.double().numpy())
    spread = state.spread.double().numpy()
    relative = (before.double().numpy() / spread[:, None]) ** 2
    for j in (0, 50):
        ridge = np.zeros(terms.shape[1])
        ridge[: before.shape[1]] = 1 / (relative.mean(0) * spread[j] ** 2)
        ridge[before.shape[1] + 1 :] = 5 / spread[j] ** 2
        solved = np.linalg.solve(
            terms.T @ terms / noise[j] + np.diag(ridge), terms.T @ x[:, j] / noise[j]
        )
        np.testing.assert_allclose(
            state.parameters.loadings[j], solved[: before.shape[1]], rtol=0.02, atol=2e-3
        )


def test_derivatives_of_counts_are_those_of_the_distribution():
    generator = torch.Generator().manual_seed(0)
    x = torch.tensor([[0.0, 3.0, 40.0, 1e6]], dtype=torch.float64)
    output = torch.tensor([[-40.0, 0.3, 2.0, 1.0]], dtype=torch.float64, requires_grad=True)
    log_depth = torch.randn(1, 4, generator=generator, dtype=torch.float64)
    log_theta = torch.tensor([1.0, 0.0, 2.0, -1.0], dtype=torch.float64)
    kernel = CountObservation.kernel(x, output, log_depth, log_theta)
    kernel.sum().backward()
    score, _ = CountObservation.score(x, output.detach(), log_depth, log_theta)
    np.testing.assert_allclose(score, output.grad, rtol=1e-6, atol=1e-12)
    mean = CountObservation.mean(output.detach(), log_depth).numpy()
    theta = np.exp(log_theta.numpy())
    expected = nbinom(theta, theta / (theta + mean)).logpmf(x.numpy()).sum()
    of_noise = CountObservation.log_of_noise(x, log_theta)
    found = kernel.sum().item() + of_noise + CountObservation.log_base(x)
    assert found == pytest.approx(expected, rel=1e-5)


def test_history_never_has_a_positive_bound_for_counts():
    model = mssvae.MSSVAE(counts(), **SIZES).fit()
    assert (model.history["elbo"] < 0).all()
    assert (model.history["reconstruction"] < 0).all()
    last = model.history.iloc[-1]
    assert last["elbo"] == pytest.approx(last["reconstruction"] - last["kl"], abs=1e-6)
    assert last["n_slab"] == int(model.support.wide().sum().sum())


def test_rare_genes_among_others_are_noisy_and_have_no_factor():
    """At the noise of molecules, which is that of data of few counts, each would have one."""
    adata, rng = counts(400, n_features=100), np.random.default_rng(1)
    rare = rng.negative_binomial(0.15, 0.15 / (0.15 + 3), (400, 12)).astype(np.float32)
    rare = ad.AnnData(rare, adata.obs, pd.DataFrame(index=[f"rare_{j}" for j in range(12)]))
    both = ad.concat([adata, rare], axis=1, merge="first")
    model = mssvae.MSSVAE(both, **SIZES).fit(decoder="linear")
    assert model.support.wide().any().sum() == 1


def test_the_support_is_held_at_the_end(fitted):
    """What is reported is what was trained: nothing is selected after the last iteration."""
    _, model = fitted
    history = model.history
    assert len(set(history["n_slab"].iloc[-3:])) == 1
    assert abs(history["elbo"].diff().iloc[-1]) < 0.01 * len(model.var_names)


def test_moves_are_told_with_what_they_gained(fitted):
    _, model = fitted
    told = "".join(model.history["moves"])
    assert "split of" in told
    assert "kept, +" in told


@pytest.mark.parametrize("moves", [[], ["rotate"]])
def test_settings_choose_which_moves_are_tried(moves):
    model = mssvae.MSSVAE(planted(), likelihood="gaussian", **SIZES).fit(moves=moves)
    told = "".join(model.history["moves"])
    assert set(re.findall(r"(\w+) of", told)) == set(moves)


def test_a_move_that_linear_fits_do_not_have_is_refused():
    model = mssvae.MSSVAE(planted(), likelihood="gaussian", **SIZES)
    with pytest.raises(InputError, match=r"moves has \['merge'\]: this fit has drop, rotate"):
        model.fit(decoder="linear", moves=["merge"])


def test_predictions_come_from_half_of_the_features(fitted):
    adata, model = fitted
    half = list(adata.var_names[::2])
    hidden = ~adata.var_names.isin(half)
    expected = model.predict(adata, observed=half)
    assert expected.index.equals(adata.obs_names)
    assert expected.columns.equals(adata.var_names)
    x, found = adata.X[:, hidden], expected.to_numpy()[:, hidden]
    assert ((x - found) ** 2).sum() < 0.05 * ((x - x.mean(0)) ** 2).sum()


def test_fitted_samples_are_new_samples(fitted):
    adata, model = fitted
    np.testing.assert_allclose(model.predict(), model.predict(adata), atol=1e-3)
    again, latent = model.transform(adata), model.latent()
    np.testing.assert_allclose(again.shared, latent.shared, atol=1e-2)
    for study, table in latent.specific.items():
        assert again.specific[study].index.equals(table.index)
        np.testing.assert_allclose(again.specific[study], table, atol=1e-2)


def test_features_of_new_samples_go_by_name(fitted):
    adata, model = fitted
    some = adata[:, adata.var_names[:80][::-1]]
    other = ad.AnnData(
        np.ones((len(some), 1), np.float32), some.obs, pd.DataFrame(index=["unknown"])
    )
    more = ad.concat([some, other], axis=1, merge="first")
    expected = model.transform(adata, observed=list(adata.var_names[:80])).shared
    np.testing.assert_allclose(model.transform(more).shared, expected, atol=1e-4)


def test_samples_of_an_unknown_study_have_the_shared_factors(fitted):
    adata, model = fitted
    new = adata[:5].copy()
    new.obs["group"] = "new"
    found = model.transform(new)
    assert found.shared.shape == (5, 8)
    assert all(table.empty for table in found.specific.values())
    with pytest.raises(InputError, match="not fitted to a study 'new', but to 'study_1'"):
        model.predict(new)


def test_what_cannot_be_inferred_from_is_named(fitted):
    adata, model = fitted
    with pytest.raises(InputError, match="none: 'feature_999'"):
        model.predict(observed=["feature_1", "feature_999"])
    strange = adata.copy()
    strange.var_names = [f"x{name}" for name in adata.var_names]
    with pytest.raises(InputError, match="none of the 120 features of the model, such as"):
        model.transform(strange)
    with pytest.raises(InputError, match="not fitted: call fit"):
        mssvae.MSSVAE(adata, likelihood="gaussian", **SIZES).predict()


def test_networks_predict_too():
    adata = counts()
    model = mssvae.MSSVAE(adata, **SIZES).fit("paper", max_epochs=3, batch_size=60)
    expected = model.predict(adata[:7], observed=list(adata.var_names[:20]))
    assert expected.shape == (7, 40)
    assert (expected > 0).all(axis=None)
    assert model.transform(adata[:7]).shared.shape == (7, 8)


def test_models_come_back_from_files(fitted, tmp_path):
    adata, model = fitted
    model.save(tmp_path / "model.npz")
    loaded = mssvae.MSSVAE.load(tmp_path / "model.npz", adata, device="cpu")
    pd.testing.assert_frame_equal(loaded.masks.wide(), model.masks.wide())
    pd.testing.assert_frame_equal(loaded.latent().wide(), model.latent().wide())
    pd.testing.assert_frame_equal(loaded.predict(), model.predict())
    pd.testing.assert_frame_equal(loaded.factor_table(), model.factor_table())


def test_a_fit_that_was_lost_is_in_its_checkpoint(fitted, tmp_path, monkeypatch):
    adata, model = fitted
    path = tmp_path / "checkpoint"
    mssvae.MSSVAE(adata, likelihood="gaussian", **SIZES).fit(checkpoint=path)
    monkeypatch.setattr("mssvae.fitting.decoders.fit_linear", None)
    again = mssvae.MSSVAE(adata, likelihood="gaussian", **SIZES).fit(checkpoint=path)
    pd.testing.assert_frame_equal(again.masks.wide(), model.masks.wide())
    pd.testing.assert_frame_equal(again.latent().wide(), model.latent().wide())
    pd.testing.assert_frame_equal(again.history, model.history)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_torch_defaults_and_seeds_do_not_matter(fitted, dtype):
    adata, model = fitted
    torch.set_default_dtype(dtype)
    try:
        again = mssvae.MSSVAE(adata, likelihood="gaussian", seed=7, **SIZES).fit()
    finally:
        torch.set_default_dtype(torch.float32)
    pd.testing.assert_frame_equal(again.masks.wide(), model.masks.wide(), check_exact=True)


@pytest.mark.parametrize("sizes", [(0, 2), (3, 0)])
def test_factors_may_be_of_one_kind(sizes):
    adata = planted()
    model = mssvae.MSSVAE(
        adata, likelihood="gaussian", n_shared=sizes[0], n_specific=sizes[1], device="cpu"
    ).fit(decoder="linear")
    assert model.support.wide().any(axis=None)
    assert model.masks.shared.shape[1] == sizes[0]


def test_an_intercept_of_a_study_is_no_factor():
    adata = counts(seed=5)
    adata.X = np.random.default_rng(0).poisson(20, adata.shape).astype(np.float32)
    adata.X[adata.obs["group"] == "b", :10] *= 3
    state, _ = fit_linear(
        "negative_binomial",
        torch.from_numpy(adata.X),
        torch.tensor([0, 1]).repeat_interleave(60),
        4,
        2,
        [1, 10, 15],
        0.1,
        None,
        1.0,
    )
    assert not state.support.any()
    assert (state.parameters.intercepts[1, :10] > 0.5).all()


def test_squares_call_for_networks_and_lines_do_not():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(400, 2))
    noise = 0.1 * rng.normal(size=(400, 4))
    shares = curved_shares(np.column_stack([z, z**2]) + noise)
    assert (shares[2:] > 0.8).all()
    assert (shares[:2] < 0.1).all()
    for every, nonlinear in ((3, True), (10**6, False)):
        adata = planted(nonlinear_every=every)
        study = torch.from_numpy(adata.obs["group"].astype("category").cat.codes.to_numpy().copy())
        x = torch.from_numpy(adata.X)
        assert calls_for_networks("gaussian", x, study.long(), 12) == nonlinear


def test_sines_in_counts_call_for_networks_and_lines_do_not():
    sines = simulate.rnaseq(400, 150, n_studies=2, n_shared=4, n_specific=1, seed=2)
    for adata, nonlinear in ((sines, True), (counts(400, 150), False)):
        study = torch.from_numpy(adata.obs["group"].astype("category").cat.codes.to_numpy().copy())
        x = torch.from_numpy(dense(adata.X))
        assert calls_for_networks("negative_binomial", x, study.long(), 16) == nonlinear


@pytest.mark.parametrize("shape", [(20, 40), (60, 12), (60, 1)])
@pytest.mark.parametrize("decoder", ["auto", "linear"])
def test_there_may_be_more_factors_than_samples_or_features(shape, decoder):
    x = np.random.default_rng(0).normal(size=shape)
    study = pd.DataFrame({"group": np.resize(["a", "b"], len(x))}, index=map(str, range(len(x))))
    adata = ad.AnnData(x, study)
    model = mssvae.MSSVAE(adata, likelihood="gaussian", device="cpu").fit(decoder=decoder)
    assert model.masks.shared.shape == (shape[1], 50)


def test_factors_of_samples_far_away_follow_them(fitted):
    """The map is linear: ten times the data are ten times the factors."""
    adata, model = fitted
    far = adata.copy()
    centre = model.units["centre"].to_numpy()
    intercepts = model.module.intercepts.numpy() * model.units["scale"].to_numpy()
    bias = model.module.decoder.output.bias.detach().numpy() * model.units["scale"].to_numpy()
    codes = adata.obs["group"].astype("category").cat.codes.to_numpy()
    offset = centre + bias + intercepts[codes]
    far.X = offset + 10 * (adata.X - offset)
    expected = 10 * model.transform(adata).shared
    np.testing.assert_allclose(model.transform(far).shared, expected, rtol=1e-3, atol=1e-2)


def test_copies_of_one_signal_can_be_fitted():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 1)) + 1e-3 * rng.normal(size=(400, 1500))
    study = pd.DataFrame({"group": np.repeat(["a", "b"], 200)}, index=map(str, range(400)))
    model = mssvae.MSSVAE(
        ad.AnnData(x, study), likelihood="gaussian", n_shared=4, n_specific=2, device="cpu"
    ).fit()
    assert np.isfinite(model.latent().shared).all(axis=None)
    assert (model.support.shared.sum() > 1400).any()


@pytest.mark.parametrize("unit", [1e-4, 1e3])
def test_units_do_not_matter_where_they_are_kept(fitted, unit):
    adata, model = fitted
    other = adata.copy()
    other.X = (adata.X - adata.X.mean(0)) / adata.X.std(0) * unit
    kept = mssvae.MSSVAE(other, likelihood="gaussian", **SIZES).fit(standardise=False)
    assert (kept.support.wide() == model.support.wide()).all(axis=None)


def test_values_that_no_precision_can_hold_are_told(fitted):
    adata, model = fitted
    far = adata.copy()
    far.X = far.X.astype(float) * 1e200
    with pytest.raises(InputError, match="sample 'sample_1' has values that are too large"):
        model.transform(far)
    other = adata.copy()
    other.X = other.X.astype(float) * 1e25
    new = mssvae.MSSVAE(other, likelihood="gaussian", **SIZES)
    with pytest.raises((FitError, InputError)):
        new.fit(standardise=False, decoder="linear")


def test_new_samples_without_shared_factors_have_none():
    adata = planted()
    model = mssvae.MSSVAE(adata, likelihood="gaussian", n_shared=0, n_specific=2, device="cpu")
    model.fit(decoder="linear")
    new = adata[:3].copy()
    new.obs["group"] = "new"
    assert model.transform(new).shared.shape == (3, 0)


def test_what_the_model_does_not_know_may_be_missing(fitted):
    adata, model = fitted
    unknown = ad.AnnData(
        np.full((len(adata), 1), np.nan), adata.obs, pd.DataFrame(index=["unknown"])
    )
    more = ad.concat([adata, unknown], axis=1, merge="first")
    np.testing.assert_allclose(model.transform(more).shared, model.transform(adata).shared)
    with pytest.raises(InputError, match="observed is empty"):
        model.predict(observed=[])


def test_settings_that_are_nothing_to_a_linear_fit_are_told(caplog):
    adata = planted()
    mssvae.MSSVAE(adata, likelihood="gaussian", **SIZES).fit(lr=0.1, max_epochs=3)
    assert "the fit is linear, to which lr, max_epochs are nothing" in caplog.text


def test_all_entries_of_a_linear_fit_are_in_its_slab(fitted):
    """So that ``assigned`` moves columns whole."""
    _, model = fitted
    masks, _ = model.assigned()
    assert (masks.wide() != 0).sum().sum() == (model.masks.wide() != 0).sum().sum()
