"""Each move of the fit of networks, on modules whose factors are known without a fit."""

import copy
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from mssvae.core.module import MultiStudyModule
from mssvae.fitting.networks.restructuring import Restructuring
from mssvae.moves.parts import Price
from mssvae.moves.theorem2 import common_columns, split_columns

N_STUDIES, N_PER_STUDY, N_FEATURES = 3, 300, 100
STUDY = np.repeat(np.arange(N_STUDIES), N_PER_STUDY)
# The samples of each mask: those of all studies, then each study's.
ROWS = [np.full(len(STUDY), True), *(m == STUDY for m in range(N_STUDIES))]
NOISE = 0.3
COUNTS, DISPERSION = 100, 50
PRICE = Price(lambda0=15.0, lambda1=0.1, prior_scale=200.0)
# The layout of a truth: two shared factors, one of each study; the other features are noise.
SHARED_BLOCKS = [range(5), range(5, 10)]
OWN_BLOCKS = [range(10, 14), range(14, 18), range(18, 22)]


class LinearEncoder(nn.Module):
    """A posterior whose mean is a linear function of the data."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.mean = nn.Linear(n_features, n_outputs)
        self.log_variance = nn.Linear(n_features, n_outputs)
        for layer in (self.mean, self.log_variance):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        return self.mean(x), self.log_variance(x)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def new_factor(rng, m=None):
    """A standard normal factor of all samples, or of study m alone and zero elsewhere."""
    return rng.normal(size=len(STUDY)) * (True if m is None else ROWS[m + 1])


def simulated(rng, effects, likelihood):
    """Data whose mean is, for each (values, features) of ``effects``, the values in the features.

    For counts it is the inverse softplus of the mean over ``COUNTS``.
    """
    mean = np.zeros((len(STUDY), N_FEATURES))
    for values, features in effects:
        mean[:, list(features)] += values.reshape(len(STUDY), -1)
    if likelihood == "gaussian":
        return mean + NOISE * rng.normal(size=mean.shape)
    mean = COUNTS * np.logaddexp(0, mean)
    return rng.poisson(mean * rng.gamma(DISPERSION, 1 / DISPERSION, mean.shape)).astype(float)


def regression(values, on):
    """Coefficients of least squares with an intercept, which is the last."""
    on = np.column_stack([on, np.ones(len(on))])
    return np.linalg.lstsq(on, values, rcond=None)[0]


def made_module(x, shared, own, likelihood, sizes):
    """A module that holds the columns it is given, with the linear decoder that fits best.

    ``shared`` lists (values, features) of shared columns, ``own`` does so by study. The posterior
    means are what is linear in the data of the values. Other columns, up to the numbers of
    ``sizes`` for the shared and for each study's mask, are not in use.
    """
    torch.manual_seed(1)
    x = torch.from_numpy(x)
    module = MultiStudyModule(x, N_STUDIES, *sizes, (6, 5), likelihood)
    module.shared_encoder = LinearEncoder(x.shape[1], sizes[0])
    module.specific_encoders = nn.ModuleList(
        LinearEncoder(x.shape[1], sizes[1]) for _ in range(N_STUDIES)
    )
    if likelihood == "negative_binomial":
        module.library_encoder = LinearEncoder(x.shape[1], 1)
        nn.init.constant_(module.library_encoder.mean.bias, np.log(COUNTS))
        nn.init.constant_(module.likelihood.log_theta, np.log(DISPERSION))
        ratio = np.maximum(x.numpy(), 1) / COUNTS
        targets = ratio + np.log(-np.expm1(-ratio))  # The inverse softplus.
    else:
        nn.init.constant_(module.likelihood.log_sigma2, 2 * np.log(NOISE))
        targets = x.numpy()
    module = module.double()
    inputs = module.likelihood.encoder_input(x).numpy()
    latent = np.zeros((len(x), module.decoder.output.in_features))
    support = np.zeros((x.shape[1], latent.shape[1]), dtype=bool)
    with torch.no_grad():
        for i, columns in enumerate([shared, *own]):
            encoder = module.encoders[i]
            rows = ROWS[i]
            module.masks[i].zero_()
            module.alive[i].fill_(False)
            module.etas[i].fill_(1 / x.shape[1])
            for k, (values, features) in enumerate(columns):
                weights = torch.from_numpy(regression(values[rows], inputs[rows]))
                encoder.mean.weight[k], encoder.mean.bias[k] = weights[:-1], weights[-1]
                encoder.log_variance.bias[k] = -4
                module.masks[i][list(features), k] = 1
                module.alive[i][k] = True
                place = k + module.offset(i)
                latent[rows, place] = encoder(torch.from_numpy(inputs[rows]))[0][:, k]
                support[list(features), place] = True
        decoder = module.decoder
        for parameter in (decoder.second.weight, decoder.second.bias, decoder.output.weight):
            parameter.zero_()
        for j, inside in enumerate(support):
            *loadings, intercept = regression(targets[:, j], latent[:, inside])
            decoder.output.weight[j, torch.from_numpy(inside)] = torch.tensor(loadings).double()
            decoder.output.bias[j] = intercept
    return module, x


@pytest.fixture(params=["gaussian", "negative_binomial"])
def made(request, rng):
    """A function from effects and columns to a module and its data, for each likelihood."""

    def make(effects, shared, own, sizes=(4, 3)):
        x = simulated(rng, effects, request.param)
        return made_module(x, shared, own, request.param, sizes)

    return make


def restructuring(module, x):
    return Restructuring(module, x, torch.from_numpy(STUDY), PRICE)


def moves(module, x):
    return restructuring(module, x).run()


def supports(mask):
    """The supports of a mask's columns that have one, as sets of features."""
    return [set(np.flatnonzero(column)) for column in mask.detach().numpy().T if column.any()]


