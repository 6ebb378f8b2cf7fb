"""The talk's study: losses as their papers write them, data, scores and determinism."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import reference
import torch
from scipy import integrate, optimize, stats

from mssvae.core.encoders import Encoder
from mssvae.core.module import MultiStudyModule
from mssvae.errors import InputError
from mssvae.fitting.networks.course import Course
from mssvae.fitting.networks.loop import _train
from mssvae.fitting.settings import FitSettings
from mssvae.replicates import seeds
from studies.talk import MODELS, Design, scores, summary
from studies.talk.beta_vae import BetaVAE
from studies.talk.data import NOISE_SD, simulate
from studies.talk.oi_vae import OiVAE
from studies.talk.sparse_vae import SparseVAE
from studies.talk.training import train
from studies.talk.vae import VAE
from studies.talk.vsc import SHARPNESS, VSC, spike_and_slab_kl

N, G, K, HIDDEN = 9, 7, 3, (6, 5)
DESIGN = Design(
    correlations=[0.0, 0.8],
    n_samples=60,
    n_factors=3,
    hidden=[8, 8],
    epochs=2,
    batch_size=20,
    master_seed=1,
)
METHODS = {
    "sparse_vae": {"fit": {"preset": "paper", "lr": 0.01}},
    "vae": {"lr": 0.01},
    "beta_vae": {"lr": 0.01, "beta": 4},
    "vsc": {"lr": 0.01, "slab": 0.5},
    "oi_vae": {"lr": 0.01, "weight": 1},
}


@pytest.fixture
def x():
    return torch.from_numpy(np.random.default_rng(3).normal(size=(N, G)))


def relu(h):
    return h * (h > 0)


def dense(decoder, z):
    """The decoder of one sample: two hidden layers, then a linear map."""
    first, _, second, _, output = decoder
    h = relu(second.weight @ relu(first.weight @ z + first.bias) + second.bias)
    return output.weight @ h + output.bias


def log_likelihood(model, x, expected):
    """log p(x | z) of one sample, N(expected, sigma2) by feature."""
    sigma2 = torch.exp(model.likelihood.log_sigma2)
    return reference.gaussian_log_density(x, expected, sigma2).sum()


def log_prior_of_noise(model):
    """Of the MSSVAE: sigma2 ~ Inverse-Gamma(alpha, beta), up to a constant."""
    sigma2 = torch.exp(model.likelihood.log_sigma2)
    alpha, beta = model.likelihood.alpha, model.likelihood.beta
    return (-(alpha + 1) * torch.log(sigma2) - beta / sigma2).sum()


def draws(n_latent, of=torch.randn, generator=None):
    return of((N, n_latent), generator=generator or torch.Generator().manual_seed(5))


class TestLosses:
    """Against the equations of the papers, a sample at a time."""

    def bound(self, model, x, weight=1.0, expected=dense):
        """Sum over samples of weight x (Kingma and Welling, eq. 10, first part) + log p(x | z)."""
        mu, log_variance = reference.encoder(model.encoder, x)
        epsilon, total = draws(K), 0.0
        for i in range(N):
            variance = torch.exp(log_variance[i])
            z = mu[i] + torch.sqrt(variance) * epsilon[i]
            minus_kl = 0.5 * (1 + torch.log(variance) - mu[i] ** 2 - variance).sum()
            likelihood = log_likelihood(model, x[i], expected(model.decoder, z))
            total = total + weight * minus_kl + likelihood
        return total

    def check(self, model, x, expected):
        loss = model.loss(x, torch.Generator().manual_seed(5))
        expected = expected - log_prior_of_noise(model) / N
        torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-9)

    def test_vae(self, x):
        model = VAE(x, K, HIDDEN, seed=0).double()
        self.check(model, x, -self.bound(model, x) / N)

    def test_beta_vae(self, x):
        """Higgins et al., eq. 4: E log p(x | z) - beta KL."""
        model = BetaVAE(x, K, HIDDEN, seed=0, beta=4.0).double()
        self.check(model, x, -self.bound(model, x, weight=4.0) / N)

    def test_vsc(self, x):
        """Tonolini et al.: bound with the divergence of spike and slab, z = T(u) (mu + sigma e)."""
        alpha = 0.3
        model = VSC(x, K, HIDDEN, seed=0, slab=alpha).double()
        means, log_variances = reference.encoder(model.encoder, x)
        generator = torch.Generator().manual_seed(5)
        epsilon, uniform = draws(K, generator=generator), draws(K, torch.rand, generator)
        total = 0.0
        for i in range(N):
            mu, variance = means[i, :K], torch.exp(log_variances[i, :K])
            gamma = 1 / (1 + torch.exp(-means[i, K:]))
            step = 1 / (1 + torch.exp(-SHARPNESS * (uniform[i] - 1 + gamma)))
            z = step * (mu + torch.sqrt(variance) * epsilon[i])
            minus_kl = (
                gamma / 2 * (1 + torch.log(variance) - mu**2 - variance)
                + (1 - gamma) * torch.log((1 - alpha) / (1 - gamma))
                + gamma * torch.log(alpha / gamma)
            ).sum()
            total = total + minus_kl + log_likelihood(model, x[i], dense(model.decoder, z))
        self.check(model, x, -total / N)

    def test_oi_vae(self, x):
        """Ainsworth et al.: networks of W_g z, standard normal prior of their parameters."""
        model = OiVAE(x, K, HIDDEN, seed=0, weight=2.0).double()

        def expected(decoder, z):
            one, _, two, _, three = decoder.networks
            outputs = []
            for g, w in enumerate(decoder.first):
                h = relu(one.weight[g].T @ (w @ z) + one.bias[g, 0])
                h = relu(two.weight[g].T @ h + two.bias[g, 0])
                outputs.append(three.weight[g].T @ h + three.bias[g, 0])
            return torch.cat(outputs)

        log_prior = sum(-0.5 * (p**2).sum() for p in model.decoder.networks.parameters())
        self.check(model, x, -(self.bound(model, x, expected=expected) + log_prior) / N)

    def test_divergence_of_spike_and_slab_is_its_integral(self):
        """Of the slabs by quadrature, plus the spikes' masses."""
        mu, sd, gamma, alpha = 0.7, 0.4, 0.35, 0.2

        def integrand(z):
            q, p = gamma * stats.norm.pdf(z, mu, sd), alpha * stats.norm.pdf(z)
            return q * math.log(q / p)

        expected = integrate.quad(integrand, mu - 8 * sd, mu + 8 * sd)[0]
        expected += (1 - gamma) * math.log((1 - gamma) / (1 - alpha))
        values = [mu, 2 * math.log(sd), math.log(gamma / (1 - gamma))]
        found = spike_and_slab_kl(*torch.tensor(values, dtype=torch.float64).split(1), alpha)
        assert found.item() == pytest.approx(expected, rel=1e-7)


