"""Fitting: alternate the expectation step of the prior with gradient steps (appendix B.2)."""

import logging
import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from mssvae.batches import BatchSampler
from mssvae.errors import FitError
from mssvae.module import MultiStudyModule
from mssvae.objective import backpropagate
from mssvae.optimisers import TableOptimiser
from mssvae.restructure import GROWN, Restructuring
from mssvae.settings import FitSettings

log = logging.getLogger(__name__)

# Training has converged when a smaller share of the entries in the slab comes and goes.
_CONVERGED = 0.01
# Columns are in order when so many restructurings in a row changed none of them.
_IN_ORDER = 2


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
        settings.features_per_batch,
        torch.Generator().manual_seed(sampler_seed),
    )
    noise_generator = torch.Generator(x.device).manual_seed(noise_seed)
    network_optimiser = torch.optim.Adam(module.networks, lr=settings.lr, fused=True)
    table_optimiser = TableOptimiser(module, settings, prior_scale)
    n_noise = module.n_shared + module.n_specific + 1
    precision = settings.product_precision(x.device)
    log.info("matrix products in %s", precision or x.dtype)

    def restructuring(lambda0: float) -> Restructuring:
        return Restructuring(module, x, study, lambda0, settings.lambda1, prior_scale)

    rounds = settings.restructuring_epochs()  # Those to come.
    first_round, n_in_order = min(rounds, default=None), 0
    module.train()
    history, since_last = [], []  # The latter: slabs by epoch since the last restructuring.
    end = None  # Known once training has converged.
    epochs = tqdm(range(settings.max_epochs), "fit", unit="epoch", disable=not sys.stderr.isatty())
    for epoch in epochs:
        if epoch == end:
            break
        lambda0 = settings.lambda0_at(epoch)
        if rounds and epoch == rounds[0]:
            moves = restructuring(lambda0).run(last=len(rounds) == 1)
            table_optimiser.proximal = True
            n_in_order = n_in_order + 1 if moves.keys() <= {GROWN} else 0
            rounds = rounds[1:] if n_in_order < _IN_ORDER else []
            made = ", ".join(f"{move}: {count}" for move, count in moves.items())
            log.info("before epoch %d, %s", epoch + 1, made or "nothing to repair")
        lr_factor = settings.lr_factor(epoch)
        if end is not None:
            lr_factor = min(lr_factor, (end - epoch) / settings.patience)
        network_optimiser.param_groups[0]["lr"] = settings.lr * lr_factor
        live = module.live_columns()
        evaluated = None
        screened = (
            not table_optimiser.proximal or (epoch - first_round) % settings.screen_every == 0
        )
        if module.decoder.closed_forms_pay() and not screened:
            evaluated = [mask.detach() != 0 for mask in module.masks]
        steps = []
        for batch in sampler:
            noise = torch.randn(
                len(batch.x), n_noise, generator=noise_generator, device=x.device, dtype=x.dtype
            )
            network_optimiser.zero_grad()
            parts, gradients = backpropagate(
                module, batch, noise, live, prior_scale, precision, evaluated
            )
            network_optimiser.step()
            table_optimiser.step(
                batch.features, gradients, batch.feature_weight, lambda0, lr_factor, evaluated
            )
            steps.append(parts)
        # A GPU's results are waited for here, once an epoch.
        parts = {key: torch.stack([step[key] for step in steps]).cpu() for key in steps[0]}
        _check_finite(parts, epoch, study_names)
        table_optimiser.drop_dead_columns()
        slabs = table_optimiser.slabs(lambda0)
        history.append(_history_row(table_optimiser, parts, slabs, len(x), epoch, lambda0))
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
        if table_optimiser.proximal and not rounds:
            since_last.append(slabs)
            if end is None and settings.patience and _has_converged(since_last, settings.patience):
                end = epoch + 1 + settings.patience
                log.info("converged in epoch %d: ends after %d more", epoch + 1, settings.patience)
    restructuring(lambda0).select()
    module.eval()
    return pd.DataFrame(history)


def _has_converged(slabs: list[list[Tensor]], patience: int) -> bool:
    """Return whether hardly an entry of any mask changed sides in the last ``patience`` epochs."""
    if len(slabs) <= patience:
        return False
    now, before = slabs[-1], slabs[-1 - patience]
    changed = sum(int((one ^ other).sum()) for one, other in zip(now, before, strict=True))
    return changed < _CONVERGED * sum(int(slab.sum()) for slab in now)


def _check_finite(parts: dict[str, Tensor], epoch: int, study_names: Sequence[str]) -> None:
    """Raise FitError for the first step of an epoch that is not finite; parts are [n_steps, ...].

    After that step, one study's trouble is everyone's.
    """
    broken = {key: ~torch.isfinite(value).reshape(len(value), -1) for key, value in parts.items()}
    steps = torch.cat(list(broken.values()), 1).any(1).nonzero().flatten()
    if not len(steps):
        return
    first = int(steps[0])
    advice = "lower lr or lr_mask, and look for samples or features with extreme values"
    studies = broken["reconstruction"][first].nonzero().flatten().tolist()
    if studies:
        names = ", ".join(repr(study_names[m]) for m in studies)
        raise FitError(f"the loss is not finite in epoch {epoch + 1}, study {names}: {advice}")
    key = next(key for key, value in broken.items() if value[first].any())
    raise FitError(f"{key} is not finite in epoch {epoch + 1}, all studies: {advice}")


def _history_row(
    table_optimiser: TableOptimiser,
    parts: dict[str, Tensor],
    slabs: list[Tensor],
    n: int,
    epoch: int,
    lambda0: float,
) -> dict[str, float]:
    reconstruction = parts["reconstruction"].sum().item() / n
    kl = {key: parts[key].sum().item() / n for key in ("kl_shared", "kl_specific", "kl_library")}
    elbo = reconstruction - sum(kl.values())
    penalty = table_optimiser.penalty(lambda0)
    log_prior_noise = parts["log_prior_noise"].mean().item()
    active = [int(slab.any(0).sum()) for slab in slabs]
    return {
        "epoch": epoch + 1,
        "lambda0": lambda0,
        "objective": elbo - (penalty - log_prior_noise) / table_optimiser.prior_scale,
        "elbo": elbo,
        "reconstruction": reconstruction,
        "kl": sum(kl.values()),
        **kl,
        "penalty": penalty,
        "n_active_shared": active[0],
        "n_active_specific": sum(active[1:]),
        "n_slab": sum(int(slab.sum()) for slab in slabs),
    }
