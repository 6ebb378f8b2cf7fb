"""Choose the processes of Figures 4 and 5, and count the factors that have any."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae.data.files import read_table, write_table
from mssvae.enrichment import top_processes
from mssvae.factors import enriched_shares

settings = snakemake.params.settings
terms = read_table(snakemake.input.terms)
summary = read_table(snakemake.input.summary)
factors = read_table(snakemake.input.factors)

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