class TestGroupLasso:
    RATE, WEIGHT = 0.1, 40.0

    def stepped(self, x):
        """A model before and after a proximal step, and the gradient in between."""
        model = OiVAE(x, K, HIDDEN, seed=0, weight=self.WEIGHT).double()
        model.loss(x, torch.Generator().manual_seed(5)).backward()
        first = model.decoder.first
        before, gradient = first.detach().clone(), first.grad.clone()
        model.proximal_step(self.RATE)
        return before, gradient, first.detach()

    def test_step_is_the_proximal_one(self, x):
        """Algorithm 1, a column at a time: some end at zero, others shrink."""
        before, gradient, after = self.stepped(x)
        zero = []
        for g in range(G):
            for k in range(K):
                w = before[g, :, k] - self.RATE * gradient[g, :, k]
                norm = torch.sqrt((w**2).sum())
                shrunk = w / norm * max(norm - self.RATE * self.WEIGHT / N, 0)
                torch.testing.assert_close(after[g, :, k], shrunk)
                zero.append(bool((shrunk == 0).all()))
        assert 0 < sum(zero) < len(zero)

    def test_step_minimises_what_it_stands_for(self, x):
        before, gradient, after = self.stepped(x)
        w = (before - self.RATE * gradient)[0].numpy()

        def objective(values):
            values = values.reshape(w.shape)
            lasso = self.WEIGHT / N * np.sqrt((values**2).sum(axis=0)).sum()
            return ((values - w) ** 2).sum() / (2 * self.RATE) + lasso

        best = optimize.minimize(
            objective,
            w.ravel(),
            method="Nelder-Mead",
            options={
                "xatol": 1e-7,
                "fatol": 1e-12,
                "maxiter": 20000,
                "maxfev": 20000,
                "adaptive": True,
            },
        )
        assert objective(after[0].numpy().ravel()) <= best.fun + 1e-9

    def test_adam_does_not_move_what_the_proximal_step_moves(self, x):
        model = OiVAE(x, K, HIDDEN, seed=0, weight=1.0)
        moved = {id(one) for one in model.parameters_of_adam()}
        assert {id(one) for one in model.parameters()} - moved == {id(model.decoder.first)}


