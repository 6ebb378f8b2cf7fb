"""Pages for a browser, each one self-contained HTML file that loads nothing from anywhere else."""

from mssvae.pages._explorer import cohort, explorer
from mssvae.pages._findings import (
    assumption_findings,
    cohort_findings,
    random_findings,
    simulation_findings,
    talk_findings,
    unseen_findings,
)
from mssvae.pages._tables import Table, tables

__all__ = [
    "Table",
    "assumption_findings",
    "cohort",
    "cohort_findings",
    "explorer",
    "random_findings",
    "simulation_findings",
    "tables",
    "talk_findings",
    "unseen_findings",
]
