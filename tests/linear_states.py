"""States of a linear fit whose factors are known."""

import torch

from mssvae.core.linear.observations import GaussianObservation
from mssvae.core.linear.state import LinearState, Parameters, Posterior, StudyData

N, G = 50, 30


def state_of(loadings, means, n_shared, variance=0.01):
    """Return a state of two studies with 50 samples each, two own factors at most."""
    generator = torch.Generator().manual_seed(0)
    n_own = (loadings.shape[1] - n_shared) // 2
    data, posteriors = [], []
    for study, mean in enumerate(means):
        factors = torch.cat(
            [torch.arange(n_shared), n_shared + study * n_own + torch.arange(n_own)]
        )
        data.append(StudyData(torch.randn(N, G, generator=generator), factors))
        covariance = variance * torch.eye(len(factors)).repeat(N, 1, 1)
        posteriors.append(Posterior(mean, covariance, torch.zeros(N, 1)))
    zero = torch.zeros(G)
    parameters = Parameters(
        GaussianObservation,
        loadings,
        zero,
        torch.zeros(2, G),
        zero,
        zero,
        torch.zeros(()),
        torch.ones(()),
        torch.eye(n_shared + n_own).repeat(2, 1, 1),
    )
    price = torch.full((loadings.shape[1],), 5.0)
    every = torch.ones(G, dtype=torch.bool)
    return LinearState(parameters, data, posteriors, n_shared, torch.ones(G), every, 0.0, price)


def blocks(*columns):
    loadings = torch.zeros(G, len(columns))
    for k, rows in enumerate(columns):
        loadings[rows, k] = 1.0
    return loadings


def outputs(state):
    return [
        state.parameters.output(study, data.factors, posterior.mean)
        for study, (data, posterior) in enumerate(zip(state.data, state.posteriors, strict=True))
    ]
