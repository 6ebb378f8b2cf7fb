"""Factors of simulated data by factor analysis or NMF, as the tables that a fit has."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import anndata as ad

from mssvae.data.files import write_table
from mssvae.evaluation import peer_factors
from mssvae.replicates import truth

adata = ad.read_h5ad(snakemake.input.data)
true = truth(adata)
n_shared, n_specific = len(true.names("shared")), adata.obsm["true_specific"].shape[1]
n_genes = round((true.masks != 0).sum().mean())
masks, factors, latent = peer_factors(
    adata, snakemake.wildcards.method, n_shared, n_specific, n_genes
)
tables = [
    masks.rename_axis("feature").reset_index(),
    factors,
    latent.rename_axis("sample").reset_index(),
]
# Factors stay where they are: what is assigned is what was found.
for table, path in zip(tables * 2, snakemake.output, strict=True):
    write_table(table, path)
