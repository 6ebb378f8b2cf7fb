"""Results as tables: a column for each factor."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd
import torch

from mssvae.data.validation import listed
from mssvae.errors import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FactorTables:
    """One table of the shared factors, and one per study of its own factors.

    Attributes
    ----------
    shared : DataFrame
        Columns ``shared_01``, ``shared_02``, ...
    specific : dict of str to DataFrame
        By study; columns ``<study>_01``, ``<study>_02``, ...
    """

    shared: pd.DataFrame
    specific: dict[str, pd.DataFrame]

    @classmethod
    def split(
        cls, wide: pd.DataFrame, kinds: pd.DataFrame, studies: Sequence[str]
    ) -> "FactorTables":
        """Return tables that were side by side, by what ``kinds`` says of their columns."""
        own = {name: kinds.loc[kinds["study"] == name, "factor"] for name in studies}
        return cls(
            wide[kinds.loc[kinds["kind"] == "shared", "factor"]],
            {name: wide[factors] for name, factors in own.items()},
        )

    def wide(self) -> pd.DataFrame:
        """Return all tables side by side: shared columns first, then those of each study."""
        return pd.concat([self.shared, *self.specific.values()], axis=1)

    def kinds(self) -> pd.DataFrame:
        """Return one row per column: ``factor``, ``kind`` (shared or specific) and ``study``."""
        rows: list[tuple[str, str, str | None]] = [(f, "shared", None) for f in self.shared]
        rows += [(f, "specific", study) for study, table in self.specific.items() for f in table]
        return pd.DataFrame(rows, columns=["factor", "kind", "study"])


def factor_table(tensor: torch.Tensor, index: pd.Index, start: str) -> pd.DataFrame:
    """Return a copy of columns of factors, called ``<start>_01``, ``<start>_02``, ..."""
    columns = [f"{start}_{k:02d}" for k in range(1, tensor.shape[1] + 1)]
    return pd.DataFrame(tensor.detach().cpu().numpy().copy(), index=index, columns=columns)


def factor_tables(
    tensors: Sequence[torch.Tensor], index: pd.Index, studies: Sequence[str]
) -> FactorTables:
    """Return copies of the shared columns, the first tensor, and those of each study."""
    shared, *specific = tensors
    tables = zip(studies, specific, strict=True)
    return FactorTables(
        factor_table(shared, index, "shared"),
        {name: factor_table(tensor, index, name) for name, tensor in tables},
    )


def part_of(support: FactorTables, own: FactorTables) -> pd.DataFrame:
    """Return a part of the entries of ``own`` side by side, bool; as ``MSSVAE.refit`` takes it.

    Raises InputError if features, studies or factors are others, or entries are that ``own`` has
    not.
    """
    wide = own.wide()
    table = support.wide() if support.specific.keys() == own.specific.keys() else None
    if table is None or not (table.index.equals(wide.index) and table.columns.equals(wide.columns)):
        raise InputError("support must have the features, studies and factors of model.support")
    table = table.astype(bool)
    if new := [name for name in table if (table[name] & ~wide[name]).any()]:
        raise InputError(f"support has entries that the model has not, of {listed(new)}")
    return table


def write_factors(adata: anndata.AnnData, masks: FactorTables, latent: FactorTables) -> None:
    """Put masks and factors into an AnnData, with the keys of ``MSSVAE.to_anndata``.

    A warning is logged of what they replace.
    """
    # One below the other: each study's columns have names of their own.
    own = [table.set_axis(range(table.shape[1]), axis=1) for table in latent.specific.values()]
    own = pd.concat(own).loc[latent.shared.index]
    written = {
        "obsm": {"mssvae_shared": latent.shared, "mssvae_specific": own},
        "varm": {f"mssvae_{study}": mask for study, mask in masks.specific.items()},
    }
    written["varm"]["mssvae_shared"] = masks.shared
    for place, tables in written.items():
        for key, table in tables.items():
            if key in getattr(adata, place):
                log.warning("to_anndata replaces %s[%r] of adata", place, key)
            getattr(adata, place)[key] = table.to_numpy(dtype=np.float32)
