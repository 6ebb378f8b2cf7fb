"""Where results come from."""

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Snakemake reads this file too, and need not have pandas.
    import pandas as pd

# What decides, with data and settings, what a fit gives: files of the library, by room.
FIT_SOURCES = tuple(
    sorted(
        path.relative_to(Path(__file__).parent).as_posix()
        for pattern in (
            *("model.py", "core/**/*.py", "fitting/**/*.py", "moves/**/*.py"),
            *("data/batches.py", "data/inputs.py", "data/matrices.py", "data/model_data.py"),
            "data/validation.py",
            "results/inference.py",
        )
        for path in Path(__file__).parent.glob(pattern)
        if path.name not in ("checkpoints.py", "progress.py")  # They decide nothing.
    )
)


def fit_sources_sha256() -> str:
    """Return one SHA-256 checksum of the files of ``FIT_SOURCES``, in hexadecimal."""
    digest = hashlib.sha256()
    for name in FIT_SOURCES:
        content = (Path(__file__).parent / name).read_bytes()
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()


def commit() -> str | None:
    """Return the git commit of this source tree, with ``-dirty`` after it if files differ from it.

    None where the library does not lie in a git checkout, or git is missing.
    """
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def provenance_table(manifests: dict[str, dict[str, Any]]) -> "pd.DataFrame":
    """Return what fits were made from and with: one row per fact, one column per fit.

    Parameters
    ----------
    manifests
        By name of the fit, what `mssvae.MSSVAE.manifest` returned, with ``source``, where the data
        come from, and the ``commit`` of the code.

    Returns
    -------
    DataFrame
        The column ``fact``, then one per fit; a fact that a fit does not have is missing.
    """
    import pandas as pd

    facts = {}
    for name, manifest in manifests.items():
        source = manifest["source"]
        facts[name] = {
            "source of the data": source["kind"],
            "accessions": ", ".join(source.get("accessions", [])) or None,
            "samples": manifest["n_samples"],
            "features": manifest["n_features"],
            "studies": ", ".join(manifest["studies"]),
            "seed of the fit": manifest["settings"]["seed"],
            "mssvae": manifest["mssvae"],
            "commit": manifest["commit"],
            "device": f"{manifest['device']} ({manifest['device_name']})",
            "threads": manifest["threads"],
            "python": manifest["python"],
            **manifest["packages"],
        }
    return pd.DataFrame(facts, dtype=object).rename_axis("fact").reset_index()
