"""A cohort of counts in which GO terms are the factors."""

from collections.abc import Mapping

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from mssvae.data.validation import listed, number, require_columns, whole
from mssvae.errors import InputError
from mssvae.simulate._counts import gene_wise_counts, negative_binomial_counts
from mssvae.simulate._factors import seed_for_files

# Smallest and largest number of genes of a planted term.
TERM_SIZE = (30, 120)
# Samples of each group in GSE68086, in the order of Table 1.
_PLATELET_GROUPS = {
    "Healthy": 55,
    "Non Small Cell Lung Cancer": 60,
    "Glioblastoma": 40,
    "Other Cancer": 130,
}
# Share of the unplanted genes that are hardly expressed, for quality control to remove.
_SILENT_SHARE = 0.3
# Share of the samples with a library below the threshold of quality control.
_SMALL_SHARE = 0.01
# Share of a GO term's genes that load on its factor, and of further genes that do, relative to it.
_MEMBER_SHARE, _STRAY_SHARE = 0.9, 0.05
# Largest share of a term's genes that may be in terms planted before.
_MAX_OVERLAP = 0.1
# Causes that correlated factors have in common: so many that of 30 factors no two are alike.
_N_CAUSES = 5
# Arguments that are numbers: from where to where. Of libraries, logarithms have a largest mean and
# deviation, so that counts stay whole numbers in double precision.
_RANGES = {
    "factor_correlation": (0, 0.4),
    "baseline_log_sd": (0, 10),
    "theta_log_slope": (-2, 2),
    "theta_log_sd": (0, 5),
}
_LARGEST_OF_GROUPS = {"library_log_mean": 30, "library_log_sd": 2}


