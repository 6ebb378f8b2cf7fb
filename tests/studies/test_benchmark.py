import copy
import json
import logging
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from drawings import drawn_texts

from mssvae import figures
from mssvae.core.decoder import Decoder
from mssvae.errors import InputError
from studies import benchmark
from studies.benchmark import (
    PLANS,
    VARIANTS,
    Case,
    FeatureLoopDecoder,
    LiteralDecoder,
    Plan,
    _EpochClock,
    measure,
    phase_medians,
)

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmark.py"
SWEEPS = {
    "n_samples": (480, 960, 1920),
    "n_features": (250, 500, 1000, 2000),
    "n_shared": (10, 20, 40),
    "n_studies": (2, 3, 5),
    "likelihood": ("gaussian", "negative_binomial"),
}


def make_cost(**changes) -> pd.DataFrame:
    """Return a table like the one of ``run``, with times that grow with every size."""
    base = {"n_samples": 960, "n_features": 250, "n_shared": 20, "n_studies": 3}
    rows = []
    for sweep, values in SWEEPS.items():
        for value in values:
            size = {**base, "likelihood": "gaussian", sweep: value}
            cost = np.prod([size[key] / base[key] for key in base])
            for i, variant in enumerate(VARIANTS):
                start = 0.2 * 2**i * cost
                times = {"start_s_per_epoch": start, "end_s_per_epoch": start / (4 - i)}
                limit = {"limit_s_per_epoch": 0.1 * cost}
                rows.append({"sweep": sweep, **size, "variant": variant, **times, **limit})
    return pd.DataFrame(rows).assign(**changes)


