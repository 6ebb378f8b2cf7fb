"""What synthetic cohorts take from real ones: depth, expression, overdispersion, correlations."""

import anndata as ad
import numpy as np
import pandas as pd

from mssvae import MSSVAE

# Loadings are told by their quantiles.
_QUANTILES = (0.1, 0.5, 0.9)


def numbers(counts: ad.AnnData, model: MSSVAE) -> dict[str, object]:
    """Return what of a cohort the arguments of ``simulate.cohort`` can have.

    Parameters
    ----------
    counts : AnnData [N x G]
        Counts that passed quality control, with ``obs["group"]``.
    model : MSSVAE
        A linear fit to genes of these.

    Returns
    -------
    dict
        ``library_log_mean`` and ``library_log_sd`` by group: of the logarithms of library sizes.
        ``baseline_log_sd``: of the logarithms of the genes' mean shares of a library.
        ``theta_log_mean``, ``theta_log_sd``: of the logarithms of inverse dispersions of fitted
        genes beside their factors. ``theta_log_slope``: what their regression on the
        logarithms of mean counts gives. ``factor_correlation``: root mean square of
        ``correlations`` of live factors. ``loading_quantiles``: of absolute non-zero loadings at
        10, 50 and 90 %, of an output whose softplus is 1 at a gene's mean.
    """
    x = counts.X.toarray().astype(float)
    library = np.log(x.sum(1))
    by_group = pd.Series(library, counts.obs_names).groupby(counts.obs["group"], observed=True)
    share = (x / x.sum(1, keepdims=True)).mean(0)

    log_theta = model.module.likelihood.log_noise.detach().double().numpy()
    fitted = counts[:, model.var_names].X.toarray().astype(float).mean(0)
    slope = np.polyfit(np.log(fitted), log_theta, 1)[0]
    weight = model.module.decoder.output.weight.detach().numpy()
    masks = model.masks.wide().to_numpy()
    loadings = np.abs(masks * weight)[masks != 0]
    return {
        "library_log_mean": by_group.mean().round(2).to_dict(),
        "library_log_sd": by_group.std().round(2).to_dict(),
        "baseline_log_sd": round(float(np.log(share).std()), 2),
        "theta_log_mean": round(float(log_theta.mean()), 2),
        "theta_log_sd": round(float(log_theta.std()), 2),
        "theta_log_slope": round(float(slope), 2),
        "factor_correlation": round(float(np.sqrt(np.mean(correlations(model)))), 2),
        "loading_quantiles": np.quantile(loadings, _QUANTILES).round(2).tolist(),
    }


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
