"""The user's class: fit the multi-study sparse VAE to an AnnData and read its factors."""

import copy
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from types import EllipsisType
from typing import Any

import anndata
import pandas as pd
import torch

from mssvae import __version__
from mssvae.core.linear.state import LinearState
from mssvae.data.inputs import require_anndata, resolve_device
from mssvae.data.model_data import ModelData
from mssvae.data.validation import number
from mssvae.errors import InputError
from mssvae.fitting.decoders import (
    fit_module,
    linear_arguments,
    new_module,
    with_decoder,
)
from mssvae.fitting.held_out import HeldOut
from mssvae.fitting.linear.loop import fit_path, refit_linear
from mssvae.fitting.linear.result import read_state, write
from mssvae.fitting.selection import CANDIDATES, Numbers, choose_numbers
from mssvae.fitting.settings import FitSettings, ModelSettings, changed, model_settings
from mssvae.fitting.surroundings import machine, own_surroundings
from mssvae.moves.parts import Price
from mssvae.results.assignment import assigned
from mssvae.results.factors import (
    describe,
    posterior_means,
    posteriors,
    summary,
    warn_of_other_explanations,
    warn_without_factors,
)
from mssvae.results.inference import expected_values_of, transformed
from mssvae.results.model_files import arrays_of, read_model, write_model
from mssvae.results.tables import FactorTables, factor_tables, part_of, write_factors

