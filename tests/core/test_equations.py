"""The fast code equals the equations of the paper, written out in ``reference.py``."""

import itertools

import numpy as np
import pytest
import reference
import torch
from scipy import stats

from mssvae.core import prior
from mssvae.core.decoder import Decoder
from mssvae.core.encoders import normal_kl
from mssvae.core.likelihoods import Gaussian, NegativeBinomial
from mssvae.core.module import MultiStudyModule
from mssvae.core.objective import backpropagate
from mssvae.data.batches import Batch
from mssvae.fitting.networks.optimisers import RowAdam, TableOptimiser
from mssvae.fitting.settings import FitSettings

N, G, N_STUDIES, N_SHARED, N_SPECIFIC = 14, 7, 3, 4, 2
COUNTS = [5, 4, 5]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def make_module(likelihood, rng, supports="mixed"):
    """A module in float64 with random masks that have zeros, and its data."""
    x = torch.from_numpy(
        rng.negative_binomial(3, 0.1, (N, G)).astype(float)
        if likelihood == "negative_binomial"
        else rng.normal(size=(N, G))
    )
    torch.manual_seed(3)
    module = MultiStudyModule(x, N_STUDIES, N_SHARED, N_SPECIFIC, (6, 5), likelihood).double()
    with torch.no_grad():
        for mask in module.masks:
            mask.copy_(torch.from_numpy(rng.normal(size=mask.shape)))
            if supports == "mixed":
                mask *= torch.from_numpy(rng.random(mask.shape) < 0.5)
        if supports == "dead columns":
            module.shared_mask[:, 1] = 0
            module.specific_masks[2][:, 0] = 0
            module.alive_0[1] = False
            module.alive_3[0] = False
        if supports == "no own factor":
            module.specific_masks[0].zero_()
            module.alive_1.fill_(False)
    module.train()
    return module, x


