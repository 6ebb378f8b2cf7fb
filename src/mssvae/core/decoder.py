"""The decoder that the masks switch (section 2.2, eq. 2.2; layers by appendix B.1)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from mssvae.core.layers import Linear

# Features are decoded in chunks whose hidden activations hold about this many numbers: large
# enough for efficient matrix products, small enough for a processor's cache, or for a GPU's memory
# (2 GB with what is kept for the gradient).
_CHUNK_ELEMENTS = {"cpu": 2**20, "cuda": 2**28}
# Width of the first times that of the second hidden layer from which matrix products take longer
# than the many small operations of the closed forms and of studies taken one by one
# (docs/performance.md).
_LARGE_DECODER = 5000


class Decoder(nn.Module):
    """The map f from masked latents to one linear output per feature (appendix B.1).

    ``c = w_j * z``, ``h1 = relu(V1 c)``, ``h2 = relu(V2 h1 + b2)`` and
    ``output_j = v_j'(h2 + c) + b_j``. The second hidden layer has width K, the number of all latent
    dimensions, so that the skip adds. All features share V1, V2, b2.

    Parameters
    ----------
    n_features, n_latent, n_hidden : int
        G, K and the width of the first hidden layer.
    generator : torch.Generator
        Draws the starting values.
    """

    def __init__(
        self, n_features: int, n_latent: int, n_hidden: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.first = Linear(n_latent, n_hidden, generator, bias=False)
        self.second = Linear(n_hidden, n_latent, generator)
        self.output = Linear(n_latent, n_features, generator)

    def feature_chunks(
        self, n_samples: int, n_features: int, chunk_elements: int | None = None
    ) -> Iterator[slice]:
        """Yield slices of the features to decode one after the other, which bounds memory."""
        chunk_elements = chunk_elements or _CHUNK_ELEMENTS[self.first.weight.device.type]
        width = max(1, chunk_elements // (n_samples * max(self.first.weight.shape)))
        for start in range(0, n_features, width):
            yield slice(start, min(start + width, n_features))

    def products_dominate(self) -> bool:
        """Return whether fewer operations in matrix products make up for more of them, smaller.

        A GPU has matrix products to spare, and small ones take as long as large ones.
        """
        weight = self.second.weight
        return weight.device.type == "cpu" and weight.numel() >= _LARGE_DECODER

    def without_factor(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the linear outputs of features that no factor affects, constants, [g].

        Parameters are as in ``forward``.
        """
        return weight @ functional.relu(self.second.bias) + bias

    def with_one_factor(self, s: Tensor, dimension: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the linear outputs of features that one factor affects, [B, g].

        What ``forward`` returns, in O(1) per sample and feature. The first layer has no bias, so
        with ``p = V2 relu(V1_k)``, ``q = V2 relu(-V1_k)`` and ``s = w_jk z_ik`` the second hidden
        layer is ``relu(p max(s, 0) + q max(-s, 0) + b2)``: the output is piecewise linear in s. Its
        breaks depend on the factor alone; its slopes and intercepts are cumulative sums of
        ``v_j`` times p or q, and times b2, over the units that a break switches on or off.

        Parameters
        ----------
        s : Tensor [B, g]
            The factor's latent values times the features' mask entries.
        dimension : Tensor [g]
            Which of the K latent dimensions.
        weight, bias : Tensor [g, K], [g]
            The features' rows of ``output``.
        """
        factors, which = dimension.unique(return_inverse=True)
        first, intercepts = self.first.weight[:, factors].T, self.second.bias
        # Of each unit on the sides s < 0 and s > 0, along |s|: [factors, 2, K].
        slopes = functional.relu(torch.stack([-first, first], 1)) @ self.second.weight.T
        with torch.no_grad():
            breaks = -intercepts / slopes
            breaks = torch.where(breaks > 0, breaks, torch.inf)
            starts_on = (intercepts > 0) | ((intercepts == 0) & (slopes > 0))
            switch = slopes.sign() * torch.isfinite(breaks)
            breaks, order = breaks.sort()

        def pieces(terms: Tensor) -> Tensor:
            """Sum terms [factors, 2, K] times v over the units that are on: [g, 2, K + 1]."""
            v = weight.unsqueeze(1)
            start = ((terms * starts_on)[which] * v).sum(2, keepdim=True)
            changes = ((terms * switch)[which] * v).gather(2, order[which])
            return torch.cat([start, start + changes.cumsum(2)], 2)

        # Side by side along s, from the last break of s < 0 to that of s > 0.
        zero = breaks.new_zeros(len(factors), 1)
        breaks = torch.cat([-breaks[:, 0].flip(1), zero, breaks[:, 1]], 1)[which]
        left, right = pieces(slopes).unbind(1)
        slopes = torch.cat([-left.flip(1), right], 1)
        left, right = pieces(intercepts.expand_as(order)).unbind(1)
        constants = torch.cat([left.flip(1), right], 1)
        values = s.T.contiguous()
        piece = torch.searchsorted(breaks, values.detach())
        nonlinear = slopes.gather(1, piece) * values + constants.gather(1, piece)
        skip = weight.gather(1, dimension.unsqueeze(1)) * values
        return (nonlinear + skip).T + bias

    def forward(
        self,
        z: Tensor,
        mask: Tensor,
        dimensions: Tensor,
        weight: Tensor,
        bias: Tensor,
        precision: torch.dtype | None = None,
    ) -> Tensor:
        """Return the linear outputs of g features, [B, g].

        Only the latent dimensions that the samples use are computed: the others are zero-padding
        in the paper and contribute nothing to V1 c and v_j'c.

        Parameters
        ----------
        z : Tensor [B, k]
            Latent values of the dimensions in use.
        mask : Tensor [g, k]
            Their mask entries for the features.
        dimensions : Tensor [k]
            Their positions among the K latent dimensions.
        weight, bias : Tensor [g, K], [g]
            The features' rows of ``output``.
        precision : torch.dtype, optional
            Of the hidden layers; default that of the parameters.
        """
        precision = precision or z.dtype
        first = self.first.weight[:, dimensions].to(precision)
        second = self.second.weight.to(precision), self.second.bias.to(precision)
        c = z.to(precision) * mask.to(precision).unsqueeze(1)  # [g, B, k]
        h1 = functional.relu(functional.linear(c, first), inplace=True)
        h2 = functional.relu(functional.linear(h1, *second), inplace=True)
        nonlinear = (h2 * weight.to(precision).unsqueeze(1)).sum(-1, dtype=z.dtype).T
        return nonlinear + z @ (mask * weight[:, dimensions]).T + bias