def posterior_means(module, x, i=0):
    """Posterior means of the live columns of a mask, of its study's samples."""
    encoder = module.encoders[i]
    with torch.no_grad():
        means = encoder(module.likelihood.encoder_input(x[ROWS[i]]))[0]
    return means[:, module.alive[i]].numpy()


def correlation(one, two):
    return np.corrcoef(one, two)[0, 1]


def reconstruction(module, x):
    """The decoder's outputs at the posterior means, all columns, [N, G]."""
    inputs = module.likelihood.encoder_input(x)
    outputs = torch.zeros_like(x)
    with torch.no_grad():
        for m in range(N_STUDIES):
            rows = ROWS[m + 1]
            z = [
                module.shared_encoder(inputs[rows])[0],
                module.specific_encoders[m](inputs[rows])[0],
            ]
            all_columns = [torch.arange(mask.shape[1]) for mask in module.masks]
            outputs[rows] = module.decoder(
                torch.cat(z, 1),
                torch.cat([module.shared_mask, module.specific_masks[m]], 1),
                module.dimensions([m], all_columns),
                module.decoder.output.weight,
                module.decoder.output.bias,
            )
    return outputs


def explained(module, x, values, features, i=0):
    """The smallest share of the variance of values that the outputs of features have, by mask."""
    rows = ROWS[i]
    left = values[rows, None] - reconstruction(module, x).numpy()[rows][:, list(features)]
    return 1 - left.var(0).max() / values[rows].var()


def truth(rng):
    """A shared factor for each shared block, then an own one for each study's block."""
    shared = [(new_factor(rng), block) for block in SHARED_BLOCKS]
    own = [[(new_factor(rng, m), block)] for m, block in enumerate(OWN_BLOCKS)]
    return shared, own


def flat(shared, own):
    return [*shared, *(column for columns in own for column in columns)]


def assert_supports(module, shared, own):
    """Compare the supports of all masks, whatever the order of the columns."""
    for mask, expected in zip(module.masks, [shared, *own], strict=True):
        assert sorted(map(sorted, supports(mask))) == sorted(sorted(block) for block in expected)


OWN = [[block] for block in OWN_BLOCKS]


def test_a_complete_solution_is_left_alone(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared, own)
    before = copy.deepcopy(module.state_dict())
    assert moves(module, x) == Counter()
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, before[name], msg=name)


class TestNormalising:
    def test_leaves_the_decoders_function_and_puts_weights_near_one(self, made, rng):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), shared, own)
        with torch.no_grad():
            for mask in module.masks:
                mask *= torch.from_numpy(rng.uniform(3, 5, mask.shape))
                mask *= torch.from_numpy(rng.choice([-1, 1], mask.shape))
            for parameter in module.decoder.parameters():
                parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape)))
        before = reconstruction(module, x)
        restructuring(module, x)
        torch.testing.assert_close(reconstruction(module, x), before)
        for mask in module.masks:
            weights = mask[mask != 0].abs()
            assert 0.7 < weights.min() <= weights.max() < 1.4

    def test_leaves_the_mode_of_the_module(self, made, rng):
        module, x = made([], [], [[], [], []])
        for training in (True, False):
            module.train(training)
            restructuring(module, x)
            assert module.training == training


class TestSelecting:
    @pytest.mark.parametrize("step", ["select", "run"])
    def test_zeroes_spike_entries_and_keeps_the_slab(self, made, rng, step):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), shared, own)
        with torch.no_grad():
            module.shared_mask[20, 0] = 0.05
            module.specific_masks[1][2, 0] = -0.05
            module.shared_mask[0, 0] = -0.8
        getattr(restructuring(module, x), step)()
        assert_supports(module, SHARED_BLOCKS, OWN)
        assert module.shared_mask[0, 0].item() == pytest.approx(-0.8, rel=0.1)

    def test_drops_a_column_without_slab_entries(self, made, rng):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), shared, own)
        with torch.no_grad():  # The prior calls every entry of so rare a column a spike.
            module.eta_0[1] = 1e-9
        restructuring(module, x).select()
        assert_supports(module, SHARED_BLOCKS[:1], OWN)
        assert module.alive_0.tolist() == [True, False, False, False]

    def test_drops_a_column_whose_posterior_is_the_prior(self, made, rng):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), shared, own)
        with torch.no_grad():
            module.shared_encoder.mean.weight[0] = 0
            module.shared_encoder.mean.bias[0] = 0
            module.shared_encoder.log_variance.bias[0] = 0
        restructuring(module, x).select()
        assert_supports(module, SHARED_BLOCKS[1:], OWN)
        assert module.alive_0.tolist() == [False, True, False, False]

    def test_keeps_a_shared_column_that_one_study_uses(self, made, rng):
        shared, own = truth(rng)
        columns = [*shared, own[0][0]]
        module, x = made(flat(shared, own), columns, [[], *own[1:]])
        with torch.no_grad():  # A posterior that is close to the prior on average.
            module.shared_encoder.mean.weight[2] *= 0.6
            module.shared_encoder.mean.bias[2] *= 0.6
            module.shared_encoder.log_variance.bias[2] = 0
        restructuring(module, x).select()
        assert_supports(module, [*SHARED_BLOCKS, OWN_BLOCKS[0]], [[], *OWN[1:]])