def cohort(
    go_gene_sets: pd.DataFrame,
    groups: Mapping[str, int] | None = None,
    *,
    n_genes: int = 12_000,
    n_shared: int = 12,
    n_specific: int = 3,
    term_size: tuple[int, int] = TERM_SIZE,
    nonlinear_every: int | None = 3,
    factor_correlation: float = 0.0,
    baseline_log_sd: float = 1.5,
    library_log_mean: float | Mapping[str, float] = 14.0,
    library_log_sd: float | Mapping[str, float] = 0.3,
    theta_log_intercept: float | None = None,
    theta_log_slope: float = 0.0,
    theta_log_sd: float = 0.0,
    seed: int = 0,
) -> ad.AnnData:
    """Simulate a platelet-like cohort in which GO terms are the factors.

    Every factor loads on 90 % of the genes of one GO term and on a few other genes; the planted
    terms hardly overlap. Counts follow section 4.2 with two changes that make them platelet-like:
    the factors scale a log-normal baseline of each gene, and the libraries are larger (about e^14
    counts). With baseline ``b``, loadings ``W`` and factors ``z``, gene ``j`` of sample ``i`` has
    the expression ``b_j log(1 + exp(1 + sum_k W_jk h(z_ik)))``, where ``h(z)`` is
    ``sin(3 pi z / 4)`` for every third gene and ``z`` for the others; it is normalised over the
    genes and multiplied with the library size. Values that were estimated from real platelets are
    in ``config/planted.yaml``; ``docs/simulations.md`` says how.

    Parameters
    ----------
    go_gene_sets
        Genes of GO terms, one row per pair: ``ID``, ``Description``, ``gene``.
    groups
        Number of samples of each group, at least two. By default, the groups of GSE68086.
    n_genes
        Number of genes; they come from ``go_gene_sets``. About a quarter is hardly expressed.
    n_shared, n_specific
        Number of factors of all groups, and of each single group.
    term_size
        Smallest and largest number of genes of a planted term.
    nonlinear_every
        Every gene whose number, from 1, is one above a multiple of this is nonlinear; at least 3.
        None for linear genes alone.
    factor_correlation
        Root mean square of the correlations of two factors, 0 to 0.4. Every factor then has a part
        of its variance from five standard normal causes that the factors of a sample have in
        common, with random weights.
    baseline_log_sd
        Standard deviation of the logarithms of the genes' baselines.
    library_log_mean, library_log_sd
        Mean and standard deviation of the logarithms of library sizes, in counts; a number for
        all groups, or one for each by name.
    theta_log_intercept, theta_log_slope, theta_log_sd
        Of the genes' inverse dispersions, each the same in all samples: the logarithm has a normal
        distribution around intercept plus slope times the logarithm of the gene's mean count. By
        default none: the biological variation of section 4.2.
    seed
        Seed of the random numbers.

    Returns
    -------
    AnnData
        The cohort, samples x genes, genes sorted by name, as from ``mssvae.cohorts``, with
        ``uns["source"]["kind"]`` "synthetic" and the truth:

        ``varm["true_shared"]`` [n_genes x n_shared], ``varm["true_<group>"]``
        [n_genes x n_specific]
            Loadings.
        ``obsm["true_shared"]`` [n_samples x n_shared], ``obsm["true_specific"]``
        [n_samples x n_specific]
            Factors; the specific ones are those of the sample's own group.
        ``uns["truth"]``
            The ids of the planted terms by factor: ``shared`` and one entry per group.

    Raises
    ------
    InputError
        If a group has fewer than two samples, a name that the truth cannot have, or no mean or
        standard deviation of its libraries, a number is none or out of its range, or
        ``go_gene_sets`` has too few genes or terms.
    """
    settings = _checked(dict(locals()))
    groups, n_genes, n_shared, n_specific = (
        settings[key] for key in ("groups", "n_genes", "n_shared", "n_specific")
    )
    rng = np.random.default_rng(settings["seed"])

    n_terms = n_shared + n_specific * len(groups)
    planted = _choose_terms(go_gene_sets, n_terms, settings["term_size"], rng)
    genes = _choose_genes(go_gene_sets, planted, n_genes, rng)
    baseline = rng.lognormal(0.0, settings["baseline_log_sd"], n_genes)
    unplanted = np.flatnonzero(~genes.isin(np.concatenate(list(planted.values()))))
    silent = rng.choice(unplanted, int(_SILENT_SHARE * len(unplanted)), replace=False)
    baseline[silent] *= 3e-3
    loadings = np.column_stack([_loadings(genes, members, rng) for members in planted.values()])

    names = ["shared", *groups]
    edges = np.cumsum([n_shared] + [n_specific] * len(groups))[:-1]
    masks = dict(zip(names, np.split(loadings, edges, axis=1), strict=True))
    terms = dict(zip(names, np.split(np.array(list(planted)), edges), strict=True))

    labels = np.repeat(list(groups), list(groups.values()))
    shared = rng.standard_normal((len(labels), n_shared))
    specific = rng.standard_normal((len(labels), n_specific))
    correlation = settings["factor_correlation"]
    shared, specific = _correlated(shared, specific, labels, groups, correlation, rng)
    expression = np.empty((len(labels), n_genes))
    for group in groups:
        own = labels == group
        factors, mask = np.hstack([shared[own], specific[own]]), [masks["shared"], masks[group]]
        signal = _signal(factors, np.hstack(mask), settings["nonlinear_every"])
        expression[own] = baseline * np.logaddexp(0.0, 1.0 + signal)

    adata = ad.AnnData(
        sparse.csr_matrix(_counts(expression, labels, settings, rng), dtype=np.float32),
        obs=pd.DataFrame(
            {
                "label": labels,
                "dataset": "synthetic",
                "group": pd.Categorical(labels, categories=list(groups)),
            },
            index=[f"synthetic_{i + 1:04d}" for i in range(len(labels))],
        ),
        var=pd.DataFrame(index=genes),
        obsm={"true_shared": shared, "true_specific": specific},
        varm={f"true_{name}": mask for name, mask in masks.items()},
    )
    adata.uns["truth"] = terms
    adata.uns["source"] = _source(adata, settings["seed"])
    return adata


def _signal(factors: np.ndarray, mask: np.ndarray, nonlinear_every: int | None) -> np.ndarray:
    """Return what factors [n x K] add to the genes by a mask [G x K]."""
    signal = factors @ mask.T
    if nonlinear_every is not None:
        nonlinear = slice(None, None, nonlinear_every)
        signal[:, nonlinear] = np.sin(0.75 * np.pi * factors) @ mask[nonlinear].T
    return signal


