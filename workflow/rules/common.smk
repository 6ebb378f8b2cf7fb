import json
import os
import re
import sys
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import min_version, update_config

min_version("9.0")

# A config file given on the command line stands alone; the schema fills what it leaves out.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


REPOSITORY = Path(str(workflow.current_basedir)).parents[1]
# The library and the studies of this checkout, for Snakemake, for scripts in conda environments,
# which drop the variable, and for scripts in a virtual environment, which may be of another checkout.
sys.path[:0] = [str(REPOSITORY / "src"), str(REPOSITORY)]
paths = [str(REPOSITORY / "src"), str(REPOSITORY), os.environ.get("PYTHONPATH")]
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, paths)))

from mssvae.pipeline import annotation
from mssvae.pipeline.configs import checked_config
from mssvae.provenance import FIT_SOURCES
from mssvae.pipeline.yaml_files import read_yaml


def read_configfiles(read):
    """All config files of this run together, with what `--config` gives."""
    settings = {}
    for path in workflow.configfiles:
        update_config(settings, read(path))
    update_config(settings, workflow.config_settings.config)
    return settings


# As they are written: Snakemake reads a cohort called 2020_01 as 202001, and lets keys repeat. A
# config that a Snakefile which includes this one has changed is taken as it is.
if config == read_configfiles(load_configfile):
    config = read_configfiles(read_yaml)
config = checked_config(
    config,
    REPOSITORY / "workflow/schemas/config.schema.yaml",
    workflow.configfiles,
)

if "container" in config:

    containerized: config["container"]


COHORTS = config.get("cohorts", {})
R_IS_THERE = (
    DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    or annotation.has_r()
)
# GO gene sets that are given, for machines without R.
GO_FILE = annotation.go_file([os.environ.get("MSSVAE_DATA"), "resources/cache"])

if not (R_IS_THERE or GO_FILE):
    for name, cohort in COHORTS.items():
        if cohort["enrichment"]["engine"] == "auto":
            cohort["enrichment"]["engine"] = "none"
            logger.warning(
                f"Cohort {name} goes without tests of gene sets: no R with its annotation, no "
                f"file of GO gene sets. {annotation.ADVICE}"
            )

# Those whose factors are tested for processes.
ENRICHED = [
    name for name, cohort in COHORTS.items() if cohort["enrichment"]["engine"] != "none"
]
# Those whose fits are scored on unseen samples.
EVALUATED = [name for name, cohort in COHORTS.items() if "evaluation" in cohort]
# Those on which the shared factors of another one are tried.
REPLICATING = [name for name, cohort in COHORTS.items() if "replication" in cohort]
# Those that are fitted to random shares of their samples too.
SUBSAMPLED = [name for name, cohort in COHORTS.items() if cohort["stability"]["n_runs"]]
SIMULATIONS = config.get(
    "simulations",
    {"replicates": {"development": [], "reported": []}, "settings": {}},
)
REPLICATES = SIMULATIONS["replicates"]
SETTINGS = SIMULATIONS["settings"]
# Those of cohorts with planted processes.
PLANTED = {
    name for name, setting in SETTINGS.items() if setting["simulator"] == "cohort"
}

GO_SETS = "results/{run}/resources/go_bp.gmt.gz"
GO_SETS_OF_R = "results/{run}/resources/go_bp_of_r.gmt.gz"


def any_of(names):
    """A pattern that matches these names alone; none, if there are no names."""
    return "|".join(re.escape(name) for name in sorted(map(str, names))) or "(?!)"


# The MSSVAE's; other models have rules of their own.
METHODS = {method for setting in SETTINGS.values() for method in setting["methods"]}
OTHER_METHODS = {
    method for setting in SETTINGS.values() for method in setting["other_methods"]
}


wildcard_constraints:
    run=re.escape(config["run"]),
    cohort=any_of(COHORTS),
    kind="shared|specific",
    subsample="[1-9][0-9]*",
    simulation=any_of(SETTINGS),
    replicate=any_of([*REPLICATES["development"], *REPLICATES["reported"]]),
    method=any_of(METHODS | OTHER_METHODS),