class TestMerging:
    def test_two_columns_of_a_factor_become_one_with_the_features_of_both(self, made, rng):
        shared, own = truth(rng)
        (first, _), second = shared
        columns = [(first, range(4)), second, (-first, range(2, 5))]
        module, x = made(flat(shared, own), columns, own)
        found = moves(module, x)
        assert found["columns merged"] == 1
        assert_supports(module, SHARED_BLOCKS, OWN)

    @pytest.mark.parametrize("n_linear", [2, 3])
    def test_a_factor_and_its_square_become_one_and_the_factor_stays(self, made, rng, n_linear):
        (first, second), own = truth(rng)
        factor = (first[0], range(n_linear))
        square = (first[0] ** 2, range(n_linear, 5))
        effects = [factor, square, second, *flat([], own)]
        columns = [factor, second, square]
        module, x = made(effects, columns, own)
        found = moves(module, x)
        assert found["columns merged"] == 1
        assert_supports(module, SHARED_BLOCKS, OWN)
        assert abs(correlation(posterior_means(module, x)[:, 0], first[0])) > 0.95

    def test_a_mixture_of_two_others_brings_no_features(self, made, rng):
        shared, own = truth(rng)
        mixture = (shared[0][0] + shared[1][0], range(3, 7))
        module, x = made(flat(shared, own), [*shared, mixture], own)
        assert moves(module, x) == Counter({"columns merged": 1})
        assert_supports(module, SHARED_BLOCKS, OWN)

    def test_an_own_mixture_of_a_shared_and_an_own_factor_brings_no_features(self, made, rng):
        shared, own = truth(rng)
        mixture = (shared[0][0] + own[2][0][0], [*range(2), *range(18, 20)])
        module, x = made(flat(shared, own), shared, [*own[:2], [*own[2], mixture]])
        assert sum(moves(module, x).values()) == 1
        assert_supports(module, SHARED_BLOCKS, OWN)

    def test_features_that_a_third_column_explains_do_not_keep_two_apart(self, made, rng):
        (first, second), own = truth(rng)
        mixture = 1.4 * np.sin(1.8 * first[0]) + 0.3 * second[0]
        effects = [first, (mixture, range(24, 28)), second, *flat([], own)]
        both = (second[0], [*second[1], *range(24, 28)])
        columns = [first, both, (mixture, [*second[1], *range(24, 28)])]
        module, x = made(effects, columns, own)
        assert moves(module, x) == Counter({"columns merged": 1})
        assert_supports(module, [[*first[1], *range(24, 28)], both[1]], OWN)

    def test_columns_of_a_study_are_merged_as_well(self, made, rng):
        shared, own = truth(rng)
        values = own[1][0][0]
        columns = [own[0], [(values, range(14, 16)), (values, range(16, 18))], own[2]]
        module, x = made(flat(shared, own), shared, columns)
        found = moves(module, x)
        assert found["columns merged"] == 1
        assert_supports(module, SHARED_BLOCKS, OWN)

    def test_an_own_copy_of_a_shared_factor_is_dropped(self, made, rng):
        shared, own = truth(rng)
        copied = (shared[0][0], range(3))
        module, x = made(flat(shared, own), shared, [own[0], [*own[1], copied], own[2]])
        assert moves(module, x) == Counter({"own copies of shared factors dropped": 1})
        assert_supports(module, SHARED_BLOCKS, OWN)


