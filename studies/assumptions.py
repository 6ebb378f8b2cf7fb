"""What the theory promises: recovery where its assumptions hold, and where one of them does not.

Two studies with three shared factors and one of each study's own, of which every world breaks one
assumption of Theorems 1 and 2 (section 3) or of the likelihood. docs/talk.md has what came out.
"""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import anndata as ad
import numpy as np
import pandas as pd
from sklearn.decomposition import NMF, FactorAnalysis
from sklearn.exceptions import ConvergenceWarning

from mssvae import MSSVAE
from mssvae.errors import InputError
from mssvae.metrics import disentanglement, pad_factors, structure_scores, support_scores
from mssvae.replicates import seeds

# Shared factors, then one of each of two studies; each has so many features.
N_SHARED, N_STUDIES, BLOCK = 3, 2, 12
NOISE_SD = 0.7
# Of counts: the logarithm of the mean without factors, what the signal is multiplied with, and the
# inverse dispersion.
LOG_MEAN, SIGNAL, DISPERSION = 3.0, 0.3, 5.0


@dataclass(frozen=True)
class World:
    """How data are made. The defaults hold all assumptions.

    Attributes
    ----------
    n_samples : (int, int)
        Of the two studies.
    anchors : int
        Features of each factor that depend on it alone; A1 asks for two. The others of its twelve
        depend on a second factor too.
    mappings : bool
        Whether features are three different monotone functions of factors, in turn, so that two
        anchors need not have the same (A1).
    parallel : bool
        Whether features that are no anchors have the same ratio of loadings in each block (A2).
    dependent : bool
        Whether the third shared factor is a sum of the first two (A3 and A4).
    flat : bool
        Whether features do not change with their second factor below its 99.9 % quantile (A5).
    correlation : float
        Of all factors of a sample.
    heavy : bool
        Whether noise has Student's t distribution with two degrees of freedom.
    counts : bool
        Whether data are negative binomial.
    """

    n_samples: tuple[int, int] = (300, 300)
    anchors: int = 3
    mappings: bool = False
    parallel: bool = False
    dependent: bool = False
    flat: bool = False
    correlation: float = 0.0
    heavy: bool = False
    counts: bool = False


_HOLDS = World()
WORLDS = {
    "all assumptions hold (3 anchors)": _HOLDS,
    "2 anchors": replace(_HOLDS, anchors=2),
    "1 anchor (A1)": replace(_HOLDS, anchors=1),
    "no anchor (A1)": replace(_HOLDS, anchors=0),
    "anchors of different functions (A1)": replace(_HOLDS, mappings=True),
    "parallel features that are no anchors (A2)": replace(_HOLDS, parallel=True),
    "a factor that is a sum of two others (A3, A4)": replace(_HOLDS, dependent=True),
    "effects that are constant (A5)": replace(_HOLDS, flat=True),
    **{
        f"correlation {correlation}": replace(_HOLDS, correlation=correlation)
        for correlation in (0.2, 0.4, 0.6, 0.8)
    },
    "studies of 540 and 60 samples": replace(_HOLDS, n_samples=(540, 60)),
    "heavy tails (t, 2 degrees of freedom)": replace(_HOLDS, heavy=True),
    "negative binomial counts": replace(_HOLDS, counts=True),
}


def simulate(world: World, seed: int) -> ad.AnnData:
    """Draw data [N x 60], with the truth where ``mssvae.simulate`` has it."""
    rng = np.random.default_rng(seed)
    n, k = sum(world.n_samples), N_SHARED + N_STUDIES
    study = np.repeat(np.arange(N_STUDIES), world.n_samples)
    covariance = np.full((k, k), world.correlation) + (1 - world.correlation) * np.eye(k)
    z = rng.multivariate_normal(np.zeros(k), covariance, n)
    if world.dependent:
        z[:, 2] = (z[:, 0] + z[:, 1]) / np.sqrt(2 + 2 * world.correlation)
    for m in range(N_STUDIES):
        z[study != m, N_SHARED + m] = 0

    def effect(values: np.ndarray, j: int) -> np.ndarray:
        functions = (lambda v: v, lambda v: v**3 / 3, lambda v: 1.5 * np.tanh(2 * v))
        return functions[j % 3 if world.mappings else 0](values)

    loadings = np.zeros((k * BLOCK, k))
    signal = np.zeros((n, k * BLOCK))
    for j in range(k * BLOCK):
        own, place = divmod(j, BLOCK)
        loadings[j, own] = rng.uniform(1, 2) * rng.choice([-1, 1])
        signal[:, j] = loadings[j, own] * effect(z[:, own], j)
        if place >= world.anchors:
            other = (own + 1) % N_SHARED
            ratio = rng.uniform(0.5, 1) * rng.choice([-1, 1])
            loadings[j, other] = loadings[j, own] * (0.8 if world.parallel else ratio)
            values = np.maximum(z[:, other] - 3.1, 0) if world.flat else effect(z[:, other], j)
            signal[:, j] += loadings[j, other] * values
    noise = rng.standard_t(2, signal.shape) if world.heavy else rng.normal(size=signal.shape)
    x = signal + NOISE_SD * noise
    if world.counts:
        mean = np.exp(LOG_MEAN + SIGNAL * signal)
        x = rng.poisson(mean * rng.gamma(DISPERSION, 1 / DISPERSION, mean.shape))
    names = [f"study_{m + 1}" for m in range(N_STUDIES)]
    adata = ad.AnnData(
        x.astype(np.float32),
        obs=pd.DataFrame({"group": np.array(names)[study]}, [f"sample_{i}" for i in range(n)]),
        var=pd.DataFrame(index=[f"feature_{j}" for j in range(k * BLOCK)]),
        obsm={"true": z},
        varm={"true_shared": loadings[:, :N_SHARED]},
    )
    for m, name in enumerate(names):
        adata.varm[f"true_{name}"] = loadings[:, N_SHARED + m :][:, :1]
    return adata


