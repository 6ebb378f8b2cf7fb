import hashlib
import json
import os
import runpy
import subprocess
import sys
import unicodedata
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from drawings import drawn_texts
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cbook import is_math_text
from matplotlib.font_manager import fontManager
from matplotlib.text import Text

from mssvae import figures
from mssvae.data.files import write_table
from mssvae.data.validation import MAX_GROUPS, validate_n_groups
from mssvae.errors import InputError
from mssvae.figures import _common, _text, group_colours, group_looks

SCRIPTS = Path(__file__).parents[2] / "scripts"
NOTE = "synthetic data"
TITLE = "Platelet transcriptomes"
GROUPS = [
    "Healthy",
    "Cardiovascular Disease",
    "Multiple Sclerosis",
    "Non Small Cell Lung Cancer",
    "Glioblastoma",
    "Other Cancer",
    "Pancreatic neuroendocrine tumours",
    "Hepatobiliary",
]
LONG_NAMES = [
    "Metastatic non small cell lung cancer of stage IV before the first line of treatment with "
    "immune checkpoint inhibitors",
    "Metastatic_non_small_cell_lung_cancer_of_stage_IV_after_treatment",
    "a",
    "",
]
# GO names of usual length, and the longest that the golden enrichment tables hold.
PROCESSES = [
    "hemostasis",
    "MAPK cascade",
    "response to lipopolysaccharide",
    "positive regulation of leukocyte activation",
    "regulation of plasma membrane bounded cell projection organization",
    "negative regulation of adaptive immune response based on somatic recombination of immune "
    "receptors built from immunoglobulin superfamily domains",
]


SIGNS = ["_a", "x^2_{i}", "<b>&\"'", "C:\\temp", "Ωmega", "e\N{COMBINING ACUTE ACCENT}"]


def make_factors(groups, n_shared, n_specific):
    rows = [(f"shared_{k:02d}", "shared", None) for k in range(1, n_shared + 1)]
    rows += [(f"{g}_{k:02d}", "specific", g) for g in groups for k in range(1, n_specific + 1)]
    factors = pd.DataFrame(rows, columns=["factor", "kind", "study"])
    return factors.assign(n_genes=range(len(factors)), n_nonzero=range(len(factors)))


def make_processes(factors, n_top):
    """Give each factor its top processes; in two columns one name in seven takes two lines."""
    rng = np.random.default_rng(0)
    shares = (0.15, 0.3, 0.25, 0.15, 0.12, 0.03)
    return pd.DataFrame(
        {
            "set": np.repeat(factors, n_top),
            "Description": rng.choice(PROCESSES, len(factors) * n_top, p=shares),
            "FoldEnrichment": np.exp(rng.uniform(0.5, 5, len(factors) * n_top)),
            "p.adjust": 10 ** -rng.uniform(1.3, 50, len(factors) * n_top),
            "Count": rng.integers(1, 200, len(factors) * n_top),
        }
    )


def draw_processes(groups, n_shared, n_specific, kind, n_top, share=1.0):
    factors = make_factors(groups, n_shared, n_specific)
    names = factors.loc[factors["kind"] == kind, "factor"]
    table = make_processes(names[: int(len(names) * share)].tolist(), n_top)
    return figures.processes(table, factors, kind=kind, title=TITLE, note=NOTE)


def make_masks(factors, n_genes, live=0.8):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(n_genes, len(factors)))
    weights[rng.random(weights.shape) > 0.03] = 0
    weights[:, rng.random(len(factors)) > live] = 0
    genes = [f"ENSG{j:011d}" for j in range(n_genes)]
    return pd.DataFrame(weights, columns=factors["factor"], index=genes)


def draw_masks(groups, n_shared, n_specific, n_genes, live=0.8, stable=False):
    factors = make_factors(groups, n_shared, n_specific)
    masks = make_masks(factors, n_genes, live)
    stability = factors.assign(mean_frequency=np.random.default_rng(0).random(len(factors)))
    stability.loc[(masks == 0).all().to_numpy(), "mean_frequency"] = np.nan
    stability = stability if stable else None
    return figures.masks(masks, factors, stability, title=TITLE, note=NOTE)


def make_qc(groups):
    rng = np.random.default_rng(0)
    samples = pd.DataFrame(
        {
            "sample": [f"sample_{i}" for i in range(285)],
            "group": np.resize(groups, 285),
            "counts": np.exp(rng.normal(14, 0.5, 285)).astype(int),
        }
    )
    samples.loc[0, "counts"] = 0
    samples["kept"] = samples["counts"] > np.exp(12.5)
    genes = pd.DataFrame(
        {
            "gene": [f"gene_{j}" for j in range(5000)],
            "counts": np.exp(rng.normal(2, 4, 5000)).astype(int),
            "cpm_share": rng.random(5000),
            "kept": rng.random(5000) > 0.5,
        }
    )
    steps = pd.DataFrame(
        [
            ("input", "all samples and genes", 0, 285, 0, 57736),
            ("library_size", "at least e^12.5 counts in the sample", 1, 284, 0, 57736),
            ("gene_counts", "at least 25 counts over all samples", 0, 284, 30000, 27736),
            ("gene_cpm", "CPM > 1 in at least 20% of samples", 0, 284, 17655, 10081),
        ],
        columns=[
            "step",
            "rule",
            "samples_removed",
            "samples_left",
            "genes_removed",
            "genes_left",
        ],
    )
    return samples, genes, steps


