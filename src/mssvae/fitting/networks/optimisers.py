"""Optimisers of the parameters that belong to features: their masks, decoder rows and noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mssvae.core import prior
from mssvae.core.module import MultiStudyModule
from mssvae.fitting.settings import FitSettings


@dataclass(frozen=True)
class Rates:
    """Adam's numbers, as appendix B.2.3 and PyTorch have them.

    Attributes
    ----------
    mean, square : float
        What the moments keep of their value at a step, beta1 and beta2.
    epsilon : float
        Added to the root of the second moment.
    """

    mean: float = 0.9
    square: float = 0.999
    epsilon: float = 1e-8


ADAM = Rates()


class RowAdam:
    """Adam (Kingma and Ba, 2015) for tables of which a step sees some rows.

    Rows that were not drawn stay as they are, and so do their moments and their number of steps:
    each row moves as if the steps it was not drawn in had not been.

    Parameters
    ----------
    table : Parameter
        Changed in place.
    """

    def __init__(self, table: nn.Parameter) -> None:
        self.table = table.data
        self.mean, self.square = torch.zeros_like(self.table), torch.zeros_like(self.table)
        self.n_steps = self.table.new_zeros(len(table), *[1] * (table.ndim - 1))

    def step(
        self,
        rows: Tensor | slice,
        gradient: Tensor,
        lr: float,
        known: float | Tensor = 1.0,
    ) -> Tensor:
        """Move the rows, and return the metric of the step for each of their entries.

        Adam's step is ``lr / metric`` times the mean of the gradients.

        Parameters
        ----------
        rows : Tensor [g] or slice
        gradient : Tensor [g, ...]
        lr : float
        known : Tensor [g, ...], optional
            1 for the entries whose gradient is known and 0 for those that stay as they are, with
            their moments; default 1.
        """
        self.n_steps[rows] += 1
        n_steps = self.n_steps[rows]
        mean, square = self.mean[rows], self.square[rows]
        mean += (1 - ADAM.mean) * known * (gradient - mean)
        square += (1 - ADAM.square) * known * (gradient.square() - square)
        metric = (square / (1 - ADAM.square**n_steps)).sqrt_().add_(ADAM.epsilon)
        self.mean[rows], self.square[rows] = mean, square
        self.table[rows] -= lr * known * mean / (metric * (1 - ADAM.mean**n_steps))
        return metric

    def state_dict(self) -> dict[str, Tensor]:
        """Return moments and numbers of steps; the table belongs to its module."""
        return {"mean": self.mean, "square": self.square, "n_steps": self.n_steps}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from where ``state_dict`` was taken."""
        for name, values in self.state_dict().items():
            values.copy_(state[name])