log = logging.getLogger(__name__)


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
        self._data = ModelData.read(adata, study_key, layer, likelihood, self.device)
        self.module = new_module(self._data, self._settings)

    def __repr__(self) -> str:
        return summary(self.module, self._data, self._settings, len(self._history))

    @property
    def history(self) -> pd.DataFrame:
        """One row per epoch; see ``mssvae.fitting.networks.loop.fit``. Empty before ``fit``."""
        return self._history.copy()

    @property
    def obs_names(self) -> pd.Index:
        """The names of the samples, as text."""
        return self._data.obs_names

    @property
    def var_names(self) -> pd.Index:
        """The names of the features, as text."""
        return self._data.var_names

    @property
    def studies(self) -> list[str]:
        """The names of the studies, in the order of the categories of their column, or sorted."""
        return list(self._data.studies)

    @property
    def settings(self) -> ModelSettings:
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
        return self._data.table_of_units()

    @own_surroundings()
    def fit(
        self,
        preset: str = "default",
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_seconds: float = 60,
        **settings: Any,
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
        fit_settings = changed(preset, settings).for_samples(len(self._data))
        before = copy.deepcopy(self.module), self._settings, self._data
        try:
            fit_settings = self._resolved(fit_settings)
            about = self._settings, fit_settings, settings.keys()
            kept = checkpoint, checkpoint_seconds
            self._history = fit_module(self.module, self._data, *about, *kept)
        except BaseException:  # Ctrl-C too: half a fit is nothing to go on from.
            self.module, self._settings, self._data = before
            self.module.eval()
            raise
        self.fit_settings = fit_settings
        warn_without_factors(self.module)
        warn_of_other_explanations(self.factor_table())
        return self

    @own_surroundings()
    def fit_path(
        self, weights: Sequence[float], preset: str = "default", **settings: Any
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
        n = len(self._data)
        fit_settings = changed(preset, {**settings, "decoder": "linear"}).for_samples(n)
        model = copy.copy(self)
        model._settings = {**self._settings, **CANDIDATES.most(self._settings)}
        model._data = self._data.in_units(fit_settings.standardise)
        arguments = linear_arguments(model._data, self.module, fit_settings)
        return [
            model._with(state, history, replace(fit_settings, prior_scale=n / weight))
            for weight, (state, history) in zip(weights, fit_path(*arguments, weights), strict=True)
        ]

    def held_out(self, share: float = 0.2, seed: int = 0) -> HeldOut:
        """Return the data as two parts: samples to fit, and samples to score fits by.

        Values are in the units that the model works on, so that they can be scored as they are.

        Raises InputError if the share is out of range, or too large for a study.
        """
        study_key, likelihood = self._settings["study_key"], self._settings["likelihood"]
        return HeldOut(self._data.to_anndata(study_key), study_key, likelihood, share, seed)

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
        settings, data = self._require_fit(), self._data
        if settings.decoder != "linear":
            raise InputError("a nonlinear fit cannot go on with fewer entries: fit a linear one")
        held = torch.from_numpy(part_of(support, own).to_numpy()).to(self.device)
        state = read_state(copy.deepcopy(self.module), data.x, data.study_there)
        rate, weight = settings.lambda0[-1][1], len(data) / settings.scale(len(data))
        history = refit_linear(state, held, self._history, rate, settings.lambda1, weight)
        return self._with(state, history, settings)

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
        samples = self._data.samples(adata, observed, self._settings, new_studies=False)
        return expected_values_of(self.module, self._data, *samples)

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
        samples = self._data.samples(adata, observed, self._settings, new_studies=True)
        return transformed(self.module, self._data, *samples)

    @property
    def masks(self) -> FactorTables:
        """The sparse masks W: features x factors, exact zeros where a feature is not affected."""
        self._require_fit()
        return factor_tables(self.module.masks, self.var_names, self.studies)

    @property
    def support(self) -> FactorTables:
        """The non-zero pattern of the masks: bool, features x factors."""
        self._require_fit()
        masks = [mask != 0 for mask in self.module.masks]
        return factor_tables(masks, self.var_names, self.studies)

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
        of_data = posteriors(self.module, self._data)
        return posterior_means(self.module, self._data, *of_data)

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
        settings = self._require_fit()
        warn_without_factors(self.module)
        scale = settings.scale(len(self._data))
        price = Price(settings.lambda0[-1][1], settings.lambda1, scale)
        return assigned(self.masks, self.latent(), self.module, self._data, price)

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
        self._require_fit()
        return describe(self.module, self._data)

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
        self._data.check_same(adata)
        result = adata.copy()
        write_factors(result, self.masks, self.latent())
        about = {"settings": self._settings, "fit": self._fit_as_dict()}
        result.uns["mssvae"] = {key: json.dumps(value) for key, value in about.items()} | {
            "studies": self.studies,
            "version": __version__,
        }
        study_key = self._settings["study_key"]
        if study_key in result.obs and {type(value) for value in result.obs[study_key]} != {str}:
            result.obs[study_key] = pd.Categorical.from_codes(self._data.study, self.studies)
        return result

    def save(self, path: str | os.PathLike[str]) -> None:
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
            **self._data.about(),
            "history": self._history.to_dict("list"),
        }
        write_model(path, about, arrays_of(self.module, self._data))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
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
        saved = read_model(path)
        settings = saved.settings
        if study_key is not None:
            settings["study_key"] = study_key
        if layer is not ...:
            settings["layer"] = layer
        model = cls(adata, **settings, device=device)
        model._data = saved.restore(model.module, model._data)
        model.fit_settings, model._history = saved.fit, saved.history
        return model

    def manifest(self) -> dict[str, Any]:
        """Return what is needed to repeat the fit: settings, seed, versions and machine."""
        return {
            "mssvae": __version__,
            "settings": self.settings,
            "fit": self._fit_as_dict(),
            "n_samples": len(self.obs_names),
            "n_features": len(self.var_names),
            "studies": self.studies,
            **machine(self.device),
        }

    def _require_fit(self) -> FitSettings:
        if self.fit_settings is None:
            raise InputError("the model is not fitted: call fit first")
        return self.fit_settings

    def _choose_numbers(self, fit_settings: FitSettings) -> float:
        """Take the numbers of factors that auto stands for; return ``prior_scale`` of a linear fit.

        Chosen by linear fits to a part of the samples.
        """

        def new_model(adata: anndata.AnnData, numbers: Numbers) -> MSSVAE:
            settings: ModelSettings = {**self._settings, **numbers, "layer": None}
            return MSSVAE(adata, **settings, device=self.device)

        held_out, n = self.held_out(CANDIDATES.share, self._settings["seed"]), len(self._data)
        chosen = choose_numbers(new_model, held_out, self._settings, fit_settings, n)
        self._settings = {**self._settings, **chosen.numbers}
        self.module = new_module(self._data, self._settings)
        return n / chosen.weight

    def _resolved(self, settings: FitSettings) -> FitSettings:
        """Take units, numbers of factors, decoder and weight of the prior that auto stands for."""
        if not settings.standardise:
            self._data = self._data.in_units(standardise=False)
            self.module.start(self._data.x)
        linear_scale = settings.scale(len(self._data))
        if "auto" in (self._settings["n_shared"], self._settings["n_specific"]):
            linear_scale = self._choose_numbers(settings)
        return with_decoder(settings, self._data, self.module, linear_scale)

    def _with(self, state: LinearState, history: pd.DataFrame, settings: FitSettings) -> "MSSVAE":
        """Return a copy with another linear fit to the same data."""
        model = copy.copy(self)
        model.module = copy.deepcopy(self.module)
        write(state, model.module, self._data.study_there)
        model.fit_settings, model._history = settings, history
        return model

    def _fit_as_dict(self) -> dict[str, Any] | None:
        return asdict(self.fit_settings) if self.fit_settings else None
