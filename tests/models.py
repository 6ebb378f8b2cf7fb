"""Small data without structure, and short fits to them."""

import anndata as ad
import numpy as np
import pandas as pd

SMALL = {"n_shared": 4, "n_specific": 2, "hidden": (12, 8), "device": "cpu"}
# Without restructuring, which leaves no factor in data without any structure.
SHORT = {
    "decoder": "nonlinear",
    "max_epochs": 8,
    "batch_size": 32,
    "lr": 0.001,
    "lr_mask": 0.01,
    "restructure_from": None,
}


def make_adata(likelihood="negative_binomial", n=90, n_features=12, seed=0):
    """Three studies of different sizes; counts or real values without any structure."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, n_features))
    if likelihood == "negative_binomial":
        x = rng.negative_binomial(4, 0.2, size=(n, n_features)).astype(float)
    studies = np.repeat(["MS", "Healthy", "GBM"], [n // 2, n // 3, n - n // 2 - n // 3])
    return ad.AnnData(
        x.astype(np.float32),
        obs=pd.DataFrame({"group": studies}, index=[f"sample{i}" for i in range(n)]),
        var=pd.DataFrame(index=[f"gene{j}" for j in range(n_features)]),
    )
