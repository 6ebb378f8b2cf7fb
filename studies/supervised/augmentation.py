"""Draws that enlarge a small group of the training samples.

A method is a function of training samples and gives counts [n x G] of new samples of one group.
"""

import anndata as ad
import numpy as np
import torch

from mssvae.fitting.linear import result
from mssvae.fitting.linear.posteriors import infer
from studies.supervised.conditional_vae import ConditionalVAE, trained
from studies.supervised.features import fitted

# Of the conditional VAE.
_HIDDEN, _EPOCHS = 128, 300


def oversampling(
    train: ad.AnnData, group: str, n: int, n_factors: int, n_specific: int, seed: int
) -> np.ndarray:
    """Return samples of the group again, drawn with replacement."""
    return _some(train, group, n, np.random.default_rng(seed))


@torch.no_grad()
def model_draws(
    train: ad.AnnData, group: str, n: int, n_factors: int, n_specific: int, seed: int
) -> np.ndarray:
    """Return draws from our model, a linear fit in which groups are studies.

    Factors and library size are of a sample of the group that is drawn: factors from their
    posterior. Counts are negative binomial, with the intercepts of the study (eq. 2.5).
    """
    model = fitted(train, n_factors, n_specific, seed)
    parameters = result.read(model.module)
    study = model.studies.index(group)
    own = model.module.offset(study + 1) + torch.arange(n_specific)
    factors = torch.cat([torch.arange(n_factors), own])
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(_some(train, group, n, rng))
    posterior = infer(parameters, study, x, factors)
    noise = torch.from_numpy(rng.standard_normal(posterior.mean.shape).astype(np.float32))
    spread = torch.linalg.cholesky(posterior.covariance)
    z = posterior.mean + (spread @ noise[:, :, None])[:, :, 0]
    output = parameters.output(study, factors, z)
    mean = parameters.observation.mean(output, posterior.log_library + parameters.log_scale)
    return _counts(rng, mean, parameters.log_noise.exp())


@torch.no_grad()
def vae_draws(
    train: ad.AnnData, group: str, n: int, n_factors: int, n_specific: int, seed: int
) -> np.ndarray:
    """Return draws from a conditional VAE of all groups, as those from our model are made."""
    groups, label = np.unique(train.obs["group"].astype(str), return_inverse=True)
    counts, labels = torch.from_numpy(train.X), torch.from_numpy(label)
    model = ConditionalVAE(counts, len(groups), n_factors, _HIDDEN, seed)
    with torch.enable_grad():
        trained(model, counts, labels, _EPOCHS, seed)
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(_some(train, group, n, rng))
    of_group = torch.full((n,), groups.tolist().index(group))
    mean, log_variance = model.posterior(x, of_group)
    noise = torch.from_numpy(rng.standard_normal(mean.shape).astype(np.float32))
    z = mean + torch.exp(0.5 * log_variance) * noise
    drawn = model.counts_given(z, of_group, x.sum(1, keepdim=True))
    return _counts(rng, drawn.mean, model.log_theta.exp())


METHODS = {
    "oversampling": oversampling,
    "conditional VAE": vae_draws,
    "MSSVAE": model_draws,
}


def _some(train: ad.AnnData, group: str, n: int, rng: np.random.Generator) -> np.ndarray:
    of_group = train.X[(train.obs["group"] == group).to_numpy()]
    return of_group[rng.integers(len(of_group), size=n)]


def _counts(rng: np.random.Generator, mean: torch.Tensor, theta: torch.Tensor) -> np.ndarray:
    """Return negative binomial counts [n x G] of means [n x G] and inverse dispersions [G]."""
    mean, theta = mean.double().numpy(), theta.double().numpy()
    return rng.negative_binomial(theta, theta / (theta + mean)).astype(np.float32)
