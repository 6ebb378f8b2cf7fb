import numpy as np
import pandas as pd
import pytest
from drawings import drawn_texts
from matplotlib.colors import to_hex

from mssvae import figures, replicates, simulate
from mssvae.errors import InputError
from mssvae.figures import group_colours
from mssvae.figures._mask_pairs import pair_factors
from mssvae.replicates import Factorisation

TITLE = "Gaussian nonlinear factor analysis"
SHOWN = {"title": TITLE, "method": "default", "replicate": 101}
SCORES = [
    ("consensus", "shared"),
    ("consensus", "specific"),
    ("relevance", "shared"),
    ("relevance", "specific"),
    ("recovery", "shared"),
    ("recovery", "specific"),
    ("disentanglement", "all"),
]
STUDIES = ["study_1", "study_2", "study_3"]


def fit_like(truth: Factorisation, seed: int = 0, studies=None, spare: int = 3) -> Factorisation:
    """Return the truth with factors in another order, other scales and signs, and empty columns."""
    rng = np.random.default_rng(seed)
    if studies is None:
        studies = truth.factors["study"].dropna().unique()
    masks, latent, factors = {}, {}, []
    for panel in ("shared", *studies):
        true = list(rng.permutation(truth.names(panel)))
        for k, name in enumerate([*true, *[None] * spare]):
            new = f"{panel}_{k + 1:02d}"
            kind = "shared" if panel == "shared" else "specific"
            factors.append((new, kind, None if kind == "shared" else panel))
            scale = rng.uniform(0.5, 1.5) * rng.choice([-1, 1])
            masks[new] = 0.0 if name is None else truth.masks[name] * scale
            latent[new] = 0.0 if name is None else truth.latent[name] / scale
    return Factorisation(
        pd.DataFrame(masks, index=truth.masks.index),
        pd.DataFrame(factors, columns=["factor", "kind", "study"]),
        pd.DataFrame(latent, index=truth.latent.index),
    )


def replace_masks(fit: Factorisation, **columns) -> Factorisation:
    return Factorisation(fit.masks.assign(**columns), fit.factors, fit.latent)


def make_scores(methods=("paper", "default"), stages=("trained",), n=30) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (method, replicate, stage, part, metric, rng.beta(9, 1))
        for method in methods
        for replicate in range(101, 101 + n)
        for stage in stages
        for metric, part in SCORES
    ]
    return pd.DataFrame(rows, columns=["method", "replicate", "stage", "part", "metric", "value"])


def draw_perfect(scores=None, **settings):
    data = simulate.gaussian(200, **settings)
    truth = replicates.truth(data)
    scores = make_scores() if scores is None else scores
    return figures.simulation(scores, truth, fit_like(truth), data=data, **SHOWN)


def draw_two_stages():
    scores = make_scores(stages=("trained", "assigned"))
    return draw_perfect(scores, n_studies=5, n_features=150)


def draw_no_shared():
    data = simulate.gaussian(200, n_shared=0, n_specific=[2, 0, 3])
    truth = replicates.truth(data)
    fit = fit_like(truth, studies=STUDIES)
    return figures.simulation(make_scores(["default"]), truth, fit, data=data, **SHOWN)


def draw_duplicate():
    data = simulate.gaussian(200)
    truth = replicates.truth(data)
    fit = fit_like(truth)
    fit = replace_masks(fit, shared_10=fit.masks["shared_01"], study_2_04=fit.masks["shared_02"])
    return figures.simulation(make_scores(n=1), truth, fit, data=data, **SHOWN)


def draw_many_features():
    truth = replicates.truth(simulate.rnaseq(10, 5000))
    fit = fit_like(truth, spare=42)
    rng = np.random.default_rng(0)
    spare = {f"shared_{k}": rng.random(5000) * (rng.random(5000) < 0.08) for k in range(20, 50)}
    return figures.simulation(make_scores(), truth, replace_masks(fit, **spare), **SHOWN)


def draw_many_methods():
    scores = make_scores([f"method {i}" for i in range(12)], ("trained", "assigned"), n=3)
    return draw_perfect(scores)