THRESHOLDS = {"min_log_library": 12.5, "min_gene_counts": 25, "min_cpm_share": 0.2}


def draw_qc(groups):
    return figures.qc(*make_qc(groups), **THRESHOLDS, title=TITLE, note=NOTE)


def make_history(n_epochs):
    epoch = np.arange(1, n_epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "elbo": -22000 - 2e6 * np.exp(-epoch / 2),
            "reconstruction": -21000 - 2e6 * np.exp(-epoch / 2),
            "kl": 300 * np.exp(-epoch / 100),
            "penalty": 500 - 0.1 * epoch,
            "lambda0": np.where(epoch <= 40, 1, np.where(epoch <= 240, 10, 15)),
            "n_active_shared": 50,
            "n_active_specific": 40,
            "n_slab": 3000,
        }
    )


def make_unseen(dense=("factor analysis", "NMF")):
    rows = [("mssvae", weight, 300 / weight, 20, 0.05) for weight in (8, 4, 2, 1, 0.5)]
    rows += [("mssvae", 99, 0, 0, 0.0), ("study means", np.nan, 0, 0, 0.0)]
    rows += [(method, np.nan, 400 * k, k, 0.06) for method in dense for k in (5, 15)]
    table = pd.DataFrame(rows, columns=["method", "weight", "entries", "n_shared", "score"])
    return table.assign(score=table["score"] - 5, standard_error=0.01)


def make_talk(methods=("Sparse VAE", "MSSVAE, one study", "VAE", "beta-VAE", "VSC", "oi-VAE")):
    rows = [
        (method, correlation, measure, 0.8 * value, value, min(1.0, 1.2 * value))
        for i, method in enumerate(methods)
        for correlation in (0.0, 0.2, 0.4, 0.6, 0.8)
        for measure, value in (("mse", 0.3 + 0.1 * i), ("disentanglement", 0.9 - correlation))
    ]
    numbers = ["lower", "median", "upper"]
    return pd.DataFrame(rows, columns=["method", "correlation", "measure", *numbers])


def make_supervised(methods=("genes", "PCA", "MSSVAE, one study"), n_folds=5, control=True):
    rng = np.random.default_rng(0)
    parts = {"features": methods, "augmentation": ("none", "oversampling", "MSSVAE")}
    if control:
        parts["permuted"] = methods
    rows = [
        (part, method, fold, *rng.random(4))
        for part, of_part in parts.items()
        for fold in range(1, n_folds + 1)
        for method in of_part
    ]
    measures = ["balanced_accuracy", "auc", "small_recall", "small_auc"]
    return pd.DataFrame(rows, columns=["part", "method", "fold", *measures])


def draw_backgrounds(n_sets):
    methods = ["MSSVAE", "random sets", "permuted labels", "factor analysis", "NMF"]
    rows = [
        (background, kind, method)
        for background in ("fitted", "expressed", "annotated")
        for kind in ("shared", "specific")
        for method in methods
    ]
    table = pd.DataFrame(rows, columns=["background", "kind", "method"])
    table["n_background"], table["n_sets"] = 21_069, n_sets
    for number in ("n_enriched", "n_own"):
        table[number] = np.minimum(np.arange(len(table)), n_sets)
        table[f"{number}_low"], table[f"{number}_high"] = 0.7 * table[number], 1.2 * table[number]
    return figures.backgrounds(table, title=TITLE, note=NOTE)


