"""The state of a fit of the networks: all that training carries from one epoch to the next."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mssvae.core.module import MultiStudyModule
from mssvae.data.batches import BatchSampler
from mssvae.fitting.networks.optimisers import TableOptimiser
from mssvae.fitting.networks.restructuring import Restructuring
from mssvae.fitting.settings import FitSettings
from mssvae.moves import chosen
from mssvae.moves.networks import ORDER
from mssvae.moves.parts import Price


@dataclass
class Course:
    """A fit under way: what it goes by, and what an epoch leaves to the next.

    Attributes
    ----------
    module : MultiStudyModule
    study : Tensor [N], on the CPU
        The number of each sample's study.
    settings : FitSettings
    prior_scale : float
        Divisor of the prior in the per-sample loss.
    precision : torch.dtype or None
        Of the large matrix products; None for that of the parameters.
    sampler : BatchSampler
        Has the data.
    noise_generator : torch.Generator
        Of the draws of the factors.
    network_optimiser : torch.optim.Adam
    table_optimiser : TableOptimiser
    rounds : list of int
        The epochs to come, counted from 0, before which columns are repaired.
    moves : list of str
        Those that may be made, in their order.
    slabs : deque of list of Tensor
        Those of the epochs since the last repair, as many as convergence is judged by.
    history : list of dict
        The rows of the epochs so far.
    n_in_order : int
        How many repairs in a row found all columns in order.
    end : int or None
        The epoch to end before, counted from 0; known once training has converged.
    """

    module: MultiStudyModule
    study: Tensor
    settings: FitSettings
    prior_scale: float
    precision: torch.dtype | None
    sampler: BatchSampler
    noise_generator: torch.Generator
    network_optimiser: torch.optim.Adam
    table_optimiser: TableOptimiser
    rounds: list[int]
    moves: list[str]
    slabs: deque[list[Tensor]]
    history: list[dict[str, float | str]] = field(default_factory=list)
    n_in_order: int = 0
    end: int | None = None

    @classmethod
    def begin(
        cls, module: MultiStudyModule, x: Tensor, study: Tensor, settings: FitSettings, seed: int
    ) -> "Course":
        """Return the state before the first epoch; parameters are as in ``loop.fit``."""
        # One seed for both would make the noise of the first samples follow their choice.
        seeds = np.random.SeedSequence(seed).generate_state(2, np.uint64).tolist()
        prior_scale = settings.scale(len(x))
        return cls(
            module,
            study,
            settings,
            prior_scale,
            settings.product_precision(x.device),
            BatchSampler(
                x,
                module.likelihood.log_base(x),
                study,
                settings.batch_size,
                settings.features_per_batch,
                torch.Generator().manual_seed(seeds[0]),
            ),
            torch.Generator(x.device).manual_seed(seeds[1]),
            torch.optim.Adam(module.networks, lr=settings.lr, fused=True),
            TableOptimiser(module, settings, prior_scale),
            settings.restructuring_epochs(),
            chosen(ORDER, settings.moves),
            deque(maxlen=(settings.patience or 0) + 1),
        )

    def restructuring(self, epoch: int) -> Restructuring:
        """Return a round of moves, or the last selection, by the prior of an epoch."""
        price = Price(self.settings.lambda0_at(epoch), self.settings.lambda1, self.prior_scale)
        return Restructuring(self.module, self.sampler.x, self.study, price)

    def evaluated(self, epoch: int) -> list[Tensor] | None:
        """Return by mask the entries to compute with in an epoch; None for all of them.

        A large decoder leaves out those at zero, except every ``screen_every`` epochs.
        """
        if not self.table_optimiser.proximal or not self.module.decoder.products_dominate():
            return None
        first = self.settings.restructuring_epochs()[0]
        if (epoch - first) % self.settings.screen_every == 0:
            return None
        return [mask.detach() != 0 for mask in self.module.masks]

    def state_dict(self) -> dict[str, object]:
        """Return what an epoch leaves to the next, of tensors, numbers and strings."""
        return {
            "module": self.module.state_dict(),
            "sampler": self.sampler.state_dict(),
            "noise": self.noise_generator.get_state(),
            "networks": self.network_optimiser.state_dict()["state"],
            "tables": self.table_optimiser.state_dict(),
            "slabs": list(self.slabs),
            # By way of pandas, which leaves no numpy scalars: a checkpoint holds none.
            "history": pd.DataFrame(self.history).to_dict("records"),
            "rounds": self.rounds,
            "n_in_order": self.n_in_order,
            "end": self.end,
        }

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from where ``state_dict`` was taken."""
        device = self.noise_generator.device
        self.module.load_state_dict(state["module"])
        self.sampler.load_state_dict(state["sampler"])
        self.noise_generator.set_state(state["noise"])
        # Its learning rate is set before each epoch.
        networks = self.network_optimiser.state_dict() | {"state": state["networks"]}
        self.network_optimiser.load_state_dict(networks)
        self.table_optimiser.load_state_dict(state["tables"])
        self.slabs.extend([slab.to(device) for slab in slabs] for slabs in state["slabs"])
        self.history, self.end = state["history"], state["end"]
        self.rounds, self.n_in_order = state["rounds"], state["n_in_order"]
