"""The pictures of the README come from the results of a run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[2] / "scripts/pictures.py"


def run(folder):
    command = [sys.executable, SCRIPT, folder, folder, folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_run_that_is_missing_is_named(tmp_path):
    answer = run(tmp_path)
    assert answer.returncode == 1
    assert "simulation.png is missing: run `make reproduce` first" in answer.stderr


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_pictures_are_the_figure_made_smaller_and_the_page_as_it_looks(tmp_path):
    figures = tmp_path / "simulations/gaussian/figures"
    figures.mkdir(parents=True)
    Image.new("RGBA", (2100, 1050), "#102030").save(figures / "simulation.png")
    page = tmp_path / "explorer.html"
    page.write_text('<body><script>document.body.style.background = "#ff0000"</script>')
    answer = run(tmp_path)
    assert answer.returncode == 0, answer.stderr
    with Image.open(tmp_path / "gaussian.png") as gaussian:
        assert gaussian.size == (1400, 700)
    with Image.open(tmp_path / "explorer.png") as explorer:
        assert explorer.width == 1280
        assert explorer.convert("RGB").getpixel((600, 600)) == (255, 0, 0)
