"""Test gene sets for over-represented GO biological processes."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae.enrichment import over_representation, summarise
from mssvae.files import read_table, write_json, write_table

gene_sets = json.loads(Path(snakemake.input.gene_sets).read_text())
universe = read_table(snakemake.input.universe)["gene"].tolist()

terms = over_representation(
    gene_sets, universe, engine=snakemake.params.engine, adjust=snakemake.params.adjust
)
write_table(terms, snakemake.output.terms)
write_table(summarise(terms, gene_sets, snakemake.params.fdr), snakemake.output.summary)
write_json({**terms.attrs["engine"], "fdr": snakemake.params.fdr}, snakemake.output.engine)
