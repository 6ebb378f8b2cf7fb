"""Fit one method to one data set of the comparison, within limits."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import logging
import sys
from pathlib import Path

from mssvae.data.files import write_json
from studies.comparison.fitting import Fit, Limits, run
from studies.comparison.interface import Problem

params, folder = snakemake.params, Path(snakemake.output.fits)
if params.python == "":
    environment = params.environment
    note = (
        f"absent: run `make {environment}`, or set MSSVAE_{environment.upper()} to a Python with "
        f"envs/{environment}.txt"
    )
    write_json({"fitted": False, "note": note}, folder / "all/about.json")
else:
    problem = Problem(**params.problem)
    sets = snakemake.input.gene_sets
    settings = params.settings | ({"gene_sets": sets[0]} if sets else {})
    made = [
        Fit(snakemake.input.data, name, params.file, settings, problem, str(folder / name))
        for name in params.names
    ]
    limits = Limits(params.limits["seconds"], params.limits["memory_mib"], snakemake.threads)
    for one, about in zip(made, run(made, limits, params.python or sys.executable), strict=False):
        logging.info("%s: %s", one.name, about)
