"""Settings of a fit: numbers of any kind, and what is refused by name."""

from dataclasses import asdict
from fractions import Fraction

import numpy as np
import pytest

from mssvae.errors import InputError
from mssvae.fitting.settings import FitSettings

POSITIVE = ["lr", "lr_mask", "lambda1", "a", "b", "prior_scale"]
SHARES = ["restructure_from", "restructure_every"]
WHOLE = ["max_epochs", "batch_size", "features_per_batch", "patience", "screen_every"]


@pytest.mark.parametrize("value", ["1e-3", True, np.bool_(True), np.nan, np.inf, -1, 0, [1], 1j])
@pytest.mark.parametrize("key", [*POSITIVE, *SHARES, *WHOLE])
def test_settings_of_other_types_or_out_of_range_are_named(key, value):
    with pytest.raises(InputError, match=f"^{key} must be "):
        FitSettings(**{key: value})


@pytest.mark.parametrize("key", ["lr", "lambda1", "a", "restructure_every", "batch_size"])
def test_none_is_refused_where_it_has_no_meaning(key):
    with pytest.raises(InputError, match=f"^{key} must be "):
        FitSettings(**{key: None})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("moves", "drop"),
        ("moves", 3),
        ("moves", [1]),
        ("precision", "half"),
        ("precision", 32),
        ("standardise", "no"),
        ("standardise", None),
    ],
)
def test_choices_are_named(key, value):
    with pytest.raises(InputError, match=f"^{key} must be "):
        FitSettings(**{key: value})


@pytest.mark.parametrize(
    "lambda0",
    [
        *(15, None, "1", [(0,)], [(0, 1, 2)], [1, 10], [(0, "1")], [(0, np.nan)], [(None, 1)]),
        *([(0, 1), (0.3, np.inf)], [(0, 0)], [(0, True)], [], [(0.1, 1)], [(0, 1), (1, 2)]),
    ],
)
def test_schedules_that_are_none_are_named(lambda0):
    with pytest.raises(InputError, match="lambda0"):
        FitSettings(lambda0=lambda0)


def test_equal_numbers_of_other_types_are_the_same_settings():
    numbers = {"lr": 0.5, "b": 40, "prior_scale": 400, "restructure_from": 0.25, "max_epochs": 4}
    numpys = {
        **{"lr": np.float32(0.5), "b": np.float64(40), "prior_scale": 400.0},
        **{"restructure_from": Fraction(1, 4), "max_epochs": np.array(4)},
    }
    one = FitSettings(**numbers, lambda0=[(0, 1), (0.25, 10)], moves=["drop"])
    other = FitSettings(**numpys, lambda0=np.array([[0, 1], [0.25, 10]]), moves=np.array(["drop"]))
    assert one == other
    assert str(asdict(one)) == str(asdict(other))
    assert {type(value) for value in asdict(other).values()} <= {int, float, tuple, bool, str}


def test_repairs_a_moment_apart_are_one_an_epoch():
    settings = FitSettings(max_epochs=10, restructure_every=1e-12)
    assert settings.restructuring_epochs() == [2, 3, 4, 5, 6, 7, 8]
