"""Fits that are killed, and what may be wrong with the file that they go on from."""

import hashlib
import io
import logging
import multiprocessing
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from tqdm import tqdm
from workflows import MODEL, snakemake, tiny_simulations, write_simulations

import mssvae
from mssvae import simulate
from mssvae.data.files import atomic_path, write_table
from mssvae.errors import InputError
from mssvae.fitting import decoders
from mssvae.fitting.checkpoints import Checkpoint
from mssvae.moves.networks import teach
from mssvae.moves.thresholds import LESSONS
from mssvae.provenance import FIT_SOURCES
from mssvae.replicates import seeds

# A fit with all that a checkpoint holds: features in parts, closed forms (the decoder is large),
# several restructurings, and convergence.
SETTINGS = {"likelihood": "gaussian", "n_shared": 4, "n_specific": 2, "hidden": (640, 8)}
FIT = {
    **{"max_epochs": 80, "batch_size": 40, "features_per_batch": 25, "patience": 4},
    **{"screen_every": 4, "checkpoint_seconds": 0, "decoder": "nonlinear"},
}
QUICK_LESSONS = replace(LESSONS, steps=20)
LIBRARY = Path(mssvae.__file__).parent


@pytest.fixture(scope="module", autouse=True)
def quick_fits():
    """One thread, as rules of simulations have, and few steps that teach encoders new columns."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teach, "LESSONS", QUICK_LESSONS)
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


def new_model(seed=3, first_value=0.0):
    adata = simulate.gaussian(60, 60, n_studies=2, n_shared=4, n_specific=[1, 1], seed=4)
    adata.X[0, 0] = first_value
    return mssvae.MSSVAE(adata, **SETTINGS, seed=seed, device="cpu")


@contextmanager
def copied_after(epochs, folder):
    """Copy the checkpoints of some epochs into a folder, by their numbers.

    Yields a list of the epochs after which training had converged.
    """
    save, converged = Checkpoint.save, []

    def save_and_copy(checkpoint, state):
        save(checkpoint, state)
        epoch = len(state["history"])
        if epoch in epochs:
            shutil.copy(checkpoint.path, folder / str(epoch))
        if state["end"] is not None:
            converged.append(epoch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_and_copy)
        yield converged


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder with the ``result`` of a fit and its checkpoints, and the epochs of its phases."""
    folder = tmp_path_factory.mktemp("fitted")
    with copied_after(range(FIT["max_epochs"] + 1), folder) as converged:
        new_model().fit(checkpoint=folder / "checkpoint", **FIT).save(folder / "result")
    last = converged[0]  # It depends on the machine.
    phases = {"unrepaired": 3, "between repairs": 16, "in order": last - 2, "converged": last}
    return SimpleNamespace(folder=folder, phases=phases)


@pytest.fixture
def checkpoint(fitted, tmp_path):
    """What was left after training had converged."""
    last = fitted.folder / str(fitted.phases["converged"])
    return Path(shutil.copy(last, tmp_path / "checkpoint"))


def leftovers(folder):
    return [path for path in folder.rglob("*") if path.name.startswith(".writing")]


def fit_and_save(checkpoint, result):
    torch.set_num_threads(1)
    teach.LESSONS = QUICK_LESSONS
    tqdm.set_lock(threading.RLock())  # Its own would outlive a process that is killed.
    new_model().fit(checkpoint=checkpoint, **FIT).save(result)


