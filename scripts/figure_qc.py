"""Figure: what quality control removed."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

import pandas as pd

from mssvae import figures

figure = figures.qc(
    pd.read_csv(snakemake.input.samples, sep="\t"),
    pd.read_csv(snakemake.input.genes, sep="\t"),
    pd.read_csv(snakemake.input.steps, sep="\t"),
    min_log_library=snakemake.params.min_log_library,
    min_gene_counts=snakemake.params.min_gene_counts,
    min_cpm_share=snakemake.params.min_cpm_share,
    note=figures.source_note(json.loads(Path(snakemake.input.source).read_text())),
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)
