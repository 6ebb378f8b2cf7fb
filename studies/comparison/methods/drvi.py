"""DRVI (drvi-py): an additive decoder, studies as covariates, its default settings.

Loadings are its interpretability scores, of both directions of a factor together; factors that it
calls vanished are left out. It has no rule for entries: all count. Its encoder needs all features,
so it predicts none from half of them.
"""

import warnings

import anndata

from studies.comparison.interface import Fitted, Problem, columns

PACKAGE = "drvi-py"


def fit(adata: anndata.AnnData, problem: Problem, max_epochs: int | None = None) -> Fitted:
    """Fit all studies together; ``max_epochs`` as scvi-tools chooses by the number of samples."""
    import scvi
    from drvi.model import DRVI

    scvi.settings.seed = problem.seed
    adata = adata.copy()
    likelihood = "pnb" if problem.counts else "normal"  # Its defaults for counts and for others.
    with warnings.catch_warnings(action="ignore"):
        DRVI.setup_anndata(
            adata, categorical_covariate_keys=["group"], is_count_data=problem.counts
        )
        model = DRVI(adata, n_latent=problem.n_factors, gene_likelihood=likelihood)
        model.train(max_epochs=max_epochs, accelerator="cpu", enable_progress_bar=False)
        latent = anndata.AnnData(model.get_latent_representation(), adata.obs)
        model.set_latent_dimension_stats(latent)
        model.calculate_interpretability_scores(latent, directional=False)
    used = ~latent.var["vanished"].to_numpy()
    scores = latent.varm["OOD_combined"][used]
    return Fitted(columns(scores.T, adata.var_names), columns(latent.X[:, used], adata.obs_names))
