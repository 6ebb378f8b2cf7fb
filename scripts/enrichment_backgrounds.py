"""Count gene sets with a process by background, beside random sets and those of other fits."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae.data.files import read_table, write_table
from mssvae.enrichment import compare_backgrounds, read_gmt

paths, settings = snakemake.input, snakemake.params.settings
sets, permuted, peers = (
    json.loads(Path(path).read_text()) for path in (paths.gene_sets, paths.permuted, paths.peers)
)
factors, of_permuted = read_table(paths.factors), read_table(paths.factors_permuted)
methods = {"MSSVAE": (sets, factors), "permuted labels": (permuted, of_permuted)}
table = compare_backgrounds(
    methods | {name: (of_peer, factors) for name, of_peer in peers.items()},
    read_table(paths.genes),
    read_gmt(paths.annotation),
    random_draws=settings["random_draws"],
    adjust=settings["adjust"],
    fdr=settings["fdr"],
    seed=snakemake.params.seed,
)
write_table(table, snakemake.output.table)
