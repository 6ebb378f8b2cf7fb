"""Fitting: alternate the expectation step of the prior with gradient steps (appendix B.2)."""

import ctypes
import logging
import platform
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mssvae.core.module import MultiStudyModule
from mssvae.core.objective import backpropagate
from mssvae.data.batches import BatchSampler
from mssvae.errors import FitError
from mssvae.fitting.checkpoints import Checkpoint
from mssvae.fitting.networks.optimisers import TableOptimiser
from mssvae.fitting.progress import progress
from mssvae.fitting.settings import FitSettings
from mssvae.moves.networks.restructure import GROWN, Restructuring
from mssvae.moves.parts import Price

log = logging.getLogger(__name__)

# Training has converged when a smaller share of the entries in the slab comes and goes.
_CONVERGED = 0.01
# Columns are in order when so many restructurings in a row changed none of them.
_IN_ORDER = 2
# Parameters of glibc's mallopt, and the largest value that each takes.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = (-1, 2**31 - 1), (-3, 2**25)


@dataclass
class _Course:
    """All that training carries from one epoch to the next.

    Attributes
    ----------
    rounds : list of int
        The epochs to come, counted from 0, before which columns are repaired.
    history : list of dict
        The rows of the epochs so far.
    slabs : deque of list of Tensor
        Those of the epochs since the last repair, as many as convergence is judged by.
    n_in_order : int
        How many repairs in a row found all columns in order.
    end : int or None
        The epoch to end before, counted from 0; known once training has converged.
    """

    module: MultiStudyModule
    sampler: BatchSampler
    noise_generator: torch.Generator
    network_optimiser: torch.optim.Adam
    table_optimiser: TableOptimiser
    rounds: list[int]
    slabs: deque[list[Tensor]]
    history: list[dict[str, float]] = field(default_factory=list)
    n_in_order: int = 0
    end: int | None = None

    def state_dict(self) -> dict[str, object]:
        return {
            "module": self.module.state_dict(),
            "sampler": self.sampler.state_dict(),
            "noise": self.noise_generator.get_state(),
            "networks": self.network_optimiser.state_dict()["state"],
            "tables": self.table_optimiser.state_dict(),
            "slabs": list(self.slabs),
            # By way of pandas, which leaves no numpy scalars: a checkpoint holds none.
            "history": pd.DataFrame(self.history).to_dict("records"),
            "rounds": self.rounds,
            "n_in_order": self.n_in_order,
            "end": self.end,
        }

    def load_state_dict(self, state: dict[str, object]) -> None:
        device = self.noise_generator.device
        self.module.load_state_dict(state["module"])
        self.sampler.load_state_dict(state["sampler"])
        self.noise_generator.set_state(state["noise"])
        # Its learning rate is set before each epoch.
        networks = self.network_optimiser.state_dict() | {"state": state["networks"]}
        self.network_optimiser.load_state_dict(networks)
        self.table_optimiser.load_state_dict(state["tables"])
        self.slabs.extend([slab.to(device) for slab in slabs] for slabs in state["slabs"])
        self.history, self.end = state["history"], state["end"]
        self.rounds, self.n_in_order = state["rounds"], state["n_in_order"]


