"""Rounds of moves between local optima, a few times during training."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from mssvae.core.module import MultiStudyModule
from mssvae.moves.networks import MAKE_COLUMNS, MOVES, ORDER
from mssvae.moves.networks.evidence import Evidence, residuals_at_means
from mssvae.moves.networks.teach import teach
from mssvae.moves.parts import Price, read_parts


class Restructuring:
    """A round of moves at one time of training.

    Parameters
    ----------
    module : MultiStudyModule
        Changed in place.
    x : Tensor [N, G]
        The data.
    study : Tensor [N], on the CPU
        The number of each sample's study.
    price : Price
        What the prior asks for now.

    Attributes
    ----------
    parts : list of Part
        The shared one, then each study's own.
    """

    @torch.no_grad()
    def __init__(self, module: MultiStudyModule, x: Tensor, study: Tensor, price: Price) -> None:
        self.module, self.x, self.price = module, x, price
        self.inputs = module.likelihood.encoder_input(x)
        was_training = module.training
        module.eval()
        self.parts = read_parts(module, x, self.inputs, study, price)
        module.train(was_training)

    @torch.no_grad()
    def select(self) -> None:
        """Set every entry to zero that is more likely from the spike than from the slab."""
        for part in self.parts:
            part.mask *= part.support

    @torch.no_grad()
    def run(self, moves: Sequence[str] = ORDER, last: bool = False) -> dict[str, Counter]:
        """Make all moves, then ``select``; return what was made, by move: how often each repair.

        Parameters
        ----------
        moves : sequence of str
            In their order.
        last : bool
            Whether no round follows, which could undo what a wrong move did. Then none that make
            columns are tried: no factor is added, no shared column is split by study, and no
            column is shared that not all studies have.
        """
        made: dict[str, Counter] = {}
        self.module.eval()
        residuals = residuals_at_means(self.module, self.x, self.inputs, self.parts)
        evidence = Evidence(self.module, self.parts, self.price, residuals)
        for name in moves:
            if not (last and name in MAKE_COLUMNS) and (repairs := MOVES[name](evidence)):
                made[name] = made.get(name, Counter()) + repairs
        self.select()
        self.module.train()
        for part in self.parts:
            if part.to_learn:
                teach(part, self.inputs)
        return made
