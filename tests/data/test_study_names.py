"""Names of studies that the model refuses or doubts; cohorts refuse the same when they are read."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from mssvae.data.inputs import read_studies
from mssvae.errors import InputError


def read(*names):
    obs = pd.DataFrame({"study": np.repeat(names, 2)}, index=[f"s{i}" for i in range(4)])
    return read_studies(ad.AnnData(np.zeros((4, 1)), obs=obs), "study")[0]


@pytest.mark.parametrize("name", ["shared", "a/b"])
def test_a_name_that_means_another_thing_is_an_error(name):
    with pytest.raises(InputError, match=rf"adata\.obs\['study'\]: .*: rename '{name}'"):
        read("a", name)


@pytest.mark.parametrize(
    ("names", "factor"),
    [
        (("a", "shared_a"), "shared_a_01"),
        (("a", "a_shared"), "a_shared_01"),
        (("a_shared", "shared_a"), "shared_a_shared_01"),
    ],
)
def test_two_studies_whose_factors_could_have_one_name_are_an_error(names, factor):
    with pytest.raises(InputError, match=f"'{names[0]}' and '{names[1]}' could .* {factor}: ren"):
        read(*names)


def test_names_that_only_look_alike_those_of_factors_are_studies():
    assert read("a", "a_01") == ["a", "a_01"]
    assert read("Shared", "shared_b") == ["Shared", "shared_b"]


def test_studies_that_may_be_one_written_in_two_ways_are_in_the_log(caplog):
    read("Healthy", "healthy")
    assert "are 'Healthy' and 'healthy' of 'study' two studies, or one" in caplog.text
    caplog.clear()
    read("HER2+", "HER2-")
    assert not caplog.text
