"""The user's class: fit the multi-study sparse VAE to an AnnData and read its factors."""

import copy
import hashlib
import json
import logging
import os
import platform
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version

import anndata
import numpy as np
import pandas as pd
import torch

from mssvae import __version__
from mssvae.checkpoints import Checkpoint
from mssvae.errors import InputError
from mssvae.files import atomic_path
from mssvae.inputs import read_matrix, read_studies, resolve_device
from mssvae.likelihoods import LIKELIHOODS
from mssvae.module import MultiStudyModule, normal_kl
from mssvae.parts import Price, read_parts
from mssvae.provenance import fit_sources_sha256
from mssvae.settings import PRESETS, FitSettings
from mssvae.theorem2 import common_columns, split_columns
from mssvae.training import fit
from mssvae.validation import whole

log = logging.getLogger(__name__)

# What a saved model knows of its data, in words for messages.
_DATA = {
    "studies": "studies",
    "obs_names": "samples (obs_names)",
    "var_names": "features (var_names)",
    "data_sha256": "values",
    "studies_sha256": "studies of the samples",
}


@dataclass(frozen=True)
class FactorTables:
    """One table of the shared factors, and one per study of its own factors.

    Attributes
    ----------
    shared : DataFrame
        Columns ``shared_01``, ``shared_02``, ...
    specific : dict of str to DataFrame
        By study; columns ``<study>_01``, ``<study>_02``, ...
    """

    shared: pd.DataFrame
    specific: dict[str, pd.DataFrame]

    def wide(self) -> pd.DataFrame:
        """Return all tables side by side: shared columns first, then those of each study."""
        return pd.concat([self.shared, *self.specific.values()], axis=1)

    def kinds(self) -> pd.DataFrame:
        """Return one row per column: ``factor``, ``kind`` (shared or specific) and ``study``."""
        rows = [(factor, "shared", None) for factor in self.shared]
        rows += [(f, "specific", study) for study, table in self.specific.items() for f in table]
        return pd.DataFrame(rows, columns=["factor", "kind", "study"])