class LiteralSparseVAE(torch.nn.Module):
    """The talk's model of one study, with the networks' starting values of a module."""

    def __init__(self, module):
        super().__init__()
        self.encoder, self.decoder = module.shared_encoder, module.decoder
        self.w, self.log_sigma2 = module.shared_mask, module.likelihood.log_sigma2
        self.alpha, self.beta = module.likelihood.alpha, module.likelihood.beta

    def loss(self, x, noise, rates, n_samples):
        mu, log_variance = reference.encoder(self.encoder, x)
        sigma2, total = torch.exp(self.log_sigma2), 0.0
        for i in range(len(x)):
            variance = torch.exp(log_variance[i])
            z = mu[i] + torch.sqrt(variance) * noise[i]
            outputs = [reference.f(self.decoder, self.w[j] * z, j) for j in range(x.shape[1])]
            density = reference.gaussian_log_density(x[i], torch.stack(outputs), sigma2).sum()
            minus_kl = 0.5 * (1 + torch.log(variance) - mu[i] ** 2 - variance).sum()
            total = total + density + minus_kl
        log_prior = (-(self.alpha + 1) * torch.log(sigma2) - self.beta / sigma2).sum()
        log_prior = log_prior - (rates * self.w.abs()).sum()
        return -total / len(x) - log_prior / n_samples


def test_mssvae_with_one_study_is_the_sparse_vae():
    """After three epochs, all parameters are those of the talk's algorithm, variational EM.

    Both see the same batches and draws.
    """
    x = torch.from_numpy(simulate(40, 0.2, 1).x)
    settings = FitSettings(
        decoder="nonlinear",
        standardise=False,
        max_epochs=3,
        batch_size=10,
        precision="float32",
        lr=0.01,
        lr_mask=0.01,
        lambda0=[(0, 10)],
        lambda1=1,
        prior_scale=None,
        restructure_from=None,
        patience=None,
    )
    study = torch.zeros(len(x), dtype=torch.long)
    one, other = (
        MultiStudyModule(x, 1, K, 0, HIDDEN, "gaussian", seed=2).double().train() for _ in range(2)
    )
    course = Course.begin(one, x, study, settings, seed=4)
    for epoch in range(3):
        _train(course, epoch)

    literal = LiteralSparseVAE(other)
    adam = torch.optim.Adam(literal.parameters(), lr=0.01)
    eta = torch.full((K,), 0.5, dtype=torch.float64)
    same = Course.begin(other, x, study, settings, seed=4)
    for _ in range(3):
        for batch in same.sampler:
            noise = torch.randn(
                len(batch.x), K + 1, generator=same.noise_generator, dtype=torch.float64
            )
            gamma = torch.empty(G, K, dtype=torch.float64)
            for j in range(G):
                for k in range(K):
                    entry = literal.w[j, k].item(), eta[k].item()
                    gamma[j, k] = reference.slab_probability(*entry, 10.0, 1.0)
            adam.zero_grad()
            rates = 1.0 * gamma + 10.0 * (1 - gamma)
            literal.loss(batch.x, noise[:, :K], rates, len(x)).backward()
            adam.step()
            eta = gamma.sum(0) / (1 + G + G - 2)  # With a = 1 and b = G.
    assert (one.shared_mask - 1).abs().max() > 0.05
    torch.testing.assert_close(one.eta_0, eta)
    for name, values in one.named_parameters():
        torch.testing.assert_close(
            values, other.get_parameter(name), rtol=1e-6, atol=1e-8, msg=name
        )


