"""Predict disease in one cross-validation, by all methods of a part of the study."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import anndata as ad
import torch

from mssvae.data.files import write_table
from studies import supervised

torch.set_num_threads(snakemake.threads)
design = supervised.Design(**snakemake.params.design)
adata = ad.read_h5ad(snakemake.input.samples)
replicate = int(snakemake.wildcards.replicate)
table = supervised.scores(adata, design, snakemake.wildcards.part, replicate)
write_table(table, snakemake.output.scores)