def _counts(
    expression: np.ndarray, labels: np.ndarray, settings: dict, rng: np.random.Generator
) -> np.ndarray:
    """Draw libraries, some of them small, and the counts of expression [N x G]."""
    groups, own = settings["groups"], pd.Series(labels)
    log_mean, log_sd = (
        own.map(settings[key]).to_numpy() for key in ("library_log_mean", "library_log_sd")
    )
    library = rng.lognormal(log_mean, log_sd)
    largest_group = np.flatnonzero(labels == max(groups, key=groups.get))
    small = rng.choice(largest_group, int(_SMALL_SHARE * len(labels)), replace=False)
    library[small] = rng.lognormal(11.5, 0.2, len(small))
    mean = library[:, None] * expression / expression.sum(axis=1, keepdims=True)
    if settings["theta_log_intercept"] is None:
        return negative_binomial_counts(mean, rng)
    trend = settings["theta_log_slope"] * np.log(mean.mean(axis=0))
    theta = rng.lognormal(settings["theta_log_intercept"] + trend, settings["theta_log_sd"])
    return gene_wise_counts(mean, theta, rng)


def _source(adata: ad.AnnData, seed: int) -> dict[str, object]:
    """Return where the counts come from, as of a cohort that was read."""
    return {
        "kind": "synthetic",
        "accessions": [],
        "files": {},
        "seed": seed_for_files(seed),
        "n_samples": adata.n_obs,
        "n_genes": adata.n_vars,
        "total_counts": int(adata.X.sum(dtype=np.float64)),
    }


def made_up_processes(n: int = 200, seed: int = 0) -> pd.DataFrame:
    """Return made-up processes for `cohort`, where no GO terms can be had.

    Parameters
    ----------
    n
        Number of processes, no two with a gene in common.
    seed
        Seed of their sizes, of the range ``TERM_SIZE``.

    Returns
    -------
    DataFrame
        One row per process and gene: ``ID``, ``Description``, ``gene``.
    """
    sizes = np.random.default_rng(seed).integers(TERM_SIZE[0], TERM_SIZE[1] + 1, n)
    number = np.repeat(np.arange(1, n + 1), sizes)
    return pd.DataFrame(
        {
            "ID": [f"made_up_{i:04d}" for i in number],
            "Description": [f"made-up process {i}" for i in number],
            "gene": [f"made_up_gene_{j:05d}" for j in range(1, len(number) + 1)],
        }
    )


def _checked(settings: dict) -> dict:
    """Return the arguments of `cohort` as they are used; raise InputError if one cannot be."""
    go_gene_sets = settings.pop("go_gene_sets")
    groups = settings["groups"]
    settings["groups"] = groups = _checked_groups(_PLATELET_GROUPS if groups is None else groups)
    for key, at_least in {"n_genes": 1, "seed": 0, "n_shared": 0, "n_specific": 0}.items():
        settings[key] = whole(key, settings[key], at_least)
    if settings["n_shared"] + settings["n_specific"] == 0:
        raise InputError("there is no factor to simulate: raise n_shared or n_specific")
    size = settings["term_size"]
    if np.shape(size) != (2,):
        raise InputError(f"term_size must be a smallest and a largest number, not {size!r}")
    settings["term_size"] = tuple(whole("term_size", end) for end in size)
    require_columns(go_gene_sets, ["ID", "gene"], "go_gene_sets")
    gaps = int(go_gene_sets[["ID", "gene"]].isna().any(axis=1).sum())
    if gaps:
        raise InputError(f"go_gene_sets has {gaps} rows without ID or gene: drop them")

    if settings["nonlinear_every"] is not None:
        settings["nonlinear_every"] = whole("nonlinear_every", settings["nonlinear_every"], 3)
    if settings["theta_log_intercept"] is None:
        if (settings["theta_log_slope"], settings["theta_log_sd"]) != (0, 0):
            raise InputError(
                "theta_log_slope or theta_log_sd is given without theta_log_intercept: give it too"
            )
    else:
        settings["theta_log_intercept"] = number(
            "theta_log_intercept", settings["theta_log_intercept"], -10, 10
        )
    for key, ends in _RANGES.items():
        settings[key] = number(key, settings[key], *ends)
    for key, at_most in _LARGEST_OF_GROUPS.items():
        settings[key] = _by_group(key, settings[key], groups, at_most)
    return settings