def draw_long_names():
    long = "a_method_with_a_name_of_many_letters_and_no_blank_at_all"
    truth = replicates.truth(simulate.gaussian(10, n_studies=2))
    names = {"study_1": "Non small cell lung cancer, before treatment", "study_2": "$x_$_" * 9}
    truth = Factorisation(truth.masks, truth.factors.replace(names), truth.latent)
    scores = make_scores([long, "_default", "$a$"])
    return figures.simulation(
        scores, truth, fit_like(truth), title=TITLE, method=long, replicate=101
    )


def draw_no_column():
    data = simulate.gaussian(200)
    truth = replicates.truth(data)
    fit = Factorisation(truth.masks[[]], truth.factors[:0], truth.latent[[]])
    return figures.simulation(make_scores(), truth, fit, data=data, **SHOWN)


def switch_shared_block(truth: Factorisation) -> Factorisation:
    """Return a fit in which one shared block is found in every study's own matrix instead."""
    fit = fit_like(truth)
    block = fit.masks["shared_01"]
    copies = {f"{study}_04": block for study in STUDIES}
    return replace_masks(fit, shared_01=0.0, **copies)


def draw_worst():
    truth = replicates.truth(simulate.gaussian(10))
    fit = switch_shared_block(truth)
    return figures.worst(make_scores(), truth, fit, note="a note", **SHOWN)


FIGURES = {
    "perfect": draw_perfect,
    "two stages, five studies": draw_two_stages,
    "no shared factor": draw_no_shared,
    "duplicates, one replicate": draw_duplicate,
    "5,000 features": draw_many_features,
    "no column": draw_no_column,
    "worst": draw_worst,
    "twelve methods: taller than a page": draw_many_methods,
    "long names": draw_long_names,
}


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_overlaps_or_leaves_the_page(name, monkeypatch):
    figure = FIGURES[name]()
    texts, boxes = drawn_texts(figure, monkeypatch)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    i, j = np.nonzero(np.triu((high - low > 1).all(axis=2), k=1))
    assert [(texts[a], texts[b]) for a, b in zip(i, j, strict=True)] == []
    width, height = figure.get_size_inches()
    assert width <= 7
    assert height <= 9 or "taller than a page" in name
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [figure.bbox.width, figure.bbox.height]).all()


def test_factors_are_matched_whatever_their_order_sign_and_scale():
    truth = replicates.truth(simulate.gaussian(10))
    fit = fit_like(truth)
    pairs = pair_factors(truth, fit)
    assert list(pairs) == ["shared", *STUDIES]
    assert pairs["shared"].true == [f"shared_{k:02d}" for k in range(1, 9)]
    assert pairs["shared"].found != pairs["shared"].true
    for pair in pairs.values():
        assert pair.n_empty == 3
        for true, found in zip(pair.true, pair.found, strict=True):
            assert ((truth.masks[true] != 0) == (fit.masks[found] != 0)).all()


def test_spare_factors_come_after_the_matched_ones_and_missed_ones_leave_a_gap():
    truth = replicates.truth(simulate.gaussian(10))
    fit = fit_like(truth)
    missed = pair_factors(truth, fit)["shared"].true[
        pair_factors(truth, fit)["shared"].found.index("shared_01")
    ]
    pairs = pair_factors(truth, switch_shared_block(truth))
    shared = pairs["shared"]
    assert [t for t, f in zip(shared.true, shared.found, strict=True) if f is None] == [missed]
    assert shared.n_empty == 4
    for study in STUDIES:
        assert pairs[study].true == [f"{study}_01", f"{study}_02", None]
        assert pairs[study].found[2] == f"{study}_04"


