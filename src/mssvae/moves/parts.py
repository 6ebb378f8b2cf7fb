"""The parts of a model at one time of training: each mask with its columns and their factors."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from mssvae.core import prior
from mssvae.core.encoders import Encoder, normal_kl
from mssvae.core.module import MultiStudyModule
from mssvae.moves.thresholds import NETWORKS


@dataclass
class Part:
    """One mask and what belongs to it: the shared one, or a study's own.

    Attributes
    ----------
    mask : Parameter [G, K]
    alive : Tensor of bool [K]
        Which columns are in use.
    eta : Tensor [K]
        Slab proportions.
    encoder : Encoder or None
        Of the columns' factors; none of a linear fit.
    rows : Tensor [n]
        The samples that have the factors: all of them, or those of the study.
    offset : int
        Where the columns start among all latent dimensions.
    weight : float
        What a sample counts: batches hold all studies alike.
    support : Tensor of bool [G, K]
        The entries in the slab.
    means, variances : Tensor [n, K]
        Of the posterior.
    outputs : Tensor [n, G]
        The outputs of the decoder that would have the data as their means.
    to_learn : set of int
        Columns whose ``means`` the encoder does not give yet.
    """

    mask: nn.Parameter
    alive: Tensor
    eta: Tensor
    encoder: Encoder | None
    rows: Tensor
    offset: int
    weight: float
    support: Tensor
    means: Tensor
    variances: Tensor
    outputs: Tensor
    to_learn: set[int] = field(default_factory=set)

    def enter(self, features: Tensor, k: int) -> None:
        """Put features into column k, with the typical weight of those that are in it."""
        inside = self.support[:, k]
        self.mask[features, k] = self.mask[inside, k].median() if inside.any() else 1.0
        self.support[features, k] = True

    def drop(self, k: int) -> None:
        """Take column k out of the model."""
        self.mask[:, k] = 0
        self.support[:, k] = False
        self.alive[k] = False
        self.to_learn.discard(k)

    def columns(self) -> list[int]:
        """Return the live columns, those with the largest weights first."""
        size = self.mask.abs().sum(0)
        return [k for k in size.argsort(descending=True).tolist() if self.alive[k]]

    def is_large_enough(self) -> bool:
        """Return whether regressions on a factor say more than chance does."""
        return len(self.rows) >= NETWORKS.least_samples

    def unused(self) -> list[int]:
        """Return the columns in which a factor can start."""
        return (~self.alive).nonzero().flatten().tolist()

    def means_on(self, other: "Part", columns: int | list[int]) -> Tensor:
        """Return the posterior means of columns for the samples of another part, or of this one.

        Of another part if this is the shared one.
        """
        means = self.means[:, columns]
        return means if other is self else means[other.rows]


@dataclass(frozen=True)
class Price:
    """What features and factors must gain in log-likelihood to be worth having.

    Attributes
    ----------
    lambda0, lambda1 : float
        Rates of the prior now.
    prior_scale : float
        Divisor of the prior in the per-sample loss.
    """

    lambda0: float
    lambda1: float
    prior_scale: float

    def of_entry(self, eta: float) -> float:
        """Return what an entry of weight 1 costs in the slab instead of zero, per sample."""
        odds = (1 - eta) * self.lambda0 / (eta * self.lambda1)
        return (np.log(odds) + self.lambda1) / self.prior_scale

    def is_paid(self, gain: Tensor, eta: float, part: Part) -> bool:
        """Return whether what features gain [g] pays for their entries and for a posterior."""
        worth = (gain - self.of_entry(eta)).clamp_min(0).sum()
        return bool(worth > NETWORKS.price_of_a_factor * part.weight)


def likelihood_gain(share: Tensor, part: Part) -> Tensor:
    """Return what each feature would gain in log-likelihood from the share explained, [G].

    Per sample, less what chance gives (BIC), and weighed as the samples of the part are.
    """
    n = len(part.rows)
    return (-0.5 * torch.log1p(-share) - NETWORKS.slopes * np.log(n) / (2 * n)) * part.weight


def means_of(columns: list[tuple[Part, int]], part: Part) -> Tensor:
    """Return the posterior means of columns side by side, for the samples of a part, [n, K].

    The columns are the part's own or shared ones.
    """
    return torch.stack([one.means_on(part, k) for one, k in columns], 1)


@torch.no_grad()
def read_parts(
    module: MultiStudyModule,
    x: Tensor,
    inputs: Tensor,
    study: Tensor,
    price: Price,
) -> list[Part]:
    """Return the shared part and each study's own, after some order is made.

    Columns are scaled to weights of about 1, and those without a factor are dropped. The module
    should be in evaluation mode.

    Parameters
    ----------
    module : MultiStudyModule
        Changed in place; its function is not, but for the columns that are dropped.
    x, inputs : Tensor [N, G]
        The data, and what the encoders see of them.
    study : Tensor [N], on the CPU
        The number of each sample's study.
    price : Price
        Its rates of the prior tell spike from slab.
    """
    n_studies = len(module.specific_masks)
    outputs = module.likelihood.observed_output(x)
    if module.is_linear and module.likelihood.uses_library:
        outputs = module.likelihood.observed_output(x, module.log_scale)
    rows = [torch.arange(len(x))]
    rows += [(study == m).nonzero().flatten() for m in range(n_studies)]
    parts = []
    for i, (mask, encoder) in enumerate(zip(module.masks, module.encoders, strict=True)):
        means, log_variance = module.posterior(i, inputs, rows[i])
        divergence = normal_kl(means, log_variance)
        studies = study[rows[i]]
        divergence = torch.stack([divergence[studies == m].mean(0) for m in studies.unique()])
        alive = module.alive[i]
        alive &= (divergence.amax(0) >= NETWORKS.least_kl) & (mask != 0).any(0)
        mask *= alive
        offset = module.offset(i)
        _normalise(module, mask, offset)
        support = mask != 0
        if not module.is_linear:  # There the prior of the slab is flat: all entries are in it.
            support &= prior.in_slab(mask, module.etas[i], price.lambda0, price.lambda1)
        alive &= support.any(0)
        weight = 1 / n_studies if i else 1.0  # Batches hold all studies alike.
        parts.append(
            Part(
                mask,
                alive,
                module.etas[i],
                encoder,
                rows[i],
                offset,
                weight,
                support & alive,
                means,
                log_variance.exp(),
                outputs[rows[i]],
            )
        )
    return parts


def _normalise(module: MultiStudyModule, mask: Tensor, offset: int) -> None:
    """Scale each live column to weights of about 1, where the prior tells spike from slab.

    The decoder's function does not change: for column k, ``W`` times s, ``V1`` and ``v`` divided by
    s, and row k of ``V2`` and ``b2`` times s cancel, as ReLU is homogeneous.
    """
    decoder = module.decoder
    scale = prior.column_scale(mask)
    places = slice(offset, offset + len(scale))
    mask *= scale
    decoder.first.weight[:, places] /= scale
    decoder.output.weight[:, places] /= scale
    decoder.second.weight[places] *= scale[:, None]
    decoder.second.bias[places] *= scale
