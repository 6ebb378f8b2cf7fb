"""Figure: scores on unseen samples against numbers of entries."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae import figures
from mssvae.data.files import read_table

figure = figures.unseen(
    read_table(snakemake.input.table),
    title=snakemake.params.title,
    note=figures.source_note(json.loads(Path(snakemake.input.source).read_text())),
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)
