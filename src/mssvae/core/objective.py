"""The objective of a batch and its gradients (eq. 2.4)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mssvae.core.encoders import normal_kl
from mssvae.core.module import MultiStudyModule
from mssvae.data.batches import Batch

# Numbers of features that are decoded by matrix products are multiples of this: libraries prepare a
# product for each new shape.
_MULTIPLE = 32


@dataclass
class Draws:
    """One draw of the latent variables of a batch, and the divergences of their posteriors.

    Attributes
    ----------
    shared : Tensor [B, k]
        Of the live shared factors.
    own : dict of int to Tensor [n_m, k]
        By study with a sample, of its live factors.
    log_library : Tensor [B, 1] or None
        In counts / G; None for a likelihood without library sizes.
    kl_shared, kl_specific, kl_library : Tensor, scalars
        Summed over the batch.
    """

    shared: Tensor
    own: dict[int, Tensor]
    log_library: Tensor | None
    kl_shared: Tensor
    kl_specific: Tensor
    kl_library: Tensor


def backpropagate(
    module: MultiStudyModule,
    batch: Batch,
    noise: Tensor,
    live: list[Tensor],
    prior_scale: float,
    precision: torch.dtype | None = None,
    evaluated: list[Tensor] | None = None,
    chunk_elements: int | None = None,
) -> tuple[dict[str, Tensor], list[Tensor | None]]:
    """Add the gradient of the loss to the networks' parameters; return its parts and the tables'.

    The loss is the negative of eq. 2.4 per sample, without the prior of the masks (the optimiser
    takes that): the mean over the batch of ``-log p(x | z) + KL``, minus
    ``log p(Sigma) / prior_scale``. The expectation over the factors is one draw,
    ``mean + sd noise`` (eq. B.2 and B.3). Sums over features are weighed by G / g where g of the G
    are drawn.

    Parameters
    ----------
    noise : Tensor [B, K_S + K_m + 1]
        Standard normal numbers for shared factors, own factors and library size.
    live : list of Tensor
        Columns in use of each mask, see ``MultiStudyModule.live_columns``.
    precision : torch.dtype, optional
        Of the large matrix products; default that of the parameters.
    evaluated : list of Tensor of bool [G, K], optional
        By mask, the entries to compute with; default all. The others must be zero, and what is
        returned as their gradient is none.
    chunk_elements : int, optional
        Bound on hidden activations held at once; default what suits the device.

    Returns
    -------
    parts : dict
        Sums over the batch: ``reconstruction`` [M] (log-likelihood by study), ``kl_shared``,
        ``kl_specific``, ``kl_library``, and ``log_prior_noise``.
    gradients : list of Tensor [g, ...] or None
        Of the drawn rows of ``module.tables``; None for the mask of a study without a sample.
    """
    rows = [table[batch.features].detach().requires_grad_() for table in module.tables]
    draws = _draw(module, batch, noise, live, precision)
    log_prob, heads, head_gradients = _reconstruct(
        module, batch, draws, rows, live, precision, evaluated, chunk_elements
    )
    log_prob = batch.log_base + batch.feature_weight * log_prob
    reconstruction = torch.stack([of_study.sum() for of_study in log_prob.split(batch.counts)])
    log_prior_noise = batch.feature_weight * module.likelihood.log_prior(rows[-1])
    divergence = draws.kl_shared + draws.kl_specific + draws.kl_library
    rest = divergence / len(batch.x) - log_prior_noise / prior_scale
    torch.autograd.backward([rest, *heads], [None, *head_gradients])
    parts = {
        "reconstruction": reconstruction,
        "kl_shared": draws.kl_shared.detach(),
        "kl_specific": draws.kl_specific.detach(),
        "kl_library": draws.kl_library.detach(),
        "log_prior_noise": log_prior_noise.detach(),
    }
    return parts, [row.grad for row in rows]


def _draw(
    module: MultiStudyModule,
    batch: Batch,
    noise: Tensor,
    live: list[Tensor],
    precision: torch.dtype | None,
) -> Draws:
    """Draw factors and library sizes from the encoders' posteriors (eq. B.2)."""
    inputs = module.likelihood.encoder_input(batch.x).to(precision or batch.x.dtype)

    def posterior_draw(encoder, inputs, columns, noise):
        mean, log_variance = (output[:, columns] for output in encoder(inputs))
        return mean + torch.exp(0.5 * log_variance) * noise[:, columns], mean, log_variance

    shared, mean, log_variance = posterior_draw(module.shared_encoder, inputs, live[0], noise)
    kl_shared = normal_kl(mean, log_variance).sum()
    own, kl_specific = {}, torch.zeros_like(kl_shared)
    for m in batch.present:
        samples = batch.samples_of([m])
        own[m], mean, log_variance = posterior_draw(
            module.specific_encoders[m],
            inputs[samples],
            live[m + 1],
            noise[samples, module.n_shared : -1],
        )
        kl_specific = kl_specific + normal_kl(mean, log_variance).sum()
    log_library, kl_library = None, torch.zeros_like(kl_shared)
    if module.likelihood.uses_library:
        log_library, mean, log_variance = posterior_draw(
            module.library_encoder, inputs, slice(None), noise[:, -1:]
        )
        kl_library = normal_kl(
            mean, log_variance, module.library_mean, module.library_variance
        ).sum()
    return Draws(shared, own, log_library, kl_shared, kl_specific, kl_library)


