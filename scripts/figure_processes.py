"""Figures 4 and 5: top enriched processes of the shared or of the specific factors."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

import pandas as pd

from mssvae import figures

figure = figures.processes(
    pd.read_csv(snakemake.input.table, sep="\t"),
    pd.read_csv(snakemake.input.factors, sep="\t"),
    kind=snakemake.params.kind,
    title=snakemake.params.title,
    note=figures.source_note(json.loads(Path(snakemake.input.source).read_text())),
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)