class TestDroppingIdleColumns:
    def test_a_column_that_explains_none_of_its_features_is_dropped(self, made, rng):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), [*shared, (new_factor(rng), range(24, 40))], own)
        with torch.no_grad():  # A posterior that is far from the prior, and tells nothing.
            module.shared_encoder.mean.bias[2] = 3
        assert moves(module, x) == Counter({"idle columns dropped": 1})
        assert_supports(module, SHARED_BLOCKS, OWN)

    def test_a_function_of_others_is_dropped_whatever_it_explains(self, made, rng):
        blocks = [range(start, start + 4) for start in (0, 4, 8, 12)]
        columns = [(new_factor(rng), block) for block in blocks]
        mixture = sum(values for values, _ in columns)
        effects = [*columns, (np.sin(mixture), range(24, 27))]
        module, x = made(effects, [*columns, (mixture, range(24, 27))], [[], [], []], (6, 3))
        assert restructuring(module, x).run(last=True) == Counter({"idle columns dropped": 1})
        assert_supports(module, blocks, [[], [], []])

    def test_too_many_columns_for_the_samples_are_not_judged(self, made, rng):
        shared, own = truth(rng)
        n_idle = N_PER_STUDY // 8  # Four slopes of each column, and two samples for each slope.
        columns = [*shared, *((new_factor(rng), range(24, 40)) for _ in range(n_idle))]
        module, x = made(flat(shared, own), columns, own, sizes=(n_idle + 2, 3))
        assert moves(module, x)["idle columns dropped"] == 0


class TestRotating:
    def rotated(self, made, rng, degrees):
        """Two shared columns of all ten shared features, turned away from the factors."""
        shared, own = truth(rng)
        angle = np.radians(degrees)
        one, two = (values for values, _ in shared)
        columns = [
            (np.cos(angle) * one + np.sin(angle) * two, range(10)),
            (-np.sin(angle) * one + np.cos(angle) * two, range(10)),
        ]
        return *made(flat(shared, own), columns, own), shared

    @pytest.mark.parametrize("degrees", [30, -20, 44])
    def test_a_mixed_pair_comes_back_onto_the_axes(self, made, rng, degrees):
        module, x, shared = self.rotated(made, rng, degrees)
        assert moves(module, x) == Counter({"pairs rotated": 1})
        assert_supports(module, SHARED_BLOCKS, OWN)
        means = posterior_means(module, x)
        order = 0 if module.shared_mask[0, 0] else 1
        for k, (values, _) in enumerate(shared):
            assert abs(correlation(means[:, k ^ order], values)) > 0.98

    def test_the_decoder_follows_the_turn(self, made, rng):
        module, x, shared = self.rotated(made, rng, 30)
        moves(module, x)
        for values, block in shared:
            assert explained(module, x, values, block) > 0.8

    def test_posterior_and_first_layer_turn_alike(self, made, rng):
        module, x, _ = self.rotated(made, rng, 30)
        encoder = module.shared_encoder
        with torch.no_grad():
            encoder.mean.bias[:2] += 2
            encoder.log_variance.bias[:2] = torch.tensor([-5, -3])
            decoded = encoder(x)[0] @ module.decoder.first.weight[:, : module.n_shared].T
            assert moves(module, x)["pairs rotated"] == 1
            turned = encoder(x)[0] @ module.decoder.first.weight[:, : module.n_shared].T
        torch.testing.assert_close(turned, decoded)
        assert encoder.log_variance.bias[:2].tolist() == [-4, -4]

    def test_a_pair_close_to_the_axes_is_left_alone(self, made, rng):
        module, x, _ = self.rotated(made, rng, 2)
        assert moves(module, x) == Counter()

    def test_columns_of_all_studies_are_shared_once_none_is_mixed(self, made, rng):
        """In study 2 the common factor is mixed with one of its own, of more features."""
        shared, own = truth(rng)
        (common, block), large = shared[1], [*OWN_BLOCKS[1], *range(30, 34)]
        own[1] = [(own[1][0][0], large)]
        held = [[*own[m], (common * ROWS[m + 1], block)] for m in range(N_STUDIES)]
        mixed = [(own[1][0][0] + sign * common) / np.sqrt(2) for sign in (1, -1)]
        held[1] = [(z, [*large, *block]) for z in mixed]
        module, x = made(flat(shared, own), shared[:1], held)
        assert moves(module, x) == {"pairs rotated": 1, "columns of all studies shared": 1}
        assert_supports(module, SHARED_BLOCKS, [OWN[0], [large], OWN[2]])

    def test_columns_that_were_just_started_turn_as_well(self, made, rng):
        shared, own = truth(rng)
        (one, _), (two, _) = shared
        mixed = [(one + two) / np.sqrt(2), (one - two) / np.sqrt(2)]
        held = [
            [*columns, *[(z * ROWS[m + 1], range(10)) for z in mixed]]
            for m, columns in enumerate(own)
        ]
        module, x = made(flat(shared, own), [], held)
        found = moves(module, x)
        assert (found["columns of all studies shared"], found["pairs rotated"]) == (2, 1)
        assert_supports(module, SHARED_BLOCKS, OWN)
        means = posterior_means(module, x)
        order = 0 if module.shared_mask[0, 0] else 1
        for k, (values, _) in enumerate(shared):
            assert abs(correlation(means[:, k ^ order], values)) > 0.95

    def test_features_without_a_linear_loading_stay_in_both(self, made, rng):
        shared, own = truth(rng)
        (one, _), (two, _) = shared
        effects = [(one, range(4)), (two**2, [4]), *flat(shared[1:], own)]
        half = np.sqrt(0.5)
        columns = [(half * (one + two), range(10)), (half * (one - two), range(10))]
        module, x = made(effects, columns, own)
        assert moves(module, x)["pairs rotated"] == 1
        assert_supports(module, [range(5), range(4, 10)], OWN)

    def mixed_with_shared(self, made, rng, degrees):
        """A shared and an own column, both of ten features, turned in study 0 alone."""
        shared, own = truth(rng)
        (one, two), angle = (shared[0][0], own[0][0][0]), np.radians(degrees)
        turned = np.where(ROWS[1], np.cos(angle) * one + np.sin(angle) * two, one)
        mixed = [*SHARED_BLOCKS[0], *OWN_BLOCKS[0]]
        columns = [(turned, mixed), shared[1]]
        own_columns = [[(np.cos(angle) * two - np.sin(angle) * one, mixed)], *own[1:]]
        return *made(flat(shared, own), columns, own_columns), one, two

    @pytest.mark.parametrize("degrees", [30, -20, 44])
    def test_a_shared_and_an_own_column_mixed_in_one_study_come_apart(self, made, rng, degrees):
        module, x, one, two = self.mixed_with_shared(made, rng, degrees)
        assert moves(module, x)["own columns rotated with shared ones"] == 1
        assert_supports(module, SHARED_BLOCKS, OWN)
        means, own_means = (posterior_means(module, x, i)[:, 0] for i in (0, 1))
        assert correlation(means[ROWS[1]], one[ROWS[1]]) > 0.8
        assert correlation(means[~ROWS[1]], one[~ROWS[1]]) > 0.8
        assert abs(correlation(own_means, two[ROWS[1]])) > 0.8

    def test_the_axis_like_the_shared_column_elsewhere_becomes_the_shared_one(self, made, rng):
        module, x, one, two = self.mixed_with_shared(made, rng, 48)
        assert moves(module, x)["own columns rotated with shared ones"] == 1
        means = posterior_means(module, x)[ROWS[1], 0]
        assert correlation(means, one[ROWS[1]]) > 0.8 > 0.5 > correlation(means, two[ROWS[1]])

    def test_a_shared_and_an_own_column_on_the_axes_are_left_alone(self, made, rng):
        module, x, *_ = self.mixed_with_shared(made, rng, 3)
        assert moves(module, x)["own columns rotated with shared ones"] == 0

    def test_a_separated_pair_is_left_alone(self, made, rng):
        shared, own = truth(rng)
        # Half of each block belongs to both: a Jaccard index of 1/3.
        both = [(shared[0][0], range(6)), (shared[1][0], range(3, 9))]
        module, x = made(flat(both, own), both, own)
        assert moves(module, x) == Counter()
        assert_supports(module, [range(6), range(3, 9)], OWN)


