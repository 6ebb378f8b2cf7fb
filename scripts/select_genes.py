"""Select the most variable genes."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import anndata as ad

from mssvae.data.files import atomic_path, write_table
from mssvae.preprocess import select_genes

selected, genes = select_genes(ad.read_h5ad(snakemake.input.filtered), snakemake.params.n_genes)
write_table(genes, snakemake.output.genes)
with atomic_path(snakemake.output.selected) as path:
    selected.write_h5ad(path, compression="gzip")
