"""Mini-batches: samples drawn alike from all studies, and features in turn."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Samples in the order of their studies, and the features to decode.

    Attributes
    ----------
    x : Tensor [B, G]
    log_base : Tensor [B]
        Likelihood terms without parameters, of all features.
    counts : list of int
        How many samples each study has: M numbers that add up to B.
    features : Tensor [g], or slice(None) for all of them
    """

    x: Tensor
    log_base: Tensor
    counts: list[int]
    features: Tensor | slice

    @property
    def present(self) -> list[int]:
        """The numbers of the studies that have a sample."""
        return [m for m, count in enumerate(self.counts) if count]

    def samples_of(self, studies: list[int]) -> slice:
        """Return where the samples of studies that follow each other are."""
        return slice(sum(self.counts[: studies[0]]), sum(self.counts[: studies[-1] + 1]))

    @property
    def feature_weight(self) -> float:
        """G / g: what makes a sum over the drawn features an unbiased one over all of them."""
        return 1.0 if isinstance(self.features, slice) else self.x.shape[1] / len(self.features)


class BatchSampler:
    """Draws batches in which every study is equally likely (appendix B.2.3).

    Each batch has the same number of samples of every study, drawn with replacement; what is left
    of its size goes to the studies in turn. An epoch has as many samples as there are, in batches
    of equal size, so that none is a small rest. Features are drawn without replacement: the next
    batch has the next part of a random order, and a new order starts when one is used up, so that
    all features are drawn equally often.

    Shapes hardly change from batch to batch, which matters for speed: libraries prepare a matrix
    product for each new shape.

    Parameters
    ----------
    x : Tensor [N, G]
    log_base : Tensor [N]
    study : Tensor [N], on the CPU
        The number of each sample's study.
    batch_size : int
        Samples of a batch, at most.
    features_per_batch : int or None
        Features of a batch, at most; None for all.
    generator : torch.Generator, on the CPU
    """

    def __init__(
        self,
        x: Tensor,
        log_base: Tensor,
        study: Tensor,
        batch_size: int,
        features_per_batch: int | None,
        generator: torch.Generator,
    ) -> None:
        self.x, self.log_base, self.generator = x, log_base, generator
        self.members = [(study == m).nonzero().flatten() for m in range(int(study.max()) + 1)]
        self.n_batches = math.ceil(len(study) / batch_size)
        self.turn = 0
        n_features = x.shape[1]
        self.n_parts = math.ceil(n_features / (features_per_batch or n_features))
        self.parts: list[Tensor] = []  # What is left of the present order of the features.

    def __iter__(self) -> Iterator[Batch]:
        n, n_studies = len(self.x), len(self.members)
        for position in range(self.n_batches):
            size = n * (position + 1) // self.n_batches - n * position // self.n_batches
            share, rest = divmod(size, n_studies)
            counts = [share + ((m - self.turn) % n_studies < rest) for m in range(n_studies)]
            self.turn = (self.turn + rest) % n_studies
            drawn = [
                members[torch.randint(len(members), (count,), generator=self.generator)]
                for members, count in zip(self.members, counts, strict=True)
            ]
            indices = torch.cat(drawn).to(self.x.device)
            yield Batch(self.x[indices], self.log_base[indices], counts, self._next_features())

    def _next_features(self) -> Tensor | slice:
        if self.n_parts == 1:
            return slice(None)
        if not self.parts:
            order = torch.randperm(self.x.shape[1], generator=self.generator)
            self.parts = list(torch.tensor_split(order, self.n_parts))
        return self.parts.pop(0).sort().values.to(self.x.device)

    def state_dict(self) -> dict[str, object]:
        """Return what the batches of the next epochs follow from."""
        return {"generator": self.generator.get_state(), "turn": self.turn, "parts": self.parts}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self.generator.set_state(state["generator"])
        self.turn, self.parts = state["turn"], state["parts"]