class TableOptimiser:
    """Adam for all tables of a module; for the masks under the spike-and-slab lasso.

    First, a mask takes a gradient step on likelihood and expected prior together, ``lambda*
    sign(w)`` being the gradient of the latter. No entry ends at zero exactly, and none is lost.

    Once ``proximal``, Adam moves a mask along the gradient of the likelihood alone; then, with v
    Adam's bias-corrected second moment, every entry is shrunk towards zero by
    ``lr lambda* / (prior_scale (sqrt(v) + eps))``: the proximal step of the expected prior in
    Adam's own metric. An entry at zero stays while ``|gradient| <= lambda* / prior_scale``, the
    optimality condition of the maximum a posteriori estimate.

    Parameters
    ----------
    module : MultiStudyModule
        Its tables, ``eta`` and ``alive`` are changed in place.
    settings : FitSettings
    prior_scale : float
        Divisor of the prior in the per-sample loss.
    """

    def __init__(self, module: MultiStudyModule, settings: FitSettings, prior_scale: float) -> None:
        self.module, self.settings, self.prior_scale = module, settings, prior_scale
        self.proximal = False
        self.b = module.shared_mask.shape[0] if settings.b is None else settings.b
        self.adams = [RowAdam(table) for table in module.tables]

    @torch.no_grad()
    def step(
        self,
        features: Tensor | slice,
        gradients: Sequence[Tensor | None],
        feature_weight: float,
        lambda0: float,
        lr_factor: float = 1.0,
        evaluated: list[Tensor] | None = None,
    ) -> None:
        """Take the expectation step at the present masks, then update eta and the tables.

        Parameters
        ----------
        features : Tensor [g] or slice
            The rows that were drawn.
        gradients : list of Tensor [g, ...]
            Of the loss without the masks' prior, by table, as ``objective.backpropagate`` returns
            them. None, where the batch has no sample of a mask's study: nothing moves.
        feature_weight : float
            What the likelihood of a drawn feature was weighed with, G / g.
        lambda0 : float
            Spike rate.
        lr_factor : float
            Multiplies ``lr`` and ``lr_mask``.
        evaluated : list of Tensor of bool [G, K], optional
            By mask, the entries that have a gradient; the others stay at zero. Default all.
        """
        settings, module = self.settings, self.module
        rates = [
            rate * (feature_weight / self.prior_scale)
            for rate in self._expectation_step(features, lambda0)
        ]
        n_masks = len(rates)
        for position, (adam, gradient) in enumerate(zip(self.adams, gradients, strict=True)):
            if gradient is None:
                continue
            if position >= n_masks:
                adam.step(features, gradient, settings.lr * lr_factor)
                continue
            lr, rate, mask = settings.lr_mask * lr_factor, rates[position], adam.table
            if self.proximal:
                known = 1.0 if evaluated is None else evaluated[position][features].to(mask.dtype)
                shrinkage = lr * rate / adam.step(features, gradient, lr, known)
                moved = mask[features]
                mask[features] = moved - moved.clamp(-shrinkage, shrinkage)
            else:
                adam.step(features, gradient + rate * mask[features].sign(), lr)
            # A column that is not in use has no gradient, but Adam's momentum would move it.
            mask.masked_fill_(~module.alive[position], 0)

    def _expectation_step(self, features: Tensor | slice, lambda0: float) -> list[Tensor]:
        """Update eta; return lambda* of the drawn rows, by mask [g, K]."""
        lambda1, rates = self.settings.lambda1, []
        for mask, eta in zip(self.module.masks, self.module.etas, strict=True):
            gamma = prior.slab_probability(mask, eta, lambda0, lambda1)
            rates.append(prior.penalty_rate(gamma[features], lambda0, lambda1))
            eta.copy_(prior.updated_eta(gamma, self.settings.a, self.b))
        return rates

    def state_dict(self) -> dict[str, object]:
        """Return all but the tables, which belong to the module."""
        return {"proximal": self.proximal, "adams": [adam.state_dict() for adam in self.adams]}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self.proximal = state["proximal"]
        for adam, saved in zip(self.adams, state["adams"], strict=True):
            adam.load_state_dict(saved)

    @torch.no_grad()
    def drop_dead_columns(self) -> None:
        """Take columns without any non-zero entry out of the model."""
        for mask, alive in zip(self.module.masks, self.module.alive, strict=True):
            alive &= (mask != 0).any(0)

    @torch.no_grad()
    def slabs(self, lambda0: float) -> list[Tensor]:
        """Return by mask which entries are more likely from the slab than from the spike.

        As masks end: with columns scaled to weights of about 1.
        """
        return [
            prior.in_slab(mask * prior.column_scale(mask), eta, lambda0, self.settings.lambda1)
            for mask, eta in zip(self.module.masks, self.module.etas, strict=True)
        ]

    @torch.no_grad()
    def penalty(self, lambda0: float) -> float:
        """Return minus the expected log prior of all masks at their present values."""
        lambda1, total = self.settings.lambda1, 0.0
        for mask, eta in zip(self.module.masks, self.module.etas, strict=True):
            gamma = prior.slab_probability(mask, eta, lambda0, lambda1)
            total -= prior.expected_log_prior(
                mask, gamma, eta, lambda0, lambda1, self.settings.a, self.b
            ).item()
        return total
