"""docs/tutorial.md, run as it is written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from mssvae import cohorts

REPOSITORY = Path(__file__).parents[2]


def blocks():
    """The code of the tutorial, in order: its language and its text."""
    text = (REPOSITORY / "docs/tutorial.md").read_text()
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def run(command, folder):
    answer = subprocess.run(
        command,
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.fixture(scope="module")
def folder(r, tmp_path_factory):
    """A copy of the repository in which every step of the tutorial was taken."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name in ("config", "envs", "profiles", "scripts", "src", "workflow"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "Snakefile", folder)
    for language, code in blocks():
        if language == "yaml":
            (folder / "config/mine.yaml").write_text(code)
        elif language == "python":
            run([sys.executable, "-W", "error", "-c", code], folder)
        else:
            run(["sh", "-e", "-c", code], folder)
    return folder


def test_the_steps_are_files_config_command_and_python():
    assert [language for language, _ in blocks()] == ["python", "yaml", "sh", "python"]


def test_the_config_has_about_ten_lines():
    assert len(blocks()[1][1].splitlines()) <= 11


def test_all_kinds_of_files_hold_the_same_counts(folder):
    h5ad, table, mtx = (
        cohorts.read_counts(folder / "data" / name)
        for name in ("counts.h5ad", "counts.tsv.gz", "mtx/matrix.mtx")
    )
    assert h5ad.shape == (80, 1200)
    pd.testing.assert_frame_equal(table.to_df(), h5ad.to_df())
    pd.testing.assert_frame_equal(mtx.to_df(), h5ad.to_df())


def test_the_command_makes_the_files_that_the_tutorial_names(folder):
    results = folder / "results/mine/cohorts/my_cohort"
    text = (REPOSITORY / "docs/tutorial.md").read_text().split("## 3.")[1].split("## 4.")[0]
    names = re.findall(r"`((?:tables|figures|fit)/[\w.]+)`", text)
    assert len(names) == 7
    assert [name for name in names if not (results / name).exists()] == []
    composition = pd.read_csv(results / "tables/composition.tsv", sep="\t", index_col="group")
    assert composition["samples"].to_dict() == {"control": 40, "patient": 40, "Total": 80}


def test_the_command_reads_matrix_market_files_and_again_when_a_name_changes(folder):
    config = folder / "config/mtx.yaml"
    text = blocks()[1][1].replace("run: mine", "run: mtx")
    config.write_text(text.replace("data/counts.h5ad", "data/mtx/matrix.mtx"))
    counts = "results/mtx/cohorts/my_cohort/data/counts.h5ad"
    command = ["snakemake", "--cores", "1", counts, "--configfile", config]
    genes = folder / "data/mtx/genes.tsv"
    names = genes.read_text()
    run(command, folder)
    genes.write_text(names.replace("ENSG", "gene", 1))
    run(command, folder)
    renamed = ad.read_h5ad(folder / counts)
    assert renamed.var_names.str.startswith("gene").sum() == 1
    genes.write_text(names)


def test_python_makes_the_fit_of_the_command(folder):
    masks = pd.read_csv(
        folder / "results/mine/cohorts/my_cohort/fit/masks.tsv.gz", sep="\t", index_col="gene"
    )
    adata = ad.read_h5ad(folder / "data/factors.h5ad")
    assert adata.var_names.tolist() == masks.index.tolist()
    for study in ("shared", "control", "patient"):
        expected = masks.filter(regex=f"^{study}_").to_numpy()
        assert np.abs(expected).max() > 0.5
        np.testing.assert_allclose(adata.varm[f"mssvae_{study}"], expected, atol=1e-4)