@pytest.mark.parametrize("supports", ["dense", "mixed", "dead columns", "no own factor"])
@pytest.mark.parametrize("likelihood", ["gaussian", "negative_binomial"])
@pytest.mark.parametrize("chunk_elements", [1, 60, 10**6])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("products_dominate", [False, True])
def test_loss_and_gradients_equal_the_literal_equations(
    likelihood, supports, chunk_elements, sparse, products_dominate, rng, monkeypatch
):
    monkeypatch.setattr(Decoder, "products_dominate", lambda self: products_dominate)
    module, x = make_module(likelihood, rng, supports)
    noise = torch.from_numpy(rng.normal(size=(N, N_SHARED + N_SPECIFIC + 1)))
    study = np.repeat(np.arange(N_STUDIES), COUNTS)
    live = module.live_columns()

    expected = reference.loss(module, x, study, noise, prior_scale=11.0)
    expected.backward()
    gradients = {
        name: None if p.grad is None else p.grad.clone() for name, p in module.named_parameters()
    }
    module.zero_grad()
    parts, table_gradients = backpropagate(
        module,
        Batch(x, module.likelihood.log_base(x), COUNTS, slice(None)),
        noise,
        live,
        11.0,
        evaluated=[mask.detach() != 0 for mask in module.masks] if sparse else None,
        chunk_elements=chunk_elements,
    )
    for table, gradient in zip(module.tables, table_gradients, strict=True):
        table.grad = gradient

    kl = parts["kl_shared"] + parts["kl_specific"] + parts["kl_library"]
    loss = (kl - parts["reconstruction"].sum()) / N - parts["log_prior_noise"] / 11.0
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-9)
    for name, p in module.named_parameters():
        if "mask" in name:  # Dead columns are out of the model: they need no gradient.
            position = 0 if name == "shared_mask" else 1 + int(name.rsplit(".", 1)[1])
            gradients[name] = gradients[name] * module.alive[position]
            if sparse:  # Entries at zero are not evaluated.
                gradients[name] *= p.detach() != 0
                p.grad *= p.detach() != 0
        torch.testing.assert_close(p.grad, gradients[name], rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize("products_dominate", [False, True])
def test_masks_of_a_study_without_a_sample_have_no_gradient(products_dominate, rng, monkeypatch):
    monkeypatch.setattr(Decoder, "products_dominate", lambda self: products_dominate)
    module, x = make_module("negative_binomial", rng)
    noise = torch.from_numpy(rng.normal(size=(N, N_SHARED + N_SPECIFIC + 1)))
    counts = [8, 0, 6]
    expected = reference.loss(module, x, np.repeat(range(N_STUDIES), counts), noise, 11.0)
    batch = Batch(x, module.likelihood.log_base(x), counts, slice(None))
    parts, gradients = backpropagate(module, batch, noise, module.live_columns(), 11.0)
    kl = parts["kl_shared"] + parts["kl_specific"] + parts["kl_library"]
    torch.testing.assert_close((kl - parts["reconstruction"].sum()) / N, expected)
    assert parts["reconstruction"][1] == 0
    shared, *own = gradients[: 1 + N_STUDIES]
    assert [gradient is None for gradient in (shared, *own)] == [False, False, True, False]


def test_drawn_features_estimate_the_loss_and_its_gradients_without_bias(rng):
    """The mean over all ways to draw three of six features is what all features give."""
    x = torch.from_numpy(rng.normal(size=(N, 6)))
    torch.manual_seed(3)
    module = MultiStudyModule(x, N_STUDIES, N_SHARED, N_SPECIFIC, (6, 5), "gaussian").double()
    noise = torch.from_numpy(rng.normal(size=(N, N_SHARED + N_SPECIFIC + 1)))
    base = module.likelihood.log_base(x)

    def computed(features):
        module.zero_grad()
        batch = Batch(x, base, COUNTS, features)
        parts, gradients = backpropagate(module, batch, noise, module.live_columns(), 11.0)
        loss = (parts["kl_shared"] + parts["kl_specific"] - parts["reconstruction"].sum()) / N
        loss = loss - parts["log_prior_noise"] / 11.0
        tables = [torch.zeros_like(table) for table in module.tables]
        for table, gradient in zip(tables, gradients, strict=True):
            table[features] = gradient
        return [loss, *[p.grad.clone() for p in module.networks], *tables]

    expected = computed(slice(None))
    drawn = [computed(torch.tensor(some)) for some in itertools.combinations(range(6), 3)]
    for values, value in zip(zip(*drawn, strict=True), expected, strict=True):
        torch.testing.assert_close(torch.stack(values).mean(0), value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("likelihood", ["gaussian", "negative_binomial"])
def test_bfloat16_changes_no_gradient_by_more_than_its_rounding(likelihood, rng):
    module, x = make_module(likelihood, rng)
    noise = torch.from_numpy(rng.normal(size=(N, N_SHARED + N_SPECIFIC + 1)))
    batch = Batch(x, module.likelihood.log_base(x), COUNTS, slice(None))
    exact, rounded = (
        backpropagate(module, batch, noise, module.live_columns(), 11.0, precision)[1]
        for precision in (None, torch.bfloat16)
    )
    for one, other in zip(exact, rounded, strict=True):
        assert (one - other).norm() < 0.02 * one.norm()
        assert one.norm() > 0


def test_negative_binomial_equals_scipy(rng):
    x = torch.from_numpy(rng.negative_binomial(3, 0.1, (N, G)).astype(float))
    likelihood = NegativeBinomial(x)
    output, log_library = torch.randn(N, G).double() * 3, torch.randn(N, 1).double()
    log_mass = likelihood.log_prob(x, output, log_library, likelihood.log_theta)
    # Of single features, as the sum over them would hide which.
    log_mass = log_mass + torch.stack([likelihood.log_base(x_j[:, None]) for x_j in x.T], 1)
    mu = np.exp(log_library.numpy()) * np.log1p(np.exp(output.numpy()))
    theta = np.exp(likelihood.log_theta.detach().numpy())
    expected = stats.nbinom.logpmf(x.numpy(), theta, theta / (theta + mu))
    np.testing.assert_allclose(log_mass.detach(), expected, rtol=1e-10)
    np.testing.assert_allclose(likelihood.log_base(x), stats.poisson.logpmf(x, x).sum(1))


@pytest.mark.parametrize("theta", [0.01, 1, 300])
def test_single_precision_does_for_the_likelihood_of_large_counts(theta):
    x = torch.logspace(0, 12, 25)[:, None].round()
    likelihood = NegativeBinomial(torch.tensor([[1.0], [2.0]]))

    def log_mass(x):
        log_theta = x.new_tensor([theta]).log().requires_grad_()
        log_mass = likelihood.log_prob(x, x.new_ones(len(x), 1), (0.9 * x).log(), log_theta)
        log_mass.sum().backward()
        return log_mass.detach()[:, 0] + likelihood.log_base(x), log_theta.grad

    for single, double in zip(log_mass(x), log_mass(x.double()), strict=True):
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-3)


def test_negative_binomial_stays_finite_at_extreme_outputs():
    x = torch.tensor([[0.0, 0.0, 5e5, 5e5]])
    likelihood = NegativeBinomial(torch.tensor([[0.0, 1, 2, 3], [4, 1, 2e5, 9]]))
    output = torch.tensor([[-200.0, 200, -200, 200]], requires_grad=True)
    likelihood.log_prob(x, output, torch.zeros(1, 1), likelihood.log_theta).sum().backward()
    assert torch.isfinite(output.grad).all()


def test_inverse_dispersion_starts_at_the_moment_estimate_whatever_the_depths(rng):
    depth = np.exp(rng.normal(size=(5000, 1)))
    depth[0] = 1e5
    theta = np.array([0.5, 3, 30])
    gamma = rng.gamma(theta, 100 / theta, (5000, 3))
    # A fourth feature takes what the others do not fluctuate by: library sizes follow depths.
    counts = np.hstack([rng.poisson(depth * gamma), rng.poisson(depth * 10_000)])
    found = NegativeBinomial(torch.from_numpy(counts.astype(float))).log_theta.exp().detach()
    np.testing.assert_allclose(found[:3], theta, rtol=0.1)
    library = counts.sum(1, keepdims=True) / 4
    share = counts / library
    mean, variance = share.mean(0), share.var(0, ddof=1)
    expected = mean**2 / (variance - mean * (1 / library).mean())
    np.testing.assert_allclose(found[:3], expected[:3])


def test_inverse_dispersion_starts_at_its_upper_end_without_overdispersion(rng):
    theta = NegativeBinomial(torch.full((50, 2), 4.0)).log_theta.exp().detach()
    np.testing.assert_allclose(theta, 1000, rtol=1e-5)


def test_output_bias_reproduces_mean_counts_at_the_start(rng):
    x = torch.from_numpy(rng.poisson(5.0, (400, 6)).astype(float))
    mean = torch.nn.functional.softplus(NegativeBinomial.initial_bias(x))
    library = x.sum(1, keepdim=True) / 6
    torch.testing.assert_close(mean, (x / library).mean(0))


def test_noise_prior_has_the_published_quantile(rng):
    x = torch.from_numpy(rng.normal(size=(200, 50)) * rng.uniform(1, 3, 50))
    likelihood = Gaussian(x)
    quantile = np.quantile(x.numpy().var(0, ddof=1), 0.05)
    assert stats.invgamma.ppf(0.9, 1.5, scale=likelihood.beta) == pytest.approx(quantile)
    np.testing.assert_allclose(likelihood.log_sigma2.exp().detach(), quantile)
    expected = stats.invgamma.logpdf(quantile, 1.5, scale=likelihood.beta)
    constant = stats.invgamma.logpdf(1.0, 1.5, scale=likelihood.beta) + likelihood.beta
    assert likelihood.log_prior(likelihood.log_sigma2).item() / 50 == pytest.approx(
        expected - constant
    )


def test_kl_equals_torch_distributions():
    mean, log_variance = torch.randn(5), torch.randn(5)
    q = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    p = torch.distributions.Normal(0.3, 2**0.5)
    torch.testing.assert_close(
        normal_kl(mean, log_variance, 0.3, 2.0), torch.distributions.kl_divergence(q, p)
    )


@pytest.mark.parametrize("lambda0", [1.0, 10.0, 15.0])
def test_expectation_step_equals_the_equations(lambda0, rng):
    w = torch.from_numpy(rng.normal(size=(6, 3)) * (rng.random((6, 3)) < 0.7))
    eta = torch.tensor([0.02, 0.5, 0.9]).double()
    gamma = prior.slab_probability(w, eta, lambda0, 0.1)
    rate = prior.penalty_rate(gamma, lambda0, 0.1)
    new_eta = prior.updated_eta(gamma, 1.0, 6.0)
    for k in range(3):
        column = [
            reference.slab_probability(float(w[j, k]), float(eta[k]), lambda0, 0.1)
            for j in range(6)
        ]
        np.testing.assert_allclose(gamma[:, k], column, rtol=1e-10)
        np.testing.assert_allclose(rate[:, k], [0.1 * g + lambda0 * (1 - g) for g in column])
        assert float(new_eta[k]) == pytest.approx((sum(column) + 1 - 1) / (1 + 6 + 6 - 2))


def test_eta_update_maximises_the_expected_log_prior(rng):
    w = torch.from_numpy(rng.normal(size=(40, 2)))
    gamma = prior.slab_probability(w, torch.tensor([0.3, 0.6]).double(), 10.0, 0.1)
    best = prior.updated_eta(gamma, 2.0, 5.0)
    value = prior.expected_log_prior(w, gamma, best, 10.0, 0.1, 2.0, 5.0)
    for step in (-1e-3, 1e-3):
        assert prior.expected_log_prior(w, gamma, best + step, 10.0, 0.1, 2.0, 5.0) < value


def test_slab_probability_does_not_overflow():
    w = torch.tensor([[0.0], [1e4], [-1e4]])
    gamma = prior.slab_probability(w, torch.tensor([1e-6]), 1e4, 0.1)
    np.testing.assert_allclose(gamma.flatten(), [0, 1, 1], atol=1e-10)


class TestRowAdam:
    @pytest.mark.parametrize("shape", [(5,), (5, 3)])
    def test_with_all_rows_it_is_adam(self, shape, rng):
        start, target = (torch.from_numpy(rng.normal(size=shape)) for _ in range(2))
        ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
        row_adam, adam = RowAdam(ours), torch.optim.Adam([theirs], lr=0.03)
        for _ in range(50):
            row_adam.step(slice(None), 2 * (ours.detach() - target), lr=0.03)
            adam.zero_grad()
            (theirs - target).square().sum().backward()
            adam.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)

    def test_entries_without_a_gradient_stay_as_they_are(self, rng):
        known = torch.tensor([[1.0, 0, 1], [0, 1, 1]]).double()
        one, two = (torch.nn.Parameter(torch.ones(2, 3).double()) for _ in range(2))
        adams = RowAdam(one), RowAdam(two)
        for step in range(30):
            gradient = torch.from_numpy(rng.normal(size=(2, 3)))
            for adam in adams:
                if adam is adams[0] or step < 10:
                    adam.step(slice(None), gradient, lr=0.01)
                else:
                    before = adam.mean.clone(), adam.square.clone()
                    adam.step(slice(None), gradient * known, lr=0.01, known=known)
                    for after, value in zip((adam.mean, adam.square), before, strict=True):
                        assert torch.equal(after[known == 0], value[known == 0])
            if step == 9:
                frozen = two.detach().clone()
        assert torch.equal(two[known == 0], frozen[known == 0])
        torch.testing.assert_close(two[known == 1], one[known == 1])

    def test_a_row_moves_as_if_the_steps_without_it_had_not_been(self, rng):
        gradients = torch.from_numpy(rng.normal(size=(40, 5, 3)))
        drawn = torch.from_numpy(rng.random((40, 5)) < 0.4)
        table = torch.nn.Parameter(torch.zeros(5, 3).double())
        row_adam = RowAdam(table)
        for gradient, rows in zip(gradients, drawn, strict=True):
            features = rows.nonzero().flatten()
            row_adam.step(features, gradient[features], lr=0.01)
        for j in range(5):
            row = torch.nn.Parameter(torch.zeros(1, 3).double())
            alone = RowAdam(row)
            for gradient in gradients[drawn[:, j], j]:
                alone.step(slice(None), gradient[None], lr=0.01)
            torch.testing.assert_close(table[j], row[0])


