import json
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version, validate

min_version("9.0")

# A config file given on the command line stands alone; the schema fills what it leaves out.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


validate(config, "../schemas/config.schema.yaml")

if "container" in config:

    containerized: config["container"]


REPOSITORY = Path(str(workflow.current_basedir)).parents[1]
# Where the library is not installed, as in conda environments, scripts find it here.
sys.path.insert(0, str(REPOSITORY / "src"))

from mssvae.provenance import FIT_SOURCES

COHORTS = config.get("cohorts", {})
SIMULATIONS = config.get(
    "simulations",
    {"replicates": {"development": [], "reported": []}, "settings": {}},
)
REPLICATES = SIMULATIONS["replicates"]
SETTINGS = SIMULATIONS["settings"]

if both := set(REPLICATES["development"]) & set(REPLICATES["reported"]):
    raise WorkflowError(
        f"simulations: the replicates {sorted(both)} are both development and reported ones: "
        "results must not come from the replicates that settings were chosen with"
    )


def any_of(names):
    """A pattern that matches these names alone; none, if there are no names."""
    return "|".join(re.escape(name) for name in sorted(map(str, names))) or "(?!)"


# The MSSVAE's; other models have rules of their own.
METHODS = {method for setting in SETTINGS.values() for method in setting["methods"]}
OTHER_METHODS = {
    method for setting in SETTINGS.values() for method in setting["other_methods"]
}

if both := METHODS & OTHER_METHODS:
    raise WorkflowError(
        f"simulations: {sorted(both)} are under methods and under other_methods: rename one"
    )


wildcard_constraints:
    run=re.escape(config["run"]),
    cohort=any_of(COHORTS),
    kind="shared|specific",
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


def cohort_inputs(wildcards):
    """What the source of a cohort's counts needs, by name."""
    cohort = COHORTS[wildcards.cohort]
    if cohort["source"] == "files":
        counts = Path(cohort["counts"])
        # A Matrix Market file has the names of genes and samples beside it, maybe with a part of
        # its name before theirs.
        names = ("genes", "features", "barcodes") if ".mtx" in counts.suffixes else ()
        return {
            "counts": cohort["counts"],
            "samples": cohort["samples"],
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
            "groups": cohort["group_mapping"],
        }
    if cohort["source"] in ("auto", "synthetic"):
        inputs |= {"go_gene_sets": "results/{run}/resources/go_gene_sets.tsv.gz"}
    return inputs


def data_folder(wildcards):
    """$MSSVAE_DATA, a param: counts that come to hand take the place of a synthetic cohort.

    Where it is not set, what real counts were read with, so that they are not given up again.
    """
    folder = os.environ.get("MSSVAE_DATA")
    path = Path("results/{run}/cohorts/{cohort}/data/source.json".format(**wildcards))
    if folder is None and path.exists():
        source = json.loads(path.read_text())
        if source["kind"] == "geo":
            return source["data_folder"]
    return folder


def reported_replicates(wildcards):
    """The replicates that tables and figures of a simulation report."""
    replicates = REPLICATES["reported"]
    n_reported = SETTINGS[wildcards.simulation].get("n_reported", len(replicates))
    if n_reported > len(replicates):
        raise WorkflowError(
            f"simulation {wildcards.simulation}: n_reported is {n_reported}, but there are "
            f"{len(replicates)} reported replicates: lengthen their list"
        )
    return replicates[:n_reported]


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


def simulation_model(wildcards):
    """The settings of the model; the likelihood follows from the simulator."""
    setting = SETTINGS[wildcards.simulation]
    likelihood = {"gaussian": "gaussian", "rnaseq": "negative_binomial"}
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


def captions():
    """The captions of tables and figures, plain text."""
    return sorted(map(str, (REPOSITORY / "workflow/report").glob("*.rst")))
