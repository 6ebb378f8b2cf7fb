"""The MSSVAE, with any settings of its fit; ``decoder: linear`` stands for linear models.

Multi-study factor analysis (MSFA) and its successors are that special case: outputs are linear in
shared factors and in each study's own.
"""

import anndata

from mssvae import MSSVAE
from studies.comparison.interface import Fitted, Problem

PACKAGE = "mssvae"


def fit(adata: anndata.AnnData, problem: Problem, **settings: object) -> Fitted:
    """Fit with settings of ``MSSVAE.fit``, from the numbers of factors that are the most."""
    model = MSSVAE(
        adata,
        likelihood=problem.likelihood,
        n_shared=problem.n_shared,
        n_specific=problem.n_specific,
        hidden=problem.hidden,
        seed=problem.seed,
    ).fit(**settings)
    masks, latent = model.masks, model.latent()
    own = {factor: study for study, table in masks.specific.items() for factor in table}
    factors = latent.wide().reindex(adata.obs_names).fillna(0.0)
    loadings = masks.wide()
    used = loadings.columns[(loadings != 0).any()]
    return Fitted(
        loadings[used],
        factors[used],
        {factor: own[factor] for factor in used if factor in own},
        predict=model.predict,
    )
