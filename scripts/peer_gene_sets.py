"""Collect gene sets of factor analysis and NMF, of the sizes of the model's."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

import anndata as ad

from mssvae.data.files import read_table, write_json
from mssvae.evaluation import peer_gene_sets

sets = peer_gene_sets(
    ad.read_h5ad(snakemake.input.selected),
    json.loads(Path(snakemake.input.gene_sets).read_text()),
    read_table(snakemake.input.factors),
)
write_json(sets, snakemake.output.sets)
