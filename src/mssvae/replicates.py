"""Replicates of a simulation study: seeds, true and estimated factors, scores (section 4)."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mssvae.data.files import read_table
from mssvae.data.validation import listed, require_columns, whole
from mssvae.errors import InputError
from mssvae.metrics import disentanglement, pad_factors, remove_dense, structure_scores

if TYPE_CHECKING:
    import anndata as ad

# Before and after the assignment of columns by Theorem 2.
_STAGES = ("trained", "assigned")
# The rows of Table 2, in its order, and what the manifest of a fit calls them.
_TABLE_2 = {
    "batch_size": "Batch Size",
    "max_epochs": "Epochs",
    "hidden": "Hidden Dimensions",
    "n_shared": "Initial K_S",
    "n_specific": "Initial K_m",
    "lr": "Learning Rate (not W)",
    "lr_mask": "Learning Rate (W)",
}


@dataclass(frozen=True)
class Factorisation:
    """True or estimated factors of one data set, as the tables of a fit have them.

    Attributes
    ----------
    masks : DataFrame [G x K]
        Weights, one row per feature (the index) and a column for each factor.
    factors : DataFrame
        One row per factor: ``factor`` (a column of ``masks``), ``kind`` (``"shared"`` or
        ``"specific"``), ``study`` (of a specific factor).
    latent : DataFrame [N x K], optional
        True factors, or posterior means, one row per sample (the index); NaN where a factor is
        another study's.
    """

    masks: pd.DataFrame
    factors: pd.DataFrame
    latent: pd.DataFrame | None = None

    @classmethod
    def read(
        cls,
        masks: str | os.PathLike,
        factors: str | os.PathLike,
        latent: str | os.PathLike | None = None,
    ) -> Factorisation:
        """Read the tables of a simulated data set, or of a fit to one."""
        return cls(
            read_table(masks, index="feature"),
            read_table(factors),
            None if latent is None else read_table(latent, index="sample"),
        )

    def equals(self, other: Factorisation) -> bool:
        """Return whether the other has the same factors, so that its scores are the same."""
        columns = ["factor", "kind", "study"]
        return (
            self.masks.equals(other.masks)
            and self.latent.equals(other.latent)
            and self.factors[columns].equals(other.factors[columns])
        )

    def names(self, part: str) -> pd.Series:
        """Return the names of the shared factors (``"shared"``) or of a study's own."""
        specific = self.factors["kind"] == "specific"
        rows = ~specific if part == "shared" else specific & (self.factors["study"] == part)
        return self.factors.loc[rows, "factor"]

    def padded(self) -> pd.DataFrame:
        """Return ``latent`` with zeros where a factor is another study's (``pad_factors``)."""
        studies = self.factors["study"].dropna().unique()
        shared, own = _by_part(self, self.latent, studies)
        own = {study: values.dropna(how="all") for study, values in own.items()}
        return pad_factors(shared, own)


def seeds(master_seed: int, simulation: str, replicate: int) -> dict[str, int]:
    """Return the seeds of one replicate.

    Parameters
    ----------
    master_seed : int
        The seed that all others derive from.
    simulation : str
        Name of the simulation.
    replicate : int
        Number of the replicate.

    Returns
    -------
    dict
        ``data`` for the simulator and ``fit`` for the model, 32 bits each. Every method has the
        same, so that methods differ by their settings alone.

    Raises
    ------
    InputError
        If a number is not whole or negative, or the name is no text.
    """
    if not isinstance(simulation, str):
        raise InputError(f"simulation must be a name, not {simulation!r}")
    master_seed = whole("master_seed", master_seed, at_least=0)
    replicate = whole("replicate", replicate, at_least=0)
    entropy = [master_seed, zlib.crc32(simulation.encode()), replicate]
    data, fit = np.random.SeedSequence(entropy).generate_state(2).tolist()
    return {"data": data, "fit": fit}