def test_masks_show_zeros_and_missing_factors_in_colours_of_their_own():
    names = pd.DataFrame({"factor": ["shared_01", "shared_02"], "kind": "shared", "study": None})
    truth = Factorisation(pd.DataFrame({"shared_01": [8.0, 0, 0], "shared_02": [0, 0, 9.0]}), names)
    fit = Factorisation(pd.DataFrame({"shared_01": [0, 0, -0.1], "shared_02": 0.0}), names)
    true, found = figures.worst(make_scores(), truth, fit, **SHOWN).axes[:2]
    np.testing.assert_equal(
        true.images[0].get_array().filled(np.nan), [[8, np.nan, np.nan], [np.nan, np.nan, 9]]
    )
    np.testing.assert_equal(
        found.images[0].get_array().filled(np.nan), [[-1, -1, -1], [np.nan, np.nan, 0.1]]
    )
    colour = found.images[0].to_rgba(np.ma.masked_invalid([np.nan, -1, 1e-6]))
    assert [to_hex(each) for each in colour[:2]] == ["#ffffff", "#e0e0e0"]
    assert to_hex(colour[2]) not in ("#ffffff", "#e0e0e0")


def test_every_replicate_is_a_point_and_the_median_is_written(monkeypatch):
    scores = make_scores(n=7)
    figure = draw_perfect(scores)
    points = [c for c in figure.subfigs[0].axes[0].collections if len(c.get_offsets()) == 7]
    drawn = np.sort([c.get_offsets()[:, 1] for c in points], axis=1)
    by_score = scores.set_index(["metric", "part", "method"])["value"].sort_index()
    strips = [(metric, part, method) for metric, part in SCORES for method in ("paper", "default")]
    for values, strip in zip(drawn, strips, strict=True):
        np.testing.assert_array_equal(values, np.sort(by_score[strip]))
    texts, _ = drawn_texts(figure, monkeypatch)
    medians = scores.groupby(["method", "metric", "part"])["value"].median()
    assert {f"{median:.2f}" for median in medians} <= set(texts)
    assert {"paper (n = 7)", "default (n = 7)"} <= set(texts)


def test_scores_before_the_assignment_are_hollow_and_the_numbers_are_those_after(monkeypatch):
    scores = make_scores(["default"], ["trained", "assigned"])
    scores["value"] = np.where(scores["stage"] == "trained", 0.3, 0.8)
    figure = draw_perfect(scores)
    points = [c for c in figure.subfigs[0].axes[0].collections if len(c.get_offsets()) == 30]
    for i, each in enumerate(points):
        filled = i % 2 == 1
        assert (each.get_offsets()[:, 1] == (0.8 if filled else 0.3)).all()
        assert len(each.get_facecolor()) == filled
        assert to_hex(each.get_edgecolor()[0]) == group_colours(["default"])["default"]
    texts, _ = drawn_texts(figure, monkeypatch)
    assert texts.count("0.80") == len(SCORES)
    assert "0.30" not in texts


def test_data_are_drawn_against_the_matching_factor_of_the_estimate():
    data = simulate.gaussian(50)
    truth = replicates.truth(data)
    # Feature 1 no longer tells the first factor from another.
    truth.masks.loc["feature_1", "study_3_01"] = 1.0
    fit = fit_like(truth)
    figure = figures.simulation(make_scores(), truth, fit, data=data, **SHOWN)
    shared, own = (half.axes for half in figure.subfigs[2].subfigs)
    found = pair_factors(truth, fit)
    for axes, panel, feature, n in (
        (shared[0], "shared", "feature_2", 150),
        (shared[4], "shared", "feature_3", 150),
        (own[0], "study_1", "feature_59", 50),
        (own[2], "study_1", "feature_60", 50),
    ):
        factor = found[panel].found[0]
        assert axes.get_ylabel() == feature
        offsets = axes.collections[0].get_offsets()
        x, y = offsets[~np.ma.getmaskarray(offsets).any(axis=1)].T
        assert len(x) == n
        np.testing.assert_array_equal(x, fit.latent[factor].dropna())
        np.testing.assert_array_equal(y, data.to_df()[feature][fit.latent[factor].notna()])
    assert shared[4].get_xlabel() == found["shared"].found[0]
    assert shared[0].get_title("center") == "shared_01"


def test_without_data_there_are_no_panels_of_data():
    truth = replicates.truth(simulate.gaussian(10))
    figure = figures.simulation(make_scores(), truth, fit_like(truth), **SHOWN)
    assert len(figure.subfigs) == 2


