"""Figure: course of a fit over its epochs."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

import pandas as pd

from mssvae import figures

figure = figures.convergence(
    pd.read_csv(snakemake.input.history, sep="\t"),
    note=figures.source_note(json.loads(Path(snakemake.input.source).read_text())),
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)
