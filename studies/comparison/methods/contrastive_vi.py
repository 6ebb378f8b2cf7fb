"""ContrastiveVI (scvi-tools), its default settings: factors of two studies, and of one of these.

Its decoder is a network, and it gives no loadings. Those here are by how much a factor moves the
logarithm of a feature's relative expression (``effects``); all entries count. Its encoders need all
features, so it predicts none from half of them.
"""

import warnings
from collections.abc import Callable

import anndata
import numpy as np
import torch

from studies.comparison.interface import Fitted, Problem, Unsuitable, columns

PACKAGE = "scvi-tools"


def fit(
    adata: anndata.AnnData,
    problem: Problem,
    background: str | None = None,
    max_epochs: int | None = None,
) -> Fitted:
    """Fit two studies; ``background`` is the one without factors of its own.

    As many of ``problem.n_factors`` as ``problem.n_specific`` are of the other study.
    ``max_epochs`` as scvi-tools chooses by the number of samples.
    """
    studies = adata.obs["group"].astype(str).to_numpy()
    if not problem.counts:
        raise Unsuitable("needs counts")
    if background is None or len(set(studies)) != 2:
        raise Unsuitable("needs two studies, one of them the background of the other")
    import scvi
    from scvi.external import ContrastiveVI

    scvi.settings.seed = problem.seed
    adata, target = adata.copy(), studies != background
    with warnings.catch_warnings(action="ignore"):
        ContrastiveVI.setup_anndata(adata)
        model = ContrastiveVI(
            adata,
            n_background_latent=problem.n_factors - problem.n_specific,
            n_salient_latent=problem.n_specific,
        )
        model.train(
            background_indices=np.flatnonzero(~target).tolist(),
            target_indices=np.flatnonzero(target).tolist(),
            max_epochs=max_epochs,
            accelerator="cpu",
            enable_progress_bar=False,
        )
        shared, own = (
            model.get_latent_representation(representation_kind=kind)
            for kind in ("background", "salient")
        )
    own[~target] = 0  # As the model has it.
    z = np.hstack([shared, own])

    def log_expression(z: torch.Tensor) -> torch.Tensor:
        none = torch.zeros(len(z), 1)  # Neither the library size nor a batch changes shares.
        return model.module.decoder("gene", z, none, none)[0].log()

    loadings = columns(effects(log_expression, z), adata.var_names)
    study = studies[target][0]
    return Fitted(
        loadings,
        columns(z, adata.obs_names),
        dict.fromkeys(loadings.columns[shared.shape[1] :], study),
    )


def effects(outputs: Callable[[torch.Tensor], torch.Tensor], z: np.ndarray) -> np.ndarray:
    """Return by how much each factor moves each output, for its standard deviation [G x K].

    That is the root mean square of the derivative, over the samples where the factor is not zero.

    Parameters
    ----------
    outputs : callable
        From factors [n x K] to outputs [n x G], of each sample by itself.
    z : array [N x K]
    """
    sizes = []
    for k, values in enumerate(z.T):
        at = torch.as_tensor(z[values != 0])
        along = torch.zeros_like(at)
        along[:, k] = 1
        _, slopes = torch.autograd.functional.jvp(outputs, at, along)
        sizes.append(slopes.square().mean(0).sqrt() * at[:, k].std(correction=0))
    return torch.stack(sizes, 1).numpy()