def truth(adata: ad.AnnData) -> Factorisation:
    """Return the true factors of simulated data.

    Parameters
    ----------
    adata
        From ``mssvae.simulate``, maybe without some of its features.

    Raises
    ------
    InputError
        If it does not hold the truth.
    """
    require_columns(adata.obs, ["group"], "adata.obs")
    studies = adata.obs["group"].astype("category").cat.remove_unused_categories()
    for what, keys, kept in (
        ("varm", [f"true_{part}" for part in ("shared", *studies.cat.categories)], adata.varm),
        ("obsm", ["true_shared", "true_specific"], adata.obsm),
    ):
        if missing := [key for key in keys if key not in kept]:
            raise InputError(
                f"adata.{what} has no {listed(missing)}: give what mssvae.simulate returned"
            )
    masks, latent, factors = [], [], []
    for part in ("shared", *studies.cat.categories):
        mask = adata.varm[f"true_{part}"]
        names = [f"{part}_{k:02d}" for k in range(1, mask.shape[1] + 1)]
        is_shared = part == "shared"
        values = adata.obsm["true_shared" if is_shared else "true_specific"][:, : len(names)]
        samples = np.ones(len(studies), dtype=bool) if is_shared else (studies == part).to_numpy()
        masks.append(pd.DataFrame(mask, adata.var_names, names))
        latent.append(pd.DataFrame(values, adata.obs_names, names).loc[samples])
        kind, study = ("shared", None) if is_shared else ("specific", part)
        factors += [{"factor": name, "kind": kind, "study": study} for name in names]
    return Factorisation(
        pd.concat(masks, axis=1),
        pd.DataFrame(factors),
        pd.concat(latent, axis=1).loc[adata.obs_names],
    )


def scores(
    truth: Factorisation, estimate: Factorisation, max_column_share: float = 1.0
) -> pd.DataFrame:
    """Return all scores of one fit (appendix C.1).

    Parameters
    ----------
    truth, estimate : Factorisation
        With ``latent``.
    max_column_share : float
        Estimated columns with a larger share of non-zero entries are removed before supports are
        compared (section 4.2: 0.25); disentanglement and ``n_factors`` have all columns.

    Returns
    -------
    DataFrame
        ``part``, ``metric``, ``value``: the rows of ``metrics.structure_scores``;
        ``disentanglement`` of the part ``all``, over all samples and factors; ``n_factors``, the
        number of estimated columns that are not empty, of ``shared`` and ``specific/<study>``.
        A study that is named by one of the two alone has no factors in the other.

    Raises
    ------
    InputError
        If the two do not have the same features or samples, a value is missing, or the tables of
        one do not have the same factors.
    """
    _check_tables(truth, "the truth")
    _check_tables(estimate, "the estimate")
    named = pd.concat([truth.factors["study"], estimate.factors["study"]])
    studies = named.dropna().unique()
    true_shared, true_own = _by_part(truth, truth.masks, studies)
    shared, own = _by_part(estimate, estimate.masks, studies)
    supports = structure_scores(
        true_shared,
        true_own,
        remove_dense(shared, max_column_share),
        {study: remove_dense(mask, max_column_share) for study, mask in own.items()},
    )
    numbers = {"shared": shared, **{f"specific/{study}": mask for study, mask in own.items()}}
    others = [
        ("all", "disentanglement", disentanglement(truth.padded(), estimate.padded())),
        *((part, "n_factors", (mask != 0).any().sum()) for part, mask in numbers.items()),
    ]
    return pd.concat(
        [supports, pd.DataFrame(others, columns=["part", "metric", "value"])], ignore_index=True
    )


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """Summarise scores over replicates.

    Parameters
    ----------
    scores : DataFrame
        ``simulation``, ``method``, ``replicate``, ``stage``, ``part``, ``metric``, ``value``.

    Returns
    -------
    DataFrame
        One row per simulation, method, stage, part and metric, in the order of ``scores``: ``n``
        replicates, ``median``, ``lower_quartile``, ``upper_quartile``, and ``worst``, the lowest
        value (NaN for ``n_factors``, of which neither more nor less is worse).

    Raises
    ------
    InputError
        If a column or a score is missing, or a replicate has a score twice.
    """
    by = ["simulation", "method", "stage", "part", "metric"]
    scores = _checked_scores(scores, [*by, "replicate"])
    summary = scores.groupby(by, sort=False)["value"].describe().reset_index()
    summary["count"] = summary["count"].astype(int)
    summary["min"] = summary["min"].where(summary["metric"] != "n_factors")
    names = {
        "count": "n",
        "50%": "median",
        "25%": "lower_quartile",
        "75%": "upper_quartile",
        "min": "worst",
    }
    return summary.rename(columns=names)[[*by, *names.values()]]