def _reconstruct(
    module: MultiStudyModule,
    batch: Batch,
    draws: Draws,
    rows: list[Tensor],
    live: list[Tensor],
    precision: torch.dtype | None,
    evaluated: list[Tensor] | None,
    chunk_elements: int | None,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Add the gradient of the expected log-likelihood to ``rows`` and the decoder's layers.

    The decoder is evaluated and differentiated in chunks of features, each into the gradient of
    its latent values, so that memory does not grow with G. It takes all studies together, each
    study's samples being zero in the others' dimensions, unless matrix products dominate: then it
    takes one study after the other, in that study's own dimensions. Features with at most one
    factor have closed forms, if it is known which entries of the masks are zero.

    Returns
    -------
    log_prob : Tensor [B]
        Of the drawn features.
    heads, gradients : list of Tensor
        What the decoder saw, and the loss's derivative towards it.
    """
    likelihood, present = module.likelihood, batch.present
    groups = [[m] for m in present] if module.decoder.products_dominate() else [present]
    log_prob = batch.x.new_zeros(len(batch.x))
    x = batch.x[:, batch.features]
    heads, gradients = [], []
    for studies in groups:
        samples = batch.samples_of(studies)
        z = torch.cat(
            [draws.shared[samples], torch.block_diag(*[draws.own[m] for m in studies])], 1
        )
        study_heads = [z] if draws.log_library is None else [z, draws.log_library[samples]]
        leaves = [head.detach().requires_grad_() for head in study_heads]
        active = None
        if evaluated is not None:
            active = module.columns_of(evaluated, studies, live, batch.features)
        study_library = None if draws.log_library is None else leaves[1]
        for features, output in _outputs(
            module, leaves[0], rows, studies, live, active, precision, chunk_elements
        ):
            chunk = likelihood.log_prob(
                x[samples, features], output, study_library, rows[-1][features]
            ).sum(1)
            (-batch.feature_weight / len(x) * chunk.sum()).backward()
            log_prob[samples] += chunk.detach()
        for head, leaf in zip(study_heads, leaves, strict=True):
            if leaf.grad is not None:  # As where no factor affects any feature.
                heads.append(head)
                gradients.append(leaf.grad)
    return log_prob, heads, gradients


def _outputs(
    module: MultiStudyModule,
    z: Tensor,
    rows: list[Tensor],
    studies: list[int],
    live: list[Tensor],
    active: Tensor | None,
    precision: torch.dtype | None,
    chunk_elements: int | None,
) -> Iterator[tuple[Tensor | slice, Tensor]]:
    """Yield features, as positions among the drawn ones, and their linear outputs [n, g].

    ``active`` [g, k], if given, tells which of the studies' factors affect which feature.
    """
    *masks, weight, bias, _ = rows
    decoder, dimensions = module.decoder, module.dimensions(studies, live)

    def mask(features: Tensor | slice) -> Tensor:
        # By chunk: each is differentiated on its own.
        return module.columns_of(masks, studies, live, features)

    def dense(features: Tensor | slice) -> Tensor:
        return decoder(z, mask(features), dimensions, weight[features], bias[features], precision)

    if active is None:
        for chunk in decoder.feature_chunks(len(z), len(weight), chunk_elements):
            yield chunk, dense(chunk)
        return
    order = active.sum(1).clamp_max(2).sort(stable=True)
    none, one, more = order.indices.split(order.values.bincount(minlength=3).tolist())
    borrowed = min(-len(more) % _MULTIPLE, len(one))
    one, more = one[: len(one) - borrowed], torch.cat([one[len(one) - borrowed :], more])
    if len(none):
        yield none, decoder.without_factor(weight[none], bias[none]).expand(len(z), -1)
    if len(one):
        column = active[one].byte().argmax(1)
        s = z[:, column] * mask(one).gather(1, column.unsqueeze(1)).T
        yield one, decoder.with_one_factor(s, dimensions[column], weight[one], bias[one])
    for chunk in decoder.feature_chunks(len(z), len(more), chunk_elements):
        yield more[chunk], dense(more[chunk])
