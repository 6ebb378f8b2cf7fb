"""The simulation studies of section 4: nonlinear factors in several studies."""

import math
from collections.abc import Callable, Iterator, Sequence

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from mssvae.data.validation import number, whole
from mssvae.errors import InputError
from mssvae.simulate._counts import MOST_COUNTS, negative_binomial_counts
from mssvae.simulate._masks import supports

_WHOLE = {
    "n_studies": 2,
    "n_samples": 2,
    "n_features": 1,
    "n_shared": 0,
    "n_specific": 0,
    "nonlinear_every": 3,  # Otherwise, three features in a row need not have two linear ones.
    "seed": 0,
}
# Beyond these, squares of factors times weights leave the range of float32.
_LARGEST = 1e6
_NUMBERS = {
    "stray": (0, 1),
    "factor_sd": (0, _LARGEST),
    "shared_weight": (-_LARGEST, _LARGEST),
    "specific_weight": (-_LARGEST, _LARGEST),
    "weight_variance": (0, _LARGEST),
    "noise_variance": (0, _LARGEST),
    "intercept_sd": (0, _LARGEST),
    "library_log_mean": (0, math.inf),
    "library_log_sd": (0, math.inf),
    "bcv_phi": (0, 100),
    "bcv_nu": (1, math.inf),
}
# Samples x features, at most: 16 GiB in double precision.
_MOST_VALUES, _MOST_STUDIES = 2**31, 10_000


def gaussian(
    n_samples: int | Sequence[int] = 1000,
    n_features: int = 100,
    *,
    n_studies: int = 3,
    n_shared: int = 8,
    n_specific: int | Sequence[int] = 2,
    layout: str = "blocks",
    factor_sd: float = 0.5,
    shared_weight: float = 8.0,
    specific_weight: float = 10.0,
    weight_variance: float = 0.01,
    nonlinear_every: int = 3,
    noise_variance: float = 0.2,
    seed: int = 0,
) -> ad.AnnData:
    """Simulate Gaussian data with linear and squared factors (section 4.1).

    Feature ``j`` of sample ``i`` in study ``m`` is ``sum_k W_jk h(z_ik) + sum_k W^m_jk h(xi_ik)``
    plus noise from N(0, ``noise_variance``), where ``h(z)`` is ``z^2`` for every third feature
    and ``z`` for the others. The factors ``z`` and ``xi`` are from N(0, ``factor_sd``^2), the
    non-zero weights from N(``shared_weight``, ``weight_variance``) and N(``specific_weight``,
    ``weight_variance``). The defaults are the paper's, but for the layout, which it shows only in
    a figure.

    Parameters
    ----------
    n_samples
        Number of samples of every study, or one number for each; at least two.
    n_features
        Number of features, at least five for every factor.
    n_studies
        Number of studies, at least two.
    n_shared
        Number of shared factors, may be 0.
    n_specific
        Number of factors of every single study, or one number for each study; may be 0.
    layout
        The features are split into consecutive blocks, one for each factor. With "blocks", a
        specific factor also loads on the second half of one shared block; with "overlapping",
        every factor also loads on the second half of the block before its own. In both, every
        factor has anchor features and no two columns are equal.
    factor_sd
        Standard deviation of the factors.
    shared_weight, specific_weight, weight_variance
        Mean and variance of the non-zero weights.
    nonlinear_every
        Every feature whose number, from 1, is a multiple of this is nonlinear; at least 3.
    noise_variance
        Variance of the noise.
    seed
        Seed of the random numbers.

    Returns
    -------
    AnnData
        The data, samples x features, dense float32, study by study, with

        ``obs["group"]``
            Study: "study_1", "study_2" and so on.
        ``obsm["true_shared"]`` [n_samples x n_shared],
        ``obsm["true_specific"]`` [n_samples x largest n_specific]
            Factors. The specific ones are those of the sample's own study; if it has fewer than
            the largest number, its last columns are zero.
        ``varm["true_shared"]`` [n_features x n_shared],
        ``varm["true_<study>"]`` [n_features x n_specific of the study]
            Weights.
        ``uns["simulation"]``
            ``simulator``, and every argument by name.

    Raises
    ------
    InputError
        If a setting is no finite number or out of its range, or there are too few features for the
        factors.
    """
    settings = _checked({"simulator": "gaussian", **locals()})
    rng = np.random.default_rng(settings["seed"])
    adata = _true_factors(settings, 0.0, rng)
    signal = np.vstack(list(_signals(adata, np.square)))
    noise_sd = np.sqrt(settings["noise_variance"])
    adata.X = (signal + rng.normal(0, noise_sd, signal.shape)).astype(np.float32)
    return adata