def worst_replicate(scores: pd.DataFrame, method: str) -> int:
    """Return the replicate with the lowest consensus (appendix C.3).

    Parameters
    ----------
    scores : DataFrame
        ``method``, ``replicate``, ``stage``, ``part``, ``metric``, ``value`` of one simulation, in
        any order; of the stages ``trained`` and ``assigned`` the second counts, if it is there.
    method : str
        Whose scores to compare.

    Returns
    -------
    int
        The replicate in which the average of shared and specific consensus is lowest; the smallest
        number, if there are several.

    Raises
    ------
    InputError
        If there is no consensus of the method, a column or a score is missing, a replicate has a
        score twice, or a stage is unknown.
    """
    scores = _checked_scores(scores, ["method", "replicate", "stage", "part", "metric"])
    if unknown := set(scores["stage"]) - set(_STAGES):
        raise InputError(f"scores table: unknown stages {listed(unknown)}: use {listed(_STAGES)}")
    of_method = (scores["method"] == method) & (scores["metric"] == "consensus")
    rows = scores[of_method & scores["part"].isin(["shared", "specific"])]
    if rows.empty:
        raise InputError(f"scores table: no consensus of method {method!r}")
    last = max(rows["stage"], key=_STAGES.index)
    return int(rows[rows["stage"] == last].groupby("replicate")["value"].mean().idxmin())


def settings_table(manifests: Mapping[str, Mapping]) -> pd.DataFrame:
    """Return the settings of several fits side by side (Table 2).

    Parameters
    ----------
    manifests : mapping of str to mapping
        By the name of the column, what ``MSSVAE.manifest`` returned.

    Returns
    -------
    DataFrame
        One row per setting: ``Hyperparameter``, and a column for each fit. First the rows of
        Table 2, then the further settings by their names in ``MSSVAE`` and ``FitSettings``. Where a
        setting stands for the number of features or samples, the number.

    Raises
    ------
    InputError
        If there is no manifest, or one lacks an entry.
    """
    if not manifests:
        raise InputError("there is no fit to list the settings of")
    columns = {}
    for name, manifest in manifests.items():
        missing = {"settings", "fit", "n_features", "n_samples"} - manifest.keys()
        if missing or manifest["fit"] is None:
            raise InputError(
                f"manifest of {name!r} has no {listed(missing or ['fit'])}: give "
                "MSSVAE.manifest() of a fitted model"
            )
        used = {**manifest["settings"], **manifest["fit"]}
        n_features = manifest["n_features"]
        defaults = {
            "b": n_features,
            "features_per_batch": n_features,
            "prior_scale": manifest["n_samples"],
        }
        for key, value in defaults.items():
            used[key] = value if used[key] is None else used[key]
        columns[name] = {key: json.dumps(value).strip('"') for key, value in used.items()}
    table = pd.DataFrame(columns).drop(["study_key", "layer", "seed"])
    order = [*_TABLE_2, *(key for key in table.index if key not in _TABLE_2)]
    table = table.loc[order].rename(index=_TABLE_2)
    return table.rename_axis("Hyperparameter").reset_index()


def _checked_scores(scores: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return scores with numbered rows; raise InputError if they are incomplete or there twice."""
    require_columns(scores, [*keys, "value"], "scores table")
    gaps = scores[scores[[*keys, "value"]].isna().any(axis=1)]
    for what, rows in (("incomplete", gaps), ("repeated", scores[scores.duplicated(keys)])):
        if len(rows):
            raise InputError(
                f"scores table: {len(rows)} rows are {what}, such as that of "
                f"{', '.join(f'{key} {rows[key].iloc[0]}' for key in keys)}"
            )
    return scores.reset_index(drop=True)


def _check_tables(factorisation: Factorisation, whose: str) -> None:
    """Raise InputError unless masks and latent have a column for each factor, and no other."""
    factors = factorisation.factors
    require_columns(factors, ["factor", "kind", "study"], f"factors of {whose}")
    if unknown := set(factors["kind"]) - {"shared", "specific"}:
        raise InputError(f"factors of {whose}: kind is shared or specific, not {listed(unknown)}")
    nameless = factors.loc[(factors["kind"] == "specific") & factors["study"].isna(), "factor"]
    if len(nameless):
        raise InputError(f"factors of {whose}: {listed(nameless)} are specific to no study")
    if factorisation.latent is None:
        raise InputError(f"{whose} has no latent factors: read them too")
    names = factors["factor"].tolist()
    for what, table in (("masks", factorisation.masks), ("latent", factorisation.latent)):
        require_columns(table, names, f"{what} of {whose}")
        if other := [column for column in table if column not in names]:
            raise InputError(f"factors of {whose}: no row of columns of {what}: {listed(other)}")


def _by_part(
    factorisation: Factorisation, table: pd.DataFrame, studies: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return the shared columns of a table, and by study its own."""
    own = {study: table[factorisation.names(study)] for study in studies}
    return table[factorisation.names("shared")], own
