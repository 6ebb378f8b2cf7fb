"""The history of a fit: one row per epoch, and what is said of it."""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from mssvae.core.module import MultiStudyModule
from mssvae.errors import FitError
from mssvae.fitting.networks.course import Course

log = logging.getLogger(__name__)


def check_finite(
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


def history_row(
    course: Course, parts: dict[str, Tensor], slabs: list[Tensor], epoch: int
) -> dict[str, float]:
    """Return the row of an epoch, counted from 0; see ``loop.fit`` for its columns.

    Parameters
    ----------
    parts : dict of Tensor [n_steps, ...]
        As ``backpropagate`` returns them, by step.
    slabs : list of Tensor of bool [G, K]
        By mask, the entries in the slab.
    """
    n, lambda0 = len(course.sampler.x), course.settings.lambda0_at(epoch)
    reconstruction = parts["reconstruction"].sum().item() / n
    kl = {key: parts[key].sum().item() / n for key in ("kl_shared", "kl_specific", "kl_library")}
    elbo = reconstruction - sum(kl.values())
    penalty = course.table_optimiser.penalty(lambda0)
    log_prior_noise = parts["log_prior_noise"].mean().item()
    active = [int(slab.any(0).sum()) for slab in slabs]
    return {
        "epoch": epoch + 1,
        "lambda0": lambda0,
        "objective": elbo - (penalty - log_prior_noise) / course.prior_scale,
        "elbo": elbo,
        "reconstruction": reconstruction,
        "kl": sum(kl.values()),
        **kl,
        "penalty": penalty,
        "n_active_shared": active[0],
        "n_active_specific": sum(active[1:]),
        "n_slab": sum(int(slab.sum()) for slab in slabs),
    }


def tell(epochs: tqdm, row: dict[str, float | str], max_epochs: int) -> None:
    """Show the last row beside the bar, and log it every twentieth of the epochs."""
    epochs.set_postfix(elbo=f"{row['elbo']:.1f}", factors=row["n_active_shared"], refresh=False)
    if row["epoch"] % max(1, max_epochs // 20) == 0:
        log.info(
            "epoch %d of %d: elbo %.2f, %d shared, %d specific factors, %d weights in the slab",
            row["epoch"],
            max_epochs,
            *(row[key] for key in ("elbo", "n_active_shared", "n_active_specific", "n_slab")),
        )