def rnaseq(
    n_samples: int | Sequence[int] = (960, 960, 1280),
    n_features: int = 5000,
    *,
    n_studies: int = 3,
    n_shared: int = 8,
    n_specific: int | Sequence[int] = 2,
    layout: str = "blocks",
    stray: float = 0.05,
    factor_sd: float = 1.0,
    shared_weight: float = 10.0,
    specific_weight: float = 12.0,
    weight_variance: float = 0.01,
    nonlinear_every: int = 3,
    intercept_sd: float = 0.5,
    library_log_mean: float = 12.0,
    library_log_sd: float = 0.5,
    bcv_phi: float = 0.1,
    bcv_nu: float = 60.0,
    seed: int = 0,
) -> ad.AnnData:
    """Simulate bulk RNA-seq counts with linear and sine factors (section 4.2).

    Gene ``j`` of sample ``i`` in study ``m`` has the base expression
    ``b_j + sum_k W_jk h(z_ik) + sum_k W^m_jk h(xi_ik)``, where ``h(z)`` is ``sin(3 pi z / 4)`` for
    every third gene and ``z`` for the others. Its softplus, divided by the sum over the genes of
    the sample, times the library size is the mean of a negative binomial count, whose inverse
    dispersion is ``1 / BCV^2`` with ``BCV = (bcv_phi + 1 / sqrt(mean)) sqrt(bcv_nu / q)``,
    ``q`` from chi-squared(``bcv_nu``). The defaults are the paper's where it gives a number; it
    does not say how many factors there are and how they are scaled: ours are as many as in section
    4.1 and standard normal.

    Parameters
    ----------
    n_samples
        Number of samples of every study, or one number for each; at least two. By default,
        30 %, 30 % and 40 % of 3,200.
    n_features
        Number of genes, at least five for every factor.
    n_studies, n_shared, n_specific, layout
        As for ``gaussian``.
    stray
        Share of the entries outside the blocks that are non-zero, 0 to 1; they keep off the first
        three genes of every block, its anchors.
    factor_sd, shared_weight, specific_weight, weight_variance, nonlinear_every
        As for ``gaussian``.
    intercept_sd
        Standard deviation of the genes' intercepts ``b``, with mean 0.
    library_log_mean, library_log_sd
        Mean and standard deviation of the log library size, which is normal.
    bcv_phi, bcv_nu
        Biological variation of highly expressed genes, and the degrees of freedom around it.
    seed
        Seed of the random numbers.

    Returns
    -------
    AnnData
        As from ``gaussian``, with whole counts in CSR, float32.

    Raises
    ------
    InputError
        If a setting is no finite number or out of its range, or there are too few genes for the
        factors.
    """
    settings = _checked({"simulator": "rnaseq", **locals()})
    rng = np.random.default_rng(settings["seed"])
    adata = _true_factors(settings, settings["stray"], rng)
    intercept = rng.normal(0, settings["intercept_sd"], adata.n_vars)
    counts = []
    # One study at a time, as a dense matrix of all samples is large.
    for signal in _signals(adata, lambda z: np.sin(0.75 * np.pi * z)):
        expression = np.logaddexp(0, intercept + signal)
        total = expression.sum(axis=1, keepdims=True)
        if not total.all():
            raise InputError(
                "a sample expresses no gene: lower shared_weight, specific_weight, factor_sd or "
                "intercept_sd"
            )
        mean = _library(settings, len(signal), rng) * expression / total
        try:
            study_counts = negative_binomial_counts(
                mean, rng, phi=settings["bcv_phi"], nu=settings["bcv_nu"]
            )
        except InputError as error:
            raise InputError(
                f"{error}: lower library_log_mean ({settings['library_log_mean']}) or bcv_phi "
                f"({settings['bcv_phi']}), or raise bcv_nu ({settings['bcv_nu']})"
            ) from error
        counts.append(sparse.csr_matrix(study_counts, dtype=np.float32))
    adata.X = sparse.vstack(counts, format="csr")
    return adata


