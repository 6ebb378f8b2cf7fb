"""Figures 4 and 5: top enriched processes of the shared or of the specific factors."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae import enrichment, figures
from mssvae.data.files import read_table

kind = snakemake.params.kind
factors = read_table(snakemake.input.factors)
n_sets = ((factors["kind"] == kind) & (factors["n_genes"] > 0)).sum()
figure = figures.processes(
    read_table(snakemake.input.table),
    factors,
    kind=kind,
    title=snakemake.params.title,
    note=figures.source_note(json.loads(Path(snakemake.input.source).read_text())),
    summary=read_table(snakemake.input.summary),
    background=snakemake.params.background,
    max_sets=enrichment.max_sets(n_sets, snakemake.params.max_share),
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)
