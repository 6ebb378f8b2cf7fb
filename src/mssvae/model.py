"""The user's class: fit the multi-study sparse VAE to an AnnData and read its factors."""

import copy
import hashlib
import json
import logging
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from importlib.metadata import version
from types import EllipsisType

import anndata
import numpy as np
import pandas as pd
import torch

from mssvae import __version__
from mssvae.core.module import MultiStudyModule, normal_kl
from mssvae.data.inputs import (
    Units,
    check_own_units,
    observed_features,
    read_matrix,
    read_names,
    read_new,
    read_studies,
    require_anndata,
    resolve_device,
    warn_of_constant_studies,
)
from mssvae.data.validation import listed, number
from mssvae.errors import InputError
from mssvae.fitting.checkpoints import Checkpoint
from mssvae.fitting.held_out import HeldOut, StudyMeans
from mssvae.fitting.linear.loop import fit_linear, fit_path, refit_linear
from mssvae.fitting.linear.result import read_state as read_linear
from mssvae.fitting.linear.result import write as write_linear
from mssvae.fitting.networks.loop import fit
from mssvae.fitting.nonlinearity import calls_for_networks
from mssvae.fitting.selection import CANDIDATES, choose
from mssvae.fitting.settings import LINEAR_SETTINGS, PRESETS, FitSettings, model_settings
from mssvae.fitting.surroundings import own_surroundings
from mssvae.moves.parts import Price, read_parts
from mssvae.provenance import fit_sources_sha256
from mssvae.results.inference import Samples, infer
from mssvae.results.model_files import DATA, check_arrays, other_version, read_model, write_model
from mssvae.results.tables import (
    FactorTables,
    assign,
    factor_table,
    factor_tables,
    warn_of_other_explanations,
    what_else_explains,
    write_factors,
)

log = logging.getLogger(__name__)

# Names of the arrays of a saved model that are no parameters.
_CENTRE, _SCALE = "units.centre", "units.scale"


