"""Fit a method of the talk's study to real data but for a fold, and score it on that."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import anndata
import torch

from mssvae.data.files import write_table
from studies import talk

params, wildcards = snakemake.params, snakemake.wildcards
torch.set_num_threads(snakemake.threads)
adata = anndata.read_h5ad(snakemake.input.data)
design = talk.Folds(**params.design)
about = wildcards.dataset, design, params.settings, int(wildcards.fold)
write_table(talk.unseen_scores(adata, *about), snakemake.output.scores)
