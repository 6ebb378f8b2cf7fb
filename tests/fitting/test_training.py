"""The loop of a fit: when columns are repaired, and when training ends."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from mssvae import MSSVAE, simulate
from mssvae.core.likelihoods import NegativeBinomial
from mssvae.errors import InputError
from mssvae.fitting.networks.restructuring import Restructuring
from mssvae.fitting.settings import FitSettings
from mssvae.moves import parts
from mssvae.moves.thresholds import NETWORKS

REPAIRED = {"merge": Counter({"columns merged": 1, "own copies of shared factors dropped": 2})}
GROWTH, NOTHING = {"grow": Counter({"features added": 2})}, {}


@pytest.fixture(scope="module")
def data():
    return simulate.gaussian(n_samples=40, n_features=60, n_shared=3, seed=7)


@pytest.fixture
def fitted(data, monkeypatch):
    """Fit 100 epochs with restructurings that answer as told, and list what they were asked."""

    def fit(*answers, **settings):
        asked = []

        def run(self, moves, last):
            asked.append(last)
            return answers[min(len(asked), len(answers)) - 1]

        monkeypatch.setattr(Restructuring, "run", run)
        model = MSSVAE(data, likelihood="gaussian", n_shared=4, n_specific=2, hidden=[8, 8], seed=3)
        model.fit(**{"decoder": "nonlinear", "max_epochs": 100, "patience": None, **settings})
        return model, asked

    return fit


def test_columns_are_repaired_until_they_are_found_in_order_twice_in_a_row(fitted):
    _, asked = fitted(REPAIRED, NOTHING, REPAIRED, GROWTH, NOTHING, REPAIRED)
    assert asked == [False] * 5


def test_the_last_possible_repair_is_told_so(fitted):
    _, asked = fitted(REPAIRED)
    # 0.15, 0.22, ... 0.78 of training.
    assert asked == [False] * 9 + [True]


@pytest.mark.parametrize(
    ("settings", "warned"),
    [({"lr_mask": 1e-2}, True), ({}, False), ({"preset": "paper", "lr_mask": 1e-3}, False)],
    ids=["slow masks", "default", "paper"],
)
def test_masks_that_learn_no_faster_than_networks_are_told(data, caplog, settings, warned):
    model = MSSVAE(data, n_shared=2, n_specific=1, hidden=(4, 4), likelihood="gaussian")
    model.fit(**{"preset": "default", "decoder": "nonlinear", "max_epochs": 1, **settings})
    assert ("masks learn no faster than the networks" in caplog.text) == warned


def test_the_history_tells_what_was_made_before_which_epoch(fitted):
    model, _ = fitted(REPAIRED | GROWTH, NOTHING, GROWTH, restructure_every=0.1)
    told = model.history.set_index("epoch")["moves"]
    # Rounds before epochs 16, 26 and 36.
    assert told[told != ""].to_dict() == {
        16: "merge of 3: made; grow of 2: made; ",
        36: "grow of 2: made; ",
    }


def test_settings_choose_which_moves_are_made(data, monkeypatch):
    asked = set()

    def run(self, moves, last):
        asked.add(tuple(moves))
        return NOTHING

    monkeypatch.setattr(Restructuring, "run", run)

    def fit(moves):
        model = MSSVAE(data, likelihood="gaussian", n_shared=4, n_specific=2, hidden=[8, 8])
        model.fit(decoder="nonlinear", max_epochs=10, moves=moves)

    fit(["rotate", "share"])
    assert asked == {("share", "rotate", "share")}
    with pytest.raises(InputError, match=r"moves has \['shear'\]: this fit has grow, split"):
        fit(["shear"])


def test_columns_are_never_repaired_without_a_first_time(fitted):
    model, asked = fitted(REPAIRED, restructure_from=None, patience=1)
    assert asked == []
    assert set(model.history["moves"]) == {""}
    assert len(model.history) == 100  # Nothing to converge after.


def test_training_ends_once_the_masks_stand_still(fitted):
    model, asked = fitted(NOTHING, patience=5, lr_mask=1e-9)
    # Repairs before epochs 16 and 23; from 31 on the last lambda0: five epochs to see, five to end.
    assert len(asked) == 2
    assert len(model.history) == 30 + 6 + 5
    assert model.history["lambda0"].iloc[-11:].tolist() == [15] * 11


def test_training_goes_on_while_the_masks_change(fitted):
    model, _ = fitted(NOTHING, patience=5, lr_mask=0.5)
    assert len(model.history) > 30 + 6 + 5


def test_times_of_repair_are_shares_of_training():
    settings = FitSettings(max_epochs=200, restructure_from=0.5, restructure_every=0.1)
    assert settings.restructuring_epochs() == [100, 120, 140, 160]


def test_an_epoch_has_one_repair_at_most():
    assert FitSettings(max_epochs=10).restructuring_epochs() == [2, 3, 4, 5, 6, 7, 8]


def test_learning_rates_fall_in_the_last_fifth():
    settings = FitSettings(max_epochs=100)
    assert [settings.lr_factor(epoch) for epoch in (0, 80, 90, 99)] == pytest.approx(
        [1, 1, 0.5, 0.05]
    )
    assert FitSettings(max_epochs=100, restructure_from=None).lr_factor(99) == 1


@pytest.mark.parametrize("share", [0, 1, -0.5])
def test_a_first_repair_outside_training_is_an_error(share):
    with pytest.raises(InputError, match="restructure_from must be None or a share"):
        FitSettings(restructure_from=share)


def test_the_last_epoch_counts_the_weights_and_factors_that_are_left(data, monkeypatch):
    """Without repairs nothing has scaled the columns before."""
    # Idle columns go after the last epoch.
    monkeypatch.setattr(parts, "NETWORKS", replace(NETWORKS, least_kl=0.0))
    model = MSSVAE(data, likelihood="gaussian", n_shared=4, n_specific=2, hidden=[8, 8], seed=3)
    model.fit("paper", max_epochs=120, batch_size=40, lr=0.01)
    last, support = model.history.iloc[-1], model.support
    assert 0 < last["n_slab"] == support.wide().to_numpy().sum() < model.masks.wide().size
    assert last["n_active_shared"] == support.shared.any().sum()
    assert last["n_active_specific"] == sum(own.any().sum() for own in support.specific.values())


def test_the_elbo_of_counts_is_never_positive_and_the_same_from_some_features_as_from_all():
    counts = simulate.rnaseq(40, 60, n_studies=2, n_shared=2, n_specific=1, seed=4)
    # Hardly any step, so that all epochs estimate one number.
    rates = {"lr": 1e-9, "lr_mask": 1e-9, "restructure_from": None, "patience": None}
    elbos = []
    for features in (10, None):
        model = MSSVAE(counts, n_shared=3, n_specific=2, hidden=[8, 8], seed=3, device="cpu")
        settings = {"max_epochs": 60, "batch_size": 20, "features_per_batch": features}
        model.fit(decoder="nonlinear", **settings, **rates)
        elbos.append(model.history["elbo"])
    some, all_of_them = elbos
    assert max(some.max(), all_of_them.max()) < 0
    error = ((some.var() + all_of_them.var()) / 60) ** 0.5
    assert some.mean() == pytest.approx(all_of_them.mean(), abs=3 * error)
    assert error < 0.02 * -all_of_them.mean()


@pytest.mark.parametrize("log_theta", [-4.0, 0.0, 6.0])
def test_no_terms_of_counts_are_positive_even_without_their_constants(log_theta):
    """So that no choice of features can make the sum over them positive."""
    x = torch.tensor([0.0, 1.0, 7.0, 300.0, 1e6])
    output = torch.linspace(-8, 8, 60)[:, None].expand(60, 5)
    log_theta, log_library = torch.full((5,), log_theta), torch.linspace(-3, 12, 60)[:, None]
    log_prob = NegativeBinomial.log_prob(x.expand(60, 5), output, log_library, log_theta)
    assert log_prob.max() < 1e-3
    assert NegativeBinomial.log_base(x[:, None]).max() <= 0
