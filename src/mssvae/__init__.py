"""Nonlinear multi-study factor analysis: the MSSVAE model and what surrounds it.

Submodules load on first use, so that reading tables or drawing figures needs neither torch nor R.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mssvae import cohorts as cohorts
    from mssvae import enrichment as enrichment
    from mssvae import evaluation as evaluation
    from mssvae import factors as factors
    from mssvae import figures as figures
    from mssvae import metrics as metrics
    from mssvae import pages as pages
    from mssvae import preprocess as preprocess
    from mssvae import replicates as replicates
    from mssvae import simulate as simulate
    from mssvae.errors import InputError
    from mssvae.evaluation import consensus
    from mssvae.model import MSSVAE

__version__ = "0.1.0"
__all__ = ["MSSVAE", "InputError", "__version__", "consensus"]

_SUBMODULES = (
    "cohorts",
    "enrichment",
    "evaluation",
    "factors",
    "figures",
    "metrics",
    "pages",
    "preprocess",
    "replicates",
    "simulate",
)
# What is there by another name than its module's.
_NAMES = {"MSSVAE": "model", "InputError": "errors", "consensus": "evaluation"}


def __getattr__(name: str) -> object:
    if name in _NAMES:
        return getattr(import_module(f"mssvae.{_NAMES[name]}"), name)
    if name in _SUBMODULES:
        return import_module(f"mssvae.{name}")
    raise AttributeError(f"module 'mssvae' has no attribute {name!r}")
