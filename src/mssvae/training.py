"""Fitting: alternate the expectation step of the prior with gradient steps (appendix B.2)."""

import itertools
import logging
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from mssvae import prior
from mssvae.errors import FitError, InputError
from mssvae.module import CHUNK_ELEMENTS, MultiStudyModule, normal_kl
from mssvae.restructure import Restructuring

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitSettings:
    """How to train; see ``PRESETS`` for what is the paper's and what is not.

    Attributes
    ----------
    max_epochs : int
        Passes over the data; in each, as many samples are drawn as there are.
    batch_size : int
        Samples per gradient step, at most; an epoch is cut into batches of equal size.
    lr, lr_mask : float
        Adam's learning rates for the networks and for the masks.
    lambda0 : sequence of (float, float)
        Spike rate: (share of training from which it holds, rate), the first share 0.
    lambda1 : float
        Slab rate.
    a, b : float
        Beta prior of the slab proportions; ``b=None`` stands for G.
    prior_scale : float
        The per-sample loss carries the prior terms divided by this number. ``None`` stands for the
        number of samples N, which is the objective as written (eq. 2.4); the smaller, the sparser.
    restructure_at : sequence of float
        Shares of training after which ``mssvae.restructure`` repairs the columns, in growing order.
        From the first of them on, the masks have exact zeros and the proximal step; from the last
        on, both learning rates fall linearly to zero.
    """

    max_epochs: int = 800
    batch_size: int = 128
    lr: float = 1e-3
    lr_mask: float = 1e-2
    lambda0: Sequence[tuple[float, float]] = ((0.0, 1.0), (0.05, 10.0), (0.30, 15.0))
    lambda1: float = 0.1
    a: float = 1.0
    b: float | None = None
    prior_scale: float | None = 200
    restructure_at: Sequence[float] = (0.4, 0.55, 0.7)

    def __post_init__(self) -> None:
        # Lists, as configuration files and saved models have them, compare equal to tuples.
        object.__setattr__(self, "lambda0", tuple(tuple(rung) for rung in self.lambda0))
        object.__setattr__(self, "restructure_at", tuple(self.restructure_at))
        for key in ("max_epochs", "batch_size", "lr", "lr_mask", "lambda1", "a"):
            if not getattr(self, key) > 0:
                raise InputError(f"{key} must be positive, not {getattr(self, key)}")
        for key in ("b", "prior_scale"):
            if getattr(self, key) is not None and not getattr(self, key) > 0:
                raise InputError(f"{key} must be positive or None, not {getattr(self, key)}")
        shares = [share for share, _ in self.lambda0]
        if not shares or shares[0] != 0 or shares != sorted(shares) or shares[-1] >= 1:
            raise InputError(f"lambda0 must list growing shares of training from 0, not {shares}")
        if any(rate <= 0 for _, rate in self.lambda0):
            raise InputError("every rate of lambda0 must be positive")
        shares = list(self.restructure_at)
        if shares != sorted(shares) or any(not 0 < share < 1 for share in shares):
            raise InputError(f"restructure_at must list growing shares of training, not {shares}")

    def lambda0_at(self, epoch: int) -> float:
        """Return the spike rate of an epoch, counted from 0."""
        return [rate for share, rate in self.lambda0 if epoch >= share * self.max_epochs][-1]

    def scale(self, n_samples: int) -> float:
        """Return ``prior_scale``, the number of samples where it is None."""
        return n_samples if self.prior_scale is None else self.prior_scale

    def lr_factor(self, epoch: int) -> float:
        """Return what the learning rates of an epoch, counted from 0, are multiplied with."""
        last = self.restructure_at[-1] * self.max_epochs if self.restructure_at else self.max_epochs
        left = self.max_epochs - last
        return 1.0 if epoch <= last else (self.max_epochs - epoch) / left

    def restructures_at(self, epoch: int) -> bool:
        """Return whether the columns are repaired before an epoch, counted from 0."""
        return epoch in [int(share * self.max_epochs) for share in self.restructure_at]


