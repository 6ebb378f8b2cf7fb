"""Simulate a cohort with planted processes, and bring it to the genes that a fit sees."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import logging

from mssvae import enrichment, preprocess, simulate
from mssvae.data.files import atomic_path, write_json

params, output = snakemake.params, snakemake.output

path = getattr(snakemake.input, "go_gene_sets", None)
if path is None:
    logging.warning("No GO gene sets are at hand: the processes in the cohort are MADE UP.")
    terms = simulate.made_up_processes(seed=params.seed)
else:
    terms = enrichment.read_gmt(path)
adata = simulate.cohort(terms, **params.data, seed=params.seed)
# The defaults, which are the paper's, as for cohorts.
filtered, *_ = preprocess.quality_control(adata)
selected, _ = preprocess.select_genes(filtered, params.n_genes)
selected.var_names.name = "feature"
settings = {"simulator": "cohort", "made_up": path is None, "n_genes": params.n_genes}
source = adata.uns["source"] | {"kind": "simulation", **settings}
write_json(source | {"data": params.data}, output.source)
with atomic_path(output.data) as path:
    selected.write_h5ad(path, compression="gzip")
