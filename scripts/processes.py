"""Choose the processes of Figures 4 and 5, and count the factors that have any."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from mssvae.enrichment import top_processes
from mssvae.factors import enriched_shares
from mssvae.files import write_table

settings = snakemake.params.settings
terms = pd.read_csv(snakemake.input.terms, sep="\t")
summary = pd.read_csv(snakemake.input.summary, sep="\t")
factors = pd.read_csv(snakemake.input.factors, sep="\t")

write_table(enriched_shares(factors, summary), snakemake.output.shares)
for kind in ("shared", "specific"):
    sets = factors.loc[(factors["kind"] == kind) & (factors["n_genes"] > 0), "factor"]
    chosen = top_processes(
        terms[terms["set"].isin(sets)],
        n=settings[f"n_top_{kind}"],
        fdr=settings["fdr"],
        max_share=settings["max_share"],
        n_sets=len(sets),
    )
    write_table(chosen, snakemake.output[kind])
