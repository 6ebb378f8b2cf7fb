"""Measure what fits cost and recover, by the way the decoder is evaluated: `make benchmark`."""

import argparse
import sys
from pathlib import Path

# The study and the library of this checkout, whichever is installed.
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "src")]

from mssvae import figures
from mssvae.data.files import write_json, write_table
from mssvae.logs import log_to
from studies import benchmark

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
parser.add_argument("--output", type=Path, default=Path("results/benchmark"), help="folder")
arguments = parser.parse_args()
output = arguments.output
log_to(output / "benchmark.log")

write_json(benchmark.machine(), output / "machine.json")
plan = benchmark.PLANS["quick" if arguments.quick else "full"]
write_table(benchmark.recovery(plan), output / "recovery.csv")
cost = benchmark.cost(plan)
write_table(cost, output / "cost.csv")
figures.save(figures.benchmark(cost), output / "cost.pdf", output / "cost.png")
