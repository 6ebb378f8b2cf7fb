"""Figure: heat map of the masks."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

import pandas as pd

from mssvae import figures

figure = figures.masks(
    pd.read_csv(snakemake.input.masks, sep="\t", index_col="gene"),
    pd.read_csv(snakemake.input.factors, sep="\t"),
    note=figures.source_note(json.loads(Path(snakemake.input.source).read_text())),
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)
