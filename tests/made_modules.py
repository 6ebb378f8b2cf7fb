"""Modules whose factors are known without a fit, and what moves make of them."""

from collections import Counter

import numpy as np
import torch
from torch import nn

from mssvae.core.module import MultiStudyModule
from mssvae.fitting.networks.restructuring import Restructuring
from mssvae.moves.parts import Price

N_STUDIES, N_PER_STUDY, N_FEATURES = 3, 300, 100
STUDY = np.repeat(np.arange(N_STUDIES), N_PER_STUDY)
# The samples of each mask: those of all studies, then each study's.
ROWS = [np.full(len(STUDY), True), *(m == STUDY for m in range(N_STUDIES))]
NOISE = 0.3
COUNTS, DISPERSION = 100, 50
PRICE = Price(lambda0=15.0, lambda1=0.1, prior_scale=200.0)
# The layout of a truth: two shared factors, one of each study; the other features are noise.
SHARED_BLOCKS = [range(5), range(5, 10)]
OWN_BLOCKS = [range(10, 14), range(14, 18), range(18, 22)]


class LinearEncoder(nn.Module):
    """A posterior whose mean is a linear function of the data."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.mean = nn.Linear(n_features, n_outputs)
        self.log_variance = nn.Linear(n_features, n_outputs)
        for layer in (self.mean, self.log_variance):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        return self.mean(x), self.log_variance(x)


def new_factor(rng, m=None):
    """A standard normal factor of all samples, or of study m alone and zero elsewhere."""
    return rng.normal(size=len(STUDY)) * (True if m is None else ROWS[m + 1])


def simulated(rng, effects, likelihood):
    """Data whose mean is, for each (values, features) of ``effects``, the values in the features.

    For counts it is the inverse softplus of the mean over ``COUNTS``.
    """
    mean = np.zeros((len(STUDY), N_FEATURES))
    for values, features in effects:
        mean[:, list(features)] += values.reshape(len(STUDY), -1)
    if likelihood == "gaussian":
        return mean + NOISE * rng.normal(size=mean.shape)
    mean = COUNTS * np.logaddexp(0, mean)
    return rng.poisson(mean * rng.gamma(DISPERSION, 1 / DISPERSION, mean.shape)).astype(float)


def regression(values, on):
    """Coefficients of least squares with an intercept, which is the last."""
    on = np.column_stack([on, np.ones(len(on))])
    return np.linalg.lstsq(on, values, rcond=None)[0]


def made_module(x, shared, own, likelihood, sizes):
    """A module that holds the columns it is given, with the linear decoder that fits best.

    ``shared`` lists (values, features) of shared columns, ``own`` does so by study. The posterior
    means are what is linear in the data of the values. Other columns, up to the numbers of
    ``sizes`` for the shared and for each study's mask, are not in use.
    """
    torch.manual_seed(1)
    x = torch.from_numpy(x)
    module = MultiStudyModule(x, N_STUDIES, *sizes, (6, 5), likelihood)
    module.shared_encoder = LinearEncoder(x.shape[1], sizes[0])
    module.specific_encoders = nn.ModuleList(
        LinearEncoder(x.shape[1], sizes[1]) for _ in range(N_STUDIES)
    )
    if likelihood == "negative_binomial":
        module.library_encoder = LinearEncoder(x.shape[1], 1)
        nn.init.constant_(module.library_encoder.mean.bias, np.log(COUNTS))
        nn.init.constant_(module.likelihood.log_theta, np.log(DISPERSION))
        ratio = np.maximum(x.numpy(), 1) / COUNTS
        targets = ratio + np.log(-np.expm1(-ratio))  # The inverse softplus.
    else:
        nn.init.constant_(module.likelihood.log_sigma2, 2 * np.log(NOISE))
        targets = x.numpy()
    module = module.double()
    inputs = module.likelihood.encoder_input(x).numpy()
    latent = np.zeros((len(x), module.decoder.output.in_features))
    support = np.zeros((x.shape[1], latent.shape[1]), dtype=bool)
    with torch.no_grad():
        for i, columns in enumerate([shared, *own]):
            encoder = module.encoders[i]
            rows = ROWS[i]
            module.masks[i].zero_()
            module.alive[i].fill_(False)
            module.etas[i].fill_(1 / x.shape[1])
            for k, (values, features) in enumerate(columns):
                weights = torch.from_numpy(regression(values[rows], inputs[rows]))
                encoder.mean.weight[k], encoder.mean.bias[k] = weights[:-1], weights[-1]
                encoder.log_variance.bias[k] = -4
                module.masks[i][list(features), k] = 1
                module.alive[i][k] = True
                place = k + module.offset(i)
                latent[rows, place] = encoder(torch.from_numpy(inputs[rows]))[0][:, k]
                support[list(features), place] = True
        decoder = module.decoder
        for parameter in (decoder.second.weight, decoder.second.bias, decoder.output.weight):
            parameter.zero_()
        for j, inside in enumerate(support):
            *loadings, intercept = regression(targets[:, j], latent[:, inside])
            decoder.output.weight[j, torch.from_numpy(inside)] = torch.tensor(loadings).double()
            decoder.output.bias[j] = intercept
    return module, x


def restructuring(module, x):
    return Restructuring(module, x, torch.from_numpy(STUDY), PRICE)


def moves(module, x, last=False):
    """Make a round of moves, and return how often each repair was made."""
    return repairs(restructuring(module, x).run(last=last))


def repairs(made):
    """How often each repair was made, of all moves of a round."""
    return sum(made.values(), Counter())


def supports(mask):
    """The supports of a mask's columns that have one, as sets of features."""
    return [set(np.flatnonzero(column)) for column in mask.detach().numpy().T if column.any()]


