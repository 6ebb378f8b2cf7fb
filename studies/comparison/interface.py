"""What a method of the comparison is given, and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import anndata
import numpy as np
import pandas as pd

from mssvae.errors import InputError


class Unsuitable(Exception):
    """A method cannot be used on data of this kind, or cannot do what is asked for."""


@dataclass(frozen=True)
class Problem:
    """What a method is told about data beside the data themselves.

    Attributes
    ----------
    likelihood : {"gaussian", "negative_binomial"}
        Whether ``X`` has real values, standardised by feature, or counts.
    n_factors : int
        For methods that do not choose their number; the true number where it is known.
    n_shared, n_specific : int
        For methods that choose: most shared factors, and most of each study's own.
    hidden : (int, int)
        Widths of hidden layers, of methods that have such.
    seed : int
        Of whatever a method draws.
    """

    likelihood: str
    n_factors: int
    n_shared: int
    n_specific: int
    hidden: tuple[int, int] = (64, 32)
    seed: int = 0

    @property
    def counts(self) -> bool:
        """Whether values are counts."""
        return self.likelihood != "gaussian"


def no_prediction(adata: anndata.AnnData, observed: list[str]) -> pd.DataFrame:
    """Stand for the prediction of a method that has none."""
    raise Unsuitable("gives no expected values of new samples")


@dataclass(frozen=True)
class Fitted:
    """What a method found.

    Attributes
    ----------
    loadings : DataFrame [G x K]
        Weights of the features; comparable within a column.
    factors : DataFrame [N x K]
        Values of the factors, with the same columns; zero where a factor is another study's.
    studies : dict of str to str, optional
        The study of each column that is one study's own, the others being shared; None if the
        method does not say.
    support : DataFrame of bool [G x K]
        Entries by the method's own rule; default, those that are not zero.
    predict : callable
        As ``mssvae.MSSVAE.predict``: expected values [n x G], from some features of new samples.
    """

    loadings: pd.DataFrame
    factors: pd.DataFrame
    studies: dict[str, str] | None = None
    support: pd.DataFrame | None = None
    predict: Callable[[anndata.AnnData, list[str]], pd.DataFrame] = no_prediction

    @property
    def entries(self) -> pd.DataFrame:
        """``support``, or where loadings are not zero."""
        return self.loadings != 0 if self.support is None else self.support

    @property
    def kinds(self) -> pd.DataFrame:
        """One row per column: ``factor``, ``kind`` (shared or specific) and ``study``.

        Both are missing if the method does not say.
        """
        table = pd.DataFrame({"factor": list(self.loadings), "kind": None, "study": None})
        if self.studies is not None:
            table["study"] = [self.studies.get(name) for name in table["factor"]]
            table["kind"] = np.where(table["study"].isna(), "shared", "specific")
        return table


def method(name: str) -> ModuleType:
    """Return the file of a method: ``fit(adata, problem, **settings)`` and its ``PACKAGE``.

    Raises InputError if there is none.
    """
    module = f"studies.comparison.methods.{name}"
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise InputError(f"no method {name!r}: add studies/comparison/methods/{name}.py") from error


def package_version(package: str) -> str:
    """Return the name and the installed version of a package; the name alone if it has none."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def columns(values: object, index: pd.Index) -> pd.DataFrame:
    """Return a table of factors that a method does not name: ``factor_01``, ``factor_02``, ..."""
    table = pd.DataFrame(values, index)
    return table.set_axis([f"factor_{k:02d}" for k in range(1, table.shape[1] + 1)], axis=1)
