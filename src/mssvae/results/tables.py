"""Results as tables: a column for each factor, and where Theorem 2 has it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd
import torch

from mssvae.data.validation import listed
from mssvae.moves.parts import Part, Price
from mssvae.moves.theorem2 import common_columns, split_columns

log = logging.getLogger(__name__)

# Factors with more between studies, or a larger correlation with library sizes, are told.
MOST_BY_STUDY, MOST_BY_LIBRARY = 0.3, 0.5


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
        rows = [(factor, "shared", None) for factor in self.shared]
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


def assign(
    masks: FactorTables,
    latent: FactorTables,
    parts: list[Part],
    price: Price,
) -> None:
    """Move the columns of both tables to where Theorem 2 has them, see ``MSSVAE.assigned``.

    Parameters
    ----------
    masks, latent : FactorTables
        Changed in place.
    parts : list of Part
        Those of the tables.
    price : Price
    """
    studies, moved = list(masks.specific), []
    for k, acts in split_columns(parts, price):
        name = masks.shared.columns[k]
        for study, features in zip(studies, acts, strict=True):
            if features.any():
                mask, own = masks.specific[study], latent.specific[study]
                mask[f"{study}_{name}"] = masks.shared[name].where(features.cpu().numpy(), 0)
                own[f"{study}_{name}"] = latent.shared.loc[own.index, name]
        moved.append((masks.shared, latent.shared, name))
    for columns, features, scores in common_columns(parts):
        names = [masks.specific[m].columns[k] for m, k in zip(studies, columns, strict=True)]
        found = list(zip(studies, names, strict=True))
        weights = np.mean([masks.specific[study][name] for study, name in found], axis=0)
        masks.shared[f"shared_{names[0]}"] = weights * features.cpu().numpy()
        latent.shared[f"shared_{names[0]}"] = scores.cpu().numpy()
        for study, name in found:
            moved.append((masks.specific[study], latent.specific[study], name))
    for mask, factors, name in moved:
        del mask[name], factors[name]


def what_else_explains(
    latent: FactorTables, study: np.ndarray, library: np.ndarray | None
) -> pd.DataFrame:
    """Return how far factors follow studies and depth instead of biology.

    Parameters
    ----------
    latent : FactorTables
    study : array [N]
        The number of each sample's study.
    library : array [N], optional
        Logarithms of library sizes.

    Returns
    -------
    DataFrame
        ``factor``; ``r2_study`` of shared factors, and if there are library sizes ``r_library``.
        NaN where a factor does not vary.
    """
    rows = []
    by_sample = None if library is None else pd.Series(library, latent.shared.index)
    for table in (latent.shared, *latent.specific.values()):
        for name, values in table.items():
            row = {"factor": name, "r2_study": np.nan}
            varies = values.std() > 0
            if table is latent.shared and varies:
                means = values.groupby(study).transform("mean")
                row["r2_study"] = means.var() / values.var()
            if by_sample is not None:
                depth = by_sample[values.index]
                row["r_library"] = values.corr(depth) if varies and depth.std() > 0 else np.nan
            rows.append(row)
    return pd.DataFrame(rows)


def warn_of_other_explanations(factors: pd.DataFrame) -> None:
    """Log a warning of factors that follow studies or depth; of a table of the factors."""
    for column, most, what in (
        ("r2_study", MOST_BY_STUDY, "studies (r2_study)"),
        ("r_library", MOST_BY_LIBRARY, "the library size (r_library)"),
    ):
        if column in factors:
            found = factors.loc[factors[column].abs() > most, "factor"]
            if len(found):
                log.warning(
                    "%d factors follow %s above %g, and may be no biology: %s; see factor_table()",
                    len(found),
                    what,
                    most,
                    listed(found),
                )


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
