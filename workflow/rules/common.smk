import json
import os
import re
import sys
from pathlib import Path

from snakemake.utils import min_version, validate

min_version("9.0")

# A config file given on the command line stands alone; the schema fills what it leaves out.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


validate(config, "../schemas/config.schema.yaml")

REPOSITORY = Path(str(workflow.current_basedir)).parents[1]
# Where the library is not installed, as in conda environments, scripts find it here.
sys.path.insert(0, str(REPOSITORY / "src"))


wildcard_constraints:
    run=re.escape(config["run"]),
    cohort="|".join(map(re.escape, config["cohorts"])),
    kind="shared|specific",


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
    cohort = config["cohorts"][wildcards.cohort]
    if cohort["source"] == "files":
        return {"counts": cohort["counts"], "samples": cohort["samples"]}
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