class TestSparseVAE:
    @pytest.mark.parametrize("standardise", [False, True])
    def test_it_reads_the_factors_and_expected_values_of_its_model(self, standardise):
        """Those of fitted samples are the model's own; units are those of the data."""
        x = torch.from_numpy(simulate(80, 0.0, 1).x.astype(np.float32))
        fitted = SparseVAE(x, 3, [8, 8], 0, max_epochs=20, standardise=standardise)
        with torch.no_grad():
            z = fitted.factors(x)
            expected = fitted.expected(z)
        latent = fitted.model.latent().shared.to_numpy()
        np.testing.assert_allclose(z, latent, rtol=1e-4, atol=1e-5)
        module, units = fitted.model.module, fitted.model.units
        one = [
            reference.f(module.decoder, module.shared_mask[j] * z[5], j).item() for j in range(G)
        ]
        in_units = units["centre"].to_numpy() + units["scale"].to_numpy() * one
        np.testing.assert_allclose(expected[5], in_units, rtol=1e-3, atol=1e-4)


class TestData:
    def test_features_are_functions_of_two_factors_plus_noise(self):
        sample = simulate(200_000, 0.6, 1)
        z1, z2 = sample.z.T
        assert np.corrcoef(z1, z2)[0, 1] == pytest.approx(0.6, abs=0.01)
        np.testing.assert_allclose(sample.z.mean(0), 0, atol=0.01)
        np.testing.assert_allclose(sample.z.var(0), 1, atol=0.01)
        signal = [z1, 2 * z1, 3 * z1**2, 4 * z2, 5 * z2, 6 * np.sin(z2), 7 * z1 * z2]
        np.testing.assert_allclose(sample.signal.T, signal)
        noise = sample.x - sample.signal
        np.testing.assert_allclose(noise.std(0), NOISE_SD, rtol=0.01)
        np.testing.assert_allclose(np.corrcoef(noise.T), np.eye(G), atol=0.01)
        np.testing.assert_allclose(np.corrcoef(noise.T, sample.z.T)[:G, G:], 0, atol=0.01)

    def test_moments_are_those_of_the_normal_distribution(self):
        """E 3 z1^2 = 3; E 7 z1 z2 = 7 rho, its variance 49 (1 + rho^2); Var 6 sin z2 by parts."""
        rho = 0.4
        signal = simulate(400_000, rho, 2).signal
        means = [0, 0, 3, 0, 0, 0, 7 * rho]
        np.testing.assert_allclose(signal.mean(0), means, atol=0.05)
        variances = [1, 4, 18, 16, 25, 18 * (1 - math.exp(-2)), 49 * (1 + rho**2)]
        np.testing.assert_allclose(signal.var(0), variances, rtol=0.03)

    def test_a_seed_is_the_same_data_and_correlations_differ_by_nothing_else(self):
        one, same, other, correlated = (
            simulate(50, *pair) for pair in ((0.0, 1), (0.0, 1), (0.0, 2), (0.8, 1))
        )
        np.testing.assert_array_equal(one.x, same.x)
        assert not np.array_equal(one.x, other.x)
        np.testing.assert_array_equal(one.z[:, 0], correlated.z[:, 0])
        np.testing.assert_allclose(one.x - one.signal, correlated.x - correlated.signal, atol=1e-12)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((50, 1.5, 1), "correlation"),
            ((50, 0.0, -1), "seed"),
            ((0, 0.0, 1), "n_samples"),
        ],
    )
    def test_numbers_out_of_range_are_named(self, arguments, message):
        with pytest.raises(InputError, match=message):
            simulate(*arguments)


class TestTraining:
    @pytest.mark.parametrize("name", ["vae", "oi_vae", "vsc"])
    def test_it_lowers_the_loss_and_is_the_same_again(self, name):
        x = torch.from_numpy(simulate(200, 0.0, 1).x.astype(np.float32))
        own = {key: value for key, value in METHODS[name].items() if key != "lr"}
        losses, parameters = [], []
        for epochs in (0, 40, 40):
            model = MODELS[name](x, 3, (16, 16), 1, **own)
            train(model, x, epochs, 50, 0.01, seed=2)
            assert not model.training
            with torch.no_grad():
                losses.append(model.loss(x, torch.Generator().manual_seed(0)).item())
            parameters.append(torch.nn.utils.parameters_to_vector(model.parameters()))
        assert losses[1] < 0.7 * losses[0]
        assert torch.equal(parameters[1], parameters[2])

    def test_the_global_generator_plays_no_part(self):
        x = torch.from_numpy(simulate(60, 0.0, 1).x.astype(np.float32))
        models = []
        for state in (1, 2):
            torch.manual_seed(state)
            models.append(VSC(x, 3, (8, 8), 1, slab=0.5))
            train(models[-1], x, 2, 20, 0.01, seed=2)
        vectors = [torch.nn.utils.parameters_to_vector(model.parameters()) for model in models]
        assert torch.equal(*vectors)


