"""The factors of a fitted model: their posteriors, and what each of them is."""

import logging

import numpy as np
import pandas as pd
import torch

from mssvae.core.encoders import normal_kl
from mssvae.core.module import MultiStudyModule
from mssvae.data.model_data import ModelData
from mssvae.data.validation import listed
from mssvae.fitting.settings import ModelSettings
from mssvae.results.tables import FactorTables, factor_table, factor_tables

log = logging.getLogger(__name__)

# Factors with more between studies, or a larger correlation with library sizes, are told.
MOST_BY_STUDY, MOST_BY_LIBRARY = 0.3, 0.5

# Mean and log variance, each [n, K].
Posterior = tuple[torch.Tensor, torch.Tensor]


def posteriors(module: MultiStudyModule, data: ModelData) -> tuple[Posterior, list[Posterior]]:
    """Return mean and log variance of the shared factors, and of each study's own."""
    inputs = module.likelihood.encoder_input(data.x)
    rows = [torch.arange(len(inputs)), *map(data.rows, range(len(data.studies)))]
    shared, *own = (module.posterior(i, inputs, of_part) for i, of_part in enumerate(rows))
    return shared, own


def posterior_means(
    module: MultiStudyModule, data: ModelData, shared: Posterior, own: list[Posterior]
) -> FactorTables:
    """Return the means of what ``posteriors`` returns, as ``MSSVAE.latent`` does."""
    specific = {}
    for m, name in enumerate(data.studies):
        samples = data.obs_names[data.rows(m).numpy()]
        specific[name] = factor_table(own[m][0] * module.alive[m + 1], samples, name)
    means = factor_table(shared[0] * module.alive[0], data.obs_names, "shared")
    return FactorTables(means, specific)


def describe(module: MultiStudyModule, data: ModelData) -> pd.DataFrame:
    """Return one row per factor, see ``MSSVAE.factor_table``."""
    support = factor_tables([mask != 0 for mask in module.masks], data.var_names, data.studies)
    table = support.kinds()
    table["n_nonzero"] = support.wide().sum().to_numpy()
    posterior, own_posteriors = posteriors(module, data)
    shared = normal_kl(*posterior) * module.alive[0]
    for m, name in enumerate(data.studies):
        own = normal_kl(*own_posteriors[m]) * module.alive[m + 1]
        divergence = torch.cat([shared[data.rows(m)].mean(0), own.mean(0)]).cpu().numpy()
        uses = (table["kind"] == "shared") | (table["study"] == name)
        table.loc[uses, f"kl_{name}"] = divergence
    latent = posterior_means(module, data, posterior, own_posteriors)
    library = None
    if module.likelihood.uses_library:
        library = np.log(data.raw.sum(1).numpy())
    return table.merge(what_else_explains(latent, data.study.numpy(), library), on="factor")


def what_else_explains(
    latent: FactorTables, study: np.ndarray, library: np.ndarray | None
) -> pd.DataFrame:
    """Return how far factors follow studies and depth instead of biology.

    Parameters
    ----------
    latent : FactorTables
    study : array [N]
        The number of each sample's study.
    library : array [N], optional
        Logarithms of library sizes.

    Returns
    -------
    DataFrame
        ``factor``; ``r2_study`` of shared factors, and if there are library sizes ``r_library``.
        NaN where a factor does not vary.
    """
    rows = []
    by_sample = None if library is None else pd.Series(library, latent.shared.index)
    for table in (latent.shared, *latent.specific.values()):
        for name, values in table.items():
            row = {"factor": name, "r2_study": np.nan}
            varies = values.std() > 0
            if table is latent.shared and varies:
                means = values.groupby(study).transform("mean")
                row["r2_study"] = means.var() / values.var()
            if by_sample is not None:
                depth = by_sample[values.index]
                row["r_library"] = values.corr(depth) if varies and depth.std() > 0 else np.nan
            rows.append(row)
    return pd.DataFrame(rows)


def warn_of_other_explanations(factors: pd.DataFrame) -> None:
    """Log a warning of factors that follow studies or depth; of a table of the factors."""
    for column, most, what in (
        ("r2_study", MOST_BY_STUDY, "studies (r2_study)"),
        ("r_library", MOST_BY_LIBRARY, "the library size (r_library)"),
    ):
        if column in factors:
            found = factors.loc[factors[column].abs() > most, "factor"]
            if len(found):
                log.warning(
                    "%d factors follow %s above %g, and may be no biology: %s; see factor_table()",
                    len(found),
                    what,
                    most,
                    listed(found),
                )


def warn_without_factors(module: MultiStudyModule) -> None:
    """Log a warning if all masks of a fitted module are zero."""
    if not any((mask != 0).any() for mask in module.masks):
        longer = "train longer (max_epochs, or a smaller batch_size), "
        log.warning(
            "the fit has no factor: all masks are zero. There may be none in these data; or "
            "make the prior weaker (a larger prior_scale), %sor have more samples",
            "" if module.is_linear else longer,
        )


def summary(
    module: MultiStudyModule, data: ModelData, settings: ModelSettings, n_epochs: int
) -> str:
    """Return what a model is, in four lines.

    Parameters
    ----------
    settings : ModelSettings
    n_epochs : int
        That it was fitted in; 0 if it is not.
    """
    of_studies = zip(data.studies, data.n_samples, strict=True)
    lines = [
        f"MSSVAE, {data.likelihood}, {len(data):,} samples x {len(data.var_names):,} features",
        "studies: " + ", ".join(f"{name} ({n:,})" for name, n in of_studies),
        f"started from {settings['n_shared']} shared factors and {settings['n_specific']} of each "
        "study",
        "not fitted",
    ]
    if n_epochs:
        shared, *own = (int((mask != 0).any(0).sum()) for mask in module.masks)
        lines[-1] = f"fitted in {n_epochs} epochs: {shared} shared and {sum(own)} specific factors"
    return "\n    ".join(lines)
