"""Figure: course of a fit over its epochs."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae import figures
from mssvae.data.files import read_table

figure = figures.convergence(
    read_table(snakemake.input.history),
    read_table(snakemake.input.factors),
    title=snakemake.params.title,
    note=figures.source_note(json.loads(Path(snakemake.input.source).read_text())),
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)
