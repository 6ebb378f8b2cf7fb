"""Bring the counts of a cohort, with its groups, into one file."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import logging

from mssvae import cohorts, enrichment, simulate
from mssvae.data.files import atomic_path, write_json

params = snakemake.params


def from_geo():
    """Read or download the public datasets."""
    return cohorts.from_geo(
        cohorts.read_registry(snakemake.input.registry, params.datasets),
        snakemake.input.groups,
        params.groups,
        data_folder=params.data_folder,
        cache=params.cache,
    )


def synthetic():
    """Simulate a cohort in their place."""
    path = getattr(snakemake.input, "go_gene_sets", None)
    if path is None:
        logging.warning("No GO gene sets are at hand: the processes in the cohort are MADE UP.")
        terms = simulate.made_up_processes(seed=params.seed)
    else:
        terms = enrichment.read_gmt(path)
        sizes = terms.groupby("ID")["gene"].transform("size")
        terms = terms[sizes.between(*simulate.TERM_SIZE)]
    adata = simulate.cohort(terms, seed=params.seed)
    labels = adata.obs["label"]
    adata.obs["group"] = cohorts.ordered_groups(
        labels, params.groups, "the synthetic cohort", default=labels.unique()
    )
    return adata


match params.source:
    case "geo":
        adata = from_geo()
    case "auto":
        try:
            adata = from_geo()
        except cohorts.DownloadError as error:
            logging.warning("%s. A SYNTHETIC cohort takes the place of the real one.", error)
            adata = synthetic()
    case "synthetic":
        adata = synthetic()
    case "files":
        adata = cohorts.from_files(
            snakemake.input.counts, snakemake.input.samples, params.group_column, params.groups
        )

# From the config, as counts do not depend on it: a param would make them, and the fit, again.
settings = snakemake.config["cohorts"][snakemake.wildcards.cohort]["enrichment"]
if settings["engine"] != "none":
    enrichment.check_gene_ids(adata.var_names.tolist(), f"cohort {snakemake.wildcards.cohort}")

# For data_folder and cohort_seed in common.smk.
source = adata.uns["source"] | {"data_folder": params.data_folder}
if params.source == "auto":
    source["seed"] = params.seed
write_json(source, snakemake.output.source)
with atomic_path(snakemake.output.counts) as path:
    adata.write_h5ad(path, compression="gzip")