def outputs_and_gradients(decoder: Decoder) -> list[torch.Tensor]:
    """Evaluate 7 features, of which some have no factor, for 5 samples that use 6 of 9 factors."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    z, mask, weight, bias = draw(5, 6), draw(7, 6), draw(7, 9), draw(7)
    mask[mask.abs() < 0.5] = 0
    mask[2] = 0
    leaves = [leaf.requires_grad_() for leaf in (z, mask, weight, bias)]
    dimensions = torch.tensor([0, 1, 3, 6, 7, 8])
    parts = [
        decoder(z, mask[chunk], dimensions, weight[chunk], bias[chunk])
        for chunk in decoder.feature_chunks(len(z), len(mask))
    ]
    output = torch.cat(parts, 1)
    (output * draw(5, 7)).sum().backward()
    parameters = [decoder.first.weight, decoder.second.weight, decoder.second.bias]
    return [output, *(leaf.grad for leaf in [*leaves, *parameters])]


@pytest.mark.parametrize("reference", [LiteralDecoder, FeatureLoopDecoder])
def test_references_have_outputs_and_gradients_of_the_decoder(reference):
    torch.manual_seed(0)
    decoder = Decoder(7, 9, 11, torch.Generator().manual_seed(0)).double()
    other = copy.deepcopy(decoder)
    other.__class__ = reference
    for one, two in zip(outputs_and_gradients(decoder), outputs_and_gradients(other), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("reference", [LiteralDecoder, FeatureLoopDecoder])
def test_fits_with_the_references_are_those_of_the_engine(reference):
    histories = []
    for decoder in (Decoder, reference):
        model, _ = PLANS["quick"].base.model(decoder)
        model.fit(max_epochs=2, batch_size=30, precision="float32", restructure_from=None)
        histories.append(model.history["elbo"])
    np.testing.assert_allclose(*histories, rtol=1e-5)


def clocked(*reports):
    """Return the spans of a fit that reports ``(message, epoch, seconds since the last)``."""
    clock, now = _EpochClock(), np.cumsum([seconds for *_, seconds in reports])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studies.benchmark.time.perf_counter", iter(now).__next__)
        for message, epoch, _ in reports:
            clock.emit(logging.LogRecord("", 0, "", 0, message, (epoch, ""), None))
    return clock.spans


def test_phases_are_the_first_and_last_fifth_without_the_first_epoch():
    seconds = [9.0, 1.0, 3.0, 50.0, *[7.0] * 7, 60.0, 0.5, 0.25, 0.3]
    spans = clocked(*[("epoch %d of", i, each) for i, each in enumerate(seconds, 1)])
    start, end = phase_medians(spans)
    assert start == pytest.approx(2.0)
    assert end == pytest.approx(0.3)


def test_repairs_of_columns_are_in_no_phase():
    spans = clocked(
        ("epoch %d of", 1, 9.0),
        ("epoch %d of", 2, 1.0),
        ("before epoch %d, %s", 3, 70.0),
        ("epoch %d of", 3, 1.0),
        ("epoch %d of", 8, 5.0),
        ("before epoch %d, %s", 10, 71.0),  # With an epoch since the last report.
        ("epoch %d of", 10, 0.5),
    )
    assert spans == [(1, 2, 1.0), (2, 3, 1.0), (3, 8, 5.0), (9, 10, 0.5)]


def test_fit_too_short_for_phases_is_an_error():
    with pytest.raises(InputError, match=r"2 epochs are too few .*: raise max_epochs"):
        phase_medians([(1, 2, 1.0)])


def test_phases_are_per_epoch_when_not_every_epoch_is_reported():
    assert phase_medians([(5, 10, 10.0), (10, 45, 50.0), (45, 50, 5.0)]) == (2.0, 1.0)


def test_phases_of_a_fit_that_ended_early():
    # Reported in the steps of 334 epochs.
    spans = [(epoch, epoch + 16, 1.6) for epoch in range(16, 97, 16)]
    assert phase_medians(spans) == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize("name", PLANS)
def test_every_case_of_a_plan_can_be_made(name):
    plan = PLANS[name]
    swept = [replace(plan.base, **{key: n}) for key, ns in plan.sweeps.items() for n in ns]
    for case in [*swept, *plan.recovery, *plan.replicates]:
        model, truth = case.model(Decoder)
        assert set(truth) == {"shared", *model.studies}


def test_fit_is_measured_by_itself():
    ballast = np.ones(2**27)  # 1 GiB here is none of the other process's.
    case = Case(300, 70, 12, 3, 32, max_epochs=60, batch_size=50, lr_mask=0.03)
    found = measure(case, "engine, float32")
    del ballast
    assert 50 < found["baseline_memory_mib"] <= found["peak_memory_mib"] < 1000
    assert found["epochs"] == 60
    assert found["total_s"] > 20 * found["end_s_per_epoch"]
    assert found["precision"] == "float32"
    assert 0.5 < found["shared_consensus"] <= 1
    assert 0.5 < found["specific_consensus"] <= 1
    shares = found["limit_s_per_epoch"] / found["decoder_s_per_epoch"]
    assert found["share_of_limit"] == pytest.approx(shares)


def test_each_case_is_measured_once_and_stands_in_every_sweep_that_has_it(monkeypatch):
    measured = []

    def rows(case, variants):
        measured.append(case)
        return [{**asdict(case), "variant": variant} for variant in variants]

    monkeypatch.setattr("studies.benchmark._rows", rows)
    base = Case(60, 70, 4, 2, 16, max_epochs=8, batch_size=60)
    sweeps = {"n_samples": (60, 90), "n_shared": (2, 4), "likelihood": ("gaussian",)}
    others = [replace(base, max_epochs=9)], [replace(base, seed=12)]
    plan = Plan(base, sweeps, *others)
    cost, recovery = benchmark.cost(plan), benchmark.recovery(plan)
    assert len(measured) == len(set(measured)) == 5
    cases = [("n_samples", 60, 4), ("n_samples", 90, 4), ("n_shared", 60, 2), ("n_shared", 60, 4)]
    cases.append(("likelihood", 60, 4))
    found = cost[["sweep", "n_samples", "n_shared"]].drop_duplicates()
    assert list(found.itertuples(index=False, name=None)) == cases
    assert len(cost) == 5 * len(VARIANTS)
    assert recovery["variant"].tolist() == [*VARIANTS, "engine", "literal"]
    assert recovery["seed"].tolist() == [11] * len(VARIANTS) + [12] * 2


def test_script_writes_tables_figure_and_machine(tmp_path):
    subprocess.run([sys.executable, SCRIPT, "--quick", "--output", tmp_path], check=True)
    written = {"benchmark.log", "cost.csv", "cost.pdf", "cost.png", "machine.json", "recovery.csv"}
    assert {path.name for path in tmp_path.iterdir()} == written
    cost, recovery = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("cost", "recovery"))
    assert cost.groupby("sweep")["variant"].apply(list).tolist() == [list(VARIANTS)] * 4
    assert recovery["variant"].tolist() == ["engine", "literal"]
    numbers = [
        "start_s_per_epoch",
        "end_s_per_epoch",
        "total_s",
        "peak_memory_mib",
        "decoder_s_per_epoch",
        "limit_s_per_epoch",
        "share_of_limit",
    ]
    assert (cost[numbers] > 0).all(axis=None)
    assert recovery["shared_consensus"].between(0, 1).all()
    machine = json.loads((tmp_path / "machine.json").read_text())
    assert machine["threads"] >= 1
    assert machine["precision"] == cost["precision"][0]
    assert machine["torch"] == torch.__version__


def test_figure_has_a_line_of_each_variant_at_start_and_end():
    cost = make_cost().sample(frac=1, random_state=0)
    figure = figures.benchmark(cost)
    for axes, sweep in zip(figure.axes, list(SWEEPS)[:4], strict=True):
        assert axes.get_xscale() == axes.get_yscale() == "log"
        solid = [line for line in axes.lines if line.get_linestyle() == "-"]
        dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert len({line.get_color() for line in solid}) == len(VARIANTS) == len(dashed)
        rows = cost[cost["sweep"] == sweep].sort_values(["variant", sweep])
        for lines, column in ((solid, "start_s_per_epoch"), (dashed, "end_s_per_epoch")):
            drawn = np.sort(np.concatenate([line.get_ydata() for line in lines]))
            np.testing.assert_array_equal(drawn, np.sort(rows[column]))
            for line in lines:
                assert line.get_xdata().tolist() == list(SWEEPS[sweep])


def test_texts_of_the_figure_do_not_overlap(monkeypatch):
    texts, boxes = drawn_texts(figures.benchmark(make_cost()), monkeypatch)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    i, j = np.nonzero(np.triu((high - low > 1).all(axis=2), k=1))
    assert [(texts[a], texts[b]) for a, b in zip(i, j, strict=True)] == []
    assert {*VARIANTS, "2,000", "features"} <= set(texts)


def test_figure_of_an_incomplete_table_is_an_error():
    with pytest.raises(InputError, match="cost table: no column 'variant'"):
        figures.benchmark(make_cost().drop(columns="variant"))
    with pytest.raises(InputError, match="cost table: no row of the sweep 'n_studies'"):
        figures.benchmark(make_cost().query("sweep != 'n_studies'"))
