"""Moves between local optima, a few times during training (docs/method.md, "Restructuring").

Gradient steps cannot leave some solutions that the objective likes less than the truth: a factor
held by two columns of a mask, two factors mixed in two columns with the same support, a column
without the features that are nonlinear in its factor, a factor that no column holds. Each move
below recognises one of them from posterior means and residuals, never from a truth, and repairs it;
training goes on from there.
"""

from collections import Counter

import numpy as np
import torch
from scipy.sparse.linalg import svds
from torch import Tensor

from mssvae.core.module import MultiStudyModule
from mssvae.moves.dependence import AS_WELL, explained, mutual_information, slopes
from mssvae.moves.networks.redundancy import drop_idle, merge
from mssvae.moves.networks.rotation import rotate
from mssvae.moves.parts import MIN_FEATURES, Part, Price, likelihood_gain, means_of, read_parts
from mssvae.moves.theorem2 import common_columns, split_columns

# The move that repairs features but no column, and that training could mostly make by itself.
GROWN = "features added"
# A direction of the residuals is a new factor if it shares less with every column.
_NEW_FACTOR = 0.15
# A column holds a function of a factor instead, if they are not correlated, and the factor explains
# the column's features nearly as well.
_NOT_LINEAR = 0.5
# Beside related columns, a new factor explains this share of the variance of a few features.
_MUCH = 0.25
# Directions of the residuals of all studies with larger cosines are one.
_SAME_DIRECTION = 0.8
# Residuals are cut at so many median absolute deviations, three standard deviations of normal ones:
# a few outlying samples are no factor.
_OUTLYING = 4.5
# How an encoder learns new columns: Adam on squared errors. They start with a standard deviation of
# 0.37 around their scores.
_LESSONS, _LESSON_SIZE, _LESSON_RATE = 300, 256, 3e-3
_NEW_LOG_VARIANCE = -2.0


