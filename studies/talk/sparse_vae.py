"""The Sparse VAE (the talk): the MSSVAE with one study."""

from collections.abc import Sequence
from typing import Any

import anndata as ad
import pandas as pd
import torch
from torch import Tensor

from mssvae import MSSVAE


class SparseVAE:
    """The MSSVAE with one study and shared factors alone, to be used as the other methods are.

    Parameters
    ----------
    x, n_factors, hidden, seed
        As of ``VAE``.
    likelihood : {"gaussian", "negative_binomial"}
    **settings
        Of ``MSSVAE.fit``, which is run here.

    Attributes
    ----------
    model : MSSVAE
    """

    def __init__(
        self,
        x: Tensor,
        n_factors: int,
        hidden: Sequence[int],
        seed: int,
        likelihood: str = "gaussian",
        **settings: Any,
    ) -> None:
        names = [f"sample_{i + 1}" for i in range(len(x))]
        adata = ad.AnnData(x.numpy(), obs=pd.DataFrame({"group": "one"}, names))
        adata.var_names = [f"feature_{j + 1}" for j in range(x.shape[1])]
        self.model = MSSVAE(
            adata,
            likelihood=likelihood,
            n_shared=n_factors,
            n_specific=0,
            hidden=hidden,
            seed=seed,
            device="cpu",
        ).fit(decoder="nonlinear", **settings)
        units = torch.from_numpy(self.model.units[["centre", "scale"]].to_numpy(dtype="float32"))
        self.centre, self.scale = units.T

    def factors(self, x: Tensor) -> Tensor:
        """Return the posterior means of the encoder, [N, K]; 0 of factors without an entry."""
        module = self.model.module
        inputs = module.likelihood.encoder_input((x - self.centre) / self.scale)
        return module.shared_encoder(inputs)[0] * module.alive[0]

    def expected(self, z: Tensor) -> Tensor:
        """Return the expected values of the features as ``VAE.expected`` does."""
        module = self.model.module
        *_, weight, bias, _ = module.tables
        dimensions = torch.arange(z.shape[1])
        output = module.decoder(z, module.shared_mask, dimensions, weight, bias)
        return self.centre + self.scale * module.likelihood.mean(output, z.new_zeros(()))
