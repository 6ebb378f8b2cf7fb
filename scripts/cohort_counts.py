"""Bring the counts of a cohort, with its groups, into one file."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import logging

from mssvae import cohorts, enrichment, simulate
from mssvae.data.files import atomic_path, write_json

params, paths, source = snakemake.params, snakemake.input, snakemake.params.source

adata = None
if source == "files":
    adata = cohorts.from_files(paths.counts, paths.samples, params.group_column, params.groups)
elif source in ("geo", "auto"):
    try:
        adata = cohorts.from_geo(
            cohorts.read_registry(paths.registry, params.datasets),
            paths.groups,
            params.groups,
            data_folder=params.data_folder,
            cache=params.cache,
        )
    except cohorts.DownloadError as error:
        if source == "geo":
            raise
        logging.warning("%s. A SYNTHETIC cohort takes the place of the real one.", error)
if adata is None:
    if path := getattr(paths, "go_gene_sets", None):
        terms = enrichment.read_gmt(path)
        sizes = terms.groupby("ID")["gene"].transform("size")
        terms = terms[sizes.between(*simulate.TERM_SIZE)]
    else:
        logging.warning("No GO gene sets are at hand: the processes in the cohort are MADE UP.")
        terms = simulate.made_up_processes(seed=params.seed)
    adata = simulate.cohort(terms, seed=params.seed)
    labels = adata.obs["label"]
    adata.obs["group"] = cohorts.ordered_groups(
        labels, params.groups, "the synthetic cohort", default=labels.unique()
    )

# From the config, as counts do not depend on it: a param would make them, and the fit, again.
settings = snakemake.config["cohorts"][snakemake.wildcards.cohort]["enrichment"]
if settings["engine"] != "none":
    enrichment.check_gene_ids(adata.var_names.tolist(), f"cohort {snakemake.wildcards.cohort}")

# For data_folder and cohort_seed in common.smk.
about = adata.uns["source"] | {"data_folder": params.data_folder}
if source == "auto":
    about["seed"] = params.seed
write_json(about, snakemake.output.source)
with atomic_path(snakemake.output.counts) as path:
    adata.write_h5ad(path, compression="gzip")
