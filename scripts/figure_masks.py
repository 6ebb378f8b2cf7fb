"""Figure: heat map of the masks."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae import figures
from mssvae.data.files import read_table

stability = snakemake.input.stability  # None, if that is not asked for.
figure = figures.masks(
    read_table(snakemake.input.masks, index="gene"),
    read_table(snakemake.input.factors),
    read_table(stability) if stability else None,
    title=snakemake.params.title,
    note=figures.source_note(json.loads(Path(snakemake.input.source).read_text())),
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)