class TestGrowing:
    def test_a_square_of_a_factor_is_added(self, made, rng):
        shared, own = truth(rng)
        effects = [*flat(shared, own), (shared[0][0] ** 2, [24])]
        module, x = made(effects, shared, own)
        assert moves(module, x) == Counter({"features added": 1})
        assert_supports(module, [[*range(5), 24], SHARED_BLOCKS[1]], OWN)

    def test_a_square_of_an_own_factor_is_added(self, made, rng):
        shared, own = truth(rng)
        effects = [*flat(shared, own), (own[2][0][0] ** 2, [24])]
        module, x = made(effects, shared, own)
        assert moves(module, x) == Counter({"features added": 1})
        assert_supports(module, SHARED_BLOCKS, [*OWN[:2], [[*OWN_BLOCKS[2], 24]]])

    def test_a_feature_is_added_to_the_column_that_explains_it_best(self, made, rng):
        (first, second), own = truth(rng)
        dependent = ((first[0] + second[0]) / np.sqrt(2), second[1])
        effects = [first, dependent, *flat([], own), (first[0] ** 2, [24])]
        module, x = made(effects, [first, dependent], own)
        assert moves(module, x) == Counter({"features added": 1})
        assert_supports(module, [[*range(5), 24], SHARED_BLOCKS[1]], OWN)

    def test_enters_with_the_columns_typical_weight(self, made, rng):
        shared, own = truth(rng)
        effects = [*flat(shared, own), (shared[0][0] ** 2, [24])]
        module, x = made(effects, shared, own)
        with torch.no_grad():
            module.shared_mask[:, 0] *= -0.3
        moves(module, x)
        assert module.shared_mask[24, 0].item() == pytest.approx(-1, rel=0.1)


