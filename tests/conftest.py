import os
from pathlib import Path

import pytest

from mssvae.pipeline import annotation

SOURCES = Path(__file__).parents[1] / "src"
# What may be missing where MSSVAE_REQUIRE=all; the reason of a skip begins with what is missing.
MAY_BE_MISSING = ("clusterProfiler", "a GPU", "conda", "peers", "spectra")

# The library of this checkout, whichever is installed, in processes that tests start too.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(SOURCES), os.environ.get("PYTHONPATH")])
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything is required, a skipped test has failed, unless it may be."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if os.environ.get("MSSVAE_REQUIRE") == "all" and not reason.startswith(MAY_BE_MISSING):
            report.outcome = "failed"
            report.longrepr = f"skipped, but MSSVAE_REQUIRE=all: {reason}"
    return report


def pytest_terminal_summary(terminalreporter):
    """Say what was skipped, how often, and how to get it."""
    reasons = [
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
    ]
    if reasons:
        terminalreporter.section("skipped, and how to get it")
    for reason in sorted(set(reasons)):
        n = reasons.count(reason)
        terminalreporter.line(f"{n} test{'s' if n > 1 else ''}: {reason}")


def _folder_named_by(variable: str, holds: str) -> Path:
    folder = os.environ.get(variable)
    if folder is None:
        pytest.skip(f"{holds}: set {variable} to the folder that has them")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with one subfolder of GEO files per accession."""
    return _folder_named_by("MSSVAE_DATA", "published counts")


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    """The folder with the answers of reference software."""
    return _folder_named_by("MSSVAE_GOLDEN", "answers of clusterProfiler on record")


@pytest.fixture(scope="session")
def r() -> None:
    """For tests in R; where there is none, they are skipped."""
    if not annotation.has_r():
        pytest.skip(f"R with its annotation: {annotation.ADVICE}")


@pytest.fixture(scope="session")
def peers() -> str:
    """The Python of an environment with the packages of other models."""
    return _python_of("peers")


@pytest.fixture(scope="session")
def spectra() -> str:
    """The Python of an environment with Spectra."""
    return _python_of("spectra")


def _python_of(name: str) -> str:
    variable = f"MSSVAE_{name.upper()}"
    python = os.environ.get(variable) or Path(__file__).parents[1] / f".{name}/bin/python"
    if not Path(python).exists():
        pytest.skip(
            f"{name}: run `make {name}`, or set {variable} to a Python with envs/{name}.txt"
        )
    return str(python)