def posterior_means(module, x, i=0):
    """Posterior means of the live columns of a mask, of its study's samples."""
    encoder = module.encoders[i]
    with torch.no_grad():
        means = encoder(module.likelihood.encoder_input(x[ROWS[i]]))[0]
    return means[:, module.alive[i]].numpy()


def correlation(one, two):
    return np.corrcoef(one, two)[0, 1]


def reconstruction(module, x):
    """The decoder's outputs at the posterior means, all columns, [N, G]."""
    inputs = module.likelihood.encoder_input(x)
    outputs = torch.zeros_like(x)
    with torch.no_grad():
        for m in range(N_STUDIES):
            rows = ROWS[m + 1]
            z = [
                module.shared_encoder(inputs[rows])[0],
                module.specific_encoders[m](inputs[rows])[0],
            ]
            all_columns = [torch.arange(mask.shape[1]) for mask in module.masks]
            outputs[rows] = module.decoder(
                torch.cat(z, 1),
                torch.cat([module.shared_mask, module.specific_masks[m]], 1),
                module.dimensions([m], all_columns),
                module.decoder.output.weight,
                module.decoder.output.bias,
            )
    return outputs


def explained(module, x, values, features, i=0):
    """The smallest share of the variance of values that the outputs of features have, by mask."""
    rows = ROWS[i]
    left = values[rows, None] - reconstruction(module, x).numpy()[rows][:, list(features)]
    return 1 - left.var(0).max() / values[rows].var()


def truth(rng):
    """A shared factor for each shared block, then an own one for each study's block."""
    shared = [(new_factor(rng), block) for block in SHARED_BLOCKS]
    own = [[(new_factor(rng, m), block)] for m, block in enumerate(OWN_BLOCKS)]
    return shared, own


def flat(shared, own):
    return [*shared, *(column for columns in own for column in columns)]


def assert_supports(module, shared, own):
    """Compare the supports of all masks, whatever the order of the columns."""
    for mask, expected in zip(module.masks, [shared, *own], strict=True):
        assert sorted(map(sorted, supports(mask))) == sorted(sorted(block) for block in expected)


OWN = [[block] for block in OWN_BLOCKS]