def library(*patterns):
    """Files of the library that a rule depends on, so that editing them runs the rule again."""
    return sorted(
        str(path)
        for pattern in patterns
        for path in (REPOSITORY / "src" / "mssvae").glob(pattern)
        if path.is_file()  # Not __pycache__, which comes with the first run.
    )


def studies(*patterns):
    """Files of the studies beside the library, as `library` has those of the library."""
    folder = REPOSITORY / "studies"
    return sorted(str(path) for pattern in patterns for path in folder.glob(pattern))


def full_path(path):
    """A path with the home folder for ~, and with the values of environment variables."""
    return os.path.expanduser(os.path.expandvars(path))


def cohort_inputs(wildcards):
    """What the source of a cohort's counts needs, by name."""
    cohort = COHORTS[wildcards.cohort]
    if cohort["source"] == "files":
        counts = Path(full_path(cohort["counts"]))
        # A Matrix Market file has the names of genes and samples beside it, maybe with a part of
        # its name before theirs.
        names = ("genes", "features", "barcodes") if ".mtx" in counts.suffixes else ()
        return {
            "counts": str(counts),
            "samples": full_path(cohort["samples"]),
            "names": [
                str(path)
                for name in names
                for path in counts.parent.glob(f"*{name}.tsv*")
                if counts.name.startswith(path.name.partition(f"{name}.tsv")[0])
            ],
        }
    inputs = {}
    if cohort["source"] in ("geo", "auto"):
        inputs |= {
            "registry": str(REPOSITORY / "config/datasets.yaml"),
            "groups": os.path.expanduser(cohort["group_mapping"]),
        }
    if cohort["source"] in ("auto", "synthetic") and plants_go(wildcards):
        inputs |= {"go_gene_sets": GO_SETS}
    return inputs


def plants_go(wildcards):
    """Whether GO processes are planted in a synthetic cohort; made-up ones where none can be had.

    Real counts that were read without GO gene sets do not ask for them once there are any.
    """
    if counts_read(wildcards) and not Path(GO_SETS.format(**wildcards)).exists():
        return False
    tested = COHORTS[wildcards.cohort]["enrichment"]["engine"] != "none"
    return bool(R_IS_THERE or GO_FILE or tested)


def tested_on(wildcards):
    """The GO gene sets that the engine in Python tests on; those in R have their own."""
    engine = COHORTS[wildcards.cohort]["enrichment"]["engine"]
    return (
        [GO_SETS] if engine == "python" or (engine == "auto" and not R_IS_THERE) else []
    )


def annotation_of_tests(wildcards):
    """GO gene sets of the annotation that the engine tests on, whichever it is."""
    return GO_SETS if tested_on(wildcards) or not GO_FILE else GO_SETS_OF_R


def other_cohort(wildcards):
    """The fit whose shared factors are tried on a cohort, and the counts that it was made from."""
    other = COHORTS[wildcards.cohort]["replication"]["of"]
    folder = f"results/{{run}}/cohorts/{other}"
    return {
        "model": f"{folder}/fit/model.npz",
        "selected": f"{folder}/data/selected.h5ad",
    }


def data_folder(wildcards):
    """$MSSVAE_DATA, a param: counts that come to hand take the place of a synthetic cohort.

    Where it is not set, what real counts were read with, so that they are not given up again.
    """
    folder = os.environ.get("MSSVAE_DATA")
    read = counts_read(wildcards)
    return read["data_folder"] if folder is None and read else folder


def fits_of(wildcards, table):
    """A table of the fit to a cohort, and of each fit to a share of its samples."""
    n_runs = COHORTS[wildcards.cohort]["stability"]["n_runs"]
    folder = "results/{run}/cohorts/{cohort}/fit"
    folders = [f"{folder}/subsamples/{run}" for run in range(1, n_runs + 1)]
    return [f"{one}/{table}" for one in (folder, *folders)]


def stability_table(wildcards):
    """How often the entries of a cohort's factors come back; none, if that is not asked for."""
    if wildcards.cohort not in SUBSAMPLED:
        return []
    return "results/{run}/cohorts/{cohort}/tables/stability.tsv"


