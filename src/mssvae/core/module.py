"""The networks of the MSSVAE (appendix B.1): encoders, masks and the decoder they switch."""

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from mssvae.core.likelihoods import LIKELIHOODS, MIN_LIBRARY_VARIANCE

# Features are decoded in chunks whose hidden activations hold about this many numbers: large
# enough for efficient matrix products, small enough for a processor's cache, or for a GPU's memory
# (2 GB with what is kept for the gradient).
_CHUNK_ELEMENTS = {"cpu": 2**20, "cuda": 2**28}
# Width of the first times that of the second hidden layer from which matrix products take longer
# than the many small operations of the closed forms and of studies taken one by one
# (docs/performance.md).
_LARGE_DECODER = 5000


def _full(shape: tuple[int, ...], value: float | bool) -> Tensor:
    """Return a tensor of one value, whatever the defaults of torch."""
    dtype = torch.bool if isinstance(value, bool) else torch.float32
    return torch.full(shape, value, dtype=dtype, device="cpu")


class _Linear(nn.Linear):
    """A layer that starts as torch's do, whatever the defaults and the state of torch."""

    def __init__(
        self, n_in: int, n_out: int, generator: torch.Generator, bias: bool = True
    ) -> None:
        super().__init__(n_in, n_out, bias, device="cpu", dtype=torch.float32)
        bound = n_in**-0.5
        with torch.no_grad():
            for values in self.parameters():
                values.uniform_(-bound, bound, generator=generator)

    def reset_parameters(self) -> None:
        """Leave out what would draw from the global generator."""


