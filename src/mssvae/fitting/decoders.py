"""The fit of a module with the decoder that was asked for, or that data call for."""

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch

from mssvae.core.module import MultiStudyModule
from mssvae.data.model_data import ModelData
from mssvae.fitting.checkpoints import Checkpoint
from mssvae.fitting.linear.loop import fit_linear
from mssvae.fitting.linear.result import write
from mssvae.fitting.networks.loop import fit
from mssvae.fitting.nonlinearity import calls_for_networks
from mssvae.fitting.selection import CANDIDATES
from mssvae.fitting.settings import LINEAR_SETTINGS, FitSettings, ModelSettings
from mssvae.fitting.surroundings import device_name
from mssvae.provenance import fit_sources_sha256

log = logging.getLogger(__name__)


def new_module(data: ModelData, settings: ModelSettings) -> MultiStudyModule:
    """Return a module with starting values; of what is "auto" it has the most that may be."""
    numbers = CANDIDATES.most(settings)
    # Other 64 bits of the seed, of any length, than training takes.
    seeds = np.random.SeedSequence(settings["seed"]).generate_state(3, np.uint64)
    module = MultiStudyModule(
        data.x.cpu(),
        len(data.studies),
        numbers["n_shared"],
        numbers["n_specific"],
        settings["hidden"],
        settings["likelihood"],
        int(seeds[2]),
    )
    module.to(data.device).eval()
    return module


def with_decoder(
    settings: FitSettings, data: ModelData, module: MultiStudyModule, linear_scale: float
) -> FitSettings:
    """Return settings with the decoder and the weight of the prior that auto stands for.

    Parameters
    ----------
    module : MultiStudyModule
        Its numbers of factors are what a linear analysis takes.
    linear_scale : float
        ``prior_scale`` of a linear decoder.
    """
    if settings.decoder == "auto":
        n_factors = module.n_shared + len(data.studies) * module.n_specific
        nonlinear = calls_for_networks(data.likelihood, data.x, data.study_there, n_factors)
        settings = replace(settings, decoder="nonlinear" if nonlinear else "linear")
    if settings.prior_scale == "auto":
        linear = settings.decoder == "linear"
        scale = linear_scale if linear else settings.scale(len(data))
        settings = replace(settings, prior_scale=scale)
    return settings


def identity(
    model_settings: ModelSettings, settings: FitSettings, data: ModelData
) -> dict[str, object]:
    """Return all that the course of a fit follows from, the seed among the model's settings.

    Where the data were in the AnnData is no part of it: the data themselves are.
    """
    names = ("study_key", "layer")
    return {
        **{key: value for key, value in model_settings.items() if key not in names},
        **asdict(settings),
        "data": data.sha256(),
        "studies of the samples": data.studies_sha256(),
        "code": fit_sources_sha256(),
        **{name: version(name) for name in ("numpy", "scikit-learn", "scipy", "torch")},
        "device": device_name(data.device),
        "threads": torch.get_num_threads(),
        "precision of products": settings.product_precision(data.device),
    }


def linear_arguments(
    data: ModelData, module: MultiStudyModule, settings: FitSettings
) -> tuple[str, torch.Tensor, torch.Tensor, int, int, list[float], float, Sequence[str] | None]:
    """Return what linear fits take before the weight of the prior."""
    rates = [rate for _, rate in settings.lambda0]
    return (
        data.likelihood,
        data.x,
        data.study_there,
        module.n_shared,
        module.n_specific,
        rates,
        settings.lambda1,
        settings.moves,
    )


def fit_module(
    module: MultiStudyModule,
    data: ModelData,
    model_settings: ModelSettings,
    settings: FitSettings,
    given: Iterable[str],
    checkpoint_path: str | os.PathLike[str] | None,
    checkpoint_seconds: float,
) -> pd.DataFrame:
    """Fit a module in place, and return the history.

    Parameters
    ----------
    model_settings : ModelSettings
        Of the model; has the seed of the sampler and the draws of the factors.
    settings : FitSettings
        With a decoder and a number for ``prior_scale``.
    given : iterable of str
        The settings that a caller has chosen; some are nothing to a linear fit, which is logged.
        Rates that are known to fail are logged as well.
    checkpoint_path, checkpoint_seconds
        As in ``MSSVAE.fit``. The checkpoint of a linear fit has the whole, which takes about as
        long as networks between two of theirs.
    """
    log.info("fit on %s with %s", data.device, settings)
    checkpoint = None
    if checkpoint_path is not None:
        about = identity(model_settings, settings, data)
        checkpoint = Checkpoint(checkpoint_path, about, checkpoint_seconds)
    if settings.decoder == "nonlinear":
        if settings.restructure_from is not None and settings.lr_mask <= settings.lr:
            log.warning(
                "masks learn no faster than the networks (lr_mask %g, lr %g), which leaves factors "
                "that share features mixed: an lr_mask of three times lr keeps them apart",
                settings.lr_mask,
                settings.lr,
            )
        seed = model_settings["seed"]
        return fit(module, data.x, data.study, data.studies, settings, seed, checkpoint)
    if unused := set(given) - LINEAR_SETTINGS:
        log.warning(
            "the fit is linear, to which %s are nothing: decoder='nonlinear' uses them",
            ", ".join(sorted(unused)),
        )
    if checkpoint and (saved := checkpoint.load()) is not None:
        module.hold_posteriors(data.n_samples)
        module.load_state_dict(saved["module"])
        log.info("the fit is done, in %s", checkpoint.path)
        return pd.DataFrame(saved["history"])
    weight = len(data) / settings.scale(len(data))
    state, history = fit_linear(*linear_arguments(data, module, settings), weight)
    write(state, module, data.study_there)
    if checkpoint:
        checkpoint.save({"module": module.state_dict(), "history": history.to_dict("records")})
    return history
