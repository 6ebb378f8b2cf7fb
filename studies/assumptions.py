"""What the theory promises: recovery where its assumptions hold, and where one of them does not.

Two studies with three shared factors and one of each study's own, of which every world breaks one
assumption of Theorems 1 and 2 (section 3) or of the likelihood. docs/talk.md has what came out.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anndata as ad
import numpy as np
import pandas as pd
from sklearn.decomposition import NMF, FactorAnalysis

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