FIGURES = {
    "backgrounds": lambda: draw_backgrounds(50),
    "backgrounds, no set": lambda: draw_backgrounds(0),
    "schematic": figures.schematic,
    "convergence": lambda: figures.convergence(make_history(800), title=TITLE, note=NOTE),
    "convergence, one epoch": lambda: figures.convergence(make_history(1), title=TITLE, note=NOTE),
    "unseen": lambda: figures.unseen(make_unseen(), title=TITLE, note=NOTE),
    "talk": lambda: figures.talk(make_talk()),
    "talk, one method and correlation": lambda: figures.talk(make_talk(["VAE"]).head(2)),
    "talk, long names": lambda: figures.talk(make_talk(LONG_NAMES)),
    "supervised": lambda: figures.supervised(make_supervised(), TITLE, GROUPS[0]),
    "supervised, long names": lambda: figures.supervised(
        make_supervised(LONG_NAMES), LONG_NAMES[0], LONG_NAMES[1]
    ),
    "supervised, one fold, no control": lambda: figures.supervised(
        make_supervised(["genes"], 1, control=False), TITLE, "b"
    ),
    "unseen, no dense model": lambda: figures.unseen(make_unseen([]), title=TITLE, note=NOTE),
    "qc": lambda: draw_qc(GROUPS[:4]),
    "qc, eight groups": lambda: draw_qc(GROUPS),
    "qc, one group": lambda: draw_qc(GROUPS[:1]),
    "masks": lambda: draw_masks(GROUPS[:4], 50, 10, 5000),
    "masks, stability": lambda: draw_masks(GROUPS[:4], 50, 10, 5000, stable=True),
    "masks, one factor, stability": lambda: draw_masks(GROUPS[:1], 1, 0, 40, 1, stable=True),
    "masks, all zero, stability": lambda: draw_masks(GROUPS[:2], 3, 1, 40, 0, stable=True),
    "masks, no factor, stability": lambda: draw_masks([], 0, 0, 40, stable=True),
    "masks, eight groups": lambda: draw_masks(GROUPS, 5, 2, 200),
    "masks, one factor": lambda: draw_masks(GROUPS[:1], 1, 0, 40, live=1),
    "masks, all zero": lambda: draw_masks(GROUPS[:2], 3, 1, 40, live=0),
    "processes, 150 rows": lambda: draw_processes(GROUPS[:4], 50, 10, "shared", 3),
    "processes, 180 rows": lambda: draw_processes(GROUPS[:4], 50, 9, "specific", 5),
    "processes, 300 rows: taller than a page": lambda: draw_processes(
        GROUPS[:6], 50, 10, "specific", 5
    ),
    "processes, half without": lambda: draw_processes(GROUPS[:6], 50, 10, "specific", 5, 0.5),
    "processes, one row": lambda: draw_processes(GROUPS[:1], 1, 1, "shared", 1),
    "qc, long names": lambda: draw_qc(LONG_NAMES),
    "masks, long names": lambda: draw_masks(LONG_NAMES, 5, 2, 200),
    "masks, no factor": lambda: draw_masks([], 0, 0, 40),
    "masks, no gene": lambda: draw_masks(GROUPS[:2], 3, 1, 0),
    "processes, long names": lambda: draw_processes(LONG_NAMES, 2, 2, "specific", 3),
    "processes, long names, three columns": lambda: draw_processes(
        [f"{name}, {i}" for i, name in enumerate(LONG_NAMES * 3)], 2, 3, "specific", 5
    ),
    "processes, no row": lambda: draw_processes(GROUPS, 50, 10, "specific", 5, 0),
}


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_overlaps_or_leaves_the_page(name, monkeypatch):
    figure = FIGURES[name]()
    texts, boxes = drawn_texts(figure, monkeypatch)
    width, height = figure.get_size_inches()
    # Boxes are as high as the tallest letters, so neighbours may share a pixel of empty space.
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    i, j = np.nonzero(np.triu((high - low > 1).all(axis=2), k=1))
    assert [(texts[a], texts[b]) for a, b in zip(i, j, strict=True)] == []
    assert width <= 7
    assert height <= 9 or "three columns" in name or "taller than a page" in name
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [figure.bbox.width, figure.bbox.height]).all()
    everything = figure.get_tightbbox(figure.canvas.get_renderer())
    assert min(everything.extents[:2]) >= 0
    assert everything.x1 <= width
    assert everything.y1 <= height


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("qc", "quality control"),
        ("convergence", "convergence of the fit"),
        ("masks", "masks"),
        ("backgrounds", "gene sets with an enriched process"),
        ("processes, 150 rows", "processes of the shared factors"),
        ("processes, 180 rows", "processes of the study-specific factors"),
    ],
)
def test_title_says_what_the_figure_shows(name, subject):
    assert FIGURES[name]().get_suptitle() == f"{TITLE}: {subject}\n[{NOTE}]"