def _true_factors(settings: dict, stray: float, rng: np.random.Generator) -> ad.AnnData:
    """Draw masks and factors: what both simulators return, but for ``X``."""
    n_samples, n_specific = settings["n_samples"], settings["n_specific"]
    studies = [f"study_{m + 1}" for m in range(settings["n_studies"])]

    masks = {}
    drawn = supports(
        settings["layout"],
        settings["n_features"],
        settings["n_shared"],
        n_specific,
        stray,
        rng,
    )
    for name, support in zip(["shared", *studies], drawn, strict=True):
        mean = settings["shared_weight" if name == "shared" else "specific_weight"]
        weights = rng.normal(mean, np.sqrt(settings["weight_variance"]), support.shape)
        masks[f"true_{name}"] = weights * support

    shared = rng.normal(0, settings["factor_sd"], (sum(n_samples), settings["n_shared"]))
    specific = rng.normal(0, settings["factor_sd"], (sum(n_samples), max(n_specific)))
    specific[np.arange(max(n_specific)) >= np.repeat(n_specific, n_samples)[:, None]] = 0

    labels = np.repeat(studies, n_samples)
    return ad.AnnData(
        obs=pd.DataFrame(
            {"group": pd.Categorical(labels, categories=studies)},
            index=[f"sample_{i + 1}" for i in range(len(labels))],
        ),
        var=pd.DataFrame(index=[f"feature_{j + 1}" for j in range(settings["n_features"])]),
        obsm={"true_shared": shared, "true_specific": specific},
        varm=masks,
        uns={"simulation": settings | {"seed": seed_for_files(settings["seed"])}},
    )


def seed_for_files(seed: int) -> int | str:
    """Return a seed as files can hold it: as text if it has more than 63 bits."""
    return seed if seed < 2**63 else str(seed)


def _library(settings: dict, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw library sizes, [n_samples x 1]."""
    mean, sd = settings["library_log_mean"], settings["library_log_sd"]
    library = rng.lognormal(mean, sd, (n_samples, 1))
    if library.max() > MOST_COUNTS:
        raise InputError(
            f"a sample would have more than {MOST_COUNTS:.0g} counts: lower library_log_mean "
            f"({mean}) or library_log_sd ({sd})"
        )
    return library


def _checked(settings: dict) -> dict:
    """Check the settings; give every study its own number of samples and of specific factors."""
    settings = dict(settings)
    for name in _WHOLE.keys() & settings.keys() - {"n_samples", "n_specific"}:
        settings[name] = whole(name, settings[name], _WHOLE[name])
    for name in _NUMBERS.keys() & settings.keys():
        settings[name] = number(name, settings[name], *_NUMBERS[name])
    for name in ("n_samples", "n_specific"):
        settings[name] = _by_study(name, settings[name], settings["n_studies"])
    n_samples, n_features = sum(settings["n_samples"]), settings["n_features"]
    n_factors = settings["n_shared"] + sum(settings["n_specific"])
    if max(n_samples, n_factors) * n_features > _MOST_VALUES:
        raise InputError(
            f"{n_features:,} features (n_features) of {n_samples:,} samples (n_samples) and "
            f"{n_factors:,} factors (n_shared, n_specific) are too many for the memory: ask for at "
            f"most {_MOST_VALUES:,} values"
        )
    return settings


def _by_study(name: str, value: object, n_studies: int) -> list[int]:
    """Return one whole number for each study."""
    if n_studies > _MOST_STUDIES:
        raise InputError(f"n_studies is {n_studies}: at most {_MOST_STUDIES:,} can be simulated")
    try:
        entries = list(value)
    except TypeError:
        entries = [value] * n_studies
    if len(entries) != n_studies:
        raise InputError(
            f"{name} has {len(entries)} entries for {n_studies} studies (n_studies): give one "
            "number for all studies, or one for each"
        )
    return [whole(name, entry, _WHOLE[name]) for entry in entries]


def _signals(adata: ad.AnnData, h: Callable) -> Iterator[np.ndarray]:
    """Yield what the factors add to the features, one study after the other.

    ``h`` is the function of the nonlinear features.
    """
    every = adata.uns["simulation"]["nonlinear_every"]
    nonlinear = slice(every - 1, None, every)  # The paper counts features from 1.
    for study in adata.obs["group"].cat.categories:
        own = (adata.obs["group"] == study).to_numpy()
        mask = np.hstack([adata.varm["true_shared"], adata.varm[f"true_{study}"]])
        factors = np.hstack([adata.obsm["true_shared"][own], adata.obsm["true_specific"][own]])
        factors = factors[:, : mask.shape[1]]
        signal = factors @ mask.T
        signal[:, nonlinear] = h(factors) @ mask[nonlinear].T
        yield signal
