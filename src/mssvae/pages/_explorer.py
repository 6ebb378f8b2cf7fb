"""The page to look through the factors of cohorts: their genes, processes and activity."""

import json
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
import pandas as pd

from mssvae.errors import InputError
from mssvae.figures import group_looks, source_note
from mssvae.figures._common import require_columns, require_finite

# One script, in this order.
_SCRIPTS = ("elements", "view", "charts", "tables", "search", "page")
# What plotly calls the hatches of the figures.
_PATTERNS = {"": "", "//////": "/", "......": "."}
_N_TERMS = 10
_TERM_COLUMNS = ["ID", "Description", "FoldEnrichment", "p.adjust", "geneID"]


def cohort(
    *,
    title: str,
    masks: pd.DataFrame,
    frequency: pd.DataFrame | None,
    latent: pd.DataFrame,
    factors: pd.DataFrame,
    terms: pd.DataFrame | None,
    samples: pd.DataFrame,
    names: pd.DataFrame | None,
    manifest: dict[str, Any],
    threshold: float,
    fdr: float,
) -> dict[str, Any]:
    """Collect what the page shows of a cohort.

    Of the masks only weights that are not zero are kept, to four significant digits; of the
    processes the enriched ones, and each factor's ten with the smallest adjusted p-values.

    Parameters
    ----------
    title
        Title of the cohort.
    masks : DataFrame [genes x factors]
        The masks W, with gene ids as index.
    frequency : DataFrame [genes x factors]
        The share of fits to subsamples that have a weight too; None leaves it out.
    latent : DataFrame [samples x factors]
        Posterior means of the factors; NaN for specific factors of other groups.
    factors
        One row per factor, in the order of display: ``factor``, ``study`` (of a specific factor),
        ``n_genes`` in its gene set, and ``kl_<group>`` in nats.
    terms
        What ``enrichment.over_representation`` returned for the gene sets; None leaves the
        processes out.
    samples
        The group of each sample: ``sample, group``.
    names
        What ``enrichment.gene_names`` returned for the genes of the masks; with None, genes are
        called as in the masks.
    manifest
        Of the fit: ``studies``, ``n_samples``, ``n_features``, ``settings``, ``source``, and the
        version ``mssvae`` and ``commit`` of the code.
    threshold
        Genes with abs(W) above it are in the gene set (section 5).
    fdr
        A process is enriched if its adjusted p-value is below this.

    Raises
    ------
    InputError
        If masks and factors differ in their factors, a gene has no row in ``names``, a sample has
        no group, a number that is to be shown is missing or infinite, a process names a gene
        without a row in the masks, or there are more groups than a page can tell apart.
    """
    if list(masks) != factors["factor"].tolist():
        raise InputError("masks and factors table: not the same factors in the same order")
    place = {gene: i for i, gene in enumerate(masks.index)}
    if names is None:
        names = pd.DataFrame({"gene": masks.index, "symbol": masks.index, "name": ""})
    if missing := place.keys() - set(names["gene"]):
        raise InputError(f"gene names: no row for {min(missing)!r}, which has a row in the masks")
    require_finite(masks, factors["factor"], "masks")
    if frequency is not None:
        require_columns(frequency, factors["factor"], "frequency")
        frequency = frequency.loc[masks.index]
        require_finite(frequency, factors["factor"], "frequency")
    groups = manifest["studies"]
    looks = group_looks(groups)
    group_of = samples.set_index("sample")["group"].reindex(latent.index)
    if group_of.isna().any():
        raise InputError(f"samples table: no group for {latent.index[group_of.isna()][0]!r}")
    members = {group: latent[group_of == group] for group in groups}
    names = names.set_index("gene").loc[masks.index].fillna({"name": ""})
    tested = pd.DataFrame(columns=["set", *_TERM_COLUMNS]) if terms is None else terms
    _check_terms(tested, place)
    terms_of = dict(list(tested.groupby("set")))

    entries = []
    for row in factors.to_dict("records"):
        factor, study = row["factor"], row["study"]
        weights = masks[factor].to_numpy()
        order = np.argsort(-np.abs(weights), kind="stable")[: np.count_nonzero(weights)]
        entries.append(
            {
                "name": factor,
                "group": study if isinstance(study, str) else None,
                "n_genes": row["n_genes"],
                "genes": order.tolist(),
                "weights": [float(f"{weight:.4g}") for weight in weights[order]],
                "frequencies": None
                if frequency is None
                else frequency[factor].to_numpy()[order].round(3).tolist(),
                "terms": _terms(terms_of.get(factor, tested.iloc[:0]), fdr, place),
                "activity": _activity(row, members),
            }
        )
    return {
        "title": title,
        "note": source_note(manifest["source"]),
        "about": _about(manifest),
        "threshold": threshold,
        "fdr": None if terms is None else fdr,
        "groups": [
            {
                "name": group,
                "colour": looks[group].colour,
                "pattern": _PATTERNS[looks[group].hatch],
            }
            for group in groups
        ],
        "genes": [list(gene) for gene in names[["symbol", "name"]].itertuples(name=None)],
        "factors": entries,
    }


