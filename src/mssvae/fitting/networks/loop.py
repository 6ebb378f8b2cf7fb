"""The loop of a fit: expectation steps of the prior and gradient steps in turn (appendix B.2)."""

import logging
from collections import Counter
from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from mssvae.core.module import MultiStudyModule
from mssvae.core.objective import backpropagate
from mssvae.fitting.checkpoints import Checkpoint
from mssvae.fitting.networks.convergence import AT_REST, has_converged
from mssvae.fitting.networks.course import Course
from mssvae.fitting.networks.history import check_finite, history_row, tell
from mssvae.fitting.progress import progress
from mssvae.fitting.settings import FitSettings
from mssvae.fitting.surroundings import keep_freed_memory
from mssvae.moves.networks import KEEP_COLUMNS

log = logging.getLogger(__name__)


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
        ``n_active_shared`` and ``n_active_specific``, the columns with such an entry; ``moves``:
        those that were made before the epoch, and how many repairs each made.

    Raises
    ------
    FitError
        If the objective is not finite; names epoch and study.
    InputError
        If the checkpoint cannot be read or written, or is of another fit.
    """
    course = Course.begin(module, x, study, settings, seed)
    if x.device.type == "cpu":
        keep_freed_memory()
    log.info("matrix products in %s", course.precision or x.dtype)
    if checkpoint and (saved := checkpoint.load()) is not None:
        course.load_state_dict(saved)
        log.info("goes on after epoch %d, from %s", len(course.history), checkpoint.path)
    module.train()
    done = len(course.history)
    epochs = progress(range(done, settings.epochs), done=done)
    for epoch in epochs:
        if epoch == course.end:
            break
        moves = _repair(course, epoch) if epoch in course.rounds else ""
        parts = _train(course, epoch)
        check_finite(parts, module, epoch, study_names)
        course.table_optimiser.drop_dead_columns()
        slabs = course.table_optimiser.slabs(settings.lambda0_at(epoch))
        course.history.append(history_row(course, parts, slabs, epoch) | {"moves": moves})
        tell(epochs, course.history[-1], settings.epochs)
        _judge(course, slabs, epoch)
        if checkpoint and checkpoint.is_due():
            checkpoint.save(course.state_dict())
    course.restructuring(len(course.history) - 1).select()
    module.eval()
    return pd.DataFrame(course.history)


def _repair(course: Course, epoch: int) -> str:
    """Make moves before an epoch, and return which; no more rounds once columns are in order."""
    last = epoch == course.settings.restructuring_epochs()[-1]
    made = course.restructuring(epoch).run(course.moves, last)
    course.table_optimiser.proximal = True
    course.n_in_order = course.n_in_order + 1 if made.keys() <= KEEP_COLUMNS else 0
    course.rounds = course.rounds[1:] if course.n_in_order < AT_REST.rounds else []
    repairs = sum(made.values(), Counter())
    told = ", ".join(f"{repair}: {count}" for repair, count in repairs.items())
    log.info("before epoch %d, %s", epoch + 1, told or "nothing to repair")
    return "".join(f"{name} of {repairs.total()}: made; " for name, repairs in made.items())


def _train(course: Course, epoch: int) -> dict[str, Tensor]:
    """Take the steps of an epoch; return the parts of the loss by step, on the CPU."""
    module, settings, x = course.module, course.settings, course.sampler.x
    lr_factor = settings.lr_factor(epoch)
    if course.end is not None:
        lr_factor = min(lr_factor, (course.end - epoch) / settings.patience)
    course.network_optimiser.param_groups[0]["lr"] = settings.lr * lr_factor
    live, evaluated = module.live_columns(), course.evaluated(epoch)
    n_noise = module.n_shared + module.n_specific + 1
    steps = []
    for batch in course.sampler:
        noise = torch.randn(
            len(batch.x), n_noise, generator=course.noise_generator, device=x.device, dtype=x.dtype
        )
        course.network_optimiser.zero_grad()
        parts, gradients = backpropagate(
            module, batch, noise, live, course.prior_scale, course.precision, evaluated
        )
        course.network_optimiser.step()
        course.table_optimiser.step(
            batch.features,
            gradients,
            batch.feature_weight,
            settings.lambda0_at(epoch),
            lr_factor,
            evaluated,
        )
        steps.append(parts)
    # A GPU's results are waited for here, once an epoch.
    return {key: torch.stack([step[key] for step in steps]).cpu() for key in steps[0]}


def _judge(course: Course, slabs: list[Tensor], epoch: int) -> None:
    """Set the end of training once it has converged, after the last round of moves."""
    settings = course.settings
    in_force = settings.lambda0_at(epoch) == settings.lambda0[-1][1]  # What ``select`` ends with.
    if not course.table_optimiser.proximal or not in_force or course.rounds:
        return
    course.slabs.append(slabs)
    if course.end is None and settings.patience and has_converged(course.slabs):
        course.end = epoch + 1 + settings.patience
        log.info("converged in epoch %d: ends after %d more", epoch + 1, settings.patience)
