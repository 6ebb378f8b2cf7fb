"""Factors and expected values of samples, from some of their features."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mssvae.core.encoders import normal_kl
from mssvae.core.linear.state import CHUNK
from mssvae.core.module import MultiStudyModule
from mssvae.data.model_data import ModelData, Samples
from mssvae.fitting.linear import result
from mssvae.fitting.linear.posteriors import expected_values
from mssvae.fitting.linear.posteriors import infer as infer_posterior
from mssvae.results.tables import FactorTables, factor_table


@dataclass(frozen=True)
class Ascent:
    """How posteriors under a nonlinear decoder are found: Adam on the lower bound.

    Attributes
    ----------
    steps, rate : int, float
        Of Adam.
    draws : int
        Of the factors, and as many with the signs reversed: the same ones in every step.
    log_variance : float
        That posteriors start with.
    """

    steps: int = 400
    rate: float = 0.05
    draws: int = 4
    log_variance: float = -2.0


ASCENT = Ascent()


@dataclass(frozen=True)
class Inferred:
    """What follows for samples.

    Attributes
    ----------
    means : Tensor [n, k]
        Posterior means of the shared factors, then of the study's own.
    expected : Tensor [n, G]
        Posterior means of the expected values, in units of the model.
    """

    means: Tensor
    expected: Tensor


def infer(module: MultiStudyModule, samples: Samples) -> Inferred:
    """Return the posterior of samples given their observed features."""
    return _linear(module, samples) if module.is_linear else _nonlinear(module, samples)


def _linear(module: MultiStudyModule, samples: Samples) -> Inferred:
    parameters, study = result.read(module), samples.study
    factors = torch.arange(module.n_shared)
    if study is None:  # Between the known ones.
        study = len(parameters.intercepts)
        nowhere = torch.zeros_like(parameters.intercepts[:1])
        parameters.intercepts = torch.cat([parameters.intercepts, nowhere])
        average = parameters.factor_covariances.mean(0, keepdim=True)
        parameters.factor_covariances = torch.cat([parameters.factor_covariances, average])
    else:
        own = module.offset(study + 1) + torch.arange(module.n_specific)
        factors = torch.cat([factors, own])
    factors, observed = factors.to(samples.x.device), samples.observed.to(samples.x.device)
    seen, pieces = parameters.of_features(observed), []
    for x in samples.x.split(CHUNK):
        posterior = infer_posterior(seen, study, x[:, observed], factors)
        expected = expected_values(parameters, study, factors, posterior)
        pieces.append((posterior.mean, expected))
    means, expected = zip(*pieces, strict=True)
    return Inferred(torch.cat(means), torch.cat(expected))


@torch.enable_grad()
def _nonlinear(module: MultiStudyModule, samples: Samples) -> Inferred:
    """Maximise the lower bound over the posterior of these samples, given the decoder."""
    live = [columns.cpu() for columns in module.live_columns()]
    known = [] if samples.study is None else [samples.study]
    device = samples.x.device
    *_, weight, bias, log_noise = (table.detach() for table in module.tables)
    mask = module.columns_of([one.detach() for one in module.masks], known, live)
    dimensions = module.dimensions(known, live).to(device)
    features = samples.observed.to(device).nonzero().flatten()
    x, n, k = samples.x[:, features], len(samples.x), len(dimensions)
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(ASCENT.draws, n, k, generator=generator).to(x)
    draws = torch.cat([draws, -draws])
    mean = x.new_zeros(n, k).requires_grad_()
    log_variance = x.new_full((n, k), ASCENT.log_variance).requires_grad_()
    library, parameters = None, [mean, log_variance]
    if module.likelihood.uses_library:
        level = torch.nn.functional.softplus(bias[features]).sum()
        library = torch.log(x.sum(1, keepdim=True).clamp_min(1) / level).requires_grad_()
        parameters.append(library)
    optimiser = torch.optim.Adam(parameters, lr=ASCENT.rate)

    def outputs(draw: Tensor, at: Tensor) -> Tensor:
        z = mean + torch.exp(0.5 * log_variance) * draw
        return module.decoder(z, mask[at], dimensions, weight[at], bias[at])

    for step in range(ASCENT.steps):
        output = outputs(draws[step % len(draws)], features)
        fit = module.likelihood.log_prob(x, output, library, log_noise[features]).sum()
        loss = normal_kl(mean, log_variance).sum() - fit
        if library is not None:
            away = (library - module.library_mean).square() / module.library_variance
            loss = loss + 0.5 * away.sum()
        optimiser.zero_grad()
        loss.backward(inputs=parameters)
        optimiser.step()
    with torch.no_grad():
        everything = torch.arange(len(bias), device=device)
        expected = torch.stack(
            [module.likelihood.mean(outputs(draw, everything), library) for draw in draws]
        ).mean(0)
        means = mean.new_zeros(n, module.n_shared + (module.n_specific if known else 0))
        places = [live[0], *(module.n_shared + live[m + 1] for m in known)]
        means[:, torch.cat(places).to(device)] = mean.detach()
    return Inferred(means, expected)


def transformed(
    module: MultiStudyModule, data: ModelData, names: pd.Index, groups: list[Samples]
) -> FactorTables:
    """Return posterior means of the factors of samples, see ``MSSVAE.transform``."""
    n_shared = module.n_shared
    shared = data.x.new_zeros(len(names), n_shared).cpu()
    own = {m: (names[:0], module.masks[m + 1][:0]) for m in range(len(data.studies))}
    for group in groups:
        means = infer(module, group).means.cpu()
        shared[group.rows] = means[:, :n_shared]
        if group.study is not None:
            own[group.study] = (names[group.rows], means[:, n_shared:])
    alive = [alive.cpu() for alive in module.alive]
    return FactorTables(
        factor_table(shared * alive[0], names, "shared"),
        {
            name: factor_table(own[m][1].cpu() * alive[m + 1], own[m][0], name)
            for m, name in enumerate(data.studies)
        },
    )


def expected_values_of(
    module: MultiStudyModule, data: ModelData, names: pd.Index, groups: list[Samples]
) -> pd.DataFrame:
    """Return expected values of samples in units of the data, see ``MSSVAE.predict``."""
    expected = np.empty((len(names), len(data.var_names)))
    for group in groups:
        expected[group.rows] = infer(module, group).expected.double().cpu().numpy()
    if data.units is not None:
        expected = data.units.centre.numpy() + data.units.scale.numpy() * expected
    return pd.DataFrame(expected, names, data.var_names)
