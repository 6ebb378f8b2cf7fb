"""What a linear fit leaves in the module, and how it is read from there."""

import torch
from torch import Tensor

from mssvae.core import prior
from mssvae.core.linear.observations import OBSERVATIONS
from mssvae.core.linear.state import LinearState, Parameters, Posterior
from mssvae.core.module import MultiStudyModule
from mssvae.fitting.linear.start import start_without_factors


@torch.no_grad()
def write(state: LinearState, module: MultiStudyModule, study: Tensor) -> None:
    """Put a fit into a module: the linear special case of its decoder, and posteriors as tables.

    Masks are loadings in spreads of their features, scaled by column to weights of about 1; what
    they are short of loadings are the decoder's weights. Its hidden layers are zero.

    Parameters
    ----------
    module : MultiStudyModule
        Changed in place.
    study : Tensor [N]
        The number of each sample's study.
    """
    parameters = state.parameters
    relative = state.relative_loadings
    scale = prior.column_scale(relative)
    module.hold_posteriors([len(data.x) for data in state.data])
    decoder = module.decoder
    for layer in (decoder.first, decoder.second):
        for values in layer.parameters():
            values.zero_()
    decoder.output.weight.copy_(state.spread[:, None] / scale)
    decoder.output.bias.copy_(parameters.bias)
    module.likelihood.log_noise.copy_(parameters.log_noise)
    module.intercepts.copy_(parameters.intercepts)
    module.log_scale.copy_(parameters.log_scale)
    module.factor_covariances.copy_(parameters.factor_covariances)
    n_features = len(relative)
    for position, mask in enumerate(module.masks):
        places = slice(module.offset(position), module.offset(position) + mask.shape[1])
        mask.copy_(relative[:, places] * scale[places])
        alive = (mask != 0).any(0)
        module.alive[position].copy_(alive)
        share = (mask != 0).sum(0).to(mask) / (2 * n_features - 1)
        module.etas[position].copy_(share.clamp(1e-6, 1 - 1e-6))
    for number, posterior in enumerate(state.posteriors):
        rows = (study == number).nonzero().flatten()
        variance = posterior.variance().clamp_min(1e-12).log()
        for position, places in (
            (0, slice(0, state.n_shared)),
            (number + 1, slice(state.n_shared, None)),
        ):
            mean, log_variance = module.posterior(position)
            at = rows if position == 0 else slice(None)
            mean[at] = posterior.mean[:, places]
            log_variance[at] = variance[:, places]
        module.library_sizes[rows] = posterior.log_library


@torch.no_grad()
def read(module: MultiStudyModule) -> Parameters:
    """Return the parameters of a module that a linear fit was written to."""
    loadings = torch.cat(list(module.masks), 1) * module.decoder.output.weight
    mean = variance = loadings.new_zeros(())
    if module.likelihood.uses_library:
        mean, variance = module.library_mean, module.library_variance
    return Parameters(
        OBSERVATIONS[module.likelihood.name],
        loadings,
        module.decoder.output.bias.detach(),
        module.intercepts,
        module.likelihood.log_noise.detach(),
        module.log_scale,
        mean,
        variance,
        module.factor_covariances,
    )


@torch.no_grad()
def read_state(module: MultiStudyModule, x: Tensor, study: Tensor) -> LinearState:
    """Return the state that was written to a module, to go on from; data as in ``start``.

    But for covariances of the posteriors, which follow from the rest with the next update.
    """
    n_shared, n_specific, *_ = (mask.shape[1] for mask in module.masks)
    observation = OBSERVATIONS[module.likelihood.name]
    state, _ = start_without_factors(observation, x, study, n_shared, n_specific)
    state.parameters = read(module)
    shared = module.posterior(0)
    for number in range(len(state.data)):
        rows = (study == number).nonzero().flatten()
        mean, log_variance = (
            torch.cat([of_all[rows], own], 1)
            for of_all, own in zip(shared, module.posterior(number + 1), strict=True)
        )
        state.posteriors[number] = Posterior(
            mean, torch.diag_embed(log_variance.exp()), module.library_sizes[rows]
        )
    return state
