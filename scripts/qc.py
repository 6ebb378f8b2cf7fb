"""Remove samples and genes with few counts, and say which and why."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import anndata as ad

from mssvae.data.files import atomic_path, write_table
from mssvae.preprocess import composition, quality_control

adata = ad.read_h5ad(snakemake.input.counts)
filtered, steps, samples, genes = quality_control(
    adata,
    min_log_library=snakemake.params.min_log_library,
    min_gene_counts=snakemake.params.min_gene_counts,
    min_cpm=snakemake.params.min_cpm,
    min_cpm_share=snakemake.params.min_cpm_share,
)
write_table(steps, snakemake.output.steps)
write_table(samples, snakemake.output.samples)
write_table(genes, snakemake.output.genes)
write_table(composition(adata, filtered), snakemake.output.composition)
with atomic_path(snakemake.output.filtered) as path:
    filtered.write_h5ad(path, compression="gzip")