# "paper": the paper's (Table 2 for RNA data, appendix C.2) and the objective as written.
# "default": what recovers the truth best (docs/method.md).
PRESETS = {
    "paper": FitSettings(batch_size=512, prior_scale=None, restructure_at=()),
    "default": FitSettings(),
}


@dataclass(frozen=True)
class Batch:
    """Samples in the order of their studies.

    ``x`` [B, G], ``log_base`` [B] (the terms of the likelihood without parameters), and how many
    samples each study has, ``counts`` (M numbers that add up to B).
    """

    x: Tensor
    log_base: Tensor
    counts: list[int]


class BatchSampler:
    """Draws batches in which every study is equally likely (appendix B.2.3).

    Samples are drawn with replacement, with weights inverse to the size of their study, as many an
    epoch as there are. They are cut into batches of equal size, so that no batch is a small rest.

    Parameters
    ----------
    x : Tensor [N, G]
    log_base : Tensor [N]
    study : Tensor [N], on the CPU
        The number of each sample's study.
    batch_size : int
    generator : torch.Generator, on the CPU
    """

    def __init__(
        self,
        x: Tensor,
        log_base: Tensor,
        study: Tensor,
        batch_size: int,
        generator: torch.Generator,
    ) -> None:
        self.x, self.log_base, self.study, self.generator = x, log_base, study, generator
        self.sizes = torch.bincount(study)
        self.weights = 1.0 / self.sizes[study].double()
        self.n_batches = math.ceil(len(study) / batch_size)

    def __iter__(self) -> Iterator[Batch]:
        n = len(self.study)
        drawn = torch.multinomial(self.weights, n, replacement=True, generator=self.generator)
        for indices in torch.tensor_split(drawn, self.n_batches):
            study, order = torch.sort(self.study[indices], stable=True)
            indices = indices[order].to(self.x.device)
            counts = torch.bincount(study, minlength=len(self.sizes)).tolist()
            yield Batch(self.x[indices], self.log_base[indices], counts)


def backpropagate(
    module: MultiStudyModule,
    batch: Batch,
    noise: Tensor,
    live: list[Tensor],
    prior_scale: float,
    chunk_elements: int = CHUNK_ELEMENTS,
) -> dict[str, Tensor]:
    """Add the gradient of the loss to every parameter and return the loss's parts.

    The loss is the negative of eq. 2.4 per sample, without the prior of the masks (the proximal
    step takes that): the mean over the batch of ``-log p(x | z) + KL``, minus
    ``log p(Sigma) / prior_scale``. The expectation over the factors is one draw,
    ``mean + sd noise``.

    The decoder is evaluated and differentiated in chunks of features, each into the gradient of
    its latent values, so that memory does not grow with G.

    Parameters
    ----------
    noise : Tensor [B, K_S + K_m + 1]
        Standard normal numbers for shared factors, own factors and library size.
    live : list of Tensor
        Columns in use of each mask, see ``MultiStudyModule.live_columns``.
    chunk_elements : int
        Bound on hidden activations held at once.

    Returns
    -------
    dict
        Sums over the batch: ``reconstruction`` [M] (log-likelihood by study), ``kl_shared``,
        ``kl_specific``, ``kl_library``, and ``log_prior_noise``.
    """
    likelihood, n = module.likelihood, len(batch.x)
    inputs = likelihood.encoder_input(batch.x)

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
    heads, head_gradients = [], []  # What the decoder saw, and the loss's derivative towards it.
    start = 0
    for m, count in enumerate(batch.counts):
        rows = slice(start, start + count)
        start += count
        if count == 0:
            continue
        own, mean, log_variance = posterior_draw(
            module.specific_encoders[m],
            inputs[rows],
            live[m + 1],
            noise[rows, module.n_shared : -1],
        )
        kl_specific = kl_specific + normal_kl(mean, log_variance).sum()
        z = torch.cat([shared[rows], own], 1)
        study_heads = [z] if log_library is None else [z, log_library[rows]]
        leaves = [head.detach().requires_grad_() for head in study_heads]
        reconstruction[m] = batch.log_base[rows].sum() + _decode_and_backpropagate(
            module, batch.x[rows], leaves, m, live, 1 / n, chunk_elements
        )
        heads += study_heads
        head_gradients += [leaf.grad for leaf in leaves]

    log_prior_noise = likelihood.log_prior()
    rest = (kl_shared + kl_specific + kl_library) / n - log_prior_noise / prior_scale
    torch.autograd.backward([rest, *heads], [None, *head_gradients])
    return {
        "reconstruction": reconstruction,
        "kl_shared": kl_shared.detach(),
        "kl_specific": kl_specific.detach(),
        "kl_library": kl_library.detach(),
        "log_prior_noise": log_prior_noise.detach(),
    }


