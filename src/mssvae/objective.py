"""The objective of a batch and its gradients (eq. 2.4)."""

import torch
from torch import Tensor

from mssvae.batches import Batch
from mssvae.module import CHUNK_ELEMENTS, MultiStudyModule, normal_kl


def backpropagate(
    module: MultiStudyModule,
    batch: Batch,
    noise: Tensor,
    live: list[Tensor],
    prior_scale: float,
    precision: torch.dtype | None = None,
    chunk_elements: int = CHUNK_ELEMENTS,
) -> tuple[dict[str, Tensor], list[Tensor | None]]:
    """Add the gradient of the loss to the networks' parameters; return its parts and the tables'.

    The loss is the negative of eq. 2.4 per sample, without the prior of the masks (the optimiser
    takes that): the mean over the batch of ``-log p(x | z) + KL``, minus
    ``log p(Sigma) / prior_scale``. The expectation over the factors is one draw,
    ``mean + sd noise``. Sums over features are weighed by G / g where g of the G are drawn.

    The decoder is evaluated and differentiated in chunks of features, each into the gradient of
    its latent values, so that memory does not grow with G.

    Parameters
    ----------
    noise : Tensor [B, K_S + K_m + 1]
        Standard normal numbers for shared factors, own factors and library size.
    live : list of Tensor
        Columns in use of each mask, see ``MultiStudyModule.live_columns``.
    precision : torch.dtype, optional
        Of the decoder's matrix products; default that of the parameters.
    chunk_elements : int
        Bound on hidden activations held at once.

    Returns
    -------
    parts : dict
        Sums over the batch: ``reconstruction`` [M] (log-likelihood by study), ``kl_shared``,
        ``kl_specific``, ``kl_library``, and ``log_prior_noise``.
    gradients : list of Tensor [g, ...] or None
        Of the drawn rows of ``module.tables``; None for the mask of a study without a sample.
    """
    likelihood, n = module.likelihood, len(batch.x)
    inputs = likelihood.encoder_input(batch.x)
    rows = [table[batch.features].detach().requires_grad_() for table in module.tables]

    def posterior_draw(encoder, inputs, columns, noise):
        mean, log_variance = (output[:, columns] for output in encoder(inputs))
        return mean + torch.exp(0.5 * log_variance) * noise[:, columns], mean, log_variance

    shared, mean, log_variance = posterior_draw(module.shared_encoder, inputs, live[0], noise)
    kl_shared = normal_kl(mean, log_variance).sum()
    kl_specific = torch.zeros_like(kl_shared)
    kl_library = torch.zeros_like(kl_shared)
    log_library = None
    if likelihood.uses_library:
        log_library, mean, log_variance = posterior_draw(
            module.library_encoder, inputs, slice(None), noise[:, -1:]
        )
        kl_library = normal_kl(
            mean, log_variance, module.library_mean, module.library_variance
        ).sum()

    reconstruction = torch.zeros(len(batch.counts), device=inputs.device, dtype=inputs.dtype)
    x = batch.x[:, batch.features]
    heads, head_gradients = [], []  # What the decoder saw, and the loss's derivative towards it.
    start = 0
    for m, count in enumerate(batch.counts):
        samples = slice(start, start + count)
        start += count
        if count == 0:
            continue
        own, mean, log_variance = posterior_draw(
            module.specific_encoders[m],
            inputs[samples],
            live[m + 1],
            noise[samples, module.n_shared : -1],
        )
        kl_specific = kl_specific + normal_kl(mean, log_variance).sum()
        z = torch.cat([shared[samples], own], 1)
        study_heads = [z] if log_library is None else [z, log_library[samples]]
        leaves = [head.detach().requires_grad_() for head in study_heads]
        log_prob = _decode_and_backpropagate(
            module,
            x[samples],
            leaves,
            rows,
            m,
            live,
            batch.feature_weight / n,
            precision,
            chunk_elements,
        )
        reconstruction[m] = batch.log_base[samples].sum() + batch.feature_weight * log_prob
        heads += study_heads
        head_gradients += [leaf.grad for leaf in leaves]

    log_prior_noise = batch.feature_weight * likelihood.log_prior(rows[-1])
    rest = (kl_shared + kl_specific + kl_library) / n - log_prior_noise / prior_scale
    torch.autograd.backward([rest, *heads], [None, *head_gradients])
    parts = {
        "reconstruction": reconstruction,
        "kl_shared": kl_shared.detach(),
        "kl_specific": kl_specific.detach(),
        "kl_library": kl_library.detach(),
        "log_prior_noise": log_prior_noise.detach(),
    }
    return parts, [row.grad for row in rows]


def _decode_and_backpropagate(
    module: MultiStudyModule,
    x: Tensor,
    leaves: list[Tensor],
    rows: list[Tensor],
    m: int,
    live: list[Tensor],
    weight: float,
    precision: torch.dtype | None,
    chunk_elements: int,
) -> Tensor:
    """Differentiate ``-weight * log p(x | z)`` of one study's samples; return log p(x | z)."""
    z, log_library = (*leaves, None)[:2]
    *masks, output_weight, output_bias, log_noise = rows
    dimensions = module.dimensions(m, live)
    total = x.new_zeros(())
    for chunk in module.decoder.feature_chunks(*x.shape, chunk_elements):
        output = module.decoder(
            z,
            torch.cat([masks[0][chunk][:, live[0]], masks[m + 1][chunk][:, live[m + 1]]], 1),
            dimensions,
            output_weight[chunk],
            output_bias[chunk],
            precision,
        )
        log_prob = module.likelihood.log_prob(x[:, chunk], output, log_library, log_noise[chunk])
        log_prob = log_prob.sum()
        (-weight * log_prob).backward()
        total += log_prob.detach()
    return total
