"""What the methods are fitted to: an AnnData with ``group``, the study, and what is known of it.

Counts stay counts; real values are standardised by feature. ``label`` is of each sample, where
known, and ``own_label`` one that a single study has by design. Of human genes ``uns["genes"]`` is
as from ``mssvae.preprocess.select_genes``. ``uns["own_processes"]`` has the GO process that a
study's own factors should be about, by study.
"""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import yaml

from mssvae import cohorts, preprocess, simulate
from mssvae.data.matrices import dense

# Fewest counts of a cell of STARmap's panel of 158 genes.
_LEAST_COUNTS = 20
_CONFIG = Path(__file__).resolve().parents[2] / "config"
_GROUPS = ["Healthy", "Non Small Cell Lung Cancer", "Glioblastoma", "Other Cancer"]
# Response to type I interferon, such as the interferon beta that cells were given.
_INTERFERON = "GO:0034340"


def simulated_gaussian(seed: int, **settings: object) -> ad.AnnData:
    """Return data of section 4.1; ``settings`` as of ``mssvae.simulate.gaussian``."""
    return standardised(simulate.gaussian(**settings, seed=seed))


def simulated_rna(seed: int, **settings: object) -> ad.AnnData:
    """Return data of section 4.2; ``settings`` as of ``mssvae.simulate.rnaseq``."""
    return simulate.rnaseq(**settings, seed=seed)


def simulated_planted(seed: int) -> ad.AnnData:
    """Return made-up processes planted in platelets of real size, as ``config/planted.yaml``."""
    settings = yaml.safe_load((_CONFIG / "planted.yaml").read_text())["simulations"]["settings"]
    about = settings["platelets_284"]
    processes = simulate.made_up_processes(seed=seed)
    adata = simulate.cohort(processes, **about["data"], seed=seed)
    adata = preprocess.select_genes(preprocess.quality_control(adata)[0], about["n_genes"])[0]
    adata.X = dense(adata.X)
    adata.obs = adata.obs[["group"]]  # Its label is the study.
    return adata


def starmap(counts: str) -> ad.AnnData:
    """Return cells of three sections of the mouse brain (Wang et al. 2018), with cell types."""
    adata = ad.read_h5ad(counts)
    label = adata.obs["cell_type"].astype(str)
    adata = _with(adata, adata.obs["batch"], label.where(label != "NA"))
    return adata[dense(adata.X).sum(1) >= _LEAST_COUNTS].copy()


def kang(counts: str) -> ad.AnnData:
    """Return blood cells with and without interferon (Kang et al. 2018), with cell types."""
    adata = ad.read_h5ad(counts)
    adata.var_names = adata.var["ensembl"].astype(str)
    genes = pd.DataFrame({"gene": adata.var_names, "mean": dense(adata.X).mean(0)})
    adata = _with(adata, adata.obs["condition"], adata.obs["cell_type"])
    adata.uns["genes"] = genes.assign(selected=True)
    adata.uns["own_processes"] = {"stim": _INTERFERON}
    return adata


def platelets(counts: str, n_genes: int = 2000) -> ad.AnnData:
    """Return the platelets of GSE68086 by group (appendix C.4), the most variable genes.

    ``counts`` is the folder with the files of the series, which has its name.
    """
    adata = preprocess.quality_control(platelet_counts(counts))[0]
    return _selected(adata, adata.obs["group"], n_genes)


def platelet_counts(counts: str) -> ad.AnnData:
    """Return the platelets of GSE68086 by group, all genes and samples; as ``platelets``."""
    return cohorts.from_geo(
        cohorts.read_registry(_CONFIG / "datasets.yaml", ["GSE68086"]),
        _CONFIG / "groups/platelet.tsv",
        _GROUPS,
        data_folder=Path(counts).parent,
        cache=Path(counts).parent,
    )


def two_platelets(gse68086: str, gse158508: str, n_genes: int = 2000) -> ad.AnnData:
    """Return the platelets of two hospitals, each a study, the most variable genes of both.

    ``gse68086`` is the folder of that series, ``gse158508`` the file of counts of the other, which
    has no sample below the other's quality control left out (``config/replication.yaml``).
    """
    parts = {
        "GSE68086": preprocess.quality_control(platelet_counts(gse68086))[0],
        "GSE158508": _anndata(pd.read_csv(gse158508, index_col=0).T),
    }
    # Genes of both.
    adata = ad.concat(parts, label="study")
    return _selected(adata, adata.obs["study"], n_genes)


def ovarian(gse9891: str, gse20565: str) -> ad.AnnData:
    """Return 63 immune genes of two studies of ovarian tumours (De Vito et al. 2019)."""
    tables = {"GSE9891": gse9891, "GSE20565": gse20565}
    parts = {study: pd.read_csv(path, index_col=0) for study, path in tables.items()}
    values = pd.concat(parts)
    study = values.index.get_level_values(0).to_series()
    values.index = [f"{study}_{sample}" for study, sample in values.index]
    return standardised(_with(_anndata(values), study))


def gfrn(expression: str, samples: str) -> ad.AnnData:
    """Return cells with pathways switched on (GSE73628), with batch and pathway."""
    values = pd.read_csv(expression, index_col=0).T
    sheet = pd.read_csv(samples, index_col=0).loc[values.index]
    values = values.loc[:, values.std() > 0]
    adata = _with(_anndata(values), "batch " + sheet["batch"].astype(str))
    label = ("condition " + sheet["condition"].astype(str)).to_numpy()
    adata.obs["label"] = label
    # Condition 1 are the controls that every batch has.
    adata.obs["own_label"] = np.where(sheet["condition"] == 1, None, label)
    return standardised(adata)


SIMULATORS = ("simulated_gaussian", "simulated_rna", "simulated_planted")
_REAL = (starmap, kang, platelets, two_platelets, ovarian, gfrn)
READERS = {
    read.__name__: read for read in (simulated_gaussian, simulated_rna, simulated_planted, *_REAL)
}


def standardised(adata: ad.AnnData) -> ad.AnnData:
    """Return a copy whose features have mean 0 and variance 1."""
    adata = adata.copy()
    values = dense(adata.X).astype(float)
    adata.X = (values - values.mean(0)) / values.std(0)
    return adata


def _anndata(values: pd.DataFrame) -> ad.AnnData:
    return ad.AnnData(
        values.to_numpy("float32"),
        pd.DataFrame(index=values.index.astype(str)),
        pd.DataFrame(index=values.columns.astype(str)),
    )


def _selected(adata: ad.AnnData, study: pd.Series, n_genes: int) -> ad.AnnData:
    selected, genes = preprocess.select_genes(adata, n_genes)
    selected = _with(selected, study)
    selected.uns["genes"] = genes[["gene", "mean", "selected"]]
    return selected


def _with(adata: ad.AnnData, study: pd.Series, label: pd.Series | None = None) -> ad.AnnData:
    """Return the values alone with the study, and the label, of each sample."""
    obs = pd.DataFrame({"group": study.astype(str).to_numpy()}, adata.obs_names)
    if label is not None:
        obs["label"] = label.to_numpy()
    obs = obs.astype("category")
    values = dense(adata.X).astype(np.float32)
    return ad.AnnData(values, obs, pd.DataFrame(index=adata.var_names))
