"""Fits of a method within limits, each in a process of its own."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import anndata as ad
import numpy as np

from mssvae.data.files import write_json, write_table
from mssvae.data.matrices import dense
from studies.comparison.interface import (
    Fitted,
    Problem,
    Unsuitable,
    method,
    no_prediction,
    package_version,
)
from studies.memory import memory_of, peak_memory

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
        Folder for the tables of the fit and ``about.json``.
    """

    data: str
    name: str
    method: str
    settings: Mapping[str, object]
    problem: Problem
    output: str


def run(
    fits: Sequence[Fit], limits: Limits, python: str = sys.executable
) -> list[dict[str, object]]:
    """Make the fits of a method to one data set in turn; if the first one fails, no other.

    Another Python does it, which forks for each fit, so that imports take time once.

    Parameters
    ----------
    fits : sequence of Fit
        In folders beside each other; what is printed goes to ``log.txt`` there.
    python : str
        That has the method's package.

    Returns
    -------
    list of dict
        What ``about.json`` of each fit has: ``fitted``, whether there is a result; ``note``, why
        not; and if so ``version``, CPU ``seconds`` and ``peak_memory_mib`` of the fit and whether
        it ``predicts``, and for ``seen`` the ``score``, None where the method does not predict.
    """
    folder = Path(fits[0].output).parent
    folder.mkdir(parents=True, exist_ok=True)
    threads = dict.fromkeys(_THREADS, str(limits.threads))
    request = {"fits": [asdict(fit) for fit in fits], "limits": asdict(limits)}
    with open(folder / "log.txt", "w") as told:
        answer = subprocess.run(
            [python, "-m", "studies.comparison.fitting"],
            env=os.environ | threads | {"PYTHONPATH": f"{_REPOSITORY}/src:{_REPOSITORY}"},
            input=json.dumps(request),
            stdout=told,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    paths = [Path(fit.output) / "about.json" for fit in fits]
    if not paths[0].exists():
        note = f"failed: Python ended with {answer.returncode}"
        write_json({"fitted": False, "note": note}, paths[0])
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def within(fit: Fit, limits: Limits) -> dict[str, object]:
    """Fit in a fork of this process, and end it where it takes more than it may."""
    path = Path(fit.output) / "about.json"
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=_fit_and_tell, args=(fit, path))
    start, note, parent = time.monotonic(), None, os.getppid()
    process.start()
    while note is None and process.is_alive():
        process.join(_PAUSE)
        if time.monotonic() - start > limits.seconds:
            note = f"out of time: more than {limits.seconds:g} s"
        elif memory_of(process.pid) > limits.memory:
            note = f"out of memory: more than {limits.memory:g} MiB"
        elif os.getppid() != parent:  # A job that is cancelled leaves nothing that runs on.
            process.kill()
            process.join()
            raise SystemExit("whoever asked for the fit has ended")
    if note is not None:
        process.kill()
    process.join()
    if note is not None or not path.exists():
        note = note or f"failed: its process ended with {process.exitcode}"
        write_json({"fitted": False, "note": note}, path)
    return json.loads(path.read_text())


def part(adata: ad.AnnData, name: str, seed: int) -> ad.AnnData:
    """Return the samples of a fit, by its name; of halves, features that vary in both."""
    # Here, as whoever starts the processes needs nothing of it.
    from mssvae.evaluation import held_out_samples

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
    about["predicts"] = found.predict is not no_prediction
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


def _fit_and_tell(fit: Fit, path: Path) -> None:
    """Fit and write what came of it; a method that fails is a result too."""
    try:
        about = fit_here(fit)
    except Unsuitable as error:
        about = {"fitted": False, "note": f"not for these data: {error}"}
    except MemoryError:
        about = {"fitted": False, "note": "out of memory"}
    except Exception as error:  # Whatever a package raises is told and goes into the table.
        traceback.print_exc()
        about = {"fitted": False, "note": f"failed: {type(error).__name__}: {error}"}
    write_json(about, path)


def main() -> None:
    """Make the fits that standard input asks for."""
    request = json.load(sys.stdin)
    limits = Limits(**request["limits"])
    first: dict[str, object] = {}
    for one in request["fits"]:
        fit = Fit(**one | {"problem": Problem(**one["problem"])})
        if fit.name == "seen" and not first.get("predicts", True):
            # Known without another fit.
            about = {key: first[key] for key in ("fitted", "note", "version")} | {"score": None}
            write_json(about, Path(fit.output) / "about.json")
            continue
        about = within(fit, limits)
        first = first or about
        if not first["fitted"]:
            return


if __name__ == "__main__":
    main()
