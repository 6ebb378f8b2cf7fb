"""Fits of a method within limits, each in a process of its own."""

import json
import logging
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import anndata as ad
import numpy as np

from mssvae.data.files import write_json, write_table
from mssvae.data.matrices import dense
from mssvae.evaluation import held_out_samples
from studies.comparison.interface import (
    Fitted,
    Problem,
    Unsuitable,
    method,
    package_version,
)
from studies.memory import memory_of, peak_memory

log = logging.getLogger(__name__)

# By name, what a fit has: all samples; the same with another seed; two halves of each study; four
# fifths, which are scored on the rest.
FITS = ("all", "seed", "half_1", "half_2", "seen")
# The study and the library of this checkout, whichever is installed.
_REPOSITORY = Path(__file__).resolve().parents[2]
# Seconds between looks at a process.
_PAUSE = 0.1
# For torch, and for the libraries below numpy.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Limits:
    """What a fit may take.

    Attributes
    ----------
    seconds : float
        Wall time of its process.
    memory : float
        Resident memory of its process, in MiB.
    threads : int
    """

    seconds: float
    memory: float
    threads: int = 1


@dataclass(frozen=True)
class Fit:
    """One fit, as its process is told of it.

    Attributes
    ----------
    data : str
        File of the AnnData, h5ad.
    name : str
        One of ``FITS``.
    method : str
        A file of ``methods``.
    settings : dict
        Of the method.
    problem : Problem
    output : str
        Folder for the tables of the fit, ``about.json``, and what was printed, ``log.txt``.
    """

    data: str
    name: str
    method: str
    settings: Mapping[str, object]
    problem: Problem
    output: str


def run(fit: Fit, limits: Limits, python: str = sys.executable) -> dict[str, object]:
    """Fit in a new process and return what ``about.json`` has.

    Parameters
    ----------
    python : str
        That has the method's package.

    Returns
    -------
    dict
        ``fitted``, whether there is a result; ``note``, why not; and if so ``version``, CPU
        ``seconds`` and ``peak_memory_mib`` of the process, and for ``seen`` the ``score``, None
        where the method does not predict.
    """
    output = Path(fit.output)
    output.mkdir(parents=True, exist_ok=True)
    threads = dict.fromkeys(_THREADS, str(limits.threads))
    start = time.monotonic()
    with open(output / "log.txt", "w") as told:
        process = subprocess.Popen(
            [python, "-m", "studies.comparison.fitting"],
            env=os.environ | threads | {"PYTHONPATH": f"{_REPOSITORY}/src:{_REPOSITORY}"},
            stdin=subprocess.PIPE,
            stdout=told,
            stderr=subprocess.STDOUT,
            text=True,
        )
    process.stdin.write(json.dumps(asdict(fit)))
    process.stdin.close()
    note = None
    while note is None and process.poll() is None:
        time.sleep(_PAUSE)
        if time.monotonic() - start > limits.seconds:
            note = f"out of time: more than {limits.seconds:g} s"
        elif memory_of(process.pid) > limits.memory:
            note = f"out of memory: more than {limits.memory:g} MiB"
    if note is not None:
        process.kill()
    code = process.wait()
    path = output / "about.json"
    if note is None and path.exists():
        return json.loads(path.read_text())
    about = {"fitted": False, "note": note or f"failed: its process ended with {code}"}
    write_json(about, path)
    return about


def fits(method_fits: list[Fit], limits: Limits, python: str = sys.executable) -> Iterator[dict]:
    """Run the fits of a method to one data set in turn; those after a first one that fails do not.

    Yields what ``run`` returns.
    """
    about = {"fitted": True}
    for i, fit in enumerate(method_fits):
        if i and not about["fitted"]:
            return
        found = run(fit, limits, python)
        log.info("%s of %s: %s", fit.name, fit.method, found)
        about = found if i == 0 else about
        yield found


def part(adata: ad.AnnData, name: str, seed: int) -> ad.AnnData:
    """Return the samples of a fit, by its name; of halves, features that vary in both."""
    if not name.startswith("half"):
        return adata
    first = held_out_samples(adata.obs["group"], 0.5, seed)
    x = dense(adata.X)
    vary = np.logical_and(*(np.ptp(x[rows], axis=0) > 0 for rows in (first, ~first)))
    return adata[first if name == "half_1" else ~first, vary].copy()


def fit_here(fit: Fit) -> dict[str, object]:
    """Fit in this process, write the tables and return what ``about.json`` has."""
    adata = ad.read_h5ad(fit.data)
    problem = fit.problem
    if fit.name == "seed":
        problem = replace(problem, seed=problem.seed + 1)
    module = method(fit.method)
    about: dict[str, object] = {"fitted": True, "note": None}
    about["version"] = package_version(module.PACKAGE)
    if fit.name == "seen":
        return about | {"score": _score(module, adata, problem, fit.settings)}
    samples = part(adata, fit.name, fit.problem.seed)
    start = time.process_time()
    found = module.fit(samples, problem, **fit.settings)
    about["seconds"] = time.process_time() - start
    about["peak_memory_mib"] = peak_memory()
    _write(found, Path(fit.output))
    return about


def _score(module, adata: ad.AnnData, problem: Problem, settings: Mapping) -> float | None:
    from mssvae.evaluation import unseen

    try:
        return unseen(
            lambda seen: module.fit(seen, problem, **settings),
            adata,
            likelihood=problem.likelihood,
            seed=problem.seed,
        )
    except Unsuitable:
        return None


def _write(found: Fitted, output: Path) -> None:
    loadings = found.loadings.rename_axis("feature")
    write_table(loadings.reset_index(), output / "loadings.tsv.gz")
    entries = found.entries.astype(int).rename_axis("feature")
    write_table(entries.reset_index(), output / "support.tsv.gz")
    latent = found.factors.rename_axis("sample")
    write_table(latent.reset_index(), output / "latent.tsv.gz")
    write_table(found.kinds, output / "factors.tsv")


def main() -> None:
    """Fit what standard input asks for; a method that fails is a result too."""
    request = json.load(sys.stdin)
    fit = Fit(**request | {"problem": Problem(**request["problem"])})
    try:
        about = fit_here(fit)
    except Unsuitable as error:
        about = {"fitted": False, "note": f"not for these data: {error}"}
    except MemoryError:
        about = {"fitted": False, "note": "out of memory"}
    except Exception as error:  # Whatever a package raises is told and goes into the table.
        traceback.print_exc()
        about = {"fitted": False, "note": f"failed: {type(error).__name__}: {error}"}
    write_json(about, Path(fit.output) / "about.json")


if __name__ == "__main__":
    main()
