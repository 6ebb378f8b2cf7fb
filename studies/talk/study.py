"""Fits by all methods over the correlation of the factors, and their scores."""

import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mssvae.errors import InputError
from mssvae.metrics import disentanglement
from mssvae.replicates import seeds
from studies.talk.beta_vae import BetaVAE
from studies.talk.data import simulate
from studies.talk.oi_vae import OiVAE
from studies.talk.sparse_vae import SparseVAE
from studies.talk.training import train
from studies.talk.vae import VAE
from studies.talk.vsc import VSC

# By the name that a config calls them by.
MODELS = {
    "sparse_vae": SparseVAE,
    "vae": VAE,
    "beta_vae": BetaVAE,
    "vsc": VSC,
    "oi_vae": OiVAE,
}
MEASURES = ("disentanglement", "mse", "signal_mse", "seconds")


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is the same for all methods on any data.

    Attributes
    ----------
    n_factors : int
        K of every model.
    hidden : (int, int)
        Widths of hidden layers.
    epochs, batch_size : int
        Passes over the data, and samples per gradient step.
    master_seed : int
        The seeds of data and fits derive from it and the number of the replicate.
    """

    n_factors: int
    hidden: Sequence[int]
    epochs: int
    batch_size: int
    master_seed: int


@dataclass(frozen=True, kw_only=True)
class Design(Training):
    """The study of simulated data, in which two factors are true.

    Attributes
    ----------
    correlations : sequence of float
        Of the two factors.
    n_samples : int
        To fit, and as many others to score.
    """

    correlations: Sequence[float]
    n_samples: int


def scores(design: Design, method: Mapping[str, Any], replicate: int) -> pd.DataFrame:
    """Fit a method to a replicate of every correlation, and score it on unseen samples.

    Parameters
    ----------
    design : Design
    method : mapping
        ``title``, what the table calls it; ``model``, a key of ``MODELS``; and what that model is
        given: ``fit``, the arguments of ``MSSVAE.fit``, of ``"sparse_vae"``; of the others ``lr``,
        and ``beta``, ``slab`` or ``weight``.
    replicate : int

    Returns
    -------
    DataFrame
        One row per correlation: ``correlation``, ``method``, ``replicate``; ``disentanglement`` of
        the posterior means; ``mse``, the mean squared error of expected values, given these means,
        to the data; ``signal_mse``, the same to what the data would be without noise; ``seconds``
        of the fit.

    Raises
    ------
    InputError
        If a model or setting is unknown, or a setting is missing.
    """
    seed = seeds(design.master_seed, "talk", replicate)
    rows = []
    for correlation in design.correlations:
        sample = simulate(2 * design.n_samples, correlation, seed["data"])
        fitted, unseen = torch.from_numpy(sample.x.astype(np.float32)).split(design.n_samples)
        start = time.perf_counter()
        model = fit(design, method, fitted, seed["fit"])
        seconds = time.perf_counter() - start
        with torch.no_grad():
            z = model.factors(unseen)
            expected = model.expected(z).double().numpy()
        truth = {
            "z": sample.z[design.n_samples :],
            "mse": sample.x[design.n_samples :],
            "signal_mse": sample.signal[design.n_samples :],
        }
        rows.append(
            {
                "correlation": correlation,
                "method": method["title"],
                "replicate": replicate,
                "disentanglement": disentanglement(truth.pop("z"), z.numpy()),
                **{name: float(np.mean((expected - x) ** 2)) for name, x in truth.items()},
                "seconds": seconds,
            }
        )
    return pd.DataFrame(rows)


def fit(
    training: Training,
    method: Mapping[str, Any],
    x: Tensor,
    seed: int,
    likelihood: str = "gaussian",
) -> VAE | SparseVAE:
    """Return a model fitted to data [N, G]; see ``scores``."""
    given = {key: value for key, value in method.items() if key not in ("title", "model")}
    name = method["model"]
    if name not in MODELS:
        raise InputError(f"unknown model {name!r}: choose one of {', '.join(MODELS)}")
    model = MODELS[name]
    common = (x, training.n_factors, training.hidden, seed, likelihood)
    own = list(inspect.signature(model).parameters)[len(common) :]
    wanted = {"fit"} if model is SparseVAE else {"lr", *own}
    if given.keys() != wanted:
        raise InputError(
            f"the method {method['title']!r} has {', '.join(sorted(given)) or 'no settings'}, but "
            f"the model {name} takes {', '.join(sorted(wanted))}"
        )
    if model is SparseVAE:
        epochs = {"max_epochs": training.epochs, "batch_size": training.batch_size}
        return SparseVAE(*common, **{**epochs, **given["fit"]})
    lr = given.pop("lr")
    trained = model(*common, **given)
    train(trained, x, training.epochs, training.batch_size, lr, seed)
    return trained


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return median and quartiles over the replicates of every measure.

    Parameters
    ----------
    table : DataFrame
        Rows of ``scores``.

    Returns
    -------
    DataFrame
        One row per method, correlation and measure, in the order of the table: ``method``,
        ``correlation``, ``measure``, ``replicates``, ``lower``, ``median``, ``upper``.
    """
    long = table.melt(["method", "correlation", "replicate"], MEASURES, "measure")
    return quartiles(long, ["method", "correlation", "measure"])


def quartiles(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return number, median and quartiles of ``value`` by some columns, in their order."""
    return (
        table.groupby(list(by), sort=False)["value"]
        .agg(
            replicates="size",
            lower=lambda values: values.quantile(0.25),
            median="median",
            upper=lambda values: values.quantile(0.75),
        )
        .reset_index()
    )
