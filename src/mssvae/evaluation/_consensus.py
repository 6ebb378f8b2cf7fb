"""Fits over seeds and subsamples: how often is each entry selected, and what do they agree on."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd

from mssvae.data.inputs import require_anndata
from mssvae.data.matrices import dense
from mssvae.data.validation import number, whole
from mssvae.errors import InputError
from mssvae.evaluation._agreement import agreement, match, parts
from mssvae.fitting.linear.tuning import LOADINGS
from mssvae.fitting.progress import progress
from mssvae.results.tables import FactorTables

if TYPE_CHECKING:
    from mssvae import MSSVAE

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stability:
    """What runs have in common with the fit to all samples, the reference.

    Attributes
    ----------
    frequency : FactorTables
        Features x factors of the reference: the share of runs that select the entry, in the factor
        that matches.
    support : FactorTables
        Features x factors of the reference, bool: its entries whose frequency is at least the
        threshold, without factors that have fewer than three of them.
    factors : DataFrame
        One row per factor of the reference: ``factor``, ``kind``, ``study``; ``n_nonzero`` entries,
        their ``mean_frequency`` (NaN if there are none), ``n_stable``, how many of them are in
        ``support``, and ``match``, the mean over the runs of the Jaccard index with the factor that
        matches (0 where none does).
    agreement : DataFrame [(1 + n_runs) x (1 + n_runs)]
        ``evaluation.agreement`` of every two: of the reference, ``all``, and the runs, 1, 2, ...
    """

    frequency: FactorTables
    support: FactorTables
    factors: pd.DataFrame
    agreement: pd.DataFrame


@dataclass(frozen=True)
class Consensus(Stability):
    """What fits over seeds and subsamples agree on.

    Attributes
    ----------
    reference : MSSVAE
        The fit to all samples.
    model : MSSVAE or None
        The reference with the support of the consensus, which was held while all else was trained
        on (``MSSVAE.refit``). None for nonlinear fits, which cannot go on so.
    """

    reference: "MSSVAE"
    model: "MSSVAE | None"


def consensus(
    fit: Callable[[anndata.AnnData, int], "MSSVAE"],
    adata: anndata.AnnData,
    n_runs: int = 10,
    share: float | None = 0.5,
    threshold: float = 0.5,
    seed: int = 0,
) -> Consensus:
    """Fit all samples, then subsamples with other seeds, and return what the fits agree on.

    Stability selection (Meinshausen and Buehlmann 2010): an entry that is there because of a few
    samples is missing from most halves. A linear fit does not depend on its seed, so its runs have
    to differ in their samples.

    Parameters
    ----------
    fit : callable
        Takes an AnnData and a seed, returns a fitted model. For instance
        ``lambda a, seed: MSSVAE(a, n_shared=20, seed=seed).fit()``.
    adata : AnnData [N x G]
    n_runs : int
        Number of fits besides that to all samples.
    share : float or None
        Share of each study's samples that a run has, see ``subsample``; None for all of them.
    threshold : float
        Share of the runs that have to select an entry of the consensus, above 0.
    seed : int
        Draws the subsamples and the seeds of the fits; that to all samples has it as it is.

    Raises
    ------
    InputError
        If an argument is out of range, or a study has too few samples.
    """
    require_anndata(adata)
    n_runs, seed = whole("n_runs", n_runs), whole("seed", seed, at_least=0)
    reference = fit(adata, seed)
    runs = []
    for run in progress(range(1, n_runs + 1), "consensus", "fit"):
        log.info("run %d of %d", run, n_runs)
        samples = adata
        if share is not None:
            settings = reference.settings
            samples = subsample(adata, run, share, seed, settings["study_key"], settings["layer"])
        runs.append(fit(samples, seed_of_run(seed, run)).support)
    result = stability(reference.support, runs, threshold)
    linear = reference.fit_settings.decoder == "linear"
    model = reference.refit(result.support) if linear else None
    return Consensus(**vars(result), reference=reference, model=model)


def seed_of_run(seed: int, run: int) -> int:
    """Return the seed of the fit of a run, numbered from 1."""
    return int(np.random.SeedSequence([seed, run]).generate_state(1)[0])


def subsample(
    adata: anndata.AnnData,
    run: int,
    share: float = 0.5,
    seed: int = 0,
    study_key: str = "group",
    layer: str | None = None,
) -> anndata.AnnData:
    """Return a random share of each study's samples, without features that do not vary in them.

    Parameters
    ----------
    adata : AnnData [N x G]
    run : int
        Number of the run, from 1: another one has other samples.
    share : float
        Above 0, at most 1; at least two samples of each study are taken.

    Raises
    ------
    InputError
        If an argument is out of range, or the study column or the layer is missing.
    """
    require_anndata(adata)
    share = number("share", share, at_least=0, at_most=1)
    if share == 0:
        raise InputError("share must be above 0")
    if study_key not in adata.obs:
        raise InputError(f"adata.obs has no column {study_key!r}")
    rng = np.random.default_rng([whole("seed", seed, at_least=0), whole("run", run)])
    taken = np.zeros(adata.n_obs, dtype=bool)
    for rows in adata.obs.groupby(study_key, observed=True).indices.values():
        taken[rng.permutation(rows)[: max(2, round(share * len(rows)))]] = True
    if layer is not None and layer not in adata.layers:
        raise InputError(f"adata has no layer {layer!r}")
    values = dense((adata.X if layer is None else adata.layers[layer])[taken])
    return adata[taken, np.ptp(values, axis=0) > 0].copy()


def stability(
    reference: FactorTables, runs: Sequence[FactorTables], threshold: float = 0.5
) -> Stability:
    """Compare the supports of runs with that of the fit to all samples, factor by factor.

    Factors are matched one to one, shared ones with shared ones and each study's with its own, to
    the largest sum of Jaccard indices.

    Parameters
    ----------
    reference : FactorTables
        Support (or masks) of the fit to all samples.
    runs : sequence of FactorTables
        The same of the runs. Features that a run lacks are not selected by it.
    threshold : float
        Share of the runs that have to select an entry of the support, above 0.

    Raises
    ------
    InputError
        If there is no run, the threshold is out of range, or features or studies differ.
    """
    threshold = number("threshold", threshold, at_least=0, at_most=1)
    if threshold == 0 or not runs:
        raise InputError(
            "threshold must be above 0" if runs else "runs is empty: give at least one"
        )
    features = reference.shared.index
    runs = [_with_features(run, features) for run in runs]
    counts = _mapped(lambda table: pd.DataFrame(0, table.index, table.columns), reference)
    matches = pd.Series(0.0, reference.wide().columns)
    for run in runs:
        for (own, found), count in zip(parts(reference, run), _tables(counts), strict=True):
            i, k, index = match(own, found)
            count.iloc[:, i] += found.to_numpy()[:, k]
            matches.loc[own.columns[i]] += index
    frequency = _mapped(lambda table: table / len(runs), counts)
    selected = reference.wide() != 0
    often = selected & (counts.wide() >= threshold * len(runs) - 1e-9)  # But for rounding.
    factors = reference.kinds()
    often &= often.sum() >= LOADINGS.least_entries
    support = FactorTables.split(often, factors, list(reference.specific))
    factors["n_nonzero"] = selected.sum().to_numpy()
    factors["mean_frequency"] = frequency.wide().where(selected).mean().to_numpy()
    factors["n_stable"] = support.wide().sum().to_numpy()
    factors["match"] = matches.to_numpy() / len(runs)
    return Stability(frequency, support, factors, _agreements([reference, *runs]))


def _agreements(supports: list[FactorTables]) -> pd.DataFrame:
    names = ["all", *range(1, len(supports))]
    table = pd.DataFrame(1.0, names, names)
    for one, two in combinations(range(len(supports)), 2):
        value = agreement(supports[one], supports[two])
        table.iloc[one, two] = table.iloc[two, one] = value
    return table


def _with_features(run: FactorTables, features: pd.Index) -> FactorTables:
    if len(run.shared.index.difference(features)):
        raise InputError("a run has features that the fit to all samples lacks")
    return _mapped(lambda table: (table != 0).reindex(features, fill_value=False), run)


def _mapped(change: Callable[[pd.DataFrame], pd.DataFrame], tables: FactorTables) -> FactorTables:
    own = {study: change(table) for study, table in tables.specific.items()}
    return FactorTables(change(tables.shared), own)


def _tables(tables: FactorTables) -> list[pd.DataFrame]:
    return [tables.shared, *tables.specific.values()]