def _decode_and_backpropagate(
    module: MultiStudyModule,
    x: Tensor,
    leaves: list[Tensor],
    m: int,
    live: list[Tensor],
    weight: float,
    chunk_elements: int,
) -> Tensor:
    """Differentiate ``-weight * log p(x | z)`` of one study's samples; return log p(x | z)."""
    z, log_library = (*leaves, None)[:2]
    dimensions = torch.cat([live[0], module.offset(m + 1) + live[m + 1]])
    total = x.new_zeros(())
    for features in module.decoder.feature_chunks(len(x), chunk_elements):
        mask = torch.cat(
            [
                module.shared_mask[features, live[0]],
                module.specific_masks[m][features, live[m + 1]],
            ],
            1,
        )
        output = module.decoder(z, mask, dimensions, features)
        log_prob = module.likelihood.log_prob(x[:, features], output, log_library, features).sum()
        (-weight * log_prob).backward()
        total += log_prob.detach()
    return total


class MaskOptimiser:
    """Adam for the masks, under the spike-and-slab lasso.

    First, a gradient step on likelihood and expected prior together, ``lambda* sign(w)`` being the
    gradient of the latter. No entry ends at zero exactly, and none is lost.

    Once ``proximal``, Adam moves a mask along the gradient of the likelihood alone; then, with v
    Adam's bias-corrected second moment, every entry is shrunk towards zero by
    ``lr lambda* / (prior_scale (sqrt(v) + eps))``: the proximal step of the expected prior in
    Adam's own metric. An entry at zero stays while ``|gradient| <= lambda* / prior_scale``, the
    optimality condition of the maximum a posteriori estimate.
    """

    def __init__(self, module: MultiStudyModule, settings: FitSettings, prior_scale: float) -> None:
        self.module, self.settings, self.prior_scale = module, settings, prior_scale
        self.proximal = False
        self.b = module.shared_mask.shape[0] if settings.b is None else settings.b
        self.adam = torch.optim.Adam(module.masks, lr=settings.lr_mask)

    @torch.no_grad()
    def step(self, lambda0: float) -> None:
        """Take the expectation step at the present masks, then update eta and the masks."""
        lambda1, masks = self.settings.lambda1, self.module.masks
        rates = []
        for mask, eta in zip(masks, self.module.etas, strict=True):
            gamma = prior.slab_probability(mask, eta, lambda0, lambda1)
            rates.append(prior.penalty_rate(gamma, lambda0, lambda1) / self.prior_scale)
            eta.copy_(prior.updated_eta(gamma, self.settings.a, self.b))
        drawn = [mask.grad is not None for mask in masks]  # Not if the batch lacks the study.
        if not self.proximal:
            for mask, rate in itertools.compress(zip(masks, rates, strict=True), drawn):
                mask.grad += rate * mask.sign()
        self.adam.step()
        if self.proximal:
            group = self.adam.param_groups[0]
            for mask, rate in itertools.compress(zip(masks, rates, strict=True), drawn):
                state = self.adam.state[mask]
                correction = 1 - group["betas"][1] ** state["step"]
                metric = torch.sqrt(state["exp_avg_sq"] / correction) + group["eps"]
                shrinkage = group["lr"] * rate / metric
                mask.sub_(mask.clamp(-shrinkage, shrinkage))
        for mask, alive in zip(masks, self.module.alive, strict=True):
            # A column that is not in use has no gradient, but Adam's momentum would move it.
            mask.masked_fill_(~alive, 0)

    @torch.no_grad()
    def drop_dead_columns(self) -> None:
        """Take columns without any non-zero entry out of the model."""
        for mask, alive in zip(self.module.masks, self.module.alive, strict=True):
            alive &= (mask != 0).any(0)

    @torch.no_grad()
    def slabs(self, lambda0: float) -> list[Tensor]:
        """Return by mask which entries are more likely from the slab than from the spike."""
        return [
            prior.in_slab(mask, eta, lambda0, self.settings.lambda1)
            for mask, eta in zip(self.module.masks, self.module.etas, strict=True)
        ]

    @torch.no_grad()
    def penalty(self, lambda0: float) -> float:
        """Return minus the expected log prior of all masks at their present values."""
        lambda1, total = self.settings.lambda1, 0.0
        for mask, eta in zip(self.module.masks, self.module.etas, strict=True):
            gamma = prior.slab_probability(mask, eta, lambda0, lambda1)
            total -= prior.expected_log_prior(
                mask, gamma, eta, lambda0, lambda1, self.settings.a, self.b
            ).item()
        return total


