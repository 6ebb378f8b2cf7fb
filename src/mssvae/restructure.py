"""Moves between local optima, a few times during training (docs/method.md, "Restructuring").

Gradient steps cannot leave some solutions that the objective likes less than the truth: a factor
held by two columns of a mask, two factors mixed in two columns with the same support, a column
without the features that are nonlinear in its factor, a factor that no column holds. Each move
below recognises one of them from posterior means and residuals, never from a truth, and repairs it;
training goes on from there.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations, product

import numpy as np
import torch
from scipy.sparse.linalg import svds
from torch import Tensor, nn

from mssvae import prior
from mssvae.dependence import (
    N_SLOPES,
    explained,
    explained_by_any_function,
    jaccard,
    mutual_information,
    slopes,
    slopes_of_pair,
    sparsest_rotation,
)
from mssvae.module import Encoder, MultiStudyModule, normal_kl

# The move that repairs features but no column, and that training could mostly make by itself.
GROWN = "features added"
# A column whose posterior is closer to the prior than this, in nats, holds no factor.
_MIN_KL = 0.1
# Two columns may hold the same factor if they share more information than this, in nats: a
# correlation of 0.57 between normal variables. They do if the one that explains more features
# explains those of the other as well, or if they have the same features and share more than the
# second value (a correlation of 0.8): then each may hold one side of zero.
_SAME_FACTOR, _TWO_SIDES = 0.2, 0.5
# A direction of the residuals is a new factor if it shares less with every column.
_NEW_FACTOR = 0.15
# A column holds a function of a factor instead, if they are not correlated, and the factor explains
# the column's features nearly as well.
_NOT_LINEAR, _AS_WELL = 0.5, 0.8
# Beside related columns, a new factor explains this share of the variance of a few features.
_MUCH = 0.25
# A feature on which a factor has less than this share of its largest effect in a study is not
# affected by it.
_NO_EFFECT = 0.25
# Factors with anchor features have different supports: columns with a larger Jaccard index are
# mixed. Half-overlapping blocks have 1/3.
_SAME_SUPPORT = 0.5
_MIN_ANGLE = np.pi / 36
# Loadings of one column in different studies with a smaller cosine belong to different factors.
_SAME_LOADINGS = 0.7
# Directions of the residuals of all studies with larger cosines are one.
_SAME_DIRECTION = 0.8
# A loading below this share of its column's largest is none.
_NEGLIGIBLE = 0.3
_MIN_SAMPLES = 30
# A new factor needs two anchor features and one to tell it by, and has to pay for its posterior.
_MIN_FEATURES = 3
_PRICE_OF_A_FACTOR = 1.5
# Residuals are cut at so many median absolute deviations, three standard deviations of normal ones:
# a few outlying samples are no factor.
_OUTLYING = 4.5
# How an encoder learns new columns: Adam on squared errors. They start with a standard deviation of
# 0.37 around their scores.
_LESSONS, _LESSON_SIZE, _LESSON_RATE = 300, 256, 3e-3
_NEW_LOG_VARIANCE = -2.0


@dataclass
class _Part:
    """One mask and what belongs to it: the shared one, or a study's own."""

    mask: nn.Parameter
    alive: Tensor
    eta: Tensor
    encoder: Encoder
    rows: Tensor
    offset: int
    weight: float
    support: Tensor
    means: Tensor
    variances: Tensor
    outputs: Tensor
    to_learn: set[int] = field(default_factory=set)

    def enter(self, features: Tensor, k: int) -> None:
        """Put features into column k, with the typical weight of those that are in it."""
        inside = self.support[:, k]
        self.mask[features, k] = self.mask[inside, k].median() if inside.any() else 1.0
        self.support[features, k] = True

    def drop(self, k: int) -> None:
        self.mask[:, k] = 0
        self.support[:, k] = False
        self.alive[k] = False
        self.to_learn.discard(k)

    def columns(self) -> list[int]:
        """Return the live columns, those with the largest weights first."""
        size = self.mask.abs().sum(0)
        return [k for k in size.argsort(descending=True).tolist() if self.alive[k]]

    def is_large_enough(self) -> bool:
        """Return whether regressions on a factor say more than chance does."""
        return len(self.rows) >= _MIN_SAMPLES

    def unused(self) -> list[int]:
        """Return the columns in which a factor can start."""
        return (~self.alive).nonzero().flatten().tolist()


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
    lambda0, lambda1 : float
        Rates of the prior now.
    prior_scale : float
        Divisor of the prior in the per-sample loss.
    """

    @torch.no_grad()
    def __init__(
        self,
        module: MultiStudyModule,
        x: Tensor,
        study: Tensor,
        lambda0: float,
        lambda1: float,
        prior_scale: float,
    ) -> None:
        self.module, self.x, self.study = module, x, study
        self.lambda0, self.lambda1, self.prior_scale = lambda0, lambda1, prior_scale
        self.inputs = module.likelihood.encoder_input(x)
        was_training = module.training
        module.eval()
        self.parts = self._parts()
        module.train(was_training)

    def _parts(self) -> list[_Part]:
        """Normalise the columns, drop those without a factor, and read supports and means."""
        module, n_studies = self.module, len(self.module.specific_encoders)
        outputs = module.likelihood.observed_output(self.x)
        rows = [torch.arange(len(self.x))]
        rows += [(self.study == m).nonzero().flatten() for m in range(n_studies)]
        parts = []
        for i, (mask, encoder) in enumerate(zip(module.masks, module.encoders, strict=True)):
            means, log_variance = encoder(self.inputs[rows[i]])
            divergence = normal_kl(means, log_variance)
            study = self.study[rows[i]]
            divergence = torch.stack([divergence[study == m].mean(0) for m in study.unique()])
            alive = module.alive[i]
            alive &= (divergence.amax(0) >= _MIN_KL) & (mask != 0).any(0)
            mask *= alive
            offset = module.offset(i)
            _normalise(module, mask, offset)
            support = prior.in_slab(mask, module.etas[i], self.lambda0, self.lambda1) & (mask != 0)
            alive &= support.any(0)
            weight = 1 / n_studies if i else 1.0  # Batches hold all studies alike.
            parts.append(
                _Part(
                    mask,
                    alive,
                    module.etas[i],
                    encoder,
                    rows[i],
                    offset,
                    weight,
                    support & alive,
                    means,
                    log_variance.exp(),
                    outputs[rows[i]],
                )
            )
        return parts

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
        self._merge()
        self._rotate()
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
            mask = module.of_study(module.masks, m, live)
            library = None if log_library is None else log_library[rows]
            for chunk in module.decoder.feature_chunks(len(z), len(mask)):
                output = module.decoder(
                    z,
                    mask[chunk],
                    module.dimensions(m, live),
                    output_weight[chunk],
                    output_bias[chunk],
                )
                of_chunk = module.likelihood.residual(
                    self.x[rows, chunk], output, library, log_noise[chunk]
                )
                residuals[rows, chunk] = of_chunk - of_chunk.median(0).values
        return residuals

    @staticmethod
    def _gain(share: Tensor, part: _Part) -> Tensor:
        """Return what each feature would gain in log-likelihood from the share explained, [G].

        Per sample, less what chance gives (BIC), and weighed as the samples of the part are.
        """
        n = len(part.rows)
        gain = -0.5 * torch.log1p(-share)
        return (gain - N_SLOPES * np.log(n) / (2 * n)) * part.weight

    def _cost(self, eta: float) -> float:
        """Return what an entry of weight 1 costs in the slab instead of zero, per sample."""
        odds = (1 - eta) * self.lambda0 / (eta * self.lambda1)
        return (np.log(odds) + self.lambda1) / self.prior_scale

    def _grow(self, residuals: Tensor) -> None:
        """Add features to columns whose factor explains their residuals.

        An entry at zero has no gradient towards an even function of its factor: the first layer
        has no bias, and the skip is linear. Training alone does not bring it back. A feature enters
        the column that gains it most: others often explain some of the same residuals, as the
        posterior means of all depend on outlying features.
        """
        columns, gains = [], []
        for part in filter(_Part.is_large_enough, self.parts):
            of_part = residuals[part.rows]
            for k in part.columns():
                gain = self._gain(explained(part.means[:, k], of_part), part)
                gain -= self._cost(float(part.eta[k]))
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

        In all studies together if it is the same direction in each of them, else by study. If this
        round has made no column by then, all studies together may show what none does by itself.
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

    def _add_factor(self, part: _Part, scores: Tensor, features: Tensor) -> None:
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
            if linear < _NOT_LINEAR and after > _AS_WELL * before:
                self._hold(part, k, scores, features)
                self.moves["columns corrected"] += 1
                return
        if not related or self._explains_more(part, scores, features, related):
            self._start_column(part, scores, features)

    def _explains_more(
        self, part: _Part, scores: Tensor, features: Tensor, related: list[tuple[_Part, int]]
    ) -> bool:
        """Return whether scores [n] explain much of a few features that related columns do not.

        As one of two factors does that one column mixes. What is left of a factor because its
        posterior means are not exact explains little.
        """
        shared = self.parts[0]
        if part is shared and any(other is not shared for other, _ in related):
            return False  # These know some of the samples only.
        known = [_means_on(part, other)[:, k] for other, k in related]
        y = part.outputs[:, features]
        before = explained(torch.stack(known, 1), y)
        after = explained(torch.stack([*known, scores], 1), y)
        return int((after - before > _MUCH).sum()) >= _MIN_FEATURES

    def _related(self, scores: Tensor, part: _Part) -> list[tuple[_Part, int]]:
        """Return the columns that share information with scores [n] of a part's samples."""
        shared, *own = self.parts
        if part is shared:
            known = [(shared, shared.means, scores)]
            known += [(other, other.means, scores[other.rows]) for other in own]
        else:
            known = [(other, _means_on(part, other), scores) for other in (shared, part)]
        related = []
        for other, means, values in known:
            columns = other.columns()
            information = mutual_information(values[:, None], means[:, columns])[0]
            related += [
                (other, k)
                for k, nats in zip(columns, information, strict=True)
                if nats > _NEW_FACTOR
            ]
        return related

    def _candidate(self, residuals: Tensor, part: _Part) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return direction [G], scores [n] and features [G] of a factor of the residuals."""
        if not part.is_large_enough():
            return None
        limit = _OUTLYING * residuals.abs().median(0).values
        scaled = residuals.clamp(-limit, limit)
        scaled -= scaled.mean(0)
        start = np.ones(min(scaled.shape))  # Otherwise random.
        direction = svds(scaled.double().cpu().numpy(), k=1, v0=start)[2][0]
        direction = torch.as_tensor(direction.copy(), dtype=scaled.dtype, device=scaled.device)
        scores = scaled @ direction
        scores = (scores - scores.mean()) / scores.std()
        gain = self._gain(explained(scores, scaled), part)
        cost = self._cost(1 / len(direction))
        features = gain > cost
        worth = (gain[features] - cost).sum() > _PRICE_OF_A_FACTOR * part.weight
        if features.sum() < _MIN_FEATURES or not worth:
            return None
        return direction, scores, features

    def _start_column(self, part: _Part, scores: Tensor, features: Tensor) -> None:
        """Let an unused column hold scores [n], if there is one."""
        if not part.unused():
            return
        k = part.unused()[0]
        part.alive[k] = True
        self._hold(part, k, scores, features)
        part.eta[k] = features.float().mean()
        self.moves["columns started"] += 1

    def _hold(self, part: _Part, k: int, scores: Tensor, features: Tensor) -> None:
        """Let a column hold scores [n], also for new features; the encoder learns them later."""
        part.enter(features, k)
        part.means[:, k] = scores
        part.to_learn.add(k)
        inside = part.support[:, k]
        loadings = slopes(scores, part.outputs[:, inside])
        self.module.decoder.output.weight[inside, part.offset + k] = loadings

    @torch.enable_grad()
    def _teach(self, part: _Part) -> None:
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
        for k, acts in self.split_columns():
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
        for columns, features, scores in self.common_columns():
            if not shared.unused():
                break
            for part, k in zip(own, columns, strict=True):
                part.drop(k)
            self._start_column(shared, scores, features)
            self.moves["columns of all studies shared"] += 1

    @torch.no_grad()
    def split_columns(self) -> list[tuple[int, list[Tensor]]]:
        """Return the shared columns that do not act on the same features in every study.

        Returns
        -------
        list of (int, list of Tensor of bool [G])
            The column, and by study the features that it acts on; none, if fewer than three.
        """
        splits = []
        for k in self.parts[0].columns():
            acts = self._acts_on(k)
            judged = zip(self.parts[1:], acts, strict=True)
            if not _all_similar([on for part, on in judged if part.is_large_enough()]):
                splits.append((k, acts))
        return splits

    @torch.no_grad()
    def common_columns(self) -> list[tuple[list[int], Tensor, Tensor]]:
        """Return the columns that all studies have of their own, with the same support.

        No column is in two of the groups.

        Returns
        -------
        list of (list of int, Tensor of bool [G], Tensor [N])
            The column of each study, the features in most of them, and their posterior means side
            by side, each study's with the sign that makes its loadings like the first study's.
        """
        _, first, *others = self.parts
        if not others:
            return []
        left = [part.columns() for part in others]
        common = []
        for k in first.columns():
            columns, supports = [k], [first.support[:, k]]
            for part, candidates in zip(others, left, strict=True):
                similarity = [jaccard(supports[0], part.support[:, j]) for j in candidates]
                if candidates:
                    columns.append(candidates[int(np.argmax(similarity))])
                    supports.append(part.support[:, columns[-1]])
            if len(columns) == len(others) + 1 and _all_similar(supports):
                features = torch.stack(supports).float().mean(0) > 0.5
                common.append((columns, features, self._side_by_side(columns, features)))
                for candidates, j in zip(left, columns[1:], strict=True):
                    candidates.remove(j)
        return common

    def _side_by_side(self, columns: list[int], features: Tensor) -> Tensor:
        shared, *own = self.parts
        scores = torch.zeros_like(shared.means[:, 0])
        reference = slopes(own[0].means[:, columns[0]], own[0].outputs[:, features])
        for part, k in zip(own, columns, strict=True):
            z = part.means[:, k] - part.means[:, k].mean()
            scores[part.rows] = z * (slopes(z, part.outputs[:, features]) @ reference).sign()
        return scores

    def _acts_on(self, k: int) -> list[Tensor]:
        """Return by study the features that shared column k affects, bool [G]."""
        shared, *own = self.parts
        scores = [shared.means[part.rows, k] for part in own]
        # In variance explained, not as a share of it: other factors add to a feature's variance, by
        # study. What chance explains is taken off.
        effects = self.x.new_zeros(len(own), self.x.shape[1])
        gain = self.x.new_zeros(self.x.shape[1])
        for m, (z, part) in enumerate(zip(scores, own, strict=True)):
            y = part.outputs
            chance = N_SLOPES / len(y)
            share = explained(z, y)
            # Of the factor, in nats: what its posterior means vary by, against their uncertainty.
            information = 0.5 * torch.log1p(z.var() / shared.variances[part.rows, k].mean())
            effects[m] = (share - chance) * y.var(0) * (information >= _MIN_KL)
            gain += self._gain(share, part)
        # Entries that do not pay in all studies together say nothing about where the factor acts.
        features = shared.support[:, k] & (gain > self._cost(float(shared.eta[k])))
        affected = features & (effects >= _NO_EFFECT * effects.amax(0))
        return [features & (features.sum() >= _MIN_FEATURES) for features in affected]

    def _merge(self) -> None:
        """Join columns that hold the same factor, and drop own copies of shared factors."""
        shared, *parts = self.parts
        self._merge_within(shared)
        for part in parts:
            own, common = part.columns(), shared.columns()
            information = mutual_information(part.means[:, own], _means_on(part, shared)[:, common])
            for k, nats in zip(own, information, strict=True):
                if _holder(part, k, shared, common, nats) is not None:
                    part.drop(k)
                    self.moves["own copies of shared factors dropped"] += 1
            self._merge_within(part)

    def _merge_within(self, part: _Part) -> None:
        columns = part.columns()
        information = mutual_information(part.means[:, columns], part.means[:, columns])
        kept: list[int] = []
        for i, k in enumerate(columns):
            held = _holder(part, k, part, [columns[other] for other in kept], information[i, kept])
            if held is None:
                kept.append(i)
                continue
            j, explains_more = held
            # Of a factor and its square the factor stays: it explains what the square does.
            lost, stays = (k, j) if explains_more else (j, k)
            kept[kept.index(columns.index(j))] = columns.index(stays)
            part.enter(part.support[:, lost] & ~part.support[:, stays], stays)
            part.drop(lost)
            self.moves["columns merged"] += 1

    def _rotate(self) -> None:
        """Turn pairs of columns with the same support onto the axes of their linear loadings.

        Two normal factors and any rotation of them fit linear features alike; only sparsity tells
        them apart, and its pull vanishes once all weights are in the slab.
        """
        shared, *own = self.parts
        for part in self.parts:
            rotated: set[int] = set()
            for a, b in combinations(sorted(part.columns()), 2):
                if not rotated & {a, b} and self._rotate_pair(part, [a, b]):
                    rotated |= {a, b}
        for part in own:
            rotated = set()
            for j, k in product(sorted(shared.columns()), sorted(part.columns())):
                if k not in rotated and self._rotate_with_shared(part, j, k):
                    rotated.add(k)

    def _rotate_pair(self, part: _Part, pair: list[int]) -> bool:
        features = _common_features(*part.support[:, pair].T)
        if features is None:
            return False
        loadings = slopes_of_pair(part.means[:, pair], part.outputs[:, features])
        rotation = sparsest_rotation(loadings)
        if not _turns(rotation):
            return False
        loadings = loadings @ rotation
        part.means[:, pair] = part.means[:, pair] @ rotation
        if not part.to_learn.isdisjoint(pair):
            part.to_learn.update(pair)
        places = [part.offset + k for k in pair]
        head, spread, decoder = part.encoder.mean, part.encoder.log_variance, self.module.decoder
        head.weight[pair] = rotation.T @ head.weight[pair]
        head.bias[pair] = rotation.T @ head.bias[pair]
        spread.weight[pair] = spread.weight[pair].mean(0)
        spread.bias[pair] = spread.bias[pair].mean()
        decoder.first.weight[:, places] = decoder.first.weight[:, places] @ rotation
        scale = part.mask[:, pair].abs().amax()
        for k, loading, keep in zip(pair, loadings.T, _kept(loadings).T, strict=True):
            part.mask[features, k] = scale * keep
            part.support[features, k] = keep
            inside = _large(loading)
            decoder.output.weight[features[inside], part.offset + k] = loading[inside] / scale
        self.moves["pairs rotated"] += 1
        return True

    def _rotate_with_shared(self, part: _Part, j: int, k: int) -> bool:
        """Turn shared column j and own column k in one study, where they are mixed.

        The axis that is more like the shared column in the other studies becomes the shared one.
        """
        shared = self.parts[0]
        features = _common_features(shared.support[:, j], part.support[:, k])
        elsewhere = torch.ones(len(self.x), dtype=torch.bool)
        elsewhere[part.rows] = False
        if features is None or not part.is_large_enough() or elsewhere.sum() < _MIN_SAMPLES:
            return False
        z = torch.stack([shared.means[part.rows, j], part.means[:, k]], 1)
        loadings = slopes_of_pair(z, part.outputs[:, features])
        reference = slopes(shared.means[elsewhere, j], shared.outputs[elsewhere][:, features])
        rotation = sparsest_rotation(loadings)
        likeness = nn.functional.cosine_similarity(loadings @ rotation, reference[:, None], 0)
        order = likeness.abs().argsort(descending=True)
        rotation = rotation[:, order] * likeness[order].sign()
        if not _turns(rotation) or likeness.abs().max() < _SAME_LOADINGS:
            return False
        loadings, z = loadings @ rotation, z @ rotation
        shared.means[part.rows, j], part.means[:, k] = z.T
        shared.to_learn.add(j)
        part.to_learn.add(k)
        keep = _kept(loadings)
        keep[:, 0] |= _large(reference)
        for one, column, kept in zip((shared, part), (j, k), keep.T, strict=True):
            one.enter(features[kept], column)
            one.mask[features[~kept], column] = 0
            one.support[features[~kept], column] = False
        scale = part.mask[features[keep[:, 1]], k].median()
        inside = _large(loadings[:, 1])
        output_weight = self.module.decoder.output.weight
        output_weight[features[inside], part.offset + k] = loadings[inside, 1] / scale
        self.moves["own columns rotated with shared ones"] += 1
        return True


def _means_on(part: _Part, other: _Part) -> Tensor:
    """Return the posterior means of a part, or of the shared one, for the samples of the part."""
    return other.means if other is part else other.means[part.rows]


def _holder(
    part: _Part, k: int, other: _Part, columns: list[int], information: np.ndarray
) -> tuple[int, bool] | None:
    """Return the one of another part's columns that holds the factor of column k as well, if any.

    With it, whether it explains the features of both at least as well as column k does.

    Factors may depend on each other. Those of two columns are the same if each tells of the other
    (``information``, by column), and one of them explains the features of both, or both are needed
    for the same ones.
    """
    if not columns or information.max() <= _SAME_FACTOR:
        return None
    best = int(information.argmax())
    j = columns[best]
    one, two = part.support[:, k], other.support[:, j]
    either = one | two
    y = part.outputs[:, either]
    of_one, of_two = (
        explained_by_any_function(scores, y)
        for scores in (part.means[:, k], _means_on(part, other)[:, j])
    )
    # Explaining a feature better does not make up for explaining another worse.
    both = torch.minimum(of_one, of_two)
    same = (
        (jaccard(one, two) > _SAME_SUPPORT and information[best] > _TWO_SIDES)
        or both[one[either]].sum() > _AS_WELL * of_one[one[either]].sum()
        or both[two[either]].sum() > _AS_WELL * of_two[two[either]].sum()
    )
    return (j, bool(of_two.sum() >= of_one.sum())) if same else None


def _common_features(one: Tensor, two: Tensor) -> Tensor | None:
    """Return the features of two supports [G] that are nearly the same; None, if they are not."""
    return (one | two).nonzero().flatten() if jaccard(one, two) > _SAME_SUPPORT else None


def _turns(rotation: Tensor) -> bool:
    """Return whether an axis is turned by more than a small angle."""
    return bool(rotation.diagonal().abs().min() < np.cos(_MIN_ANGLE))


def _large(loadings: Tensor) -> Tensor:
    """Return which loadings are not negligible beside the largest of their column."""
    return loadings.abs() > _NEGLIGIBLE * loadings.abs().amax(0)


def _kept(loadings: Tensor) -> Tensor:
    """Return which features remain in which of two columns, bool [G, 2].

    Those without a linear loading stay in both, and training decides.
    """
    linear = _large(loadings)
    return linear | ~linear.any(1, keepdim=True)


def _all_alike(candidates: list[tuple[Tensor, Tensor, Tensor] | None]) -> bool:
    """Return whether there is a candidate of each study, all with nearly the same direction."""
    if any(candidate is None for candidate in candidates):
        return False
    directions = torch.stack([direction for direction, _, _ in candidates])
    return bool((directions @ directions.T).abs().min() > _SAME_DIRECTION)


def _all_similar(supports: list[Tensor]) -> bool:
    return all(jaccard(one, two) > _SAME_SUPPORT for one, two in combinations(supports, 2))


def _normalise(module: MultiStudyModule, mask: Tensor, offset: int) -> None:
    """Scale each live column to weights of about 1, where the prior tells spike from slab.

    The decoder's function does not change: for column k, ``W`` times s, ``V1`` and ``v`` divided by
    s, and row k of ``V2`` and ``b2`` times s cancel, as ReLU is homogeneous.
    """
    decoder = module.decoder
    size = mask.abs().sum(0)
    live = (size > 0).nonzero().flatten()
    scale = size[live] / mask[:, live].square().sum(0)
    places = offset + live
    mask[:, live] *= scale
    decoder.first.weight[:, places] /= scale
    decoder.output.weight[:, places] /= scale
    decoder.second.weight[places] *= scale[:, None]
    decoder.second.bias[places] *= scale
