"""All parameters of the model together: masks, decoder, likelihood and encoders (section 2)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mssvae.core.decoder import Decoder
from mssvae.core.encoders import Encoder
from mssvae.core.layers import full
from mssvae.core.likelihoods import LIKELIHOODS, MIN_LIBRARY_VARIANCE


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
        masks = [full((n_features, size), 1.0) for size in sizes]
        self.shared_mask = nn.Parameter(masks[0])
        self.specific_masks = nn.ParameterList(masks[1:])
        # Per mask: the slab proportions eta, and which columns still have a non-zero entry.
        for position, size in enumerate(sizes):
            self.register_buffer(f"eta_{position}", full((size,), 0.5))
            self.register_buffer(f"alive_{position}", full((size,), True))
        if self.likelihood.uses_library:
            # log l_i ~ N(mean, variance) of the observed log library sizes (section 2.4).
            self.register_buffer("library_mean", full((), 0.0))
            self.register_buffer("library_variance", full((), 1.0))
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
        library sizes, [N, 1], and the covariances of each study's factors, [M, K_S + K_m,
        K_S + K_m]. All are zero at first.

        Parameters
        ----------
        n_samples : sequence of int
            Of each study.
        """
        device, n_features = self.shared_mask.device, self.shared_mask.shape[0]
        n_factors = self.n_shared + self.n_specific
        self.shared_encoder, self.specific_encoders, self.library_encoder = None, None, None
        tables = {
            "intercepts": (len(n_samples), n_features),
            "log_scale": (n_features,),
            "library_sizes": (sum(n_samples), 1),
            "factor_covariances": (len(n_samples), n_factors, n_factors),
        }
        for position, (mask, n) in enumerate(
            zip(self.masks, [sum(n_samples), *n_samples], strict=True)
        ):
            for what in ("mean", "log_variance"):
                tables[f"posterior_{what}_{position}"] = (n, mask.shape[1])
        for name, shape in tables.items():
            self.register_buffer(name, full(shape, 0.0).to(device))

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