def _checked_groups(groups: Mapping[str, int]) -> dict[str, int]:
    """Return the number of samples of each group; raise InputError if they cannot be simulated."""
    if not isinstance(groups, Mapping) or not groups:
        raise InputError(f"groups must be numbers of samples by name of the group, not {groups!r}")
    checked = {}
    for group, n in groups.items():
        # The truth is kept as true_<group> beside true_shared; a slash would split such a key.
        if not isinstance(group, str) or group in ("", "shared", "specific") or "/" in group:
            raise InputError(
                f"no group may be called {group!r}: give text without '/', but shared and specific"
            )
        checked[group] = whole(f"the number of samples of group {group!r}", n, 2)
    return checked


def _by_group(key: str, value: object, groups: Mapping[str, int], at_most: float) -> dict:
    """Return a number for each group, of one for all or of those by name."""
    if not isinstance(value, Mapping):
        value = dict.fromkeys(groups, value)
    if missing := [group for group in groups if group not in value]:
        raise InputError(f"{key} has no number for {listed(missing)}: give one for each group")
    return {group: number(f"{key} of {group!r}", value[group], 0, at_most) for group in groups}


def _correlated(
    shared: np.ndarray,
    specific: np.ndarray,
    labels: np.ndarray,
    groups: Mapping[str, int],
    correlation: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Give independent standard normal factors causes in common; their variances stay one.

    Correlations of random directions of d dimensions have root mean square 1 / sqrt(d).
    """
    if correlation == 0:
        return shared, specific
    causes = rng.standard_normal((len(labels), _N_CAUSES))
    share = correlation * np.sqrt(_N_CAUSES)

    def mixed(factors: np.ndarray, own: np.ndarray | slice) -> np.ndarray:
        weights = rng.standard_normal((factors.shape[1], _N_CAUSES))
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        return np.sqrt(1 - share) * factors + np.sqrt(share) * causes[own] @ weights.T

    shared = mixed(shared, slice(None))
    for group in groups:
        own = labels == group
        specific[own] = mixed(specific[own], own)
    return shared, specific


def _choose_terms(
    go_gene_sets: pd.DataFrame, n_terms: int, size: tuple[int, int], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return the genes of random terms that hardly overlap, by term."""
    members = go_gene_sets.groupby("ID", sort=True)["gene"].unique()
    members = members[members.map(len).between(*size)]
    chosen, taken = {}, set()
    for term in rng.permutation(members.index):
        if len(chosen) == n_terms:
            break
        if len(taken.intersection(members[term])) <= _MAX_OVERLAP * len(members[term]):
            chosen[term] = np.sort(members[term])
            taken.update(members[term])
    if len(chosen) < n_terms:
        raise InputError(
            f"the GO gene sets have only {len(chosen)} terms of {size[0]} to {size[1]} genes "
            f"that hardly overlap, and {n_terms} factors were asked for: ask for fewer factors or "
            "widen the range"
        )
    return chosen


def _choose_genes(
    go_gene_sets: pd.DataFrame,
    planted: dict[str, np.ndarray],
    n_genes: int,
    rng: np.random.Generator,
) -> pd.Index:
    needed = np.unique(np.concatenate(list(planted.values())))
    others = np.setdiff1d(go_gene_sets["gene"], needed)
    n_others = n_genes - len(needed)
    if not 0 <= n_others <= len(others):
        raise InputError(
            f"{n_genes} genes were asked for: the planted terms need {len(needed)} and the GO gene "
            f"sets have {len(needed) + len(others)}: choose a number between"
        )
    return pd.Index(np.sort(np.append(needed, rng.choice(others, n_others, replace=False))))


def _loadings(genes: pd.Index, members: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    loading = np.zeros(len(genes))
    loads = genes.isin(rng.choice(members, round(_MEMBER_SHARE * len(members)), replace=False))
    loads[rng.choice(len(genes), round(_STRAY_SHARE * len(members)))] = True
    loading[loads] = rng.normal(2.0, 0.1, loads.sum())
    return loading