class TestStartingColumns:
    def test_a_factor_missing_in_all_studies_is_started_as_shared(self, made, rng):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), shared[:1], own)
        assert moves(module, x) == Counter({"columns started": 1})
        assert_supports(module, SHARED_BLOCKS, OWN)
        started = posterior_means(module, x)[:, 1]
        assert abs(correlation(started, shared[1][0])) > 0.95
        assert abs(started.mean()) < 0.1
        assert module.eta_0[1].item() == pytest.approx(len(SHARED_BLOCKS[1]) / N_FEATURES)

    def test_a_factor_of_all_features_leaves_the_prior_a_spike(self, made, rng):
        module, x = made([(new_factor(rng), range(N_FEATURES))], [], [[], [], []])
        assert moves(module, x) == Counter({"columns started": 1})
        assert 0.99 < module.eta_0[0].item() < 1

    def test_a_factor_missing_in_one_study_is_started_as_its_own(self, made, rng):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), shared, [[], *own[1:]])
        assert moves(module, x) == Counter({"columns started": 1})
        assert_supports(module, SHARED_BLOCKS, OWN)
        started = posterior_means(module, x, 1)[:, 0]
        assert abs(correlation(started, own[0][0][0][ROWS[1]])) > 0.95

    def test_the_posterior_is_learned_and_that_of_other_columns_kept(self, made, rng):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), shared[:1], own)
        inputs = module.likelihood.encoder_input(x)
        before = module.shared_encoder(inputs)[0][:, 0]
        moves(module, x)
        means, log_variances = module.shared_encoder(inputs)
        assert correlation(means[:, 0].detach(), before.detach()) > 0.95
        assert log_variances[:, 1].mean() < -0.5

    def test_each_study_gets_the_factor_it_misses(self, made, rng):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), shared, [[], [], []])
        assert moves(module, x) == Counter({"columns started": 3})
        assert_supports(module, SHARED_BLOCKS, OWN)

    def test_a_started_column_explains_its_features(self, made, rng):
        shared, own = truth(rng)
        shared[1] = (3 * shared[1][0], shared[1][1])
        module, x = made(flat(shared, own), shared[:1], own)
        moves(module, x)
        assert explained(module, x, *shared[1]) > 0.6

    def test_a_factor_that_a_column_mixes_with_another_is_started(self, made, rng):
        shared, own = truth(rng)
        other = new_factor(rng, 0)
        effects = [*flat(shared, own), (other, range(24, 32))]
        mixed = (own[0][0][0] + other) / np.sqrt(2)
        module, x = made(effects, shared, [[(mixed, OWN_BLOCKS[0])], *own[1:]])
        assert moves(module, x)["columns started"] == 1
        started = posterior_means(module, x, 1)[:, 1]
        assert abs(correlation(started, other[ROWS[1]])) > 0.9

    def test_the_last_round_starts_none(self, made, rng):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), shared[:1], own)
        assert restructuring(module, x).run(last=True) == Counter()

    def test_nothing_is_started_or_added_on_noise(self, made, rng):
        module, x = made([], [], [[], [], []])
        assert moves(module, x) == Counter()
        assert_supports(module, [], [[], [], []])

    def test_a_direction_of_too_few_features_is_no_factor(self, made, rng):
        shared, own = truth(rng)
        effects = [*flat(shared, own), (new_factor(rng), [24, 25])]
        module, x = made(effects, shared, own)
        assert moves(module, x) == Counter()

    @pytest.mark.parametrize("samples", [1, 2])
    def test_outlying_samples_are_no_factor(self, made, rng, samples):
        shared, own = truth(rng)
        outlying = (np.arange(len(STUDY)) < samples) * 20.0
        module, x = made([*flat(shared, own), (outlying, range(30, 50))], shared, own)
        assert moves(module, x) == Counter()

    def test_a_column_that_holds_the_square_of_a_factor_takes_the_factor(self, made, rng):
        shared, own = truth(rng)
        factor = new_factor(rng, 0)
        effects = [*flat(shared, own), (factor, range(30, 36)), (factor**2, range(36, 39))]
        held = [[*own[0], (factor**2 - ROWS[1], range(36, 39))], *own[1:]]
        module, x = made(effects, shared, held)
        assert moves(module, x) == Counter({"columns corrected": 1})
        assert_supports(module, SHARED_BLOCKS, [[OWN_BLOCKS[0], range(30, 39)], *OWN[1:]])
        corrected = posterior_means(module, x, 1)[:, 1]
        assert abs(correlation(corrected, factor[ROWS[1]])) > 0.7

    def test_nothing_is_started_without_a_free_column(self, made, rng):
        blocks = [range(0, 3), range(3, 6), range(6, 9), range(22, 25)]
        columns = [(new_factor(rng), block) for block in blocks]
        missing = (new_factor(rng), range(10, 22))
        module, x = made([*columns, missing], columns, [[], [], []])
        assert moves(module, x) == Counter()
        assert_supports(module, blocks, [[], [], []])


