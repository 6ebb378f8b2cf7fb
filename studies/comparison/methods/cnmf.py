"""Consensus NMF (cnmf), of all features; loadings are its scores, regressions of a gene on usage.

It has no rule for entries: all count. Expected counts are from its programs in counts per million.
"""

import tempfile
import warnings
from functools import partial
from pathlib import Path

import anndata
import matplotlib
import numpy as np

from mssvae.evaluation._peers import predicted_counts
from studies.comparison.interface import Fitted, Problem, Unsuitable, columns

PACKAGE = "cnmf"


def fit(
    adata: anndata.AnnData, problem: Problem, n_iter: int = 20, density_threshold: float = 0.5
) -> Fitted:
    """Factorise all studies together, ``n_iter`` times from other starts."""
    if not problem.counts:
        raise Unsuitable("needs counts")
    from cnmf import cNMF

    matplotlib.use("Agg")
    k = problem.n_factors
    kept = np.asarray(adata.X.sum(1)).ravel() > 0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        counts = Path(folder) / "counts.h5ad"
        anndata.AnnData(adata.X[kept].astype(float), adata.obs[kept], adata.var).write_h5ad(counts)
        genes = Path(folder) / "genes.txt"
        genes.write_text("\n".join(adata.var_names))
        run = cNMF(output_dir=folder, name="run")
        run.prepare(
            str(counts),
            components=[k],
            n_iter=n_iter,
            seed=problem.seed,
            genes_file=str(genes),
            densify=True,
        )
        run.factorize(worker_i=0, total_workers=1)
        run.combine()
        run.consensus(k, density_threshold, show_clustering=False)
        usage, scores, tpm, _ = run.load_results(k, density_threshold)
    usage = usage.set_axis(usage.index.astype(str)).reindex(adata.obs_names).fillna(0.0)
    tpm = tpm.reindex(adata.var_names).fillna(0.0).to_numpy().T
    return Fitted(
        columns(scores.reindex(adata.var_names).fillna(0.0).to_numpy(), adata.var_names),
        columns(usage.to_numpy(), adata.obs_names),
        predict=partial(predicted_counts, np.maximum(tpm, 0), adata.var_names),
    )