class TestKills:
    @pytest.fixture
    def start(self):
        """Start ``fit_and_save`` in a process that has all loaded that takes long to."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(
            # The optimisers of torch load its compiler.
            ["pytest", "snakemake.utils", "torch._dynamo", "mssvae.model", "mssvae.simulate"]
        )

        def start(*arguments):
            process = context.Process(target=fit_and_save, args=arguments)
            process.start()
            return process

        first = context.Process(target=int)
        first.start()
        first.join()
        return start

    def test_a_fit_killed_again_and_again_ends_as_one_that_ran_through(self, start, tmp_path):
        checkpoint, result, whole = (tmp_path / name for name in ("checkpoint", "result", "whole"))
        begin = time.monotonic()
        process = start(None, whole)
        process.join()
        assert process.exitcode == 0
        longest = (time.monotonic() - begin) / 5
        rng = np.random.default_rng()  # Any moment will do, and each run tries others.
        kills = resumed = 0
        while True:
            resumed += checkpoint.exists()
            process = start(checkpoint, result)
            process.join(rng.uniform(0, longest) if kills < 5 else None)
            if process.exitcode is None:
                process.kill()
                process.join()
                assert process.exitcode == -signal.SIGKILL
                kills += 1
                continue
            assert process.exitcode == 0
            assert result.read_bytes() == whole.read_bytes()
            if kills == 5:
                break
            checkpoint.unlink()  # Done before the last kill: once more.
        assert resumed > 0
        assert not list(tmp_path.glob(".writing-*-checkpoint"))


class TestGoingOn:
    @pytest.mark.parametrize("phase", ["unrepaired", "between repairs", "in order", "converged"])
    def test_in_every_phase_of_training(self, phase, fitted, tmp_path, caplog):
        caplog.set_level(logging.INFO)
        epoch, last = fitted.phases[phase], fitted.phases["converged"]
        path = shutil.copy(fitted.folder / str(epoch), tmp_path / "checkpoint")
        new_model().fit(checkpoint=path, **FIT).save(tmp_path / "result")
        assert f"goes on after epoch {epoch}, from {path}" in caplog.messages
        converged = any(f"converged in epoch {last}" in message for message in caplog.messages)
        assert converged == (epoch < last)
        assert (tmp_path / "result").read_bytes() == (fitted.folder / "result").read_bytes()

    def test_is_as_without_checkpoints(self, fitted, tmp_path):
        settings = {key: value for key, value in FIT.items() if key != "checkpoint_seconds"}
        new_model().fit(**settings).save(tmp_path / "result")
        assert (tmp_path / "result").read_bytes() == (fitted.folder / "result").read_bytes()

    def test_of_counts_with_settings_of_numpy(self, tmp_path):
        """Library sizes have an encoder of their own; numpy's numbers come from loops over it."""
        adata = simulate.rnaseq(20, 60, n_studies=2, n_shared=4, n_specific=[1, 1], seed=4)
        settings = {"max_epochs": 8, "batch_size": 40, "lr": np.float64(0.01)}
        settings["decoder"] = "nonlinear"
        settings["lambda0"] = np.array([(0, 1), (0.3, 15)])
        for path in (None, tmp_path / "checkpoint", tmp_path / "5"):
            model = mssvae.MSSVAE(adata, n_shared=4, n_specific=2, hidden=(8, 8), device="cpu")
            with copied_after([5], tmp_path):
                model.fit(checkpoint=path, checkpoint_seconds=0, **settings)
            if path is None:
                whole = model
            pd.testing.assert_frame_equal(model.masks.wide(), whole.masks.wide(), check_exact=True)
            pd.testing.assert_frame_equal(model.history, whole.history, check_exact=True)

    def test_with_equal_numbers_of_other_types(self, checkpoint, fitted, tmp_path):
        settings = {"prior_scale": 400.0, "lr": np.float64(0.01), "max_epochs": np.int64(80)}
        new_model().fit(checkpoint=checkpoint, **(FIT | settings)).save(tmp_path / "result")
        assert (tmp_path / "result").read_bytes() == (fitted.folder / "result").read_bytes()

    def test_with_the_same_data_under_other_names(self, checkpoint):
        adata = simulate.gaussian(60, 60, n_studies=2, n_shared=4, n_specific=[1, 1], seed=4)
        adata.X[0, 0] = 0
        adata.layers["raw"], adata.X = adata.X, None
        adata.obs = adata.obs.rename(columns={"group": "study"})
        model = mssvae.MSSVAE(adata, "study", "raw", **SETTINGS, seed=3, device="cpu")
        assert not model.fit(checkpoint=checkpoint, **FIT).history.empty

    def test_in_the_home_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        new_model().fit(checkpoint="~/fit.checkpoint", **FIT | {"max_epochs": 1})
        assert (tmp_path / "fit.checkpoint").exists()

    @pytest.mark.parametrize("seconds", ["60", None, np.nan, -1])
    def test_needs_a_time_that_is_one(self, seconds, tmp_path):
        settings = FIT | {"checkpoint_seconds": seconds}
        with pytest.raises(InputError, match="checkpoint_seconds must be"):
            new_model().fit(checkpoint=tmp_path / "checkpoint", **settings)

    def test_needs_no_write_before_the_time(self, tmp_path):
        settings = FIT | {"max_epochs": 3, "checkpoint_seconds": 3600}
        new_model().fit(checkpoint=tmp_path / "checkpoint", **settings)
        assert list(tmp_path.iterdir()) == []