def test_simulation_without_a_study_specific_factor_is_drawn():
    data = simulate.gaussian(10, n_specific=0)
    truth = replicates.truth(data)
    figure = figures.simulation(make_scores(), truth, fit_like(truth), data=data, **SHOWN)
    assert [half.axes != [] for half in figure.subfigs[2].subfigs] == [True, False]


def test_worst_has_the_consensus_at_the_last_stage_in_its_title():
    scores = make_scores(stages=("trained", "assigned"))
    scores["value"] = 0.5
    for part, value in (("shared", 0.88), ("specific", 0.61)):
        row = scores.eval(
            "method == 'default' and replicate == 101 and stage == 'assigned' "
            f"and metric == 'consensus' and part == '{part}'"
        )
        scores.loc[row, "value"] = value
    truth = replicates.truth(simulate.gaussian(10))
    figure = figures.worst(scores, truth, fit_like(truth), note="a note", **SHOWN)
    assert figure.get_suptitle().replace("\n", " ") == (
        f"{TITLE}: worst of 30 replicates (101) of method default, "
        "consensus 0.88 shared and 0.61 specific [a note]"
    )


def test_saving_a_figure_again_gives_equal_bytes(tmp_path):
    for i in range(2):
        figures.save(draw_perfect(), tmp_path / f"{i}.pdf", tmp_path / f"{i}.png")
    for suffix in ("pdf", "png"):
        assert len({(tmp_path / f"{i}.{suffix}").read_bytes() for i in range(2)}) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scores: scores.drop(columns="stage"), "scores table: no column 'stage'"),
        (lambda scores: scores[:0], "scores table: no score"),
        (lambda scores: scores.replace("trained", "fitted"), "unknown stage 'fitted'"),
        (
            lambda scores: scores.assign(value=1.5),
            "consensus of part 'shared' of replicate 101 for method 'paper' is 1.5, not between",
        ),
        (
            lambda scores: scores.query("metric != 'recovery' or method != 'paper'"),
            "no recovery of part 'shared' for method 'paper' at stage 'trained'",
        ),
    ],
)
def test_incomplete_scores_are_an_error(change, message):
    truth = replicates.truth(simulate.gaussian(10))
    with pytest.raises(InputError, match=message):
        figures.simulation(change(make_scores()), truth, fit_like(truth), **SHOWN)


def test_worst_replicate_without_scores_is_an_error():
    truth = replicates.truth(simulate.gaussian(10))
    with pytest.raises(InputError, match=r"no consensus of replicate 101 .* \(its replicates: 102"):
        figures.worst(make_scores().query("replicate > 101"), truth, fit_like(truth), **SHOWN)


def test_estimate_of_another_simulation_is_an_error():
    data = simulate.gaussian(10)
    truth = replicates.truth(data)
    other = replicates.truth(simulate.gaussian(10, n_features=120))
    with pytest.raises(InputError, match="the truth has 100 features but the estimate 120"):
        figures.worst(make_scores(), truth, other, **SHOWN)
    with pytest.raises(InputError, match="its samples are not those of the data"):
        figures.simulation(make_scores(), truth, truth, data=data[1:], **SHOWN)


def test_missing_column_of_a_factorisation_is_named():
    truth = replicates.truth(simulate.gaussian(10))
    cut = Factorisation(truth.masks.drop(columns="shared_02"), truth.factors)
    with pytest.raises(InputError, match="estimated masks table: no column 'shared_02'"):
        figures.worst(make_scores(), truth, cut, **SHOWN)
    cut = Factorisation(truth.masks, truth.factors.drop(columns="study"))
    with pytest.raises(InputError, match="true factors table: no column 'study'"):
        figures.worst(make_scores(), cut, truth, **SHOWN)


def test_a_score_that_no_replicate_has_is_drawn_as_none(monkeypatch):
    scores = make_scores(["default"], n=3)
    scores.loc[scores["part"] == "specific", "value"] = np.nan
    texts, _ = drawn_texts(draw_perfect(scores), monkeypatch)
    assert texts.count("none") == 3