class TestSharing:
    def test_a_shared_column_that_acts_in_one_study_becomes_its_own(self, made, rng):
        shared, own = truth(rng)
        columns = [*shared, own[1][0]]
        module, x = made(flat(shared, own), columns, [own[0], [], own[2]])
        assert moves(module, x) == Counter({"shared columns split by study": 1})
        assert_supports(module, SHARED_BLOCKS, OWN)
        started = posterior_means(module, x, 2)[:, 0]
        assert abs(correlation(started, own[1][0][0][ROWS[2]])) > 0.95

    def switching(self, rng):
        """A shared column that stands for another own factor in each study."""
        shared, own = truth(rng)
        switched = sum(values for ((values, _),) in own)
        effects = flat(shared, own)
        return effects, [*shared, (switched, range(10, 22))], own

    def test_a_shared_column_of_different_features_by_study_is_split(self, made, rng):
        effects, columns, _ = self.switching(rng)
        module, x = made(effects, columns, [[], [], []])
        found = moves(module, x)
        assert found["shared columns split by study"] == 1
        assert_supports(module, SHARED_BLOCKS, OWN)

    def test_a_shared_and_an_own_factor_that_changed_places_in_one_study_change_back(
        self, made, rng
    ):
        shared, own = truth(rng)
        # It varies less where it is the shared factor, but is known there as well.
        switched = np.where(ROWS[3], 3 * own[2][0][0], 0.5 * shared[0][0])
        columns = [(switched, [*SHARED_BLOCKS[0], *OWN_BLOCKS[2]]), shared[1]]
        held = [*own[:2], [(shared[0][0] * ROWS[3], SHARED_BLOCKS[0])]]
        module, x = made(flat(shared, own), columns, held)
        found = moves(module, x)
        assert found["shared columns split by study"] == 1
        assert found["columns of all studies shared"] == 1
        assert_supports(module, SHARED_BLOCKS, OWN)

    def test_the_last_round_does_not_split(self, made, rng):
        effects, columns, _ = self.switching(rng)
        module, x = made(effects, columns, [[], [], []])
        found = restructuring(module, x).run(last=True)
        assert found["shared columns split by study"] == 0
        assert len(supports(module.shared_mask)) == 3

    def test_a_shared_column_is_not_split_for_features_that_it_does_not_affect(self, made, rng):
        shared, own = truth(rng)
        held = [(shared[0][0], [*SHARED_BLOCKS[0], *range(40, 60)]), shared[1]]
        module, x = made(flat(shared, own), held, own)
        assert split_columns(restructuring(module, x).parts, PRICE) == []

    def test_a_split_column_explains_its_features(self, made, rng):
        effects, columns, own = self.switching(rng)
        # Whatever is constant within a study is no part of a loading.
        effects.append((np.ones(len(STUDY)), range(N_FEATURES)))
        columns[2] = (columns[2][0] + STUDY, columns[2][1])
        module, x = made(effects, columns, [[], [], []])
        moves(module, x)
        for i, ((values, block),) in enumerate(own, start=1):
            assert explained(module, x, values, block, i) > 0.6

    def test_a_shared_column_is_not_split_without_free_own_columns(self, made, rng):
        full = [
            [
                (new_factor(rng, m), range(9 * m + start, 9 * m + start + 3))
                for start in (10, 13, 16)
            ]
            for m in range(N_STUDIES)
        ]
        switched = new_factor(rng)
        effects = [
            *flat([], full),
            (switched * ROWS[1], range(5)),
            (switched * ~ROWS[1], range(5, 10)),
        ]
        module, x = made(effects, [(switched, range(10))], full)
        assert moves(module, x)["shared columns split by study"] == 0
        assert supports(module.shared_mask) == [set(range(10))]

    def test_a_shared_column_that_is_constant_in_a_study_does_not_act_there(self, made, rng):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), [*shared, own[1][0]], [own[0], [], own[2]])
        block = list(OWN_BLOCKS[1])
        with torch.no_grad():
            module.shared_encoder.mean.weight[2] = 0
            module.shared_encoder.mean.weight[2, block] = 1
        x[np.ix_(~ROWS[2], block)] = 1
        ((k, acts),) = split_columns(restructuring(module, x).parts, PRICE)
        assert k == 2
        assert [features.nonzero().flatten().tolist() for features in acts] == [[], block, []]

    def copies(self, rng):
        """A shared factor that every study holds in a column of its own."""
        shared, own = truth(rng)
        values, block = shared[1]
        # Loadings of both signs, the largest another one in each study.
        loadings = np.array([1, -1, 1, -1, 1]) * (1 + np.eye(5)[STUDY])
        effects = [shared[0], (values[:, None] * loadings, block), *flat([], own)]
        held = [
            [*columns, (sign * (values + 2 * m) * ROWS[m + 1], block)]
            for m, (columns, sign) in enumerate(zip(own, (1, -1, 1), strict=True))
        ]
        return effects, shared, held

    def test_columns_of_all_studies_become_one_whatever_their_signs(self, made, rng):
        effects, shared, held = self.copies(rng)
        module, x = made(effects, shared[:1], held)
        assert moves(module, x) == Counter({"columns of all studies shared": 1})
        assert_supports(module, SHARED_BLOCKS, OWN)
        assert abs(correlation(posterior_means(module, x)[:, 1], shared[1][0])) > 0.95

    def test_no_column_is_shared_twice(self, made, rng):
        first, second = (new_factor(rng), range(10)), (new_factor(rng), range(10))
        sign = np.where(np.arange(10) % 2, 1, -1)
        effects = [first, (second[0][:, None] * sign, range(10))]
        held = [
            [(z * ROWS[m + 1], block) for z, block in (first, second)] for m in range(N_STUDIES)
        ]
        module, x = made(effects, [], held)
        groups = [columns for columns, _, _ in common_columns(restructuring(module, x).parts)]
        assert [sorted(of_study) for of_study in zip(*groups, strict=True)] == [[0, 1]] * N_STUDIES

    def test_columns_of_two_of_three_studies_stay(self, made, rng):
        effects, shared, held = self.copies(rng)
        block = shared[1][1]
        # The third study has no such factor.
        effects[1] = (effects[1][0] * ~ROWS[3][:, None], block)
        held[2] = held[2][:1]
        module, x = made(effects, shared[:1], held)
        assert moves(module, x) == Counter()
        blocks = [[*OWN[m], *([block] if m < 2 else [])] for m in range(N_STUDIES)]
        assert_supports(module, SHARED_BLOCKS[:1], blocks)

    def test_columns_of_all_studies_stay_without_a_free_shared_column(self, made, rng):
        blocks = [range(0, 3), range(3, 6), range(6, 9), range(9, 12)]
        columns = [(new_factor(rng), block) for block in blocks]
        values = new_factor(rng)
        held = [[(values * ROWS[m + 1], range(14, 19))] for m in range(N_STUDIES)]
        module, x = made(flat(columns, held), columns, held)
        assert moves(module, x) == Counter()
        assert_supports(module, blocks, [[range(14, 19)]] * 3)