@pytest.fixture
def run_script(tmp_path, monkeypatch):
    """Run scripts/figure_<name>.py on tables of a cohort and return the texts it drew."""
    monkeypatch.setattr("mssvae.logs.log_to", lambda path: None)

    def run(name, groups, title, **params):
        factors = make_factors(groups, 2, 2)
        samples, genes, steps = make_qc(groups)
        genes.loc[:1, "gene"] = ["NA", "1"]
        masks = make_masks(factors, 50).rename_axis("gene").reset_index()
        tables = {
            "samples": samples,
            "genes": genes,
            "steps": steps,
            "history": make_history(50),
            "masks": masks,
            "factors": factors,
            "stability": factors.assign(mean_frequency=0.5),
            # Every second factor has a process, so some are drawn and some named below.
            "table": make_processes(factors["factor"][::2].tolist(), 2),
            "summary": pd.DataFrame({"set": factors["factor"], "n_enriched": 1}),
        }
        paths = {key: tmp_path / f"{key}.tsv" for key in tables}
        for key, table in tables.items():
            write_table(table, paths[key])
        source = tmp_path / "source.json"
        source.write_text(json.dumps({"kind": "synthetic"}))
        figure = tmp_path / "figure.pdf"
        snakemake = SimpleNamespace(
            input=SimpleNamespace(**paths, source=source),
            output=SimpleNamespace(pdf=figure, png=tmp_path / "figure.png"),
            params=SimpleNamespace(
                **THRESHOLDS,
                groups=groups,
                title=title,
                max_share=0.1,
                background="expressed",
                **params,
            ),
            log=[tmp_path / "log"],
        )
        texts = []
        draw = Text.draw

        def record(self, *args, **kwargs):
            text = self.get_text()
            # A reader does not see the signs that keep a text from being a formula.
            texts.append(f"formula: {text}" if is_math_text(text) else text.replace(r"\$", "$"))
            draw(self, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(Text, "draw", record)
            script = str(SCRIPTS / f"figure_{name}.py")
            runpy.run_path(script, init_globals={"snakemake": snakemake})
        assert figure.stat().st_size > 0
        return texts

    return run


@pytest.mark.parametrize(
    "groups",
    [["1", "2", "NA", "None"], ["$a_$b", "x$^y", "\\$\\alpha$", "c"], SIGNS],
    ids=["numbers and missing values", "formulas", "signs"],
)
@pytest.mark.parametrize(
    ("name", "params", "our_formula"),
    [
        ("qc", {}, "10^"),
        ("convergence", {}, r"\lambda_0"),
        ("masks", {}, None),
        ("processes", {"kind": "specific"}, r"\log_{10}"),
    ],
)
def test_figures_show_any_name_as_it_is_written(name, params, our_formula, groups, run_script):
    texts = run_script(name, groups, "Cells at 5 $^, not $_", **params)
    assert any(text.startswith("Cells at 5 $^, not $_: ") for text in texts)
    if name != "convergence":
        for group in map(partial(unicodedata.normalize, "NFC"), groups):
            assert any(text.startswith(group) for text in texts)
    formulas = [text for text in texts if text.startswith("formula: ")]
    assert bool(formulas) == bool(our_formula)
    assert all(our_formula in formula for formula in formulas)


def test_qc_draws_groups_in_the_order_asked_for():
    groups = ["Other Cancer", "Healthy", "Glioblastoma"]
    samples, genes, steps = make_qc(groups)
    for order, drawn in ((None, groups), (groups[::-1], groups[::-1])):
        figure = figures.qc(samples, genes, steps, groups=order, **THRESHOLDS, title=TITLE)
        labels = [label.get_text() for label in figure.subfigs[0].axes[0].get_yticklabels()]
        assert [label.split("(")[0].strip() for label in labels] == drawn


@pytest.mark.parametrize("groups", [["Healthy"], ["Healthy", "Glioblastoma", "Sepsis"]])
def test_order_of_other_groups_than_those_of_the_samples_is_an_error(groups):
    with pytest.raises(InputError, match="samples table: its groups are Healthy, Glioblastoma"):
        figures.qc(*make_qc(["Healthy", "Glioblastoma"]), groups=groups, **THRESHOLDS, title=TITLE)


def test_saving_twice_gives_equal_bytes(tmp_path):
    figure = draw_masks(GROUPS[:2], 4, 2, 100)
    again = draw_masks(GROUPS[:2], 4, 2, 100)
    for i, each in enumerate((figure, figure, again)):
        figures.save(each, tmp_path / f"{i}.pdf", tmp_path / f"{i}.png")
    for suffix in ("pdf", "png"):
        assert len({(tmp_path / f"{i}.{suffix}").read_bytes() for i in range(3)}) == 1


def test_bytes_depend_neither_on_the_process_nor_on_its_matplotlib_settings(tmp_path):
    program = (
        "import sys, matplotlib\n"
        "matplotlib.rcParams['font.size'] = 20\n"
        "from mssvae import figures\n"
        "figures.save(figures.schematic(), sys.argv[1], sys.argv[2])\n"
        "assert matplotlib.rcParams['font.size'] == 20\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    figures.save(figures.schematic(), tmp_path / "0.pdf", tmp_path / "0.png")
    subprocess.run(
        [sys.executable, "-c", program, tmp_path / "1.pdf", tmp_path / "1.png"],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    for suffix in ("pdf", "png"):
        here, there = (tmp_path / f"{i}.{suffix}" for i in range(2))
        assert hashlib.sha256(here.read_bytes()).digest() == (
            hashlib.sha256(there.read_bytes()).digest()
        )


def test_pdf_embeds_truetype_fonts_and_no_date(tmp_path):
    figures.save(figures.schematic(), tmp_path / "a.pdf", tmp_path / "a.png")
    content = (tmp_path / "a.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


def test_png_has_300_dots_per_inch(tmp_path):
    figures.save(draw_qc(GROUPS[:2]), tmp_path / "a.pdf", tmp_path / "a.png")
    header = (tmp_path / "a.png").read_bytes()[:24]
    assert int.from_bytes(header[16:20], "big") == 2100


def test_masks_count_dead_columns_and_genes_without_factor(monkeypatch):
    factors = make_factors(["MS"], 50, 10)
    masks = pd.DataFrame(0.0, index=range(100), columns=factors["factor"])
    masks.iloc[:38, :38] = np.eye(38)
    texts, _ = drawn_texts(figures.masks(masks, factors, title=TITLE), monkeypatch)
    assert "shared\n38 of 50 factors" in texts
    assert "MS\n0 of 10 factors" in texts
    assert any(text.startswith("38 genes with a non-zero weight (of 100)") for text in texts)


def test_masks_have_bars_of_frequencies_in_the_rows_of_their_factors():
    factors = make_factors(["MS"], 3, 1)
    masks = pd.DataFrame(np.eye(4), columns=factors["factor"])
    masks["shared_02"] = 0.0
    stability = factors.assign(mean_frequency=[0.9, np.nan, 0.25, 0.5])[::-1]
    figure = figures.masks(masks, factors, stability, title=TITLE)
    bars = [
        [(bar.get_y() + bar.get_height() / 2, bar.get_width()) for bar in axes.patches]
        for axes in figure.axes
        if axes.get_xlim() == (0, 1)
    ]
    assert bars == [[(0, 0.9), (1, 0.25)], [(0, 0.5)]]
    with pytest.raises(InputError, match="stability table: no column 'mean_frequency'"):
        figures.masks(masks, factors, factors, title=TITLE)


def test_masks_order_genes_by_dominating_factor_then_weight():
    factors = make_factors(["MS"], 2, 1)
    masks = pd.DataFrame(
        [[0, 0, 5], [0, -3, 0], [0, 0, 0], [1, 2, 0], [4, 0, 3], [-2, 0, 0]],
        columns=factors["factor"],
        dtype=float,
    )
    shared, specific = figures.masks(masks, factors, title=TITLE).axes[:2]
    assert shared.images[0].get_array().tolist() == [[4, -2, 1, 0, 0], [0, 0, 2, -3, 0]]
    assert specific.images[0].get_array().tolist() == [[3, 0, 0, 0, 5]]
    assert shared.images[0].norm.vmin == -shared.images[0].norm.vmax


def test_masks_of_many_genes_keep_a_single_outlying_weight():
    factors = make_factors([], 1, 0)
    masks = pd.DataFrame({"shared_01": np.linspace(0.5, 0.1, 5000)})
    masks.iloc[3210, 0] = -9.0
    image = figures.masks(masks, factors, title=TITLE).axes[0].images[0].get_array()
    assert image.shape == (1, 1500)
    assert (image == -9).sum() == 1
    assert (image > 0).sum() == 1499


def test_processes_draw_every_row_and_name_the_factors_without(monkeypatch):
    factors = make_factors(["Healthy", "MS"], 2, 3)
    table = make_processes(["Healthy_02", "MS_01", "MS_03"], 4)
    figure = figures.processes(table, factors, kind="specific", title=TITLE)
    dots = [c.get_offsets() for axes in figure.axes for c in axes.collections]
    x = np.concatenate([d[:, 0] for d in dots if len(d) == 4])
    assert sorted(x) == sorted(table["FoldEnrichment"])
    texts, _ = drawn_texts(figure, monkeypatch)
    assert (
        "Factors with an enriched process: 3 of 6. "
        "Without one (number of genes): Healthy: 01 (2), 03 (4); MS: 02 (6)."
    ) in [text.replace("\n", " ") for text in texts]


def test_processes_tell_factors_whose_processes_are_left_out_from_those_without(monkeypatch):
    factors = make_factors(["Healthy"], 0, 4)
    table = make_processes(["Healthy_03"], 2)
    summary = pd.DataFrame({"set": factors["factor"], "n_enriched": [0, 3, 2, 0]})
    figure = figures.processes(
        table, factors, kind="specific", title=TITLE, summary=summary, max_sets=2
    )
    texts, _ = drawn_texts(figure, monkeypatch)
    assert (
        "Factors with an enriched process: 2 of 4. Processes of more than 2 of the 3 gene sets are "
        "left out. With such alone (number of genes): Healthy: 02 (1). "
        "Without one (number of genes): Healthy: 01 (0), 04 (3)."
    ) in [text.replace("\n", " ") for text in texts]


def test_processes_of_the_other_kind_are_left_out(monkeypatch):
    factors = make_factors(["MS"], 2, 1)
    table = make_processes(factors["factor"].tolist(), 1)
    table["Description"] = ["first", "second", "third"]
    figure = figures.processes(table, factors, kind="shared", title=TITLE)
    texts, _ = drawn_texts(figure, monkeypatch)
    assert {"first", "second"} <= set(texts)
    assert "third" not in texts


def test_processes_show_an_adjusted_p_value_of_zero():
    factors = make_factors([], 1, 0)
    table = make_processes(["shared_01"], 3)
    table.loc[0, "p.adjust"] = 0.0
    figure = figures.processes(table, factors, kind="shared", title=TITLE)
    FigureCanvasAgg(figure).draw()


def test_process_of_an_unknown_factor_is_an_error():
    with pytest.raises(InputError, match="'shared_09' is not in the factors table"):
        figures.processes(
            make_processes(["shared_09"], 1), make_factors([], 2, 0), kind="shared", title=TITLE
        )


@pytest.mark.parametrize("kind", ["shared", "specific"])
def test_processes_of_a_fit_without_factors_say_so(kind, monkeypatch):
    factors = make_factors([], 0, 0)
    figure = figures.processes(make_processes([], 1), factors, kind=kind, title=TITLE)
    texts, _ = drawn_texts(figure, monkeypatch)
    assert any(text.startswith("the fit has no s") and "factor" in text for text in texts)


def test_processes_of_an_unknown_kind_are_an_error():
    with pytest.raises(InputError, match="kind must be one of shared, specific, not 'other'"):
        figures.processes(
            make_processes(["shared_01"], 1), make_factors([], 2, 0), kind="other", title=TITLE
        )


@pytest.mark.parametrize("column", ["FoldEnrichment", "p.adjust", "Count"])
def test_processes_with_a_missing_number_are_an_error(column):
    table = make_processes(["shared_01"], 2).astype({"Count": float})
    table.loc[1, column] = np.nan
    with pytest.raises(InputError, match=f"process table: '{column}' of row 1 is nan"):
        figures.processes(table, make_factors([], 2, 0), kind="shared", title=TITLE)


def test_history_without_epochs_is_an_error():
    with pytest.raises(InputError, match="no epoch"):
        figures.convergence(make_history(0), title=TITLE)


@pytest.mark.parametrize("column", ["epoch", "kl", "lambda0", "n_active_specific"])
def test_missing_column_of_the_history_is_named(column):
    with pytest.raises(InputError, match=f"history table: no column '{column}'"):
        figures.convergence(make_history(3).drop(columns=column), title=TITLE)


@pytest.mark.parametrize(
    ("table", "column"), [("samples", "kept"), ("genes", "cpm_share"), ("steps", "genes_left")]
)
def test_missing_column_of_a_qc_table_is_named(table, column):
    tables = dict(zip(("samples", "genes", "steps"), make_qc(GROUPS[:2]), strict=True))
    tables[table] = tables[table].drop(columns=column)
    with pytest.raises(InputError, match=f"{table} table: no column '{column}'"):
        figures.qc(**tables, **THRESHOLDS, title=TITLE)


def test_missing_column_of_the_masks_or_factors_is_named():
    factors = make_factors(["MS"], 2, 1)
    masks = make_masks(factors, 10)
    with pytest.raises(InputError, match="masks table: no column 'shared_02'"):
        figures.masks(masks.drop(columns="shared_02"), factors, title=TITLE)
    with pytest.raises(InputError, match="factors table: no column 'study'"):
        figures.masks(masks, factors.drop(columns="study"), title=TITLE)


def test_missing_column_of_the_processes_is_named():
    factors = make_factors([], 2, 0)
    table = make_processes(["shared_01"], 2)
    with pytest.raises(InputError, match="process table: no column 'FoldEnrichment'"):
        figures.processes(table.drop(columns="FoldEnrichment"), factors, kind="shared", title=TITLE)
    with pytest.raises(InputError, match="factors table: no column 'n_genes'"):
        figures.processes(table, factors.drop(columns="n_genes"), kind="shared", title=TITLE)


def test_group_keeps_its_look_whatever_the_order():
    assert group_looks(GROUPS) == group_looks(GROUPS[::-1])
    assert len(set(group_colours(GROUPS).values())) == 8


def test_as_many_groups_as_are_allowed_can_be_told_apart():
    looks = group_looks(f"group {i:02d}" for i in range(MAX_GROUPS)).values()
    assert len({(look.colour, look.hatch) for look in looks}) == MAX_GROUPS
    assert len({(look.colour, look.marker) for look in looks}) == MAX_GROUPS
    assert len({look.colour for look in list(looks)[:8]}) == 8


def test_more_groups_than_can_be_told_apart_are_an_error():
    groups = [f"group {i}" for i in range(MAX_GROUPS + 1)]
    with pytest.raises(InputError, match=f"^{MAX_GROUPS + 1} groups, but .* at most {MAX_GROUPS}"):
        group_looks(groups)
    with pytest.raises(InputError, match=r"^sheet\.tsv: .* merge some"):
        validate_n_groups(groups, "sheet.tsv")


@pytest.mark.parametrize(("kind", "note"), [("geo", None), ("files", None), ("synthetic", NOTE)])
def test_source_note_marks_synthetic_counts(kind, note):
    assert figures.source_note({"kind": kind}) == note


def test_source_without_kind_is_an_error():
    with pytest.raises(InputError, match="'kind'"):
        figures.source_note({})


@pytest.fixture
def fonts(monkeypatch):
    """Let the test change the fonts that matplotlib knows."""
    caches = (_text._fonts_with, _text._word_width, _text._letters_of)
    monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
    for cached in caches:
        cached.cache_clear()
    yield fontManager
    for cached in caches:
        cached.cache_clear()


def add_font(fonts, folder, name, letters):
    """Give matplotlib a font with these letters, each a square."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 700), (800, 700), (800, 0)):
        pen.lineTo(corner)
    pen.closePath()
    glyphs = [".notdef", *(f"u{ord(letter):X}" for letter in letters)]
    font = FontBuilder(1000)
    font.setupGlyphOrder(glyphs)
    font.setupCharacterMap(dict(zip(map(ord, letters), glyphs[1:], strict=True)))
    font.setupGlyf(dict.fromkeys(glyphs, pen.glyph()))
    font.setupHorizontalMetrics(dict.fromkeys(glyphs, (900, 100)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": name, "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    path = folder / f"{name}.ttf"
    font.save(path)
    fonts.addfont(path)


ODD = ["\N{LINEAR B SYLLABLE B008 A}", "\N{LINEAR B SYLLABLE B038 E}"]


def test_letters_that_the_font_lacks_are_drawn_in_one_that_has_them(
    fonts, tmp_path, recwarn, caplog
):
    add_font(fonts, tmp_path, "First", ODD[:1])
    add_font(fonts, tmp_path, "Second", ODD)
    for figure in (draw_masks(ODD, 2, 1, 40), draw_qc(ODD)):
        figures.save(figure, tmp_path / "a.pdf", tmp_path / "a.png")
        families = {tuple(text.get_fontfamily()) for text in figure.findobj(Text)}
        assert families == {("DejaVu Sans", "Second")}
    assert [str(each.message) for each in recwarn] == []
    # A font without a bold face is told by matplotlib.
    assert [each for each in caplog.records if each.name.startswith("mssvae")] == []


def test_letters_that_no_font_has_are_told_with_the_name_and_the_font(
    fonts, tmp_path, recwarn, caplog
):
    figure = draw_qc([f"{ODD[0]} group", "other"])
    figures.save(figure, tmp_path / "a.pdf", tmp_path / "a.png")
    (record,) = caplog.records
    message = record.getMessage()
    assert f"{ODD[0]} group" in message
    assert "other" not in message
    assert "DejaVu Sans" in message
    assert [str(each.message) for each in recwarn] == []


def test_signs_that_cannot_be_drawn_do_not_stop_a_figure(tmp_path, caplog):
    groups = ["tab\there", "bell\x07", "mark\ufeff", "half\ud800", "joined\u200d"]
    figures.save(draw_qc(groups), tmp_path / "a.pdf", tmp_path / "a.png")
    assert caplog.records == []


def test_a_long_name_is_cut_in_its_middle():
    name = " ".join(f"word{i}" for i in range(40))
    with _common.style():
        lines = _text.wrapped(name, 100, 7, max_lines=2).split("\n")
        assert _text.wrapped("word0 word1", 100, 7, max_lines=2) == "word0 word1"
        broken = _text.wrapped("x" * 60, 100, 7)
    assert len(lines) == 2
    assert lines[0].startswith("word0 word1")
    assert " … " in " ".join(lines)
    assert lines[1].endswith("word39")
    assert broken.replace("\n", "") == "x" * 60


def test_convergence_ends_in_the_numbers_of_the_masks(monkeypatch):
    factors = make_factors(["a"], 6, 3)
    factors["n_nonzero"] = [10, 0, 0, 5, 0, 7, 0, 1, 0]
    history = make_history(100)
    figure = figures.convergence(history, factors, title=TITLE)
    texts, _ = drawn_texts(figure, monkeypatch)
    assert {"shared (3 in the masks)", "specific (1 in the masks)", "(23 in the masks)"} <= {*texts}
    dots = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "o"]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in dots] == [
        (100, 3),
        (100, 1),
        (100, 23),
    ]


def test_epochs_before_anything_is_in_the_slab_are_marked_and_have_no_line(monkeypatch):
    history = make_history(100)
    counts = ["n_slab", "n_active_shared", "n_active_specific"]
    history.loc[history["epoch"] <= 40, counts] = 0
    figure = figures.convergence(history, title=TITLE)
    for axes in figure.axes[4:]:
        assert all(min(line.get_xdata()) == 41 for line in axes.lines)
        assert sum(patch.get_hatch() is not None for patch in axes.patches) == 1
    texts, _ = drawn_texts(figure, monkeypatch)
    assert any("no weight in the slab yet" in text for text in texts)
    history[counts] = 0
    assert all(
        len(axes.lines[0].get_xdata()) == 100
        for axes in (figures.convergence(history, title=TITLE).axes)
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_cannot_be_drawn_are_named(value):
    history = make_history(5)
    history.loc[2, "elbo"] = value
    with pytest.raises(InputError, match=f"history table: 'elbo' of row 2 is {value}"):
        figures.convergence(history, title=TITLE)
    factors = make_factors(["MS"], 2, 1)
    masks = make_masks(factors, 10)
    masks.loc["ENSG00000000003", "MS_01"] = value
    with pytest.raises(InputError, match=f"'MS_01' of row 'ENSG00000000003' is {value}"):
        figures.masks(masks, factors, title=TITLE)
    samples, genes, steps = make_qc(["MS"])
    genes.loc[7, "cpm_share"] = value
    with pytest.raises(InputError, match=f"genes table: 'cpm_share' of row 7 is {value}"):
        figures.qc(samples, genes, steps, **THRESHOLDS, title=TITLE)


def test_quality_control_of_nothing_is_drawn(tmp_path):
    empty = [table[:0] for table in make_qc(["MS"])]
    figure = figures.qc(*empty, **THRESHOLDS, title=TITLE)
    figures.save(figure, tmp_path / "a.pdf", tmp_path / "a.png")
    assert figure.subfigs[0].axes[1].get_title("left") == "Genes: 0 of 0 kept"


def test_medians_and_quartiles_of_the_talk_are_drawn_where_they_are():
    table = make_talk(["b", "a"])
    figure = figures.talk(table)
    for axes, measure in zip(figure.axes, ("mse", "disentanglement"), strict=True):
        assert [container.get_label() for container in axes.containers] == ["b", "a"]
        places = []
        for container in axes.containers:
            points, _, (bars,) = container
            rows = table[(table["measure"] == measure) & (table["method"] == container.get_label())]
            np.testing.assert_allclose(points.get_ydata(), rows["median"])
            ends = np.array([segment[:, 1] for segment in bars.get_segments()])
            np.testing.assert_allclose(ends, rows[["lower", "upper"]])
            places.append(points.get_xdata())
        np.testing.assert_allclose(np.mean(places, axis=0), [0, 0.2, 0.4, 0.6, 0.8], atol=1e-12)
        assert (places[0] < places[1]).all()
        np.testing.assert_allclose(axes.get_xticks(), [0, 0.2, 0.4, 0.6, 0.8])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="upper"), "summary table: no column 'upper'"),
        (lambda table: table.query("measure != 'mse'"), "no row of the measure 'mse'"),
        (lambda table: table.assign(lower=0.0), "a mean squared error is not positive"),
        (lambda table: table.assign(median=np.nan), "which cannot be drawn"),
    ],
)
def test_what_the_talk_s_figure_cannot_draw_is_named(change, message):
    with pytest.raises(InputError, match=message):
        figures.talk(change(make_talk()))


def test_folds_means_and_permuted_groups_are_drawn_where_they_are():
    table = make_supervised()
    panels = figures.supervised(table, "Data", "Group").axes
    measures = [
        *(("features", "balanced_accuracy"), ("features", "auc")),
        *(("augmentation", "small_recall"), ("augmentation", "small_auc")),
    ]
    for axes, (part, measure) in zip(panels, measures, strict=True):
        rows = table[table["part"] == part]
        methods = list(rows["method"].unique())
        assert len(axes.containers) == len(methods)
        for method, container in zip(methods, axes.containers, strict=True):
            values = rows.loc[rows["method"] == method, measure]
            point, _, (bar,) = container
            assert point.get_xdata() == pytest.approx([values.mean()])
            assert point.get_ydata() == [methods.index(method)]
            ends = np.diff(bar.get_segments()[0][:, 0])
            assert ends == pytest.approx([2 * values.std()])
        crosses = [line for line in axes.lines if line.get_marker() == "x"]
        assert len(crosses) == (part == "features")
        for line in crosses:
            control = table[table["part"] == "permuted"].groupby("method", sort=False)[measure]
            np.testing.assert_allclose(line.get_xdata(), control.mean())
    assert panels[2].get_xlabel() == "Group: share recognised"
    names = [label.get_text() for label in panels[0].get_yticklabels()]
    assert names == ["genes", "PCA", "MSSVAE, one study"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="auc"), "supervised table: no column 'auc'"),
        (lambda table: table.query("part != 'features'"), "no row of the part 'features'"),
        (lambda table: table.assign(small_auc=np.nan), "which cannot be drawn"),
    ],
)
def test_what_the_figure_of_supervised_learning_cannot_draw_is_named(change, message):
    with pytest.raises(InputError, match=message):
        figures.supervised(change(make_supervised()), "Data", "Group")


def test_missing_column_or_study_means_of_unseen_scores_are_named():
    with pytest.raises(InputError, match="unseen table: no column 'entries'"):
        figures.unseen(make_unseen().drop(columns="entries"), title=TITLE)
    with pytest.raises(InputError, match="needs one row of the method 'study means'"):
        figures.unseen(make_unseen().query("method != 'study means'"), title=TITLE)


def test_unseen_scores_are_drawn_where_they_are():
    axes = figures.unseen(make_unseen(), title=TITLE).axes[0]
    assert axes.lines[0].get_ydata()[0] == -5  # Study means.
    ours, *dense = (container[0] for container in axes.containers)
    assert ours.get_xdata().tolist() == [37.5, 75, 150, 300, 600]
    assert [list(one.get_ydata()) for one in dense] == [[-4.94, -4.94]] * 2
