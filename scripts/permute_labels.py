"""Give the samples of a cohort their groups in another order: what is specific then is chance."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import anndata as ad
import numpy as np

from mssvae.data.files import atomic_path

adata = ad.read_h5ad(snakemake.input.selected)
order = np.random.default_rng(snakemake.params.seed).permutation(adata.n_obs)
adata.obs["group"] = adata.obs["group"].array[order]
with atomic_path(snakemake.output.permuted) as path:
    adata.write_h5ad(path, compression="gzip")
