"""The figures: tidy tables in, a matplotlib `Figure` out, which `save` writes as PDF and PNG.

No function here fits or tests anything, and none touches matplotlib's global state.
"""

from mssvae.figures._backgrounds import backgrounds
from mssvae.figures._benchmark import benchmark
from mssvae.figures._common import group_colours, group_looks, save, source_note
from mssvae.figures._comparison import comparison
from mssvae.figures._convergence import convergence
from mssvae.figures._masks import masks
from mssvae.figures._processes import processes
from mssvae.figures._qc import qc
from mssvae.figures._schematic import schematic
from mssvae.figures._simulation import simulation, worst
from mssvae.figures._supervised import supervised
from mssvae.figures._talk import talk
from mssvae.figures._unseen import unseen

__all__ = [
    "backgrounds",
    "benchmark",
    "comparison",
    "convergence",
    "group_colours",
    "group_looks",
    "masks",
    "processes",
    "qc",
    "save",
    "schematic",
    "simulation",
    "source_note",
    "supervised",
    "talk",
    "unseen",
    "worst",
]