class TestOtherFits:
    """A checkpoint is refused with its name, what differs, and what to do."""

    def refused(self, checkpoint, differs, model, **settings):
        content = checkpoint.read_bytes()
        with pytest.raises(InputError, match=f"{checkpoint} is of another fit: {differs}.*Delete"):
            model.fit(checkpoint=checkpoint, **(FIT | settings))
        assert checkpoint.read_bytes() == content
        assert len(model.history) == 0

    def test_settings(self, checkpoint):
        self.refused(checkpoint, r"lr was 0.01 and is 0.02\.", new_model(), lr=0.02)

    def test_seed(self, checkpoint):
        self.refused(checkpoint, r"seed was 3 and is 4\.", new_model(seed=4))

    def test_data(self, checkpoint):
        self.refused(checkpoint, r"data was \w+ and is \w+\.", new_model(first_value=1))

    def test_studies(self, checkpoint):
        model = new_model()
        model._data.study[0] = 1
        self.refused(checkpoint, r"studies of the samples was \w+ and is \w+\.", model)

    def test_code(self, checkpoint, monkeypatch):
        monkeypatch.setattr(decoders, "fit_sources_sha256", lambda: "other")
        self.refused(checkpoint, r"code was \w+ and is other\.", new_model())

    def test_a_setting_that_the_code_did_not_have(self, checkpoint, monkeypatch):
        identity = decoders.identity
        monkeypatch.setattr(
            decoders, "identity", lambda *arguments: identity(*arguments) | {"new": 1}
        )
        self.refused(checkpoint, "new was None and is 1", new_model())

    def test_versions_and_threads(self, checkpoint, monkeypatch):
        monkeypatch.setattr(decoders, "version", lambda package: "0.1")
        monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
        self.refused(
            checkpoint, r".*torch was .* and is 0.1; threads was \d+ and is 99", new_model()
        )

    def test_the_code_is_all_that_a_fit_loads(self):
        """But for what only reads, writes and reports."""
        command = "import sys, mssvae.model; print(*[m for m in sys.modules if 'mssvae.' in m])"
        answer = subprocess.run(
            [sys.executable, "-c", command], capture_output=True, text=True, check=True
        )
        names = answer.stdout.split()
        loaded = {
            Path(import_module(name).__file__).relative_to(LIBRARY).as_posix() for name in names
        }
        helpers = {"errors.py", "provenance.py", "data/__init__.py", "data/files.py"}
        names = ("__init__", "assignment", "factors", "model_files", "tables")
        helpers |= {f"results/{name}.py" for name in names}
        helpers |= {"fitting/checkpoints.py", "fitting/progress.py"}
        assert loaded == set(FIT_SOURCES) | helpers


class TestDamage:
    def refused(self, checkpoint, content):
        checkpoint.write_bytes(content)
        with pytest.raises(InputError, match=f"{checkpoint} is damaged.*delete it"):
            new_model().fit(checkpoint=checkpoint, **FIT)

    @pytest.mark.parametrize("share", [0, 1e-4, 0.5, 0.999])
    def test_a_truncated_checkpoint(self, share, checkpoint):
        content = checkpoint.read_bytes()
        self.refused(checkpoint, content[: int(share * len(content))])

    @pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9999])
    def test_a_changed_bit(self, share, checkpoint):
        content = bytearray(checkpoint.read_bytes())
        content[int(share * len(content))] ^= 1
        self.refused(checkpoint, bytes(content))

    def test_something_else(self, checkpoint):
        self.refused(checkpoint, b"gene\tshared_01\n")

    def test_a_folder(self, tmp_path):
        with pytest.raises(InputError, match=f"cannot read the checkpoint {tmp_path}"):
            new_model().fit(checkpoint=tmp_path, **FIT)

    def test_code_in_a_checkpoint_is_not_run(self, tmp_path):
        class Harmful:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "harm"),)

        content = io.BytesIO()
        torch.save(Harmful(), content)
        content = content.getvalue()
        (tmp_path / "checkpoint").write_bytes(hashlib.sha256(content).digest() + content)
        with pytest.raises(pickle.UnpicklingError):
            new_model().fit(checkpoint=tmp_path / "checkpoint", **FIT)
        assert not (tmp_path / "harm").exists()

    def test_what_killed_writers_left_is_removed(self, checkpoint):
        others = [".writing-abcd_123-long-checkpoint", ".writing-abcd_123-other"]
        for name in (".writing-abcd_123-checkpoint", *others):
            (checkpoint.parent / name).write_text("half")
        new_model().fit(checkpoint=checkpoint, **FIT)
        assert sorted(path.name for path in leftovers(checkpoint.parent)) == others


