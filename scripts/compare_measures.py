"""Measure what one method found in one data set of the comparison."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import anndata as ad

from mssvae.data.files import write_table
from mssvae.enrichment import read_gmt
from studies.comparison.measures import measures

adata = ad.read_h5ad(snakemake.input.data)
sets = snakemake.input.annotation
table = measures(
    Path(snakemake.input.fits),
    adata,
    snakemake.params.max_column_share,
    read_gmt(sets[0]) if sets else None,
)
for position, key in enumerate(("data", "method", "replicate")):
    wildcard = {"data": "dataset"}.get(key, key)
    table.insert(position, key, snakemake.wildcards[wildcard])
write_table(table, snakemake.output.table)
