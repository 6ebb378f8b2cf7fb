"""Nonlinear multi-study factor analysis: the MSSVAE model and what surrounds it.

Submodules load on first use, so that reading tables or drawing figures needs neither torch nor R.
"""

from importlib import import_module

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


def __getattr__(name: str) -> object:
    if name == "MSSVAE":
        return import_module("mssvae.model").MSSVAE
    if name == "InputError":
        return import_module("mssvae.errors").InputError
    if name == "consensus":
        return import_module("mssvae.evaluation").consensus
    if name in _SUBMODULES:
        return import_module(f"mssvae.{name}")
    raise AttributeError(f"module 'mssvae' has no attribute {name!r}")
