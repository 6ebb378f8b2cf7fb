"""Moves between local optima, a few times during training (docs/method.md, "Restructuring").

Gradient steps cannot leave some solutions that the objective likes less than the truth: a factor
held by two columns of a mask, two factors mixed in two columns with the same support, a column
without the features that are nonlinear in its factor, a factor that no column holds. Each move
below recognises one of them from posterior means and residuals, never from a truth, and repairs it;
training goes on from there.
"""

from collections import Counter
from itertools import combinations

import numpy as np
import torch
from scipy.sparse.linalg import svds
from torch import Tensor

from mssvae.dependence import (
    N_SLOPES,
    SAME_SUPPORT,
    explained,
    explained_by_any_function,
    jaccard,
    mutual_information,
    slopes,
)
from mssvae.module import MultiStudyModule
from mssvae.parts import MIN_KL, Part, means_of, read_parts
from mssvae.rotation import rotate

# The move that repairs features but no column, and that training could mostly make by itself.
GROWN = "features added"
# Two columns may hold the same factor if they share more information than this, in nats: a
# correlation of 0.57 between normal variables. They do if the one that explains more features
# explains those of the other as well, or if they have the same features and share more than the
# second value (a correlation of 0.8): then each may hold one side of zero.
_SAME_FACTOR, _TWO_SIDES = 0.2, 0.5
# A direction of the residuals is a new factor if it shares less with every column.
_NEW_FACTOR = 0.15
# A column is a function of others if they explain more of the variance of its posterior means.
_FUNCTION = 0.9
# A column holds a function of a factor instead, if they are not correlated, and the factor explains
# the column's features nearly as well.
_NOT_LINEAR, _AS_WELL = 0.5, 0.8
# Beside related columns, a new factor explains this share of the variance of a few features.
_MUCH = 0.25
# A feature on which a factor has less than this share of its largest effect in a study is not
# affected by it.
_NO_EFFECT = 0.25
# Directions of the residuals of all studies with larger cosines are one.
_SAME_DIRECTION = 0.8
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
        self.module, self.x = module, x
        self.lambda0, self.lambda1, self.prior_scale = lambda0, lambda1, prior_scale
        self.inputs = module.likelihood.encoder_input(x)
        was_training = module.training
        module.eval()
        self.parts = read_parts(module, x, self.inputs, study, lambda0, lambda1)
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
        self._merge()
        self._drop_idle()
        self.moves += rotate(self.parts, self.module.decoder)
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

    @staticmethod
    def _gain(share: Tensor, part: Part) -> Tensor:
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

    def _is_worth(self, gain: Tensor, eta: float, part: Part) -> bool:
        """Return whether what features gain [g] pays for their entries and for a posterior."""
        worth = (gain - self._cost(eta)).clamp_min(0).sum()
        return bool(worth > _PRICE_OF_A_FACTOR * part.weight)

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
            if linear < _NOT_LINEAR and after > _AS_WELL * before:
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
        return int((after - before > _MUCH).sum()) >= _MIN_FEATURES

    def _related(self, scores: Tensor, part: Part) -> list[tuple[Part, int]]:
        """Return the columns that share information with scores [n] of a part's samples."""
        shared, *own = self.parts
        if part is shared:
            known = [(shared, shared.means, scores)]
            large = filter(Part.is_large_enough, own)
            known += [(other, other.means, scores[other.rows]) for other in large]
        else:
            known = [(other, other.means_on(part), scores) for other in (shared, part)]
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

    def _candidate(self, residuals: Tensor, part: Part) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return direction [G], scores [n] and features [G] of a factor of the residuals."""
        if not part.is_large_enough():
            return None
        limit = _OUTLYING * residuals.abs().median(0).values
        scaled = residuals.clamp(-limit, limit)
        scaled -= scaled.mean(0)
        start = np.random.default_rng(0).normal(size=min(scaled.shape))
        direction = svds(scaled.double().cpu().numpy(), k=1, v0=start)[2][0]
        direction = torch.as_tensor(direction.copy(), dtype=scaled.dtype, device=scaled.device)
        scores = scaled @ direction
        scores = (scores - scores.mean()) / scores.std()
        gain = self._gain(explained(scores, scaled), part)
        eta = 1 / len(direction)
        features = gain > self._cost(eta)
        if features.sum() < _MIN_FEATURES or not self._is_worth(gain, eta, part):
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
            effects[m] = (share - chance) * y.var(0) * (information >= MIN_KL)
            gain += self._gain(share, part)
        # Entries that do not pay in all studies together say nothing about where the factor acts.
        features = shared.support[:, k] & (gain > self._cost(float(shared.eta[k])))
        affected = features & (effects >= _NO_EFFECT * effects.amax(0))
        return [features & (features.sum() >= _MIN_FEATURES) for features in affected]

    def _merge(self) -> None:
        """Join columns that hold the same factor, and drop own copies of shared factors."""
        shared, *own = self.parts
        self._merge_into([], shared)
        for part in own:
            self._merge_into([(shared, k) for k in shared.columns()], part)

    def _merge_into(self, held: list[tuple[Part, int]], part: Part) -> None:
        """Let columns of a part go into held ones, or into each other, that have their factors."""
        columns = [*held, *((part, k) for k in part.columns())]
        if not columns or not part.is_large_enough():
            return
        means = means_of(columns, part)
        information = mutual_information(means, means)
        share = torch.stack([explained_by_any_function(z, part.outputs) for z in means.T])
        kept = list(range(len(held)))
        live = set(range(len(columns)))
        for i in range(len(held), len(columns)):
            j = max(kept, key=lambda other: information[i, other], default=None)
            if j is None or information[i, j] <= _SAME_FACTOR:
                kept.append(i)
                continue
            others = sorted(live - {i, j})
            of_others = share[others].amax(0) if others else torch.zeros_like(share[i])
            supports = [part.support[:, columns[i][1]], columns[j][0].support[:, columns[j][1]]]
            if not _same_factor(*supports, share[i], share[j], of_others, information[i, j]):
                kept.append(i)
                continue
            lost, stays = i, j
            if j < len(held):
                self.moves["own copies of shared factors dropped"] += 1
            else:
                # Of a factor and its square the factor stays: it explains what the square does.
                either = supports[0] | supports[1]
                if share[i, either].sum() > share[j, either].sum():
                    lost, stays = j, i
                    kept[kept.index(j)] = i
                new = part.support[:, columns[lost][1]] & (share[lost] >= of_others)
                k = columns[stays][1]
                part.enter(new & ~part.support[:, k], k)
                self.moves["columns merged"] += 1
            live.remove(lost)
            part.drop(columns[lost][1])

    def _drop_idle(self) -> None:
        """Drop columns that are not worth their features and a posterior beside all others.

        Such as one that hardly varies, or is a function of two others. The smallest go first.
        """
        shared, *own = self.parts
        for part in self.parts:
            for k in reversed(part.columns()):
                studies = own if part is shared else [part]
                gains = [self._gain_of_column(study, part, k) for study in studies]
                gains = [gain for gain in gains if gain is not None]
                if gains and not self._is_worth(sum(gains), float(part.eta[k]), part):
                    part.drop(k)
                    self.moves["idle columns dropped"] += 1

    def _gain_of_column(self, study: Part, part: Part, k: int) -> Tensor | None:
        """Return what the features of a column gain by it in a study [g], beside all others there.

        Nothing if it is a function of the others: the decoder can have its features from them. None
        where there are too few samples for so many columns.
        """
        shared = self.parts[0]
        y = study.outputs[:, part.support[:, k]]
        columns = [(one, j) for one in (shared, study) for j in one.columns()]
        if 2 * N_SLOPES * len(columns) > len(y):
            return None
        means = means_of(columns, study)
        is_other = torch.tensor([one is not part or j != k for one, j in columns])
        others = means[:, is_other]
        after = explained(means, y)
        if not others.shape[1]:
            return self._gain(after, study)
        if explained(others, means[:, ~is_other]) > _FUNCTION:
            return torch.zeros_like(after)
        without = explained(others, y)
        return self._gain(((after - without) / (1 - without)).clamp_min(0), study)


def _same_factor(
    one: Tensor,
    two: Tensor,
    of_one: Tensor,
    of_two: Tensor,
    of_others: Tensor,
    information: float,
) -> bool:
    """Return whether two columns that tell of each other hold the same factor.

    Factors may depend on each other. Those of two columns are the same if one of them explains the
    features of both, or both are needed for the same ones. What another column explains better says
    nothing about these two.

    Parameters
    ----------
    one, two : Tensor of bool [G]
        Their supports.
    of_one, of_two, of_others : Tensor [G]
        The share of each feature's variance that a function of one factor explains; the largest
        one of all other columns.
    information : float
        Mutual information of the two, in nats.
    """
    if jaccard(one, two) > SAME_SUPPORT and information > _TWO_SIDES:
        return True
    # Explaining a feature better does not make up for explaining another worse.
    both = torch.minimum(of_one, of_two)
    for support, share in ((one, of_one), (two, of_two)):
        features = support & (share >= of_others)
        if both[features].sum() > _AS_WELL * share[features].sum():
            return True
    return False


def _all_alike(candidates: list[tuple[Tensor, Tensor, Tensor] | None]) -> bool:
    """Return whether there is a candidate of each study, all with nearly the same direction."""
    if any(candidate is None for candidate in candidates):
        return False
    directions = torch.stack([direction for direction, _, _ in candidates])
    return bool((directions @ directions.T).abs().min() > _SAME_DIRECTION)


def _all_similar(supports: list[Tensor]) -> bool:
    return all(jaccard(one, two) > SAME_SUPPORT for one, two in combinations(supports, 2))