class TestEdges:
    def test_too_few_samples_for_a_regression_add_nothing(self, rng):
        x = torch.from_numpy(rng.normal(size=(27, 40)))
        study = torch.arange(27) % 3
        module = MultiStudyModule(x, 3, 4, 2, (6, 5), "gaussian").double()
        made = Restructuring(module, x, study, PRICE).run()
        assert not made.keys() & {"features added", "columns started"}

    @torch.no_grad()
    def test_columns_of_too_few_samples_are_not_judged_by_each_other(self, rng):
        """Of seven factors in six samples some depend on each other by chance."""
        x = torch.from_numpy(rng.normal(size=(206, 40)))
        study = torch.arange(206).clamp_max(200) // 100
        module = MultiStudyModule(x, 3, 1, 7, (6, 5), "gaussian").double()
        state = Restructuring(module, x, study, PRICE)
        *large, small = state.parts
        for part in large:
            part.mask.zero_()
            part.alive.fill_(False)
        small.means = torch.from_numpy(rng.normal(size=(6, 7)))
        small.support = torch.from_numpy(rng.random((40, 7)) < 0.3)
        small.mask.copy_(small.support)
        small.alive.fill_(True)
        assert state.run() == Counter()

    def test_batch_norm_keeps_its_averages_where_nothing_is_learned(self, made):
        plain, x = made([], [], [[], [], []])
        likelihood = plain.likelihood.name
        module = MultiStudyModule(x, N_STUDIES, 4, 3, (6, 5), likelihood).double()
        before = {name: b.clone() for name, b in module.named_buffers() if "running" in name}
        for mask, alive in zip(module.masks, module.alive, strict=True):
            nn.init.zeros_(mask)
            alive.fill_(False)
        assert moves(module, x) == Counter()
        assert module.training
        for name, value in before.items():
            assert torch.equal(module.get_buffer(name), value)

    def test_the_same_state_gives_the_same_result(self, made, rng):
        shared, own = truth(rng)
        (one, _), (two, _) = shared
        columns = [(one + two, range(10)), (one - two, range(10))]
        square = (own[0][0][0] ** 2, range(30, 32))
        module, x = made([*flat(shared, own), square], columns, [2 * own[0], [], own[2]])
        again = copy.deepcopy(module)
        found = moves(module, x)
        assert found["pairs rotated"] == found["columns merged"] == found["columns started"] == 1
        assert found["features added"] > 0
        assert moves(again, x) == found
        for one, two in zip(module.state_dict().values(), again.state_dict().values(), strict=True):
            assert torch.equal(one, two)

    def test_single_precision_makes_the_same_moves(self, made, rng):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), shared[:1], [2 * own[0], [], own[2]])
        single = copy.deepcopy(module).float()
        assert moves(single, x.float()) == moves(module, x) != Counter()
        for one, two in zip(single.masks, module.masks, strict=True):
            torch.testing.assert_close(one, two, check_dtype=False)

    def test_constant_features_are_added_to_no_column(self, made, rng):
        shared, own = truth(rng)
        module, x = made(flat(shared, own), shared, own)
        x[ROWS[1], 40] = 0
        x[:, 41] = 0
        assert moves(module, x) == Counter()

    def test_masks_of_one_column(self, made, rng):
        shared, own = truth(rng)
        effects = [shared[0], *flat([], own)]
        module, x = made(effects, shared[:1], own, sizes=(1, 1))
        assert moves(module, x) == Counter()
        module, x = made(effects, [], own, sizes=(1, 1))
        assert moves(module, x) == Counter({"columns started": 1})
        assert_supports(module, SHARED_BLOCKS[:1], OWN)
