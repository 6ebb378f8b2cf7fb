"""Make the pictures of the README from the results of a run: `make pictures`.

The figure of the Gaussian study is made as small as a page shows it; the explorer is photographed
by Chromium, in a window as wide as a laptop's.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

WIDTH = 1400  # pixels of the figure
WINDOW = (1280, 1250)  # pixels of the browser


def photograph(page: Path, picture: Path) -> None:
    """Open a page in Chromium and write what is to be seen in its window."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("pictures: neither chromium nor google-chrome is installed")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            # Plotly draws after the page has loaded.
            "--virtual-time-budget=10000",
            f"--user-data-dir={folder}",
            f"--window-size={WINDOW[0]},{WINDOW[1]}",
            f"--screenshot={picture.resolve()}",
            page.resolve().as_uri(),
        ]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def main() -> None:
    """Write both pictures, or say what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cohorts", type=Path, help="results of the run whose explorer is shown")
    parser.add_argument("simulations", type=Path, help="results with the simulation `gaussian`")
    parser.add_argument("pictures", type=Path, help="where to write them")
    arguments = parser.parse_args()
    figure = arguments.simulations / "simulations/gaussian/figures/simulation.png"
    page = arguments.cohorts / "explorer.html"
    for path in (figure, page):
        if not path.exists():
            sys.exit(f"pictures: {path} is missing: run `make reproduce` first")
    with Image.open(figure) as image:
        size = (WIDTH, round(image.height * WIDTH / image.width))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        small.quantize().save(arguments.pictures / "gaussian.png", optimize=True)
    photograph(page, arguments.pictures / "explorer.png")


if __name__ == "__main__":
    main()