class MSSVAE:
    """Multi-study sparse variational autoencoder (sections 2.2 to 2.4).

    Each feature depends, through one neural network, on the few latent factors that its row of a
    sparse mask selects: a mask shared by all studies, and one of each study's own.

    Parameters
    ----------
    adata : AnnData [N x G]
        Samples by features, in memory. Copied; not changed.
    study_key : str
        Column of ``adata.obs`` with the study (group) of each sample.
    layer : str, optional
        Layer to model; default ``adata.X``.
    likelihood : {"negative_binomial", "gaussian"}
        For raw counts, or for real values. These are standardised by feature, see ``units``.
    n_shared, n_specific : int or "auto"
        Numbers of factors to start from, K_S and each study's K_m. Superfluous ones end as columns
        of zeros, so start with more than you expect. One of the two may be 0. Auto has ``fit``
        choose by samples that are held out (``mssvae.fitting.selection``), the weight of the prior
        as well if ``prior_scale`` is auto: the fewest entries among fits as good as the best. It
        takes some four to ten times as long. ``settings`` has what was chosen.
    hidden : (int, int)
        Widths of the encoders' hidden layers; the first is also the decoder's.
    seed : int
        Seeds the starting values, the sampler and the draws of the factors. The same seed, data,
        settings, machine and number of threads give the same numbers. Any whole number from 0, of
        any length.
    device : str or torch.device
        ``"auto"`` takes a GPU where there is one; otherwise a torch device such as ``"cpu"`` or
        ``"cuda"``.

    Attributes
    ----------
    history : DataFrame
        One row per epoch; see ``mssvae.fitting.networks.loop.fit``. Empty before ``fit``.
    studies : list of str
        In the order of the categories of ``adata.obs[study_key]``, or sorted.
    settings : dict
        What the model was made with. These three are copies.

    Raises
    ------
    InputError
        If ``adata`` is no AnnData in memory, or has no sample or feature; if the study column is
        missing, incomplete, has fewer than two samples of a study, or names that factors cannot be
        called by; if names repeat; if counts are negative, not whole or missing, or all samples
        have the same; if real values are missing, or the same in all samples of a feature; if an
        argument is of another type or out of range, or if the device is not there.
    """

    @own_surroundings()
    def __init__(
        self,
        adata: anndata.AnnData,
        study_key: str = "group",
        layer: str | None = None,
        likelihood: str = "negative_binomial",
        n_shared: int | str = 50,
        n_specific: int | str = 10,
        hidden: Sequence[int] = (256, 128),
        seed: int = 0,
        device: str | torch.device = "auto",
    ) -> None:
        require_anndata(adata)
        self._settings = model_settings(
            study_key, layer, likelihood, n_shared, n_specific, hidden, seed
        )
        self.fit_settings: FitSettings | None = None
        self._history = pd.DataFrame()
        self.device = resolve_device(device)
        self.obs_names, self.var_names = names = read_names(adata)
        self._studies, self._study = read_studies(adata, study_key)
        self._values = read_matrix(adata, layer, likelihood, names)
        warn_of_constant_studies(self._values, self._study, self._studies)
        self._set_units(standardise=True)
        self.module = self._new_module()

    def __repr__(self) -> str:
        settings, counts = self._settings, np.bincount(self._study)
        studies = ", ".join(
            f"{name} ({n:,})" for name, n in zip(self._studies, counts, strict=True)
        )
        lines = [
            f"MSSVAE, {settings['likelihood']}, {len(self.obs_names):,} samples x "
            f"{len(self.var_names):,} features",
            f"studies: {studies}",
            f"started from {settings['n_shared']} shared factors and {settings['n_specific']} of "
            "each study",
            "not fitted",
        ]
        if self.fit_settings is not None:
            support = self.support
            own = sum(int(table.any().sum()) for table in support.specific.values())
            lines[-1] = (
                f"fitted in {len(self._history)} epochs: {int(support.shared.any().sum())} shared "
                f"and {own} specific factors"
            )
        return "\n    ".join(lines)

    @property
    def history(self) -> pd.DataFrame:
        """One row per epoch; see ``mssvae.fitting.networks.loop.fit``. Empty before ``fit``."""
        return self._history.copy()

    @property
    def studies(self) -> list[str]:
        """The names of the studies, in the order of the categories of their column, or sorted."""
        return list(self._studies)

    @property
    def settings(self) -> dict[str, object]:
        """What the model was made with."""
        return copy.deepcopy(self._settings)

    @property
    def units(self) -> pd.DataFrame:
        """What the model measures features in: ``centre`` and ``scale``, a row per feature.

        A feature's noise variance in its own units is that of the model times ``scale`` squared, a
        prediction is ``centre`` plus ``scale`` times the decoder's output. Masks are relative, and
        factors are in standard deviations: they have no units. Means and standard deviations over
        all samples, of real values that are standardised; else 0 and 1.
        """
        n = len(self.var_names)
        centre, scale = np.zeros(n), np.ones(n)
        if self._units is not None:
            centre, scale = self._units.centre.numpy().copy(), self._units.scale.numpy().copy()
        return pd.DataFrame({"centre": centre, "scale": scale}, index=self.var_names)

    @own_surroundings()
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
            A file to keep the state of training in, or a linear fit once it is done. If it is
            there, training goes on from it, and gives the same numbers as without a break. It stays
            when training is done, in case the results are lost before they are saved: delete it
            then. Default none.
        checkpoint_seconds : float
            The checkpoint is written after an epoch, once so many seconds have passed since it was
            last.
        **settings
            Any of ``mssvae.fitting.settings.FitSettings``, to change the preset.

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
        fit_settings = _changed(preset, settings).for_samples(len(self._x))
        start, asked = copy.deepcopy(self.module), self._settings
        try:
            if not fit_settings.standardise:
                self._set_units(standardise=False)
                self.module.start(self._x)
            linear_scale = fit_settings.scale(len(self._x))
            if "auto" in (asked["n_shared"], asked["n_specific"]):
                linear_scale = self._choose_numbers(fit_settings)
            fit_settings = self._with_decoder(fit_settings, linear_scale)
            log.info("fit on %s with %s", self.device, fit_settings)
            kept = None
            if checkpoint is not None:
                kept = Checkpoint(checkpoint, self._identity(fit_settings), checkpoint_seconds)
            if fit_settings.decoder == "linear":
                if unused := settings.keys() - LINEAR_SETTINGS:
                    log.warning(
                        "the fit is linear, to which %s are nothing: decoder='nonlinear' uses them",
                        ", ".join(sorted(unused)),
                    )
                self._history = self._fit_linear(fit_settings, kept)
            else:
                self._history = fit(
                    self.module,
                    self._x,
                    self._study,
                    self._studies,
                    fit_settings,
                    self._settings["seed"],
                    kept,
                )
        except BaseException:  # Ctrl-C too: half a fit is nothing to go on from.
            self._set_units(standardise=True)
            self.module, self._settings = start, asked
            self.module.eval()
            raise
        self.fit_settings = fit_settings
        self._warn_without_factors()
        warn_of_other_explanations(self.factor_table())
        return self

    @own_surroundings()
    def fit_path(
        self, weights: Sequence[float], preset: str = "default", **settings
    ) -> list["MSSVAE"]:
        """Return linear fits with several weights of the prior; the model itself stays as it is.

        They go on from one fit with all loadings, which takes about a third of a fit's time, and
        are what ``fit`` gives with ``decoder="linear"`` and ``prior_scale`` N over the weight.

        Parameters
        ----------
        weights : sequence of float
            Of the prior, positive; 1 is the objective as written, a larger one is sparser.
        preset, **settings
            As in ``fit``. Numbers of factors that are ``"auto"`` stand for the most that ``fit``
            would try.

        Raises
        ------
        InputError
            If the model is fitted, or an argument is unknown or out of range.
        FitError
            If values are too extreme.
        """
        if self.fit_settings is not None:
            raise InputError("this model is fitted: make a new MSSVAE for a path")
        weights = [number("weights", weight) for weight in weights]
        if not weights or min(weights) <= 0:
            raise InputError(f"weights must be positive numbers, not {weights}")
        n = len(self._x)
        fit_settings = _changed(preset, {**settings, "decoder": "linear"}).for_samples(n)
        model = copy.copy(self)
        model._settings = self._settings | self._numbers()
        model._set_units(fit_settings.standardise)
        fits = []
        path = fit_path(*model._linear_arguments(fit_settings), weights)
        for weight, (state, history) in zip(weights, path, strict=True):
            fitted = copy.copy(model)
            fitted.module = copy.deepcopy(self.module)
            write_linear(state, fitted.module, self._study.to(self.device))
            fitted.fit_settings = replace(fit_settings, prior_scale=n / weight)
            fitted._history = history
            fits.append(fitted)
        return fits

    def held_out(self, share: float = 0.2, seed: int = 0) -> HeldOut:
        """Return the data as two parts: samples to fit, and samples to score fits by.

        Values are in the units that the model works on, so that they can be scored as they are.

        Raises InputError if the share is out of range, or too large for a study.
        """
        obs = pd.DataFrame(
            {self._settings["study_key"]: pd.Categorical.from_codes(self._study, self._studies)},
            self.obs_names,
        )
        adata = anndata.AnnData(self._x.cpu().numpy(), obs, pd.DataFrame(index=self.var_names))
        return HeldOut(
            adata, self._settings["study_key"], self._settings["likelihood"], share, seed
        )

    @own_surroundings()
    def refit(self, support: FactorTables) -> "MSSVAE":
        """Return a model with a part of the supports, held while all else is trained on.

        Of a linear fit, from where it ended. The model itself stays as it is; the history goes on.

        Parameters
        ----------
        support : FactorTables
            Bool, features x factors, as ``support`` of the model but with fewer entries. Factors
            may lose all of theirs.

        Raises
        ------
        InputError
            If the model is not fitted, or its decoder is nonlinear; if the features, studies or
            factors of the support are others, or it has entries that the model has not.
        FitError
            If values are too extreme for single precision.
        """
        own = self.support
        if self.fit_settings.decoder != "linear":
            raise InputError("a nonlinear fit cannot go on with fewer entries: fit a linear one")
        same = support.specific.keys() == own.specific.keys()
        table, wide = support.wide() if same else None, own.wide()
        if not same or not (table.index.equals(wide.index) and table.columns.equals(wide.columns)):
            raise InputError("support must have the features, studies and factors of model.support")
        table = table.astype(bool)
        if new := [name for name in table if (table[name] & ~wide[name]).any()]:
            raise InputError(f"support has entries that the model has not, of {listed(new)}")
        settings, study = self.fit_settings, self._study.to(self.device)
        model = copy.copy(self)
        model.module = copy.deepcopy(self.module)
        state = read_linear(model.module, self._x, study)
        model._history = refit_linear(
            state,
            torch.from_numpy(table.to_numpy()).to(self.device),
            self._history,
            settings.lambda0[-1][1],
            settings.lambda1,
            len(self._x) / settings.scale(len(self._x)),
        )
        write_linear(state, model.module, study)
        return model

    @own_surroundings()
    @torch.no_grad()
    def predict(
        self, adata: anndata.AnnData | None = None, observed: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return expected values by the reported masks.

        Posterior means over the factors, not values at one point.

        Parameters
        ----------
        adata : AnnData [n x g], optional
            Samples of studies that the model was fitted to, with the study column and layer of
            the fitted data. Features are matched by name: others are passed over, missing ones
            inferred. Default the fitted samples.
        observed : list of str, optional
            Features to infer factors and library sizes from; default all that ``adata`` has.

        Returns
        -------
        DataFrame [n x G]
            In units of the data.

        Raises
        ------
        InputError
            If the model is not fitted, ``adata`` has a study that is new, or values that the
            likelihood cannot have, or no feature of the model is observed.
        """
        self._require_fit()
        names, samples = self._samples(adata, observed, new_studies=False)
        expected = np.empty((len(names), len(self.var_names)))
        for group in samples:
            expected[group.rows] = infer(self.module, group).expected.double().cpu().numpy()
        if self._units is not None:
            units = self._units
            expected = units.centre.numpy() + units.scale.numpy() * expected
        return pd.DataFrame(expected, names, self.var_names)

    @own_surroundings()
    @torch.no_grad()
    def transform(
        self, adata: anndata.AnnData, observed: Sequence[str] | None = None
    ) -> FactorTables:
        """Return posterior means of the factors of new samples.

        Parameters are as in ``predict``; samples of studies that the model does not know have the
        shared factors alone.

        Returns
        -------
        FactorTables
            ``shared`` [n x K_S]; ``specific[m]``, the samples of study m alone.

        Raises
        ------
        InputError
            As ``predict``, but for new studies.
        """
        self._require_fit()
        names, samples = self._samples(adata, observed, new_studies=True)
        n_shared = self._settings["n_shared"]
        shared = self._x.new_zeros(len(names), n_shared).cpu()
        own = {m: (names[:0], self.module.masks[m + 1][:0]) for m in range(len(self._studies))}
        for group in samples:
            means = infer(self.module, group).means.cpu()
            shared[group.rows] = means[:, :n_shared]
            if group.study is not None:
                own[group.study] = (names[group.rows], means[:, n_shared:])
        alive = [alive.cpu() for alive in self.module.alive]
        return FactorTables(
            factor_table(shared * alive[0], names, "shared"),
            {
                name: factor_table(own[m][1].cpu() * alive[m + 1], own[m][0], name)
                for m, name in enumerate(self._studies)
            },
        )

    @property
    def masks(self) -> FactorTables:
        """The sparse masks W: features x factors, exact zeros where a feature is not affected."""
        self._require_fit()
        return factor_tables(self.module.masks, self.var_names, self._studies)

    @property
    def support(self) -> FactorTables:
        """The non-zero pattern of the masks: bool, features x factors."""
        self._require_fit()
        masks = [mask != 0 for mask in self.module.masks]
        return factor_tables(masks, self.var_names, self._studies)

    @own_surroundings()
    @torch.no_grad()
    def latent(self) -> FactorTables:
        """Return posterior means of the factors.

        Returns
        -------
        FactorTables
            ``shared`` [N x K_S]; ``specific[m]`` [n_m x K_m], the samples of study m alone. Factors
            whose mask is all zero stay at the prior mean, 0. Before ``fit``, which is logged, those
            of the starting values.
        """
        if self.fit_settings is None:
            log.warning(
                "the model is not fitted: latent() gives the factors that training starts from"
            )
        return self._means(*self._posteriors())

    @own_surroundings()
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
        self._require_fit()
        self._warn_without_factors()
        settings = self.fit_settings
        price = Price(settings.lambda0[-1][1], settings.lambda1, settings.scale(len(self._x)))
        module = copy.deepcopy(self.module)
        inputs = module.likelihood.encoder_input(self._x)
        parts = read_parts(module, self._x, inputs, self._study, price)
        masks, latent = self.masks, self.latent()
        assign(masks, latent, parts, price)
        return masks, latent

    @own_surroundings()
    @torch.no_grad()
    def factor_table(self) -> pd.DataFrame:
        """Return one row per factor: what it is, and which studies use it.

        Returns
        -------
        DataFrame
            ``factor``; ``kind``, shared or specific; ``study`` of a specific factor; ``n_nonzero``
            entries of its mask; and ``kl_<study>``, the mean over the study's samples of
            KL(q(z | x) || N(0, 1)) in nats, NaN where it is another study's. A shared factor whose
            divergence is near zero in a study is not used by it. ``r2_study``, the share of a
            shared factor's variance that lies between studies, and for counts ``r_library``, the
            correlation with the logarithm of library sizes: near 1 it is the depth of sequencing.
        """
        support = self.support
        table = support.kinds()
        table["n_nonzero"] = support.wide().sum().to_numpy()
        posterior, own_posteriors = self._posteriors()
        alive = self.module.alive
        shared = normal_kl(*posterior) * alive[0]
        for m, name in enumerate(self._studies):
            own = normal_kl(*own_posteriors[m]) * alive[m + 1]
            divergence = torch.cat([shared[self._rows(m)].mean(0), own.mean(0)]).cpu().numpy()
            uses = (table["kind"] == "shared") | (table["study"] == name)
            table.loc[uses, f"kl_{name}"] = divergence
        latent = self._means(posterior, own_posteriors)
        library = None
        if self.module.likelihood.uses_library:
            library = np.log(self._values.sum(1).numpy())
        return table.merge(what_else_explains(latent, self._study.numpy(), library), on="factor")

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
        obs[study_key] : category
            As text, like ``studies``, if it was not: files hold no mixed types.

        Raises
        ------
        InputError
            If the model is not fitted, or samples or features are not those of the fitted data.
        """
        self._require_fit()
        require_anndata(adata)
        self._check_names(adata)
        result = adata.copy()
        write_factors(result, self.masks, self.latent())
        result.uns["mssvae"] = {
            "settings": json.dumps(self._settings),
            "fit": json.dumps(self._fit_as_dict()),
            "studies": self.studies,
            "version": __version__,
        }
        study_key = self._settings["study_key"]
        if study_key in result.obs and {type(value) for value in result.obs[study_key]} != {str}:
            result.obs[study_key] = pd.Categorical.from_codes(self._study, self._studies)
        return result

    def save(self, path: str | os.PathLike) -> None:
        """Write the model to one ``.npz`` file: arrays and JSON, no pickled code, no data.

        Parameters of the module by their names, and ``units.centre`` and ``units.scale`` if values
        were standardised. A ``~`` at the start of the path is the home folder. A model that is not
        fitted can be saved too.

        Raises
        ------
        InputError
            If the file cannot be written there.
        """
        about = {
            "version": __version__,
            "settings": self._settings,
            "fit": self._fit_as_dict(),
            **self._data(),
            "history": self._history.to_dict("list"),
        }
        write_model(path, about, self._arrays())

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        adata: anndata.AnnData,
        device: str | torch.device = "auto",
        *,
        study_key: str | None = None,
        layer: str | EllipsisType | None = ...,
    ) -> "MSSVAE":
        """Read a model written by ``save``, with the data it was fitted to.

        Parameters
        ----------
        study_key : str, optional
            Column of ``adata.obs`` with the studies; default the one it was fitted with.
        layer : str or None, optional
            Layer that has the data, None for ``adata.X``; default the one it was fitted with.

        Raises
        ------
        InputError
            If the file is not a saved model, or does not fit this version, or ``adata`` has other
            samples, features, values or studies.
        """
        about, arrays = read_model(path)
        try:
            settings = model_settings(**about["settings"])
            fitted = None if about["fit"] is None else FitSettings(**about["fit"])
            history = pd.DataFrame(about["history"])
        except (TypeError, ValueError) as error:
            raise other_version(path, about["version"], error) from error
        if study_key is not None:
            settings["study_key"] = study_key
        if layer is not ...:
            settings["layer"] = layer
        model = cls(adata, **settings, device=device)
        for key, found in model._data().items():
            if about[key] != found:
                raise InputError(
                    f"the {DATA[key]} of adata are not those that {path} was fitted to"
                )
        model.fit_settings, model._history = fitted, history
        model._set_units(standardise=fitted is None or fitted.standardise)
        if fitted is not None and fitted.decoder == "linear":
            model.module.hold_posteriors(np.bincount(model._study).tolist())
        check_arrays(path, about["version"], arrays, like=model._arrays())
        if model._units is not None:
            model._units = Units(*(torch.from_numpy(arrays.pop(key)) for key in (_CENTRE, _SCALE)))
        model.module.load_state_dict(
            {key: torch.from_numpy(values) for key, values in arrays.items()}
        )
        return model

    def manifest(self) -> dict:
        """Return what is needed to repeat the fit: settings, seed, versions and machine."""
        packages = ("anndata", "numpy", "pandas", "scikit-learn", "scipy", "torch")
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
        """Return all that the course of a fit follows from, the seed among the settings.

        Where the data were in the AnnData is no part of it: the data themselves are.
        """
        names = ("study_key", "layer")
        return {
            **{key: value for key, value in self._settings.items() if key not in names},
            **asdict(fit_settings),
            "data": self._data_sha256(),
            "studies of the samples": self._studies_sha256(),
            "code": fit_sources_sha256(),
            **{name: version(name) for name in ("numpy", "scikit-learn", "scipy", "torch")},
            "device": self._device_name(),
            "threads": torch.get_num_threads(),
            "precision of products": fit_settings.product_precision(self.device),
        }

    def _device_name(self) -> str:
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return platform.machine()

    def _set_units(self, standardise: bool) -> None:
        """Choose what the model works on: Gaussian values in units of their own, or as they are."""
        self._units = None
        if self._settings["likelihood"] != "gaussian":
            x = self._values
        elif standardise:
            self._units = Units.standard(self._values)
            x = self._units.standardised(self._values)
        else:
            x = check_own_units(self._values, self.var_names)
        self._x = x.to(self.device)

    def _require_fit(self) -> None:
        if self.fit_settings is None:
            raise InputError("the model is not fitted: call fit first")

    def _warn_without_factors(self) -> None:
        if not any((mask != 0).any() for mask in self.module.masks):
            longer = "train longer (max_epochs, or a smaller batch_size), "
            log.warning(
                "the fit has no factor: all masks are zero. There may be none in these data; or "
                "make the prior weaker (a larger prior_scale), %sor have more samples",
                "" if self.module.is_linear else longer,
            )

    def _arrays(self) -> dict[str, np.ndarray]:
        """Return what a saved model has of numbers."""
        arrays = {key: value.cpu().numpy() for key, value in self.module.state_dict().items()}
        if self._units is not None:
            arrays |= {_CENTRE: self._units.centre.numpy(), _SCALE: self._units.scale.numpy()}
        return arrays

    def _data(self) -> dict[str, object]:
        """Return what a saved model is recognised by, with the keys of ``DATA``."""
        return {
            "studies": self._studies,
            "obs_names": self.obs_names.tolist(),
            "var_names": self.var_names.tolist(),
            "data_sha256": self._data_sha256(),
            "studies_sha256": self._studies_sha256(),
        }

    def _data_sha256(self) -> str:
        return hashlib.sha256(self._values.float().numpy().tobytes()).hexdigest()

    def _studies_sha256(self) -> str:
        return hashlib.sha256(self._study.numpy().tobytes()).hexdigest()

    def _rows(self, m: int) -> torch.Tensor:
        """Return the positions of the samples of study m."""
        return (self._study == m).nonzero().flatten()

    def _posteriors(self) -> tuple[tuple[torch.Tensor, ...], list[tuple[torch.Tensor, ...]]]:
        """Return mean and log variance of the shared factors, and of each study's own."""
        inputs = self.module.likelihood.encoder_input(self._x)
        rows = [torch.arange(len(inputs)), *(self._rows(m) for m in range(len(self._studies)))]
        shared, *own = (self.module.posterior(i, inputs, of_part) for i, of_part in enumerate(rows))
        return shared, own

    def _means(
        self, shared: tuple[torch.Tensor, ...], own: list[tuple[torch.Tensor, ...]]
    ) -> FactorTables:
        """Return the means of what ``_posteriors`` returns, as ``latent`` does."""
        alive = self.module.alive
        specific = {}
        for m, name in enumerate(self._studies):
            samples = self.obs_names[self._rows(m).numpy()]
            specific[name] = factor_table(own[m][0] * alive[m + 1], samples, name)
        return FactorTables(factor_table(shared[0] * alive[0], self.obs_names, "shared"), specific)

    def _new_module(self) -> MultiStudyModule:
        """Return a module with starting values."""
        settings = self._settings | self._numbers()
        module = MultiStudyModule(
            self._x.cpu(),
            len(self._studies),
            *(settings[key] for key in ("n_shared", "n_specific", "hidden", "likelihood")),
            _seed_of_starts(settings["seed"]),
        )
        return module.to(self.device).eval()

    def _numbers(self) -> dict[str, int]:
        """Return the numbers of factors; where they are auto, the most that may be chosen."""
        keys = ("n_shared", "n_specific")
        sizes = CANDIDATES.sizes(*(self._settings[key] for key in keys))
        return dict(zip(keys, sizes[-1], strict=True))

    def _choose_numbers(self, fit_settings: FitSettings) -> float:
        """Take the numbers of factors that auto stands for; return ``prior_scale`` of a linear fit.

        Chosen by linear fits to a part of the samples.
        """
        settings, n = self._settings, len(self._x)
        weights = CANDIDATES.weights
        if fit_settings.prior_scale != "auto":
            weights = (n / fit_settings.scale(n),)
        held_out = self.held_out(CANDIDATES.share, settings["seed"])

        def fits(n_shared: int, n_specific: int) -> list[tuple[int, MSSVAE]]:
            numbers = {"n_shared": n_shared, "n_specific": n_specific, "layer": None}
            model = MSSVAE(held_out.seen, **(settings | numbers), device=self.device)
            ladder = {"lambda0": fit_settings.lambda0, "lambda1": fit_settings.lambda1}
            path = model.fit_path(weights, **ladder)
            return [(int(one.support.wide().to_numpy().sum()), one) for one in path]

        chosen = choose(
            fits,
            held_out,
            CANDIDATES.sizes(settings["n_shared"], settings["n_specific"]),
            weights,
            StudyMeans(held_out.seen, settings["study_key"], settings["likelihood"]),
        )
        scale = n / chosen.weight
        log.info(
            "numbers of factors auto: %d shared, %d of each study, prior_scale %g",
            *(chosen.n_shared, chosen.n_specific, scale),
        )
        numbers = {"n_shared": chosen.n_shared, "n_specific": chosen.n_specific}
        self._settings = settings | numbers
        self.module = self._new_module()
        return scale

    def _linear_arguments(self, settings: FitSettings) -> tuple:
        """Return what linear fits take before the weight of the prior."""
        return (
            *(self._settings["likelihood"], self._x, self._study.to(self.device)),
            *(self._settings[key] for key in ("n_shared", "n_specific")),
            *([rate for _, rate in settings.lambda0], settings.lambda1),
        )

    def _with_decoder(self, settings: FitSettings, linear_scale: float) -> FitSettings:
        """Return settings with the decoder and prior that auto stands for.

        ``linear_scale`` is ``prior_scale`` of a linear decoder.
        """
        if settings.decoder == "auto":
            nonlinear = calls_for_networks(
                self._settings["likelihood"],
                self._x,
                self._study.to(self.device),
                self._settings["n_shared"] + len(self._studies) * self._settings["n_specific"],
            )
            settings = replace(settings, decoder="nonlinear" if nonlinear else "linear")
        if settings.prior_scale == "auto":
            linear = settings.decoder == "linear"
            scale = linear_scale if linear else settings.scale(len(self._x))
            settings = replace(settings, prior_scale=scale)
        return settings

    def _fit_linear(self, settings: FitSettings, checkpoint: Checkpoint | None) -> pd.DataFrame:
        """Fit the linear special case into the module; return the history.

        The checkpoint has the whole fit, which takes about as long as networks between two of
        theirs.
        """
        study = self._study.to(self.device)
        saved = checkpoint.load() if checkpoint else None
        if saved is not None:
            self.module.hold_posteriors(np.bincount(self._study).tolist())
            self.module.load_state_dict(saved["module"])
            log.info("the fit is done, in %s", checkpoint.path)
            return pd.DataFrame(saved["history"])
        weight = len(self._x) / settings.scale(len(self._x))
        state, history = fit_linear(*self._linear_arguments(settings), weight)
        write_linear(state, self.module, study)
        if checkpoint:
            checkpoint.save(
                {"module": self.module.state_dict(), "history": history.to_dict("records")}
            )
        return history

    def _samples(
        self, adata: anndata.AnnData | None, observed: Sequence[str] | None, new_studies: bool
    ) -> tuple[pd.Index, list[Samples]]:
        """Return the names of samples, and by study what of them is observed."""
        if adata is None:
            study, studies, names = self._study.numpy(), self._studies, self.obs_names
            values, features = self._values, self.var_names
        else:
            new = read_new(adata, self._settings, self.var_names)
            study, studies, names = new.study, new.studies, new.names
            values, features = new.x, new.features
        seen = observed_features(features, observed, self.var_names)
        x = values.new_zeros(len(names), len(self.var_names))
        x[:, self.var_names.get_indexer(features)] = values
        if self._units is not None:
            x = self._units.standardised(x)
        x = x.float()
        if not torch.isfinite(x[:, seen]).all():
            i = int((~torch.isfinite(x[:, seen])).any(1).nonzero()[0])
            raise InputError(f"sample {names[i]!r} has values that are too large to infer from")
        groups = []
        for position, name in enumerate(studies):
            if name not in self._studies and not new_studies:
                raise InputError(
                    f"the model was not fitted to a study {name!r}, but to {listed(self._studies)}"
                )
            known = self._studies.index(name) if name in self._studies else None
            rows = np.flatnonzero(study == position)
            if known is None:
                log.info("study %r is new: its samples have the shared factors alone", name)
            groups.append(Samples(rows, known, x[rows].to(self.device), seen))
        return names, groups

    def _fit_as_dict(self) -> dict | None:
        return asdict(self.fit_settings) if self.fit_settings else None

    def _check_names(self, adata: anndata.AnnData) -> None:
        if adata.var_names.tolist() != self.var_names.tolist():
            raise InputError("the features of adata are not those that the model was fitted to")
        if adata.obs_names.tolist() != self.obs_names.tolist():
            raise InputError("the samples of adata are not those that the model was fitted to")


def _changed(preset: str, settings: dict[str, object]) -> FitSettings:
    """Return a preset with other settings; raise InputError if one is unknown."""
    if not isinstance(preset, str) or preset not in PRESETS:
        raise InputError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}")
    known = [field.name for field in fields(FitSettings)]
    for key in settings:
        if key not in known:
            raise InputError(f"unknown setting {key!r} of fit: choose from {', '.join(known)}")
    return replace(PRESETS[preset], **settings)


def _seed_of_starts(seed: int) -> int:
    """Return 64 bits of a seed of any length, other ones than ``training.fit`` takes."""
    return int(np.random.SeedSequence(seed).generate_state(3, np.uint64)[2])
