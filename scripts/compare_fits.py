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
    note = "absent: run `make peers`, or set MSSVAE_PEERS to a Python with envs/peers.txt"
    write_json({"fitted": False, "note": note}, folder / "all/about.json")
else:
    problem = Problem(**params.problem)
    made = [
        Fit(snakemake.input.data, name, params.file, params.settings, problem, str(folder / name))
        for name in params.names
    ]
    limits = Limits(params.limits["seconds"], params.limits["memory_mib"], snakemake.threads)
    for one, about in zip(made, run(made, limits, params.python or sys.executable), strict=False):
        logging.info("%s: %s", one.name, about)