@dataclass(frozen=True)
class Found:
    """What a method found.

    Attributes
    ----------
    loadings : DataFrame [G x K]
        Of all factors, zero where one has no effect.
    factors : DataFrame [N x K]
        Zero in samples of other studies.
    by_study : dict or None
        The loadings of shared factors (``"shared"``) and of each study's own; None of methods that
        do not tell them apart.
    """

    loadings: pd.DataFrame
    factors: pd.DataFrame
    by_study: dict[str, pd.DataFrame] | None = None


def mssvae(adata: ad.AnnData, likelihood: str, seed: int) -> Found:
    """Fit the MSSVAE by its preset default, from 8 shared and 3 own factors of each study."""
    model = MSSVAE(
        adata, likelihood=likelihood, n_shared=8, n_specific=3, hidden=(50, 50), seed=seed
    ).fit()
    masks, latent = model.assigned()
    return Found(
        masks.wide(),
        pad_factors(latent.shared, latent.specific),
        {"shared": masks.shared, **masks.specific},
    )


def factor_analysis(adata: ad.AnnData) -> Found:
    """Fit factor analysis with varimax to standardised values, with the true number of factors."""
    x = (adata.X - adata.X.mean(0)) / adata.X.std(0)
    model = FactorAnalysis(N_SHARED + N_STUDIES, rotation="varimax", random_state=0).fit(x)
    return _dense(model.components_.T, model.transform(x), adata)


def nmf(adata: ad.AnnData) -> Found:
    """Fit NMF to values from their minima on, with the true number of factors."""
    model = NMF(N_SHARED + N_STUDIES, init="nndsvda", max_iter=500, random_state=0)
    x = adata.X - adata.X.min(0)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        factors = model.fit_transform(x / x.std(0))
    return _dense(model.components_.T, factors, adata)


def _dense(loadings: np.ndarray, factors: np.ndarray, adata: ad.AnnData) -> Found:
    """Name rows, and cut loadings where the consensus with the truth is best."""
    loadings = loadings / np.abs(loadings).max(0)
    truth = np.hstack([adata.varm[key] for key in adata.varm])
    cuts = [loadings * (np.abs(loadings) > cut) for cut in np.linspace(0, 0.95, 39)]
    best = max(cuts, key=lambda cut: support_scores(truth, cut)["consensus"])
    return Found(pd.DataFrame(best, adata.var_names), pd.DataFrame(factors, adata.obs_names))


def methods(world: World) -> dict[str, Callable[[ad.AnnData, int], Found]]:
    """Return by name what is fitted to the data of a world."""
    found = {
        "MSSVAE, Gaussian": lambda adata, seed: mssvae(adata, "gaussian", seed),
        "factor analysis, varimax": lambda adata, seed: factor_analysis(adata),
        "NMF": lambda adata, seed: nmf(adata),
    }
    if world.counts:
        found["MSSVAE, negative binomial"] = lambda adata, seed: mssvae(
            adata, "negative_binomial", seed
        )
    return found


def scores(world: str, replicate: int, master_seed: int) -> pd.DataFrame:
    """Fit all methods to a replicate of a world, and score them.

    Parameters
    ----------
    world : str
        A key of ``WORLDS``.
    replicate, master_seed : int
        The seeds of data and fits derive from them; worlds have the same draws as far as they can.

    Returns
    -------
    DataFrame
        One row per method and measure: ``world``, ``replicate``, ``method``, ``measure``,
        ``value``. Measures are the ``consensus`` of all factors and of the shared and specific ones
        (of the MSSVAE alone), ``disentanglement``, and ``seconds``. Loadings of the dense methods
        are cut where their consensus is best, which needs the truth.

    Raises
    ------
    InputError
        If there is no such world.
    """
    if world not in WORLDS:
        raise InputError(f"no world {world!r}: choose one of {', '.join(WORLDS)}")
    seed = seeds(master_seed, "assumptions", replicate)
    adata = simulate(WORLDS[world], seed["data"])
    truth = np.hstack([adata.varm[key] for key in adata.varm])
    rows = []
    for method, fit in methods(WORLDS[world]).items():
        start = time.perf_counter()
        found = fit(adata, seed["fit"])
        seconds = time.perf_counter() - start
        values = {"consensus": support_scores(truth, found.loadings)["consensus"]}
        if found.by_study is not None:
            own = {key: value for key, value in found.by_study.items() if key != "shared"}
            table = structure_scores(
                adata.varm["true_shared"],
                {study: adata.varm[f"true_{study}"] for study in own},
                found.by_study["shared"],
                own,
            )
            table = table[table["metric"] == "consensus"].set_index("part")["value"]
            values |= {f"{part} consensus": table[part] for part in ("shared", "specific")}
        values["disentanglement"] = disentanglement(adata.obsm["true"], found.factors.to_numpy())
        values["seconds"] = seconds
        rows += [(world, replicate, method, measure, value) for measure, value in values.items()]
    return pd.DataFrame(rows, columns=["world", "replicate", "method", "measure", "value"])


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the median over the replicates, a row per world and method, a column per measure."""
    wide = table.pivot_table("value", ["world", "method"], "measure", "median", sort=False)
    return wide.rename_axis(columns=None).reset_index()
