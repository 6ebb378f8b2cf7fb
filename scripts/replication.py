"""Score the shared factors of another cohort's fit on samples of a cohort that no fit has seen."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import anndata as ad
import torch

from mssvae import MSSVAE, evaluation
from mssvae.data.files import write_table

paths = snakemake.input
torch.set_num_threads(snakemake.threads)
model = MSSVAE.load(paths.model, ad.read_h5ad(paths.selected))
table = evaluation.replication(model, ad.read_h5ad(paths.filtered), seed=snakemake.params.seed)
write_table(table, snakemake.output.table)
