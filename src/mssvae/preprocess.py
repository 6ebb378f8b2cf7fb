"""Quality control and selection of genes (section 5 and appendix C.4 of the paper)."""

import logging

import anndata as ad
import numpy as np
import pandas as pd

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
        Counts, samples x genes, CSR, with the categorical ``obs["group"]``.
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
        If no sample or no gene is left, or a group is left with fewer than two samples.
    """
    library = _integer_sums(adata, axis=1)
    keep_sample = library >= np.exp(min_log_library)
    _check_samples_left(adata.obs["group"], keep_sample, library, min_log_library)

    left = adata[keep_sample]
    gene_counts = _integer_sums(left, axis=0)
    cpm_share = _cpm_share(left, library[keep_sample], min_cpm)
    enough_counts = gene_counts >= min_gene_counts
    keep_gene = enough_counts & (cpm_share >= min_cpm_share)
    if not keep_gene.any():
        raise InputError(
            f"quality control leaves no gene: none has {min_gene_counts} counts and CPM > "
            f"{min_cpm:g} in {min_cpm_share:.0%} of the samples: are these raw counts? Otherwise "
            "lower the thresholds"
        )

    steps = pd.DataFrame(
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
                f"at least {min_gene_counts} counts over the samples",
                left.n_obs,
                enough_counts.sum(),
            ),
            (
                "gene_cpm",
                f"CPM > {min_cpm:g} in at least {min_cpm_share:.0%} of samples",
                left.n_obs,
                keep_gene.sum(),
            ),
        ],
        columns=["step", "rule", "samples_left", "genes_left"],
    )
    for kind in ("samples", "genes"):
        steps[f"{kind}_removed"] = -steps[f"{kind}_left"].diff().fillna(0).astype(int)
    steps = steps[
        ["step", "rule", "samples_removed", "samples_left", "genes_removed", "genes_left"]
    ]
    for row in steps.itertuples():
        logger.info("%s: %d samples, %d genes left", row.rule, row.samples_left, row.genes_left)

    samples = pd.DataFrame(
        {
            "sample": adata.obs_names,
            "group": adata.obs["group"].to_numpy(),
            "counts": library,
            "genes_detected": _detected(adata),
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
        ``group``, ``samples``, ``samples_after_qc``; one row per group in the order of the
        categories of ``obs["group"]``, and a last row "Total".
    """
    counts = pd.DataFrame(
        {
            "samples": before.obs["group"].value_counts(sort=False),
            "samples_after_qc": after.obs["group"].value_counts(sort=False),
        }
    )
    counts.index = counts.index.astype(str)
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
        Counts, samples x genes.
    n_genes
        Number of genes to select.

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
        If there are fewer than ``n_genes`` genes.
    """
    from scanpy.experimental.pp import highly_variable_genes

    if n_genes > adata.n_vars:
        raise InputError(
            f"{n_genes} genes were asked for but only {adata.n_vars} are left after quality "
            "control: ask for fewer or lower its thresholds"
        )
    # In double precision: sums over all samples leave the range of exact float32 integers.
    counts = ad.AnnData(adata.X.astype(np.float64), var=pd.DataFrame(index=adata.var_names))
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
    return adata[:, selected].copy(), genes


def _integer_sums(adata: ad.AnnData, axis: int) -> np.ndarray:
    return np.asarray(adata.X.sum(axis=axis, dtype=np.float64)).ravel().astype(np.int64)


def _detected(adata: ad.AnnData) -> np.ndarray:
    return np.asarray((adata.X > 0).sum(axis=1)).ravel()


def _cpm_share(adata: ad.AnnData, library: np.ndarray, min_cpm: float) -> np.ndarray:
    counts = adata.X.tocsc()
    above = counts.data * 1e6 > min_cpm * library[counts.indices]
    gene_of = np.repeat(np.arange(adata.n_vars), np.diff(counts.indptr))
    return np.bincount(gene_of, weights=above, minlength=adata.n_vars) / adata.n_obs


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
    for group, n_left in groups[keep].value_counts(sort=False).items():
        if n_left < 2:
            raise InputError(
                f"quality control leaves {n_left} of the {(groups == group).sum()} samples of the "
                f"group {group!r}, the others have fewer than {threshold}; a group needs at least "
                "two: lower min_log_library or leave the group out"
            )
