"""What the methods are fitted to: an AnnData with ``group``, the study, and ``label`` if known.

Counts stay counts; real values are standardised by feature.
"""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from mssvae import simulate
from mssvae.data.matrices import dense

# Fewest counts of a cell of STARmap's panel of 158 genes.
_LEAST_COUNTS = 20
_CONFIG = Path(__file__).resolve().parents[2] / "config"
_GROUPS = ["Healthy", "Non Small Cell Lung Cancer", "Glioblastoma", "Other Cancer"]


def simulated_gaussian(seed: int, **settings: object) -> ad.AnnData:
    """Return data of section 4.1; ``settings`` as of ``mssvae.simulate.gaussian``."""
    return standardised(simulate.gaussian(**settings, seed=seed))


def simulated_rna(seed: int, **settings: object) -> ad.AnnData:
    """Return data of section 4.2; ``settings`` as of ``mssvae.simulate.rnaseq``."""
    return simulate.rnaseq(**settings, seed=seed)


def starmap(counts: str) -> ad.AnnData:
    """Return cells of three sections of the mouse brain (Wang et al. 2018), with cell types."""
    adata = ad.read_h5ad(counts)
    label = adata.obs["cell_type"].astype(str)
    adata = _with(adata, adata.obs["batch"], label.where(label != "NA"))
    return adata[dense(adata.X).sum(1) >= _LEAST_COUNTS].copy()


def kang(counts: str) -> ad.AnnData:
    """Return blood cells with and without interferon (Kang et al. 2018), with cell types."""
    adata = ad.read_h5ad(counts)
    return _with(adata, adata.obs["condition"], adata.obs["cell_type"])


def platelets(counts: str, n_genes: int = 2000) -> ad.AnnData:
    """Return the platelets of GSE68086 by group (appendix C.4), the most variable genes.

    ``counts`` is the folder with the files of the series, which has its name.
    """
    from mssvae import preprocess

    adata = preprocess.quality_control(platelet_counts(counts))[0]
    adata = preprocess.select_genes(adata, n_genes)[0]
    return _with(adata, adata.obs["group"])


def platelet_counts(counts: str) -> ad.AnnData:
    """Return the platelets of GSE68086 by group, all genes and samples; as ``platelets``."""
    from mssvae import cohorts

    return cohorts.from_geo(
        cohorts.read_registry(_CONFIG / "datasets.yaml", ["GSE68086"]),
        _CONFIG / "groups/platelet.tsv",
        _GROUPS,
        data_folder=Path(counts).parent,
        cache=Path(counts).parent,
    )


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
    adata.obs["label"] = ("condition " + sheet["condition"].astype(str)).to_numpy()
    return standardised(adata)


SIMULATORS = ("simulated_gaussian", "simulated_rna")
READERS = {
    read.__name__: read
    for read in (simulated_gaussian, simulated_rna, starmap, kang, platelets, ovarian, gfrn)
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


def _with(adata: ad.AnnData, study: pd.Series, label: pd.Series | None = None) -> ad.AnnData:
    """Return the values alone with the study, and the label, of each sample."""
    obs = pd.DataFrame({"group": study.astype(str).to_numpy()}, adata.obs_names)
    if label is not None:
        obs["label"] = label.to_numpy()
    obs = obs.astype("category")
    values = dense(adata.X).astype(np.float32)
    return ad.AnnData(values, obs, pd.DataFrame(index=adata.var_names))
