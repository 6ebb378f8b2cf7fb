"""Test gene sets for over-represented GO biological processes."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae.data.files import read_table, sha256, write_json, write_table
from mssvae.enrichment import background, over_representation, read_gmt, summarise

gene_sets = json.loads(Path(snakemake.input.gene_sets).read_text())
universe = background(read_table(snakemake.input.genes), snakemake.params.background)
annotation = snakemake.input.annotation

terms = over_representation(
    gene_sets,
    universe,
    engine=snakemake.params.engine,
    adjust=snakemake.params.adjust,
    annotation=read_gmt(annotation[0]) if annotation else None,
)
write_table(terms, snakemake.output.terms)
write_table(summarise(terms, gene_sets, snakemake.params.fdr), snakemake.output.summary)
params = snakemake.params
engine = {**terms.attrs["engine"], "fdr": params.fdr, "background": params.background}
if annotation:
    engine["annotation_sha256"] = sha256(annotation[0])
write_json(engine, snakemake.output.engine)