def fit(
    module: MultiStudyModule,
    x: Tensor,
    study: Tensor,
    study_names: Sequence[str],
    settings: FitSettings,
    seed: int,
) -> pd.DataFrame:
    """Train ``module`` in place and return its history, one row per epoch.

    Parameters
    ----------
    x : Tensor [N, G]
        The data, on the module's device.
    study : Tensor [N], on the CPU
        The number of each sample's study, an index into ``study_names``.
    seed : int
        Seeds the sampler and the draws of the factors.

    Returns
    -------
    DataFrame
        Per epoch, with sums over features and means over the samples drawn (studies weigh the
        same): ``reconstruction``, ``kl_shared``, ``kl_specific``, ``kl_library``, their sum ``kl``,
        ``elbo`` = reconstruction - kl; then ``penalty`` (minus the expected log prior of the
        masks), ``objective`` = elbo - (penalty - log p(Sigma)) / prior_scale, the rung ``lambda0``,
        ``n_slab``, the number of entries that are more likely from the slab than from the spike,
        and ``n_active_shared`` and ``n_active_specific``, the columns with such an entry.

    Raises
    ------
    FitError
        If the objective is not finite; names epoch and study.
    """
    prior_scale = settings.scale(len(x))
    # One seed for both would make the noise of the first samples follow their choice.
    sampler_seed, noise_seed = np.random.SeedSequence(seed).generate_state(2, np.uint64).tolist()
    sampler = BatchSampler(
        x,
        module.likelihood.log_base(x),
        study,
        settings.batch_size,
        torch.Generator().manual_seed(sampler_seed),
    )
    noise_generator = torch.Generator(x.device).manual_seed(noise_seed)
    mask_ids = {id(mask) for mask in module.masks}
    networks = [p for p in module.parameters() if id(p) not in mask_ids]
    network_optimiser = torch.optim.Adam(networks, lr=settings.lr)
    mask_optimiser = MaskOptimiser(module, settings, prior_scale)
    n_noise = module.n_shared + module.n_specific + 1

    def restructuring(lambda0: float) -> Restructuring:
        return Restructuring(module, x, study, lambda0, settings.lambda1, prior_scale)

    module.train()
    history = []
    epochs = tqdm(range(settings.max_epochs), "fit", unit="epoch", disable=not sys.stderr.isatty())
    for epoch in epochs:
        lambda0 = settings.lambda0_at(epoch)
        if settings.restructures_at(epoch):
            moves = restructuring(lambda0).run()
            mask_optimiser.proximal = True
            made = ", ".join(f"{move}: {count}" for move, count in moves.items())
            log.info("before epoch %d, %s", epoch + 1, made or "nothing to repair")
        network_optimiser.param_groups[0]["lr"] = settings.lr * settings.lr_factor(epoch)
        mask_optimiser.adam.param_groups[0]["lr"] = settings.lr_mask * settings.lr_factor(epoch)
        live = module.live_columns()
        totals = {}
        for batch in sampler:
            noise = torch.randn(
                len(batch.x),
                n_noise,
                generator=noise_generator,
                device=x.device,
                dtype=x.dtype,
            )
            module.zero_grad()
            parts = backpropagate(module, batch, noise, live, prior_scale)
            # Before the step: after it, one study's trouble would be everyone's.
            _check_finite(parts, epoch, study_names)
            network_optimiser.step()
            mask_optimiser.step(lambda0)
            totals = {key: totals.get(key, 0) + value for key, value in parts.items()}
        mask_optimiser.drop_dead_columns()
        history.append(
            _history_row(module, mask_optimiser, totals, sampler.n_batches, len(x), epoch, lambda0)
        )
        row = history[-1]
        epochs.set_postfix(elbo=f"{row['elbo']:.1f}", factors=row["n_active_shared"], refresh=False)
        if (epoch + 1) % max(1, settings.max_epochs // 20) == 0:
            log.info(
                "epoch %d of %d: elbo %.2f, %d shared, %d specific factors, %d weights in the slab",
                epoch + 1,
                settings.max_epochs,
                row["elbo"],
                row["n_active_shared"],
                row["n_active_specific"],
                row["n_slab"],
            )
    restructuring(lambda0).select()
    module.eval()
    return pd.DataFrame(history)


def _check_finite(parts: dict[str, Tensor], epoch: int, study_names: Sequence[str]) -> None:
    broken = (~torch.isfinite(parts["reconstruction"])).nonzero().flatten().tolist()
    advice = "lower lr or lr_mask, and look for samples or features with extreme values"
    if broken:
        names = ", ".join(repr(study_names[m]) for m in broken)
        raise FitError(f"the loss is not finite in epoch {epoch + 1}, study {names}: {advice}")
    for key, value in parts.items():
        if not bool(torch.isfinite(value).all()):
            raise FitError(f"{key} is not finite in epoch {epoch + 1}, all studies: {advice}")


def _history_row(
    module: MultiStudyModule,
    mask_optimiser: MaskOptimiser,
    totals: dict[str, Tensor],
    n_batches: int,
    n: int,
    epoch: int,
    lambda0: float,
) -> dict[str, float]:
    reconstruction = totals["reconstruction"].sum().item() / n
    kl = {key: totals[key].item() / n for key in ("kl_shared", "kl_specific", "kl_library")}
    elbo = reconstruction - sum(kl.values())
    penalty = mask_optimiser.penalty(lambda0)
    slabs = mask_optimiser.slabs(lambda0)
    log_prior_noise = totals["log_prior_noise"].item() / n_batches
    active = [int(slab.any(0).sum()) for slab in slabs]
    return {
        "epoch": epoch + 1,
        "lambda0": lambda0,
        "objective": elbo - (penalty - log_prior_noise) / mask_optimiser.prior_scale,
        "elbo": elbo,
        "reconstruction": reconstruction,
        "kl": sum(kl.values()),
        **kl,
        "penalty": penalty,
        "n_active_shared": active[0],
        "n_active_specific": sum(active[1:]),
        "n_slab": sum(int(slab.sum()) for slab in slabs),
    }
