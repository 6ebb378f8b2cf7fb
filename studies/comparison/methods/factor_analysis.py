"""Factor analysis with varimax (scikit-learn), of logarithms of relative expression for counts."""

import anndata

from mssvae.evaluation._peers import FactorAnalysis
from studies.comparison.interface import Fitted, Problem
from studies.comparison.linear import fitted

PACKAGE = "scikit-learn"


def fit(adata: anndata.AnnData, problem: Problem) -> Fitted:
    """Analyse all studies together."""
    model = FactorAnalysis(adata, problem.n_factors, problem.likelihood, "varimax", problem.seed)
    return fitted(model, adata)