class Encoder(nn.Module):
    """Two hidden layers with batch norm and ReLU, then linear maps to mean and log variance.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of the input and of each of the two outputs.
    hidden : (int, int)
        Widths of the hidden layers.
    generator : torch.Generator
        Draws the starting values.
    """

    def __init__(
        self, n_features: int, hidden: Sequence[int], n_outputs: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        sizes = list(itertools.pairwise([n_features, *hidden]))
        self.layers = nn.ModuleList(_Linear(*size, generator) for size in sizes)
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(size, device="cpu", dtype=torch.float32) for size in hidden
        )
        self.mean = _Linear(hidden[-1], n_outputs, generator)
        self.log_variance = _Linear(hidden[-1], n_outputs, generator)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance, each [B, n_outputs], of q(. | x) for x [B, n_features].

        The first layer, which is by far the largest, multiplies in the precision of x.
        """
        for layer, norm in zip(self.layers, self.norms, strict=True):
            weight, bias = layer.weight.to(x.dtype), layer.bias.to(x.dtype)
            x = functional.linear(x, weight, bias).to(layer.weight.dtype)
            # One sample has no batch variance: it is normalised as in evaluation.
            if len(x) > 1:
                x = norm(x)
            else:
                x = functional.batch_norm(
                    x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
                )
            x = functional.relu(x)
        return self.mean(x), self.log_variance(x)


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
        self.first = _Linear(n_latent, n_hidden, generator, bias=False)
        self.second = _Linear(n_hidden, n_latent, generator)
        self.output = _Linear(n_latent, n_features, generator)

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


class MultiStudyModule(nn.Module):
    """All parameters of the MSSVAE, on the CPU in single precision.

    Parameters
    ----------
    x : Tensor [N, G]
        The data; sets the shapes and some starting values, see ``start``.
    n_studies : int
        M.
    n_shared, n_specific : int
        K_S, and K_m of each study.
    hidden : (int, int)
        Hidden widths of the encoders; the first is also the decoder's.
    likelihood : str
        A key of ``likelihoods.LIKELIHOODS``.
    seed : int
        Of the other starting values, up to 64 bits.
    """

    def __init__(
        self,
        x: Tensor,
        n_studies: int,
        n_shared: int,
        n_specific: int,
        hidden: Sequence[int],
        likelihood: str,
        seed: int = 0,
    ) -> None:
        super().__init__()
        n_features = x.shape[1]
        generator = torch.Generator("cpu").manual_seed(seed)
        self.n_shared, self.n_specific = n_shared, n_specific
        self.likelihood = LIKELIHOODS[likelihood](x)
        self.shared_encoder = Encoder(n_features, hidden, n_shared, generator)
        self.specific_encoders = nn.ModuleList(
            Encoder(n_features, hidden, n_specific, generator) for _ in range(n_studies)
        )
        n_latent = n_shared + n_studies * n_specific
        self.decoder = Decoder(n_features, n_latent, hidden[0], generator)
        sizes = [n_shared] + [n_specific] * n_studies
        masks = [_full((n_features, size), 1.0) for size in sizes]
        self.shared_mask = nn.Parameter(masks[0])
        self.specific_masks = nn.ParameterList(masks[1:])
        # Per mask: the slab proportions eta, and which columns still have a non-zero entry.
        for position, size in enumerate(sizes):
            self.register_buffer(f"eta_{position}", _full((size,), 0.5))
            self.register_buffer(f"alive_{position}", _full((size,), True))
        if self.likelihood.uses_library:
            # log l_i ~ N(mean, variance) of the observed log library sizes (section 2.4).
            self.register_buffer("library_mean", _full((), 0.0))
            self.register_buffer("library_variance", _full((), 1.0))
            self.library_encoder = Encoder(n_features, hidden, 1, generator)
        self.start(x)

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Take the starting values of noise, output bias and library sizes from data [N, G]."""
        self.likelihood.start(x)
        self.decoder.output.bias.copy_(self.likelihood.initial_bias(x))
        if self.likelihood.uses_library:
            log_library = self.likelihood.library(x).log()
            self.library_mean.copy_(log_library.mean())
            self.library_variance.copy_(log_library.var().clamp_min(MIN_LIBRARY_VARIANCE))
            # The posterior starts around the prior.
            self.library_encoder.mean.bias.copy_(self.library_mean)
            self.library_encoder.log_variance.bias.copy_(self.library_variance.log())

    def hold_posteriors(self, n_samples: Sequence[int]) -> None:
        """Hold posteriors as tables, in place of the encoders, and what linear fits have besides.

        That are intercepts of the studies, [M, G], logarithms of the features' scales, [G], and of
        library sizes, [N, 1]. All are zero at first.

        Parameters
        ----------
        n_samples : sequence of int
            Of each study.
        """
        device, n_features = self.shared_mask.device, self.shared_mask.shape[0]
        self.shared_encoder, self.specific_encoders, self.library_encoder = None, None, None
        tables = {
            "intercepts": (len(n_samples), n_features),
            "log_scale": (n_features,),
            "library_sizes": (sum(n_samples), 1),
        }
        for position, (mask, n) in enumerate(
            zip(self.masks, [sum(n_samples), *n_samples], strict=True)
        ):
            for what in ("mean", "log_variance"):
                tables[f"posterior_{what}_{position}"] = (n, mask.shape[1])
        for name, shape in tables.items():
            self.register_buffer(name, _full(shape, 0.0).to(device))

    @property
    def is_linear(self) -> bool:
        """Whether this holds a linear fit."""
        return self.shared_encoder is None

    def posterior(
        self, position: int, inputs: Tensor | None = None, rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return means and log variances of the factors of a mask, each [n, K].

        Of all samples for the shared mask, of a study's for its own.

        Parameters
        ----------
        position : int
            Of the mask among ``masks``.
        inputs : Tensor [N, G], rows : Tensor [n]
            What the encoders see of all samples, and which of them have the factors; a linear fit
            needs neither.
        """
        if self.is_linear:
            names = (f"posterior_{what}_{position}" for what in ("mean", "log_variance"))
            return tuple(self.get_buffer(name) for name in names)
        return self.encoders[position](inputs[rows])

    @property
    def masks(self) -> list[nn.Parameter]:
        """The shared mask [G, K_S], then each study's own [G, K_m]."""
        return [self.shared_mask, *self.specific_masks]

    @property
    def tables(self) -> list[nn.Parameter]:
        """The parameters with a row for each feature: masks, decoder output and noise."""
        output = self.decoder.output
        return [*self.masks, output.weight, output.bias, self.likelihood.log_noise]

    @property
    def networks(self) -> list[nn.Parameter]:
        """All other parameters."""
        tables = {id(table) for table in self.tables}
        return [parameter for parameter in self.parameters() if id(parameter) not in tables]

    @property
    def encoders(self) -> list[Encoder]:
        """The encoder of the columns of each mask, in the order of ``masks``; none if linear."""
        if self.is_linear:
            return [None] * len(self.masks)
        return [self.shared_encoder, *self.specific_encoders]

    def offset(self, position: int) -> int:
        """Return where the columns of a mask start among the K latent dimensions."""
        return self.n_shared + (position - 1) * self.n_specific if position else 0

    def dimensions(self, studies: Sequence[int], live: list[Tensor]) -> Tensor:
        """Return the positions among the K latent dimensions of what some studies use, [k].

        ``live`` has the columns in use of each mask, as ``live_columns`` returns them.
        """
        return torch.cat([live[0], *[self.offset(m + 1) + live[m + 1] for m in studies]])

    @staticmethod
    def columns_of(
        tables: Sequence[Tensor],
        studies: Sequence[int],
        live: list[Tensor],
        features: Tensor | slice = slice(None),
    ) -> Tensor:
        """Return the columns of tables like ``masks`` that some studies use, side by side, [g, k].

        In the order of ``dimensions``.
        """
        positions = [0, *[m + 1 for m in studies]]
        return torch.cat([tables[i][features][:, live[i]] for i in positions], 1)

    @property
    def etas(self) -> list[Tensor]:
        """The slab proportions of the columns of each mask, in the order of ``masks``."""
        return [self.get_buffer(f"eta_{position}") for position in range(len(self.masks))]

    @property
    def alive(self) -> list[Tensor]:
        """Per mask, which columns have a non-zero entry, bool [K]; others are not in use."""
        return [self.get_buffer(f"alive_{position}") for position in range(len(self.masks))]

    def live_columns(self) -> list[Tensor]:
        """Return the positions of the live columns within each mask."""
        return [alive.nonzero().squeeze(1) for alive in self.alive]


def normal_kl(
    mean: Tensor,
    log_variance: Tensor,
    prior_mean: float | Tensor = 0.0,
    prior_variance: float | Tensor = 1.0,
) -> Tensor:
    """Return KL(N(mean, exp(log_variance)) || N(prior_mean, prior_variance)) by element."""
    prior_variance = torch.as_tensor(prior_variance, dtype=mean.dtype, device=mean.device)
    return 0.5 * (
        (log_variance.exp() + (mean - prior_mean).square()) / prior_variance
        - 1
        - log_variance
        + prior_variance.log()
    )
