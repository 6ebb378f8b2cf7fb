"""Quality control and selection of genes (section 5 and appendix C.4 of the paper)."""

import logging

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from mssvae.data.matrices import as_numbers
from mssvae.data.validation import (
    listed,
    number,
    require_columns,
    validate_counts,
    validate_names,
    validate_not_empty,
    whole,
)
from mssvae.errors import InputError

logger = logging.getLogger(__name__)


def quality_control(
    adata: ad.AnnData,
    *,
    min_log_library: float = 12.5,
    min_gene_counts: int = 25,
    min_cpm: float = 1.0,
    min_cpm_share: float = 0.20,
) -> tuple[ad.AnnData, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Remove samples with few counts, then genes with few counts (appendix C.4).

    The library size of a sample is its sum over all genes, before any gene is removed. Genes are
    judged on the samples that are left: with all samples, GSE68086 would keep six genes more.

    Parameters
    ----------
    adata
        Counts, samples x genes, dense or sparse, with the group of each sample in ``obs["group"]``.
        Not changed. Groups without samples do not count.
    min_log_library
        Samples with fewer than exp(``min_log_library``) counts are removed.
    min_gene_counts
        Genes with fewer counts over the samples left are removed.
    min_cpm, min_cpm_share
        Genes stay that have more than ``min_cpm`` counts per million in at least this share of the
        samples, 0 to 1.

    Returns
    -------
    filtered : AnnData
        The samples and genes left, in their order.
    steps : DataFrame
        One row per step: ``step``, ``rule``, ``samples_removed``, ``samples_left``,
        ``genes_removed``, ``genes_left``; the first row is the input.
    samples : DataFrame
        One row per sample of ``adata``: ``sample``, ``group``, ``counts``, ``genes_detected``,
        ``kept``, and ``reason``: the step that removed it, or "".
    genes : DataFrame
        One row per gene of ``adata``: ``gene``, ``counts`` and ``cpm_share`` over the samples left,
        ``kept``, ``reason``.

    Raises
    ------
    InputError
        If X holds no counts, names repeat, a sample has no group or a threshold is out of range; if
        no sample or no gene is left, or a group is left with fewer than two samples.
    """
    min_log_library = number("min_log_library", min_log_library, at_most=100)
    min_gene_counts = number("min_gene_counts", min_gene_counts, at_least=0)
    min_cpm = number("min_cpm", min_cpm, at_least=0)
    min_cpm_share = number("min_cpm_share", min_cpm_share, at_least=0, at_most=1)
    counts, groups = _read_counts(adata), _read_groups(adata)
    library = _integer_sums(counts, axis=1)
    keep_sample = library >= np.exp(min_log_library)
    _check_samples_left(groups, keep_sample, library, min_log_library)

    left, counts_left = adata[keep_sample], counts[keep_sample]
    gene_counts = _integer_sums(counts_left, axis=0)
    cpm_share = _cpm_share(counts_left, library[keep_sample], min_cpm)
    enough_counts = gene_counts >= min_gene_counts
    keep_gene = enough_counts & (cpm_share >= min_cpm_share)
    if not keep_gene.any():
        raise InputError(
            f"quality control leaves no gene: none has {min_gene_counts:,.15g} counts and CPM > "
            f"{min_cpm:g} in {min_cpm_share:.0%} of the samples: are these raw counts? Otherwise "
            "lower the thresholds"
        )

    steps = _steps(
        [
            ("input", "all samples and genes", adata.n_obs, adata.n_vars),
            (
                "library_size",
                f"at least e^{min_log_library:g} counts in the sample",
                left.n_obs,
                adata.n_vars,
            ),
            (
                "gene_counts",
                f"at least {min_gene_counts:,.15g} counts over the samples",
                left.n_obs,
                enough_counts.sum(),
            ),
            (
                "gene_cpm",
                f"CPM > {min_cpm:g} in at least {min_cpm_share:.0%} of samples",
                left.n_obs,
                keep_gene.sum(),
            ),
        ]
    )

    samples = pd.DataFrame(
        {
            "sample": adata.obs_names,
            "group": adata.obs["group"].to_numpy(),
            "counts": library,
            "genes_detected": np.diff(counts.indptr),
            "kept": keep_sample,
            "reason": np.where(keep_sample, "", "library_size"),
        }
    )
    genes = pd.DataFrame(
        {
            "gene": adata.var_names,
            "counts": gene_counts,
            "cpm_share": cpm_share,
            "kept": keep_gene,
            "reason": np.select([keep_gene, ~enough_counts], ["", "gene_counts"], "gene_cpm"),
        }
    )
    return left[:, keep_gene].copy(), steps, samples, genes


def composition(before: ad.AnnData, after: ad.AnnData) -> pd.DataFrame:
    """Count the samples of each group before and after quality control (Table 1).

    Returns
    -------
    DataFrame
        ``group``, ``samples``, ``samples_after_qc``; one row per group with samples, in the order
        of the categories of ``before.obs["group"]``, and a last row "Total".

    Raises
    ------
    InputError
        If a sample has no group, or ``after`` has one that ``before`` lacks.
    """
    groups, groups_after = _read_groups(before), _read_groups(after)
    unknown = set(groups_after.cat.categories) - set(groups.cat.categories)
    if unknown:
        raise InputError(
            f"{len(unknown)} groups have samples after quality control but not before: "
            f"{listed(unknown)}: give the AnnData that quality_control took and what it returned"
        )
    samples = groups.value_counts(sort=False)
    samples_after = groups_after.value_counts(sort=False)
    counts = pd.DataFrame(
        {
            "samples": samples.to_numpy(),
            "samples_after_qc": samples_after.reindex(samples.index, fill_value=0).to_numpy(),
        },
        index=samples.index.astype(str),
    )
    # Appended, not set by name: a group may be called "Total" too.
    counts = pd.concat([counts, counts.sum().to_frame("Total").T])
    return counts.rename_axis("group").reset_index()


def select_genes(adata: ad.AnnData, n_genes: int) -> tuple[ad.AnnData, pd.DataFrame]:
    """Select the most variable genes by Pearson residuals (section 5; Lause et al., 2021).

    The residuals are those of a negative binomial offset model with overdispersion theta = 100,
    clipped at the square root of the number of samples, over all samples at once.

    Parameters
    ----------
    adata
        Counts, samples x genes, dense or sparse. Not changed.
    n_genes
        Number of genes to select, at least 1.

    Returns
    -------
    selected : AnnData
        The selected genes, in the order of ``adata``.
    genes : DataFrame
        One row per gene of ``adata``: ``gene``, ``mean`` and ``variance`` of its counts,
        ``residual_variance``, ``rank`` (1 is the most variable; equal genes rank in the order of
        ``adata``), ``selected``.

    Raises
    ------
    InputError
        If ``n_genes`` is no whole number or there are fewer genes, X holds no counts, names repeat,
        or a sample has no counts.
    """
    from scanpy.experimental.pp import highly_variable_genes

    n_genes = whole("n_genes", n_genes)
    # In double precision: sums over all samples leave the range of exact float32 integers.
    matrix = _read_counts(adata)
    if n_genes > adata.n_vars:
        raise InputError(
            f"n_genes: {n_genes} genes were asked for but only {adata.n_vars} are left after "
            "quality control: ask for fewer or lower its thresholds"
        )
    validate_not_empty(matrix, adata.obs_names, "adata.X")
    counts = ad.AnnData(matrix, var=pd.DataFrame(index=adata.var_names))
    found = highly_variable_genes(counts, n_top_genes=n_genes, inplace=False)
    rank = found["residual_variances"].rank(ascending=False, method="first").astype(int)
    selected = rank.to_numpy() <= n_genes
    genes = pd.DataFrame(
        {
            "gene": adata.var_names,
            "mean": found["means"].to_numpy(),
            "variance": found["variances"].to_numpy(),
            "residual_variance": found["residual_variances"].to_numpy(),
            "rank": rank.to_numpy(),
            "selected": selected,
        }
    )
    logger.info("%d of %d genes selected by Pearson residuals", n_genes, adata.n_vars)
    empty = genes["gene"][selected & (genes["mean"] == 0)]
    if len(empty):
        logger.warning("%d selected genes have no counts: %s", len(empty), listed(empty))
    return adata[:, selected].copy(), genes


def _check_anndata(adata: object) -> None:
    if not isinstance(adata, ad.AnnData):
        raise InputError(f"adata must be an AnnData, not a {type(adata).__name__}")


def _read_counts(adata: ad.AnnData) -> sparse.csr_matrix:
    """Return a copy of the counts, however they are stored; InputError if they are none."""
    _check_anndata(adata)
    if adata.isbacked:
        raise InputError(f"adata is on disk, in {adata.filename}: read it with adata.to_memory()")
    if 0 in adata.shape:
        raise InputError(f"adata has {adata.n_obs} samples and {adata.n_vars} genes: give some")
    # The X of a view has lost the mask of a masked array.
    matrix = (adata.copy() if adata.is_view else adata).X
    if matrix is None:
        raise InputError("adata.X is empty: put the counts there")
    if matrix.dtype == bool:
        raise InputError("adata.X holds True and False: counts are needed, whole numbers")
    samples, genes = adata.obs_names, adata.var_names
    validate_names(samples, genes, "adata")
    counts = as_numbers(
        matrix, "adata.X", lambda i, j: f"gene {genes[j]!r} in sample {samples[i]!r}"
    )
    validate_counts(counts, samples, genes, "adata.X")
    return sparse.csr_matrix(counts)


def _read_groups(adata: ad.AnnData) -> pd.Series:
    """Return the group of each sample, as categories that samples have."""
    _check_anndata(adata)
    require_columns(adata.obs, ["group"], "adata.obs")
    groups = adata.obs["group"]
    missing = groups.index[groups.isna()]
    if len(missing):
        raise InputError(
            f"{len(missing)} samples have no group in adata.obs['group']: {listed(missing)}: fill "
            "it or drop them"
        )
    return groups.astype("category").cat.remove_unused_categories()


def _steps(rows: list[tuple[str, str, int, int]]) -> pd.DataFrame:
    """Tell by step how many samples and genes are left, and how many it removed."""
    steps = pd.DataFrame(rows, columns=["step", "rule", "samples_left", "genes_left"])
    for kind in ("samples", "genes"):
        steps[f"{kind}_removed"] = -steps[f"{kind}_left"].diff().fillna(0).astype(int)
    for row in steps.itertuples():
        logger.info("%s: %d samples, %d genes left", row.rule, row.samples_left, row.genes_left)
    return steps[["step", "rule", "samples_removed", "samples_left", "genes_removed", "genes_left"]]


def _integer_sums(counts: sparse.csr_matrix, axis: int) -> np.ndarray:
    return np.asarray(counts.sum(axis=axis)).ravel().astype(np.int64)


def _cpm_share(counts: sparse.csr_matrix, library: np.ndarray, min_cpm: float) -> np.ndarray:
    entries = counts.tocoo()
    above = entries.data * 1e6 > min_cpm * library[entries.row]
    return np.bincount(entries.col, above, counts.shape[1]) / counts.shape[0]


def _check_samples_left(
    groups: pd.Series, keep: np.ndarray, library: np.ndarray, min_log_library: float
) -> None:
    threshold = f"e^{min_log_library:g} = {np.exp(min_log_library):,.0f} counts"
    if not keep.any():
        raise InputError(
            f"quality control removes all {len(keep)} samples: the largest, "
            f"{groups.index[library.argmax()]!r}, has {library.max():,} counts, fewer than "
            f"{threshold}: are these raw counts? Otherwise lower min_log_library"
        )
    n_before, n_left = (g.value_counts(sort=False) for g in (groups, groups[keep]))
    small = [
        f"{n_left[group]} of the {n} samples of the group {group!r}"
        for group, n in n_before.items()
        if n_left[group] < 2
    ]
    if small:
        raise InputError(
            f"quality control leaves {', '.join(small)}, the others have fewer than {threshold}; a "
            "group needs at least two: lower min_log_library or leave the group out"
        )