def write_counts(path):
    with atomic_path(path) as temporary:
        ad.AnnData(np.random.default_rng(0).normal(size=(300, 200))).write_h5ad(temporary)


# What writes a file of more than 256 kB, by its name.
WRITERS = {
    "checkpoint": lambda path: new_model().fit(checkpoint=path, **FIT),
    "model.npz": lambda path: new_model().save(path),
    "masks.tsv": lambda path: write_table(pd.DataFrame({"gene": ["a long name"] * 50_000}), path),
    "counts.h5ad": write_counts,
}


@pytest.mark.parametrize("name", WRITERS)
class TestPlacesThatTakeNoFile:
    @pytest.fixture
    def mounted(self, tmp_path):
        """A function that makes the folder ``tmp_path`` a small disk, with options of mount."""

        def mount(options):
            command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", tmp_path]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                pytest.skip("a small disk to mount: run as root, in a container with CAP_SYS_ADMIN")

        yield mount
        subprocess.run(["umount", tmp_path], capture_output=True, check=False)

    def refused(self, path, reason, advice):
        with pytest.raises(InputError, match=f"cannot .* {path}: .*{reason}.*{advice}"):
            WRITERS[path.name](path)
        assert leftovers(path.parent) == []

    def test_a_full_disk(self, name, mounted, tmp_path):
        mounted("size=256k")
        self.refused(tmp_path / name, "No space left on device", "free some disk space")
        assert not (tmp_path / name).exists()

    def test_a_read_only_disk(self, name, mounted, tmp_path):
        mounted("ro")
        self.refused(tmp_path / name, "Read-only file system", "that you may write to")

    def test_a_limit_on_files(self, name, tmp_path):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, limits[1]))
        try:
            self.refused(tmp_path / name, "File too large", "raise the quota or limit")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert not (tmp_path / name).exists()

    def test_a_file_in_place_of_the_folder(self, name, tmp_path):
        (tmp_path / "results").write_text("")
        self.refused(tmp_path / "results" / name, "Not a directory|File exists", "that you may")


class TestPipeline:
    """Simulated data whose fit was killed; rules of cohorts run the same script."""

    FIT = "results/test/simulations/toy/1/default"
    CHECKPOINT = "results/test/checkpoints/simulations/toy/1/default"

    def test_a_fit_goes_on_and_leaves_no_checkpoint(self, tmp_path):
        simulations = tiny_simulations()
        config = write_simulations(tmp_path, simulations)

        def run(target):
            return snakemake(target, "--configfile", config, folder=tmp_path)

        answer = run(f"{Path(self.FIT).parent}/data.h5ad")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        adata = ad.read_h5ad(tmp_path / Path(self.FIT).parent / "data.h5ad")

        def fit(**settings):
            """Fit as the rule does, and leave the checkpoint after the first of two epochs."""
            path = tmp_path / self.CHECKPOINT
            model = mssvae.MSSVAE(
                adata, likelihood="gaussian", seed=seeds(7, "toy", 1)["fit"], **MODEL
            )
            with copied_after([1], tmp_path):
                model.fit(checkpoint=path, checkpoint_seconds=0, **settings)
            (tmp_path / "1").rename(path)
            return model

        settings = simulations["settings"]["toy"]["methods"]["default"]
        fit(**settings | {"lr": 0.005})
        answer = run(f"{self.FIT}/model.npz")
        assert answer.returncode != 0
        assert f"{self.CHECKPOINT} is of another fit: lr was 0.005 and is 0.01" in answer.stderr
        (tmp_path / self.CHECKPOINT).unlink()

        whole = fit(**settings)
        answer = run(f"{self.FIT}/model.npz")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        log = tmp_path / "results/test/logs/simulations/toy/1/default/fit.log"
        assert f"goes on after epoch 1, from {self.CHECKPOINT}" in log.read_text()
        whole.save(tmp_path / "whole.npz")
        result = (tmp_path / self.FIT / "model.npz").read_bytes()
        assert result == (tmp_path / "whole.npz").read_bytes()
        assert not (tmp_path / self.CHECKPOINT).exists()
