"""What synthetic cohorts take from real ones: depth, expression, overdispersion, correlations."""

import anndata as ad
import numpy as np
import pandas as pd

from mssvae import MSSVAE
from mssvae.core.linear.observations import NOISE
from mssvae.evaluation._peers import log_relative
from mssvae.results.tables import FactorTables

# Loadings are told by their quantiles.
_QUANTILES = (0.1, 0.5, 0.9)
# A gene is curved if a sine explains so much of its variance beside lines.
_CURVED = 0.1


def numbers(counts: ad.AnnData, selected: MSSVAE, random: MSSVAE) -> dict[str, object]:
    """Return what of a cohort the arguments of ``simulate.cohort`` can have.

    Parameters
    ----------
    counts : AnnData [N x G]
        Counts that passed quality control, with ``obs["group"]``.
    selected : MSSVAE
        A linear fit to the genes of these that an analysis selects.
    random : MSSVAE
        A linear fit to others, of ``random_genes``: selected genes vary more than most.

    Returns
    -------
    dict
        ``library_log_mean`` and ``library_log_sd`` by group and ``of_all``: of the logarithms of
        library sizes. ``baseline_log_sd``: of the logarithms of the genes' mean shares of a
        library. ``theta_log_intercept``, ``theta_log_slope``, ``theta_log_sd``: regression of the
        logarithms of the random genes' inverse dispersions, beside their factors, on those of
        their mean counts, of genes whose noise is estimated. ``factor_correlation``: root mean
        square of ``correlations`` of the selected genes' factors. ``loading_quantiles``: of
        their absolute non-zero loadings at 10, 50 and 90 %, of an output whose softplus is 1 at a
        gene's mean. ``sine_share``: what ``sine_share`` says of the selected genes.
    """
    x = counts.X.toarray().astype(float)
    library = pd.Series(np.log(x.sum(1)), counts.obs_names)
    by_group = library.groupby(counts.obs["group"], observed=True)
    share = (x / x.sum(1, keepdims=True)).mean(0)

    mean = counts[:, random.var_names].X.toarray().astype(float).mean(0)
    estimated = mean >= NOISE.few_counts
    log_mean = np.log(mean[estimated])
    log_theta = random.module.likelihood.log_noise.detach().double().numpy()[estimated]
    slope, intercept = np.polyfit(log_mean, log_theta, 1)

    weight = selected.module.decoder.output.weight.detach().numpy()
    masks = selected.masks.wide().to_numpy()
    loadings = np.abs(masks * weight)[masks != 0]
    return {
        "library_log_mean": _rounded(by_group.mean()) | {"of_all": _rounded(library.mean())},
        "library_log_sd": _rounded(by_group.std()) | {"of_all": _rounded(library.std())},
        "baseline_log_sd": _rounded(np.log(share).std()),
        "theta_log_intercept": _rounded(intercept),
        "theta_log_slope": _rounded(slope),
        "theta_log_sd": _rounded((log_theta - intercept - slope * log_mean).std()),
        "factor_correlation": _rounded(np.sqrt(max(correlations(selected).mean(), 0))),
        "loading_quantiles": np.quantile(loadings, _QUANTILES).round(2).tolist(),
        "sine_share": round(sine_share(counts[:, selected.var_names], selected.latent()), 3),
    }


def random_genes(counts: ad.AnnData, n: int, seed: int = 0) -> ad.AnnData:
    """Return counts of ``n`` genes at random, all if there are fewer."""
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(counts.n_vars, min(n, counts.n_vars), replace=False))
    return counts[:, chosen].copy()


def correlations(model: MSSVAE) -> np.ndarray:
    """Return squared correlations of two live factors, without what chance adds.

    Of posterior means, within studies: shared factors with each other and with a study's own, a
    pair once for each study. Those of independent factors are 1 / (n - 1) on average.
    """
    latent, squares = model.latent(), []
    for own in latent.specific.values():
        factors = latent.shared.loc[own.index].join(own)
        factors = factors.loc[:, factors.std() > 0]
        squared = np.square(np.corrcoef(factors.to_numpy().T))
        squares.append(squared[np.triu_indices_from(squared, 1)] - 1 / (len(factors) - 1))
    return np.concatenate(squares)


def sine_share(counts: ad.AnnData, latent: FactorTables, seed: int = 0) -> float:
    """Return the share of genes that follow a sine of a shared factor, as planted ones may.

    In these, ``sin(3 pi z / 4)`` of one factor explains more than a tenth of the variance of the
    logarithm of relative expression that lines in all factors leave. The factor is chosen, and the
    sine fitted, on half of the samples, and the variance is that of the other half; mean of two
    random halvings, both ways.

    Parameters
    ----------
    counts : AnnData [N x G]
        Counts, with ``obs["group"]``.
    latent : FactorTables
        Factors of the same samples, such as ``MSSVAE.latent()``.
    seed : int
        Of the halvings.
    """
    x = counts.X.toarray().astype(float)
    y = log_relative(x, x.sum(1))
    shared = latent.shared.loc[:, latent.shared.std() > 0].to_numpy()
    own = [table.reindex(counts.obs_names).fillna(0) for table in latent.specific.values()]
    lines = np.hstack([pd.get_dummies(counts.obs["group"], dtype=float), shared, *own])

    def beside_lines(values: np.ndarray) -> np.ndarray:
        return values - lines @ np.linalg.lstsq(lines, values, rcond=None)[0]

    rest, sines = beside_lines(y), beside_lines(np.sin(0.75 * np.pi * shared))
    rng, explained = np.random.default_rng(seed), []
    for _ in range(2):
        order = rng.permutation(len(y))
        for fitted, judged in ((order[::2], order[1::2]), (order[1::2], order[::2])):
            size = np.square(sines[fitted]).sum(0)[:, None]
            slope = sines[fitted].T @ rest[fitted] / size
            best = (size * np.square(slope)).argmax(0)
            left = rest[judged] - sines[judged][:, best] * slope[best, np.arange(len(best))]
            explained.append(1 - np.square(left).sum(0) / np.square(rest[judged]).sum(0))
    return float((np.mean(explained, axis=0) > _CURVED).mean())


def _rounded(value: pd.Series | float) -> dict[str, float] | float:
    """Return numbers with two decimals, of a table by its rows."""
    if isinstance(value, pd.Series):
        return value.round(2).to_dict()
    return round(float(value), 2)