def fit(
    module: MultiStudyModule,
    x: Tensor,
    study: Tensor,
    study_names: Sequence[str],
    settings: FitSettings,
    seed: int,
    checkpoint: Checkpoint | None = None,
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
    checkpoint : Checkpoint, optional
        What to go on from, and where to keep the state after an epoch; default nowhere.

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
    InputError
        If the checkpoint cannot be read or written, or is of another fit.
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
    if x.device.type == "cpu":
        _keep_freed_memory()
    precision = settings.product_precision(x.device)
    log.info("matrix products in %s", precision or x.dtype)

    def restructuring(lambda0: float) -> Restructuring:
        return Restructuring(module, x, study, Price(lambda0, settings.lambda1, prior_scale))

    rounds = settings.restructuring_epochs()
    course = _Course(
        module,
        sampler,
        noise_generator,
        network_optimiser,
        table_optimiser,
        rounds,
        slabs=deque(maxlen=(settings.patience or 0) + 1),
    )
    saved = checkpoint.load() if checkpoint else None
    if saved is not None:
        course.load_state_dict(saved)
        log.info("goes on after epoch %d, from %s", len(course.history), checkpoint.path)
    module.train()
    epochs = progress(range(len(course.history), settings.max_epochs), settings.max_epochs)
    for epoch in epochs:
        if epoch == course.end:
            break
        lambda0 = settings.lambda0_at(epoch)
        if epoch in course.rounds:
            moves = restructuring(lambda0).run(last=epoch == rounds[-1])
            table_optimiser.proximal = True
            course.n_in_order = course.n_in_order + 1 if moves.keys() <= {GROWN} else 0
            course.rounds = course.rounds[1:] if course.n_in_order < _IN_ORDER else []
            made = ", ".join(f"{move}: {count}" for move, count in moves.items())
            log.info("before epoch %d, %s", epoch + 1, made or "nothing to repair")
        lr_factor = settings.lr_factor(epoch)
        if course.end is not None:
            lr_factor = min(lr_factor, (course.end - epoch) / settings.patience)
        network_optimiser.param_groups[0]["lr"] = settings.lr * lr_factor
        live = module.live_columns()
        evaluated = None
        screened = not table_optimiser.proximal or (epoch - rounds[0]) % settings.screen_every == 0
        if module.decoder.products_dominate() and not screened:
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
        _check_finite(parts, module, epoch, study_names)
        table_optimiser.drop_dead_columns()
        slabs = table_optimiser.slabs(lambda0)
        row = _history_row(table_optimiser, parts, slabs, len(x), epoch, lambda0)
        course.history.append(row)
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
        in_force = lambda0 == settings.lambda0[-1][1]  # What ``select`` ends with.
        if table_optimiser.proximal and in_force and not course.rounds:
            course.slabs.append(slabs)
            if course.end is None and settings.patience and _has_converged(course.slabs):
                course.end = epoch + 1 + settings.patience
                log.info("converged in epoch %d: ends after %d more", epoch + 1, settings.patience)
        if checkpoint and checkpoint.is_due():
            checkpoint.save(course.state_dict())
    restructuring(settings.lambda0_at(len(course.history) - 1)).select()
    module.eval()
    return pd.DataFrame(course.history)


def _keep_freed_memory() -> None:
    """Let this process keep the memory that a gradient step frees, for the next step.

    Returned to the system and asked for anew, as by default, it costs up to a fifth of the time
    (docs/performance.md). Only glibc has this setting; elsewhere nothing changes.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter, value in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            libc.mallopt(parameter, value)


def _has_converged(slabs: deque[list[Tensor]]) -> bool:
    """Return whether hardly an entry of any mask changed sides from the first epoch to the last.

    Slabs are by epoch; they are full when they span the patience.
    """
    if len(slabs) < slabs.maxlen:
        return False
    before, now = slabs[0], slabs[-1]
    changed = sum(int((one ^ other).sum()) for one, other in zip(now, before, strict=True))
    return changed < _CONVERGED * sum(int(slab.sum()) for slab in now)


def _check_finite(
    parts: dict[str, Tensor], module: MultiStudyModule, epoch: int, study_names: Sequence[str]
) -> None:
    """Raise FitError for the first step of an epoch that is not finite; parts are [n_steps, ...].

    After that step, one study's trouble is everyone's. Or for what the last step left.
    """
    advice = "lower lr or lr_mask, and look for samples or features with extreme values"
    broken = {key: ~torch.isfinite(value).reshape(len(value), -1) for key, value in parts.items()}
    steps = torch.cat(list(broken.values()), 1).any(1).nonzero().flatten()
    if not len(steps):
        finite = torch.stack([torch.isfinite(values).all() for values in module.parameters()])
        if not finite.all():
            raise FitError(f"parameters are not finite after epoch {epoch + 1}: {advice}")
        return
    first = int(steps[0])
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