class MSSVAE:
    """Multi-study sparse variational autoencoder (sections 2.2 to 2.4).

    Each feature depends, through one neural network, on the few latent factors that its row of a
    sparse mask selects: a mask shared by all studies, and one of each study's own.

    Parameters
    ----------
    adata : AnnData [N x G]
        Samples by features. Read once; not changed.
    study_key : str
        Column of ``adata.obs`` with the study (group) of each sample.
    layer : str, optional
        Layer to model; default ``adata.X``.
    likelihood : {"negative_binomial", "gaussian"}
        For raw counts, or for real values.
    n_shared, n_specific : int
        Numbers of factors to start from, K_S and each study's K_m. Superfluous ones end as columns
        of zeros, so start with more than you expect.
    hidden : (int, int)
        Widths of the encoders' hidden layers; the first is also the decoder's.
    seed : int
        Seeds the starting values, the sampler and the draws of the factors. The same seed, data,
        settings, machine and number of threads give the same numbers.
    device : str
        ``"auto"`` takes a GPU where there is one; otherwise a torch device such as ``"cpu"`` or
        ``"cuda"``.

    Attributes
    ----------
    history : DataFrame
        One row per epoch; see ``mssvae.training.fit``. Empty before ``fit``.
    studies : list of str
        In the order of the categories of ``adata.obs[study_key]``, or sorted.

    Raises
    ------
    InputError
        If the study column is missing, incomplete, has fewer than two samples of a study, if names
        repeat, if counts are negative, not whole or NaN, if real values are the same in all samples
        of a feature, if a number is not whole or too small, or if the device is not there.
    """

    def __init__(
        self,
        adata: anndata.AnnData,
        study_key: str = "group",
        layer: str | None = None,
        likelihood: str = "negative_binomial",
        n_shared: int = 50,
        n_specific: int = 10,
        hidden: Sequence[int] = (256, 128),
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        if likelihood not in LIKELIHOODS:
            known = ", ".join(sorted(LIKELIHOODS))
            raise InputError(f"unknown likelihood {likelihood!r}: choose one of {known}")
        n_shared = whole("n_shared", n_shared)
        n_specific = whole("n_specific", n_specific)
        seed = whole("seed", seed, at_least=0)
        if len(hidden) != 2:
            raise InputError(f"hidden must be two widths, not {tuple(hidden)}")
        hidden = [whole("hidden", width) for width in hidden]
        self.settings = {
            "study_key": study_key,
            "layer": layer,
            "likelihood": likelihood,
            "n_shared": n_shared,
            "n_specific": n_specific,
            "hidden": hidden,
            "seed": seed,
        }
        self.fit_settings: FitSettings | None = None
        self.history = pd.DataFrame()
        self.device = resolve_device(device)
        self.obs_names, self.var_names = adata.obs_names.copy(), adata.var_names.copy()
        self.studies, self._study = read_studies(adata, study_key)
        self._x = read_matrix(adata, layer, likelihood).to(self.device)
        # Starting values come from torch's global generator: seed it, then put it back.
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.module = MultiStudyModule(
                self._x.cpu(), len(self.studies), n_shared, n_specific, hidden, likelihood
            ).to(self.device)
        self.module.eval()

    def fit(
        self,
        preset: str = "default",
        *,
        checkpoint: str | os.PathLike | None = None,
        checkpoint_seconds: float = 60,
        **settings,
    ) -> "MSSVAE":
        """Train, and return the model itself.

        Where this fails, the model is as it was before. Progress is a bar, on a terminal and in a
        notebook, and a line every twentieth of the epochs from the logger ``mssvae`` (to see them,
        ``logging.basicConfig(level=logging.INFO)``).

        Parameters
        ----------
        preset : {"default", "paper"}
            ``"default"`` recovers best; ``"paper"`` has what the paper fixes (Table 2 for RNA data,
            appendix C.2) and trains the objective as written.
        checkpoint : path, optional
            A file to keep the state of training in. If it is there, training goes on from it, and
            gives the same numbers as without a break. It stays when training is done, in case the
            results are lost before they are saved: delete it then. Default none.
        checkpoint_seconds : float
            The checkpoint is written after an epoch, once so many seconds have passed since it was
            last.
        **settings
            Any of ``mssvae.settings.FitSettings``, to change the preset.

        Raises
        ------
        InputError
            If preset or setting is unknown or out of range, or the model was fitted already; if the
            checkpoint cannot be written, is damaged, or is of a fit with other settings, seed,
            data, code, versions of packages, device or number of threads.
        FitError
            If the loss is not finite; names epoch and study.
        """
        if self.fit_settings is not None:
            raise InputError("this model is fitted: make a new MSSVAE to fit with other settings")
        if preset not in PRESETS:
            raise InputError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}")
        known = [field.name for field in fields(FitSettings)]
        for key in settings:
            if key not in known:
                raise InputError(f"unknown setting {key!r} of fit: choose from {', '.join(known)}")
        fit_settings = replace(PRESETS[preset], **settings).for_samples(len(self._x))
        log.info("fit on %s with %s", self.device, fit_settings)
        kept = None
        if checkpoint is not None:
            kept = Checkpoint(checkpoint, self._identity(fit_settings), checkpoint_seconds)
        seed, start = self.settings["seed"], copy.deepcopy(self.module.state_dict())
        try:
            self.history = fit(
                self.module, self._x, self._study, self.studies, fit_settings, seed, kept
            )
        except BaseException:  # Ctrl-C too: half a fit is nothing to go on from.
            self.module.load_state_dict(start)
            self.module.eval()
            raise
        self.fit_settings = fit_settings
        return self

    @property
    def masks(self) -> FactorTables:
        """The sparse masks W: features x factors, exact zeros where a feature is not affected."""
        return self._tables([mask.detach() for mask in self.module.masks], self.var_names)

    @property
    def support(self) -> FactorTables:
        """The non-zero pattern of the masks: bool, features x factors."""
        return self._tables([mask.detach() != 0 for mask in self.module.masks], self.var_names)

    @torch.no_grad()
    def latent(self) -> FactorTables:
        """Return posterior means of the factors.

        Returns
        -------
        FactorTables
            ``shared`` [N x K_S]; ``specific[m]`` [n_m x K_m], the samples of study m alone. Factors
            whose mask is all zero stay at the prior mean, 0.
        """
        (shared, _), own = self._posteriors()
        alive = self.module.alive
        specific = {}
        for m, name in enumerate(self.studies):
            samples = self.obs_names[self._rows(m).numpy()]
            specific[name] = _table(own[m][0] * alive[m + 1], samples, name)
        return FactorTables(_table(shared * alive[0], self.obs_names, "shared"), specific)

    def assigned(self) -> tuple[FactorTables, FactorTables]:
        """Return masks and latent factors with each column where Theorem 2 has it.

        The constructive proof, applied to what training left: shared are the columns that all
        studies have. A shared factor that acts on different features by study, or in some studies
        only, goes to each study in which it acts, as ``<study>_<factor>``; factors that all studies
        have of their own, with supports of Jaccard index above one half, become one shared factor,
        ``shared_<factor>`` by the name of the first. Nothing else changes.

        Returns
        -------
        masks, latent : FactorTables
            As ``masks`` and ``latent()``, without the columns that moved away.

        Raises
        ------
        InputError
            If the model is not fitted.
        """
        if self.fit_settings is None:
            raise InputError("the model is not fitted: call fit first")
        settings = self.fit_settings
        price = Price(settings.lambda0[-1][1], settings.lambda1, settings.scale(len(self._x)))
        module = copy.deepcopy(self.module)
        inputs = module.likelihood.encoder_input(self._x)
        parts = read_parts(module, self._x, inputs, self._study, price)
        masks, latent = self.masks, self.latent()
        moved = []
        for k, acts in split_columns(parts, price):
            name = masks.shared.columns[k]
            for study, features in zip(self.studies, acts, strict=True):
                if features.any():
                    mask, own = masks.specific[study], latent.specific[study]
                    mask[f"{study}_{name}"] = masks.shared[name].where(features.cpu().numpy(), 0)
                    own[f"{study}_{name}"] = latent.shared.loc[own.index, name]
            moved.append((masks.shared, latent.shared, name))
        for columns, features, scores in common_columns(parts):
            names = [
                masks.specific[m].columns[k] for m, k in zip(self.studies, columns, strict=True)
            ]
            found = list(zip(self.studies, names, strict=True))
            weights = np.mean([masks.specific[study][name] for study, name in found], axis=0)
            masks.shared[f"shared_{names[0]}"] = weights * features.cpu().numpy()
            latent.shared[f"shared_{names[0]}"] = scores.cpu().numpy()
            for study, name in found:
                moved.append((masks.specific[study], latent.specific[study], name))
        for mask, factors, name in moved:
            del mask[name], factors[name]
        return masks, latent

    @torch.no_grad()
    def factor_table(self) -> pd.DataFrame:
        """Return one row per factor: what it is, and which studies use it.

        Returns
        -------
        DataFrame
            ``factor``; ``kind``, shared or specific; ``study`` of a specific factor; ``n_nonzero``
            entries of its mask; and ``kl_<study>``, the mean over the study's samples of
            KL(q(z | x) || N(0, 1)) in nats, NaN where it is another study's. A shared factor whose
            divergence is near zero in a study is not used by it.
        """
        support = self.support
        table = support.kinds()
        table["n_nonzero"] = support.wide().sum().to_numpy()
        posterior, own_posteriors = self._posteriors()
        alive = self.module.alive
        shared = normal_kl(*posterior) * alive[0]
        for m, name in enumerate(self.studies):
            own = normal_kl(*own_posteriors[m]) * alive[m + 1]
            divergence = torch.cat([shared[self._rows(m)].mean(0), own.mean(0)]).cpu().numpy()
            uses = (table["kind"] == "shared") | (table["study"] == name)
            table.loc[uses, f"kl_{name}"] = divergence
        return table

    def to_anndata(self, adata: anndata.AnnData) -> anndata.AnnData:
        """Return a copy of ``adata`` with the fitted factors.

        Keys
        ----
        obsm["mssvae_shared"] : [N x K_S]
            Posterior means of the shared factors.
        obsm["mssvae_specific"] : [N x max K_m]
            Posterior means of the factors of each sample's own study.
        varm["mssvae_shared"], varm["mssvae_<study>"] : [G x K]
            Masks.
        uns["mssvae"] : dict
            ``settings``, ``fit`` (settings), ``studies`` and ``version``.

        Raises
        ------
        InputError
            If samples or features are not those of the fitted data.
        """
        self._check_names(adata)
        result = adata.copy()
        latent, masks = self.latent(), self.masks
        own = np.zeros((len(self.obs_names), self.settings["n_specific"]), dtype=np.float32)
        for m, name in enumerate(self.studies):
            own[self._rows(m).numpy()] = latent.specific[name].to_numpy()
            result.varm[f"mssvae_{name}"] = masks.specific[name].to_numpy()
        result.obsm["mssvae_shared"] = latent.shared.to_numpy()
        result.obsm["mssvae_specific"] = own
        result.varm["mssvae_shared"] = masks.shared.to_numpy()
        result.uns["mssvae"] = {
            "settings": json.dumps(self.settings),
            "fit": json.dumps(self._fit_as_dict()),
            "studies": self.studies,
            "version": __version__,
        }
        return result

    def save(self, path: str | os.PathLike) -> None:
        """Write the model to one ``.npz`` file: arrays and JSON, no pickled code, no data."""
        state = {key: value.cpu().numpy() for key, value in self.module.state_dict().items()}
        about = {
            "version": __version__,
            "settings": self.settings,
            "fit": self._fit_as_dict(),
            **self._data(),
            "history": self.history.to_dict("list"),
        }
        with atomic_path(path) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, about=np.array(json.dumps(about)), **state)

    @classmethod
    def load(
        cls, path: str | os.PathLike, adata: anndata.AnnData, device: str = "auto"
    ) -> "MSSVAE":
        """Read a model written by ``save``, with the data it was fitted to.

        Raises
        ------
        InputError
            If the file is not a saved model, or ``adata`` has other samples, features, values or
            studies.
        """
        try:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as content:
                state = {key: torch.from_numpy(content[key]) for key in content if key != "about"}
                about = json.loads(str(content["about"]))
            settings, fit_settings, history = (about[key] for key in ("settings", "fit", "history"))
            fitted = {key: about[key] for key in _DATA}
        except (OSError, EOFError, TypeError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} is not a model written by MSSVAE.save: {error}") from error
        model = cls(adata, **settings, device=device)
        for key, found in model._data().items():
            if fitted[key] != found:
                what = _DATA[key]
                raise InputError(f"the {what} of adata are not those that {path} was fitted to")
        model.module.load_state_dict(state)
        if fit_settings is not None:
            model.fit_settings = FitSettings(**fit_settings)
        model.history = pd.DataFrame(history)
        return model

    def manifest(self) -> dict:
        """Return what is needed to repeat the fit: settings, seed, versions and machine."""
        packages = ("anndata", "numpy", "pandas", "scipy", "torch")
        return {
            "mssvae": __version__,
            "settings": self.settings,
            "fit": self._fit_as_dict(),
            "n_samples": len(self.obs_names),
            "n_features": len(self.var_names),
            "studies": self.studies,
            "device": str(self.device),
            "device_name": self._device_name(),
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
            "packages": {name: version(name) for name in packages},
        }

    def _identity(self, fit_settings: FitSettings) -> dict[str, object]:
        """Return all that the course of a fit follows from, the seed among the settings."""
        return {
            **self.settings,
            **asdict(fit_settings),
            "data": self._data_sha256(),
            "studies of the samples": self._studies_sha256(),
            "code": fit_sources_sha256(),
            **{name: version(name) for name in ("numpy", "scipy", "torch")},
            "device": self._device_name(),
            "threads": torch.get_num_threads(),
            "precision of products": fit_settings.product_precision(self.device),
        }

    def _device_name(self) -> str:
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return platform.machine()

    def _tables(self, tensors: Sequence[torch.Tensor], index: pd.Index) -> FactorTables:
        shared, *specific = tensors
        tables = zip(self.studies, specific, strict=True)
        return FactorTables(
            _table(shared, index, "shared"),
            {name: _table(tensor, index, name) for name, tensor in tables},
        )

    def _data(self) -> dict[str, object]:
        """Return what a saved model is recognised by, with the keys of ``_DATA``."""
        return {
            "studies": self.studies,
            "obs_names": self.obs_names.tolist(),
            "var_names": self.var_names.tolist(),
            "data_sha256": self._data_sha256(),
            "studies_sha256": self._studies_sha256(),
        }

    def _data_sha256(self) -> str:
        return hashlib.sha256(self._x.cpu().numpy().tobytes()).hexdigest()

    def _studies_sha256(self) -> str:
        return hashlib.sha256(self._study.numpy().tobytes()).hexdigest()

    def _rows(self, m: int) -> torch.Tensor:
        """Return the positions of the samples of study m."""
        return (self._study == m).nonzero().flatten()

    def _posteriors(self) -> tuple[tuple[torch.Tensor, ...], list[tuple[torch.Tensor, ...]]]:
        """Return mean and log variance of the shared factors, and of each study's own."""
        inputs = self.module.likelihood.encoder_input(self._x)
        own = [
            encoder(inputs[self._rows(m)])
            for m, encoder in enumerate(self.module.specific_encoders)
        ]
        return self.module.shared_encoder(inputs), own

    def _fit_as_dict(self) -> dict | None:
        return asdict(self.fit_settings) if self.fit_settings else None

    def _check_names(self, adata: anndata.AnnData) -> None:
        if not adata.var_names.equals(self.var_names):
            raise InputError("the features of adata are not those that the model was fitted to")
        if not adata.obs_names.equals(self.obs_names):
            raise InputError("the samples of adata are not those that the model was fitted to")


def _table(tensor: torch.Tensor, index: pd.Index, prefix: str) -> pd.DataFrame:
    columns = [f"{prefix}_{k:02d}" for k in range(1, tensor.shape[1] + 1)]
    return pd.DataFrame(tensor.cpu().numpy(), index=index, columns=columns)
