"""Figure: what quality control removed."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae import figures
from mssvae.data.files import read_table

figure = figures.qc(
    read_table(snakemake.input.samples),
    read_table(snakemake.input.genes),
    read_table(snakemake.input.steps),
    min_log_library=snakemake.params.min_log_library,
    min_gene_counts=snakemake.params.min_gene_counts,
    min_cpm_share=snakemake.params.min_cpm_share,
    groups=snakemake.params.groups,
    title=snakemake.params.title,
    note=figures.source_note(json.loads(Path(snakemake.input.source).read_text())),
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)