class TestScores:
    @pytest.mark.parametrize("name", MODELS)
    def test_of_every_method_are_a_row_per_correlation_and_the_same_again(self, name):
        method = {"title": "Its title", "model": name, **METHODS[name]}
        table, again = (scores(DESIGN, method, 3) for _ in range(2))
        assert table["correlation"].tolist() == [0.0, 0.8]
        assert set(table["method"]) == {"Its title"}
        assert set(table["replicate"]) == {3}
        assert table["disentanglement"].between(0, 1).all()
        assert (table[["mse", "signal_mse", "seconds"]] > 0).all(axis=None)
        pd.testing.assert_frame_equal(table.drop(columns="seconds"), again.drop(columns="seconds"))
        other = scores(DESIGN, method, 4)
        assert (other["mse"] != table["mse"]).all()

    def test_errors_are_those_of_samples_that_were_not_fitted(self, monkeypatch):
        """With a model that knows the truth, noise is all that is left of the error."""

        class Oracle:
            def __init__(self, *arguments):
                self.fitted = arguments[0]

            def factors(self, x):
                assert not any((x[0] == row).all() for row in self.fitted)
                return x[:, [0, 3]] / torch.tensor([1.0, 4.0])

            def expected(self, z):
                return torch.from_numpy(truth.signal[1000:])

        design = replace(DESIGN, n_samples=1000, correlations=[0.5])
        monkeypatch.setattr("studies.talk.study.fit", lambda design, method, x, seed: Oracle(x))
        truth = simulate(2000, 0.5, seeds(1, "talk", 3)["data"])
        (row,) = scores(design, {"title": "oracle"}, 3).to_dict("records")
        assert row["mse"] == pytest.approx(NOISE_SD**2, rel=0.05)
        assert row["signal_mse"] == 0
        assert row["disentanglement"] > 0.6

    @pytest.mark.parametrize(
        ("method", "message"),
        [
            ({"model": "gan"}, "unknown model 'gan': choose one of sparse_vae, vae"),
            ({"model": "vae"}, "'mine' has no settings, but the model vae takes lr"),
            ({"model": "vae", "lr": 0.1, "beta": 2}, "has beta, lr, but the model vae takes lr"),
            ({"model": "beta_vae", "lr": 0.1}, "has lr, but the model beta_vae takes beta, lr"),
            ({"model": "sparse_vae", "lr": 0.1}, "has lr, but the model sparse_vae takes fit"),
        ],
    )
    def test_settings_of_another_model_are_named(self, method, message):
        with pytest.raises(InputError, match=message):
            scores(DESIGN, {"title": "mine", **method}, 1)

    def test_summary_has_median_and_quartiles_in_the_order_of_methods(self):
        table = pd.DataFrame(
            [
                (0.2, method, replicate, 0.1 * replicate, replicate, 1.0, 2.0)
                for method in ("b", "a")
                for replicate in (1, 2, 3, 4, 9)
            ],
            columns=[
                *("correlation", "method", "replicate"),
                *("disentanglement", "mse", "signal_mse", "seconds"),
            ],
        )
        found = summary(table)
        assert found["method"].drop_duplicates().tolist() == ["b", "a"]
        assert found["measure"].drop_duplicates().tolist() == list(table.columns[3:])
        row = found[(found["method"] == "a") & (found["measure"] == "mse")].iloc[0]
        assert row[["replicates", "lower", "median", "upper"]].tolist() == [5, 2, 3, 4]


def test_encoder_of_the_vsc_is_as_wide_as_means_and_odds_need(x):
    model = VSC(x, K, HIDDEN, seed=0, slab=0.5)
    assert isinstance(model.encoder, Encoder)
    mean, log_variance, log_odds = model.posterior(x.float())
    assert mean.shape == log_variance.shape == log_odds.shape == (N, K)
    torch.testing.assert_close(model.factors(x.float()), mean / (1 + torch.exp(-log_odds)))