def explorer(run: str, cohorts: dict[str, dict[str, Any]]) -> str:
    """Return the page to look through factors, as HTML; equal cohorts give an equal page.

    It holds its data, plotly.js and our own script, and asks nothing of a network.

    Parameters
    ----------
    run
        Name of the run, for the title.
    cohorts
        What `cohort` returned, by name of the cohort.
    """
    # Here, as other parts of the library need no plotly.
    from plotly.offline import get_plotlyjs

    data = json.dumps(
        {"run": run, "cohorts": cohorts},
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    folder = files(__package__)
    return Template(folder.joinpath("explorer.html").read_text()).substitute(
        css=folder.joinpath("page.css").read_text(),
        js="\n".join(folder.joinpath(f"explorer_{name}.js").read_text() for name in _SCRIPTS),
        plotly=get_plotlyjs(),
        # No name in the data can end the script element that holds them.
        data=data.replace("<", r"\u003c"),
    )


def _check_terms(terms: pd.DataFrame, place: dict[str, int]) -> None:
    """Raise InputError for numbers that cannot be shown, and for genes without a row."""
    require_columns(terms, ["set", *_TERM_COLUMNS], "terms")
    require_finite(terms, ["FoldEnrichment", "p.adjust"], "terms")
    for row in terms.itertuples():
        unknown = [gene for gene in str(row.geneID).split("/") if gene not in place]
        if unknown:
            raise InputError(
                f"terms table: gene {unknown[0]!r} of {row.ID} for the set {row.set!r} has no row "
                "in the masks"
            )


def _activity(
    row: dict[str, Any], members: dict[str, pd.DataFrame]
) -> list[dict[str, str | float | list[float]]]:
    """Return the posterior means of a factor by group, with the divergence from the prior."""
    factor, shown = row["factor"], []
    for group, part in members.items():
        values = part[factor]
        if values.isna().all():
            continue  # Another group's factor.
        kl = row[f"kl_{group}"]
        if not np.isfinite([kl, *values]).all():
            raise InputError(
                f"factor {factor!r} in group {group!r}: a posterior mean in the latent table or "
                f"'kl_{group}' in the factors table is missing or infinite"
            )
        shown.append({"group": group, "kl": round(kl, 3), "values": values.round(3).tolist()})
    return shown


def _terms(terms: pd.DataFrame, fdr: float, place: dict[str, int]) -> list[list[Any]]:
    """Return id, description, fold enrichment, adjusted p-value and genes of processes."""
    shown = terms[_TERM_COLUMNS].sort_values(
        ["p.adjust", "FoldEnrichment"], ascending=[True, False], kind="stable"
    )
    shown = shown.head(max(_N_TERMS, (shown["p.adjust"] < fdr).sum()))
    return [
        [
            term,
            description,
            round(fold, 2),
            float(f"{p:.3g}"),
            [place[gene] for gene in genes.split("/")],
        ]
        for term, description, fold, p, genes in shown.itertuples(index=False, name=None)
    ]


def _about(manifest: dict[str, Any]) -> str:
    """Say in one line what was fitted, and with what."""
    settings, n_groups = manifest["settings"], len(manifest["studies"])
    return (
        f"{manifest['n_samples']:,} samples in {n_groups} group{'s' * (n_groups != 1)}, "
        f"{manifest['n_features']:,} genes; started from {settings['n_shared']} shared and "
        f"{settings['n_specific']} specific factors per group, seed {settings['seed']}; "
        f"mssvae {manifest['mssvae']}, commit {manifest['commit'] or 'unknown'}"
    )