class Restructuring:
    """The state of the moves at one time of training.

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
    """

    @torch.no_grad()
    def __init__(
        self,
        module: MultiStudyModule,
        x: Tensor,
        study: Tensor,
        price: Price,
    ) -> None:
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
    def run(self, last: bool = False) -> Counter:
        """Make all moves, then ``select``; return how often each was made.

        Parameters
        ----------
        last : bool
            Whether no round follows, which could undo what a wrong move did. Then none that make
            columns are tried: no factor is added, and no shared column is split by study.
        """
        self.moves = Counter()
        self.module.eval()
        # Before any move: they leave the decoder behind.
        residuals = self._residuals()
        self._grow(residuals)
        if not last:
            self._split()
            self._add_factors(residuals)
        self._share()
        self.moves += merge(self.parts)
        self.moves += drop_idle(self.parts, self.price)
        self.moves += rotate(self.parts, self.module.decoder)
        # Again: what a study had of a factor may have been mixed with another of its own.
        self._share()
        self.select()
        self.module.train()
        for part in self.parts:
            if part.to_learn:
                self._teach(part)
        return self.moves

    def _residuals(self) -> Tensor:
        """Return the residuals of the data at the posterior means, [N, G].

        Less their medians in each study: how studies differ on the whole is no factor.
        """
        module, shared = self.module, self.parts[0]
        residuals = torch.zeros_like(self.x)
        log_library = (
            module.library_encoder(self.inputs)[0] if module.likelihood.uses_library else None
        )
        live = module.live_columns()
        *_, output_weight, output_bias, log_noise = module.tables
        for m, own in enumerate(self.parts[1:]):
            rows, columns = own.rows, live[m + 1]
            z = torch.cat([shared.means[rows][:, live[0]], own.means[:, columns]], 1)
            mask = module.columns_of(module.masks, [m], live)
            library = None if log_library is None else log_library[rows]
            for chunk in module.decoder.feature_chunks(len(z), len(mask)):
                output = module.decoder(
                    z,
                    mask[chunk],
                    module.dimensions([m], live),
                    output_weight[chunk],
                    output_bias[chunk],
                )
                of_chunk = module.likelihood.residual(
                    self.x[rows, chunk], output, library, log_noise[chunk]
                )
                residuals[rows, chunk] = of_chunk - of_chunk.median(0).values
        return residuals

    def _grow(self, residuals: Tensor) -> None:
        """Add features to columns whose factor explains their residuals.

        An entry at zero has no gradient towards an even function of its factor: the first layer
        has no bias, and the skip is linear. Training alone does not bring it back. A feature enters
        the column that gains it most: others often explain some of the same residuals, as the
        posterior means of all depend on outlying features.
        """
        columns, gains = [], []
        for part in filter(Part.is_large_enough, self.parts):
            of_part = residuals[part.rows]
            for k in part.columns():
                gain = likelihood_gain(explained(part.means[:, k], of_part), part)
                gain -= self.price.of_entry(float(part.eta[k]))
                columns.append((part, k))
                gains.append(gain.masked_fill(part.support[:, k], 0))
        if not columns:
            return
        most, best = torch.stack(gains).max(0)
        for i, (part, k) in enumerate(columns):
            new = (best == i) & (most > 0)
            if new.any():
                part.enter(new, k)
                self.moves[GROWN] += int(new.sum())

    def _add_factors(self, residuals: Tensor) -> None:
        """Let a column hold the direction in which the residuals vary most, if it is a factor.

        In all studies together if it is the same direction in each of them, else by study. If no
        study shows a new one, all of them together may.
        """
        shared, *own = self.parts
        candidates = [self._candidate(residuals[part.rows], part) for part in own]
        if not _all_alike(candidates):
            for part, candidate in zip(own, candidates, strict=True):
                if candidate is not None:
                    self._add_factor(part, *candidate[1:])
            if self.moves["columns started"]:
                return
        candidate = self._candidate(residuals, shared)
        if candidate is not None:
            self._add_factor(shared, *candidate[1:])

    def _add_factor(self, part: Part, scores: Tensor, features: Tensor) -> None:
        """Start a column on scores [n], or correct the one that holds a function of them.

        Such as their absolute values: then features that are odd in the factor are missing, and
        the scores explain what the column does. Nothing is done if they are otherwise known.
        """
        related = self._related(scores, part)
        if len(related) == 1 and related[0][0] is part:
            k = related[0][1]
            means, y = part.means[:, k], part.outputs[:, part.support[:, k]]
            linear = torch.corrcoef(torch.stack([means, scores]))[0, 1].abs()
            before, after = (explained(z, y).sum() for z in (means, scores))
            if linear < _NOT_LINEAR and after > AS_WELL * before:
                self._hold(part, k, scores, features)
                self.moves["columns corrected"] += 1
                return
        if part.unused() and (not related or self._explains_more(part, scores, features, related)):
            self._start_column(part, scores, features)
            self.moves["columns started"] += 1

    def _explains_more(
        self, part: Part, scores: Tensor, features: Tensor, related: list[tuple[Part, int]]
    ) -> bool:
        """Return whether scores [n] explain much of a few features that related columns do not.

        As one of two factors does that one column mixes. What is left of a factor because its
        posterior means are not exact explains little.
        """
        shared = self.parts[0]
        if part is shared and any(other is not shared for other, _ in related):
            return False  # These know some of the samples only.
        known = means_of(related, part)
        y = part.outputs[:, features]
        before = explained(known, y)
        after = explained(torch.cat([known, scores[:, None]], 1), y)
        return int((after - before > _MUCH).sum()) >= MIN_FEATURES

    def _related(self, scores: Tensor, part: Part) -> list[tuple[Part, int]]:
        """Return the columns that share information with scores [n] of a part's samples."""
        shared, *own = self.parts
        if part is shared:
            known = [(shared, shared), *((one, one) for one in own if one.is_large_enough())]
        else:
            known = [(shared, part), (part, part)]
        related = []
        for other, samples in known:
            columns = other.columns()
            values = scores if samples is part else scores[samples.rows]
            means = other.means_on(samples, columns)
            information = mutual_information(values[:, None], means)[0]
            related += [
                (other, k)
                for k, nats in zip(columns, information, strict=True)
                if nats > _NEW_FACTOR
            ]
        return related

    def _candidate(self, residuals: Tensor, part: Part) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return direction [G], scores [n] and features [G] of a factor of the residuals."""
        if not part.is_large_enough():
            return None
        limit = _OUTLYING * residuals.abs().median(0).values
        scaled = residuals.clamp(-limit, limit)
        scaled -= scaled.mean(0)
        # Nothing varies if all samples are the same.
        if scaled.shape[1] < MIN_FEATURES or not scaled.any():
            return None
        start = np.random.default_rng(0).normal(size=min(scaled.shape))
        direction = svds(scaled.double().cpu().numpy(), k=1, v0=start)[2][0]
        direction = torch.as_tensor(direction.copy(), dtype=scaled.dtype, device=scaled.device)
        scores = scaled @ direction
        scores = (scores - scores.mean()) / scores.std()
        gain = likelihood_gain(explained(scores, scaled), part)
        eta = 1 / len(direction)
        features = gain > self.price.of_entry(eta)
        if features.sum() < MIN_FEATURES or not self.price.is_paid(gain, eta, part):
            return None
        return direction, scores, features

    def _start_column(self, part: Part, scores: Tensor, features: Tensor) -> None:
        """Let an unused column hold scores [n]."""
        k = part.unused()[0]
        part.alive[k] = True
        self._hold(part, k, scores, features)
        # Not 1, with which the prior has no spike.
        share = features.to(part.eta.dtype).mean()
        part.eta[k] = share.clamp_max(1 - torch.finfo(share.dtype).eps)

    def _hold(self, part: Part, k: int, scores: Tensor, features: Tensor) -> None:
        """Let a column hold scores [n], also for new features; the encoder learns them later."""
        part.enter(features, k)
        part.means[:, k] = scores
        part.to_learn.add(k)
        inside = part.support[:, k]
        loadings = slopes(scores, part.outputs[:, inside])
        self.module.decoder.output.weight[inside, part.offset + k] = loadings

    @torch.enable_grad()
    def _teach(self, part: Part) -> None:
        """Train an encoder until its new columns have their scores, and the others what they had.

        A factor that no column held need not be in the hidden layers.
        """
        inputs = self.inputs[part.rows]
        part.encoder.eval()
        with torch.no_grad():
            means, log_variances = part.encoder(inputs)
        for k in part.to_learn:
            means[:, k] = part.means[:, k]
            log_variances[:, k] = _NEW_LOG_VARIANCE
        targets = torch.cat([means[:, part.alive], log_variances[:, part.alive]], 1)
        part.encoder.train()
        optimiser = torch.optim.Adam(part.encoder.parameters(), lr=_LESSON_RATE)
        generator = torch.Generator().manual_seed(0)
        for _ in range(_LESSONS):
            rows = torch.randint(len(inputs), (_LESSON_SIZE,), generator=generator)
            outputs = torch.cat([output[:, part.alive] for output in part.encoder(inputs[rows])], 1)
            loss = (outputs - targets[rows]).square().sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        optimiser.zero_grad()

    def _split(self) -> None:
        """Move shared columns that are not the same in all studies to each in which they act.

        The proof of Theorem 2. A column stays where it is if there is none free for it there.
        """
        shared, *own = self.parts
        for k, acts in split_columns(self.parts, self.price):
            acting = [(part, on) for part, on in zip(own, acts, strict=True) if on.any()]
            if not all(part.unused() for part, _ in acting):
                continue
            for part, features in acting:
                self._start_column(part, shared.means[part.rows, k], features)
            shared.drop(k)
            self.moves["shared columns split by study"] += 1

    def _share(self) -> None:
        """Share the columns that all studies have, as long as there are free ones (Theorem 2)."""
        shared, *own = self.parts
        for columns, features, scores in common_columns(self.parts):
            if not shared.unused():
                break
            for part, k in zip(own, columns, strict=True):
                part.drop(k)
            self._start_column(shared, scores, features)
            self.moves["columns of all studies shared"] += 1


def _all_alike(candidates: list[tuple[Tensor, Tensor, Tensor] | None]) -> bool:
    """Return whether there is a candidate of each study, all with nearly the same direction."""
    if any(candidate is None for candidate in candidates):
        return False
    directions = torch.stack([direction for direction, _, _ in candidates])
    return bool((directions @ directions.T).abs().min() > _SAME_DIRECTION)