NO_OTHERS = [None] * 3  # No gradient of the tables that are not masks.


class TestProximalStep:
    """Adam on the likelihood, then shrinkage: where it stops is the optimum of the lasso."""

    @staticmethod
    def optimise(gradient_at_zero, lambda0, prior_scale=2.0, steps=4000, proximal=True):
        """Minimise (w - gradient_at_zero)^2 / 2 plus the prior, in one entry of the shared mask."""
        torch.manual_seed(0)
        module = MultiStudyModule(
            torch.rand(6, 3).round() + 1, 1, 1, 1, (4, 4), "negative_binomial"
        )
        settings = FitSettings(lr_mask=0.005)
        optimiser = TableOptimiser(module.double(), settings, prior_scale)
        optimiser.proximal = proximal
        for _ in range(steps):
            gradients = [mask.detach() - gradient_at_zero for mask in module.masks]
            optimiser.step(slice(None), [*gradients, *NO_OTHERS], 1.0, lambda0)
        return module, optimiser

    def test_small_gradients_end_at_exact_zero(self):
        module, optimiser = self.optimise(gradient_at_zero=0.4, lambda0=10.0)
        assert (module.shared_mask == 0).all()
        optimiser.drop_dead_columns()
        assert not module.alive_0.any()

    def test_before_it_is_proximal_no_entry_is_lost(self):
        module, _ = self.optimise(gradient_at_zero=0.4, lambda0=10.0, proximal=False)
        w = module.shared_mask.detach()
        assert (w != 0).all()
        torch.testing.assert_close(w, torch.zeros_like(w), rtol=0, atol=1e-2)

    @pytest.mark.parametrize("proximal", [False, True])
    def test_large_gradients_end_where_the_penalised_gradient_vanishes(self, proximal):
        module, _ = self.optimise(gradient_at_zero=3.0, lambda0=10.0, proximal=proximal)
        w = module.shared_mask.detach()
        gamma = prior.slab_probability(w, module.eta_0, 10.0, 0.1)
        rate = prior.penalty_rate(gamma, 10.0, 0.1)
        torch.testing.assert_close(3.0 - w, rate / 2.0, rtol=0, atol=2e-2)

    def test_dead_columns_stay_dead(self):
        module, optimiser = self.optimise(gradient_at_zero=0.4, lambda0=10.0)
        optimiser.drop_dead_columns()
        gradients = [torch.full_like(mask, -100.0) for mask in module.masks]
        optimiser.step(slice(None), [*gradients, *NO_OTHERS], 1.0, 10.0)
        assert all((mask == 0).all() for mask in module.masks)


def test_counts_where_almost_none_are_expected_have_finite_gradients():
    likelihood = NegativeBinomial(torch.tensor([[1.0], [9.0], [2.0]]))
    output = torch.linspace(-200, 0, 2001, requires_grad=True)
    log_prob = likelihood.log_prob(
        torch.full((2001, 1), 500.0), output[:, None], torch.zeros(2001, 1), likelihood.log_theta
    )
    log_prob.sum().backward()
    # Far below zero softplus is the exponential, and what is missing is all of x.
    torch.testing.assert_close(output.grad[:1000], torch.full((1000,), 500.0), rtol=1e-3, atol=0)
    assert torch.isfinite(output.grad).all()
