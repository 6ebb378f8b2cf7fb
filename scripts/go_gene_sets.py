"""Write all GO biological processes with their genes: those of a file that is given, else R's."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import logging

from mssvae.enrichment import MissingR, go_gene_sets, read_gmt, write_gmt
from mssvae.pipeline.annotation import ADVICE

given = snakemake.input.given
try:
    table = read_gmt(given[0]) if given else go_gene_sets()
except MissingR as error:
    raise MissingR(f"{error} {ADVICE}") from error
logging.info(
    "%d processes of %d genes, from %s",
    table["ID"].nunique(),
    table["gene"].nunique(),
    given[0] if given else "R",
)
write_gmt(table, snakemake.output.sets)
