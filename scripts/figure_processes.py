"""Figures 4 and 5: top enriched processes of the shared or of the specific factors."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae import figures
from mssvae.files import read_table

figure = figures.processes(
    read_table(snakemake.input.table),
    read_table(snakemake.input.factors),
    kind=snakemake.params.kind,
    title=snakemake.params.title,
    note=figures.source_note(json.loads(Path(snakemake.input.source).read_text())),
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)
