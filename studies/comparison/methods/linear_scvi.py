"""LDVAE, the linear decoder of scvi-tools (LinearSCVI), studies as batches, its default settings.

It has no rule for entries: all count. Its encoder needs all features, so it predicts none from
half of them.
"""

import warnings

import anndata

from studies.comparison.interface import Fitted, Problem, Unsuitable, columns

PACKAGE = "scvi-tools"


def fit(adata: anndata.AnnData, problem: Problem, max_epochs: int | None = None) -> Fitted:
    """Fit all studies together; ``max_epochs`` as scvi-tools chooses by the number of samples."""
    if not problem.counts:
        raise Unsuitable("needs counts")
    import scvi

    scvi.settings.seed = problem.seed
    adata = adata.copy()
    with warnings.catch_warnings(action="ignore"):
        scvi.model.LinearSCVI.setup_anndata(adata, batch_key="group")
        model = scvi.model.LinearSCVI(adata, n_latent=problem.n_factors)
        model.train(max_epochs=max_epochs, accelerator="cpu", enable_progress_bar=False)
        latent, loadings = model.get_latent_representation(), model.get_loadings()
    return Fitted(columns(loadings.to_numpy(), adata.var_names), columns(latent, adata.obs_names))