def cohort_seed(wildcards):
    """The seed of a synthetic cohort, a param: real counts do not depend on it.

    For `auto` with real counts, what they were read with, so that they are not read again.
    """
    match COHORTS[wildcards.cohort]["source"]:
        case "auto":
            return counts_read(wildcards).get("seed", config["seed"])
        case "synthetic":
            return config["seed"]


def counts_read(wildcards):
    """What real counts, if there are any from GEO, were read with."""
    path = Path("results/{run}/cohorts/{cohort}/data/source.json".format(**wildcards))
    source = json.loads(path.read_text()) if path.exists() else {}
    return source if source.get("kind") == "geo" else {}


def reported_replicates(wildcards):
    """The replicates that tables and figures of a simulation report."""
    return REPLICATES["reported"][: SETTINGS[wildcards.simulation].get("n_reported")]


def example_replicate(wildcards):
    """The replicate whose factors the figure of a simulation shows."""
    return reported_replicates(wildcards)[0]


def methods(wildcards):
    """The methods that are fitted to a simulation."""
    setting = SETTINGS[wildcards.simulation]
    return [*setting["other_methods"], *setting["methods"]]


def main_method(wildcards):
    """The method whose factors the figures of a simulation show."""
    return methods(wildcards)[-1]


def simulation_seeds(wildcards):
    """The seeds of a replicate: "data" and "fit"."""
    # Here, as other runs need no numpy in Snakemake's own process.
    from mssvae.replicates import seeds

    return seeds(
        SIMULATIONS["master_seed"], wildcards.simulation, int(wildcards.replicate)
    )


def data_seed(wildcards):
    return simulation_seeds(wildcards)["data"]


def fit_seed(wildcards):
    return simulation_seeds(wildcards)["fit"]


def planted_processes(wildcards):
    """The GO gene sets to plant processes from; none where none can be had."""
    return {"go_gene_sets": GO_SETS} if R_IS_THERE or GO_FILE else {}


def simulation_model(wildcards):
    """The settings of the model; the likelihood follows from the simulator."""
    setting = SETTINGS[wildcards.simulation]
    counts = "negative_binomial"
    likelihood = {"gaussian": "gaussian", "rnaseq": counts, "cohort": counts}
    return setting["model"] | {"likelihood": likelihood[setting["simulator"]]}


def manifests():
    """By name, the manifest of every cohort's fit, and of one fit per simulation and method."""
    fits = "results/{{run}}/simulations/{simulation}/{replicate}/{method}/manifest.json"
    return {
        f"{simulation}/{method}": fits.format(
            simulation=simulation, replicate=REPLICATES["reported"][0], method=method
        )
        for simulation, setting in SETTINGS.items()
        for method in setting["methods"]
    } | {
        cohort: f"results/{{run}}/cohorts/{cohort}/fit/manifest.json"
        for cohort in COHORTS
    }


def cohort_tables():
    """The tables of every cohort that the page of tables shows."""
    tables = ["composition", "qc_steps", "factors"]
    of_processes = [
        *("enriched_shares", "enrichment_summary"),
        *("shared_processes", "specific_processes", "enrichment_backgrounds"),
    ]
    return [
        f"results/{{run}}/cohorts/{cohort}/tables/{table}.tsv"
        for cohort in COHORTS
        for table in [
            *tables,
            *(["unseen"] if cohort in EVALUATED else []),
            *(["replication"] if cohort in REPLICATING else []),
            *(["stability"] if cohort in SUBSAMPLED else []),
            *(of_processes if cohort in ENRICHED else []),
        ]
    ]


def captions():
    """The captions of tables and figures, plain text."""
    return sorted(map(str, (REPOSITORY / "workflow/report").glob("*.rst")))


def are_there(paths, told, advice=""):
    """Whether all files of some data are there; the first that is not is named in the log."""
    absent = [path for path in paths if not Path(path).exists()]
    if absent:
        logger.warning(f"{told}: there is no {absent[0]}.{advice}")
    return not absent
