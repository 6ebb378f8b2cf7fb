"""How to train: the settings of a model and of a fit, and the presets."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypedDict

import numpy as np
import torch

from mssvae.core.likelihoods import LIKELIHOODS
from mssvae.data.validation import number, whole
from mssvae.errors import InputError

_DECODERS = ("auto", "linear", "nonlinear")
_PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Automatic:
    """What settings that are left to the library stand for. Measured in docs/method.md.

    Attributes
    ----------
    steps : int
        Gradient steps of a fit whose number of epochs is not given, at most.
    last_restructuring : float
        The last share of training in which columns may be repaired.
    nonlinear_prior_scale : float
        ``prior_scale`` auto of a nonlinear decoder.
    largest_linear_prior_scale : float
        And of a linear one at most: from so many samples on, an entry has to gain a fixed share of
        a nat per sample.
    """

    steps: int = 8000
    last_restructuring: float = 0.8
    nonlinear_prior_scale: float = 400
    largest_linear_prior_scale: float = 1500


AUTOMATIC = Automatic()


class ModelSettings(TypedDict):
    """What a model is made with: the arguments of ``MSSVAE`` beside data and device."""

    study_key: str
    layer: str | None
    likelihood: str
    n_shared: int | str
    n_specific: int | str
    hidden: list[int]
    seed: int


def model_settings(
    study_key: str,
    layer: str | None,
    likelihood: str,
    n_shared: int | str,
    n_specific: int | str,
    hidden: Sequence[int],
    seed: int,
) -> ModelSettings:
    """Return the arguments of ``MSSVAE`` as Python's own.

    Raises InputError, which names the argument, if one is of another type or out of range.
    """
    if not isinstance(likelihood, str) or likelihood not in LIKELIHOODS:
        known = ", ".join(sorted(LIKELIHOODS))
        raise InputError(f"unknown likelihood {likelihood!r}: choose one of {known}")
    for key, value in (("study_key", study_key), ("layer", layer)):
        if not isinstance(value, str) and not (key == "layer" and value is None):
            raise InputError(f"{key} must be a name, as text, not {value!r}")
    try:
        widths = list(hidden)
    except TypeError:
        widths = []
    if len(widths) != 2:
        raise InputError(f"hidden must be two widths, such as (256, 128), not {hidden!r}")
    settings: ModelSettings = {
        "study_key": str(study_key),
        "layer": None if layer is None else str(layer),
        "likelihood": str(likelihood),
        "n_shared": _n_factors("n_shared", n_shared),
        "n_specific": _n_factors("n_specific", n_specific),
        "hidden": [whole("hidden", width) for width in widths],
        "seed": whole("seed", seed, at_least=0),
    }
    if not settings["n_shared"] and not settings["n_specific"]:
        raise InputError("n_shared and n_specific are both 0: there are no factors to find")
    return settings


def _n_factors(key: str, value: object) -> int | str:
    return "auto" if isinstance(value, str) and value == "auto" else whole(key, value, at_least=0)


@dataclass(frozen=True)
class FitSettings:
    """How to train; see ``PRESETS`` for what is the paper's and what is not.

    Attributes
    ----------
    standardise : bool
        Of Gaussian data: take each feature in its own units, the standard deviations from its mean
        over all samples, so that neither units nor zeros of scales matter. False takes values as
        they are; features should then vary by about 1 around about 0. Counts stay counts.
    decoder : {"auto", "linear", "nonlinear"}
        Linear is ``mssvae.fitting.linear``: the decoder without its hidden layers, posteriors of
        single samples in place of encoders, an intercept of each study. Of the settings below, it
        goes by ``prior_scale``, ``lambda1`` and the rates of ``lambda0``. Nonlinear is
        ``mssvae.fitting.networks``: the paper's. Auto takes these if factors of a linear analysis
        are curves in each other (``mssvae.fitting.nonlinearity``).
    max_epochs : int or None
        Passes over the data, at most; in each, as many samples are drawn as there are. None: as
        many as make 8,000 gradient steps, which matter more than passes.
    batch_size : int
        Samples per gradient step, at most; an epoch is cut into batches of equal size.
    features_per_batch : int or None
        Features that a gradient step decodes, at most; None for all. The others' terms are
        estimated from theirs without bias. Encoders always see all.
    precision : {"auto", "float32", "bfloat16"}
        Of the large matrix products; parameters and sums stay in float32. Auto takes bfloat16
        where the processor or GPU multiplies it natively.
    lr, lr_mask : float
        Adam's learning rates for the networks and for the masks.
    lambda0 : sequence of (float, float)
        Spike rate: (share of training from which it holds, rate), the first share 0.
    lambda1 : float
        Slab rate.
    a, b : float
        Beta prior of the slab proportions; ``b=None`` stands for G.
    prior_scale : float, None or "auto"
        The per-sample loss carries the prior terms divided by this number. ``None`` stands for the
        number of samples N, which is the objective as written (eq. 2.4); the smaller, the sparser.
        Auto is N for a linear decoder, but 1,500 at most, and 400 for a nonlinear one
        (docs/method.md).
    screen_every : int
        Once the masks have exact zeros, a large decoder on the CPU computes features with at most
        one factor by closed forms, from the entries that are not zero. Every so many epochs all
        entries are: those at zero have a gradient then, and can come back. Elsewhere all entries
        have one at every step.
    restructure_from, restructure_every : float
        Share of training after which ``mssvae.moves.networks`` repairs the columns for the first
        time (None: never; at most 0.8), and the share between one time and the next. It ends with
        two in a row that find all columns in order, or with the last that falls before 0.8 of
        training.
        From the first on, the masks have exact zeros and the proximal step. After 0.8, both
        learning rates fall linearly to zero.
    moves : sequence of str or None
        Names of the moves that may be made, of ``mssvae.moves.linear`` or ``mssvae.moves.networks``
        by the decoder. None: all; ``[]``: none.
    patience : int or None
        Training has converged when after the last restructuring, with the last rate of ``lambda0``,
        fewer than one in a hundred of the masks' entries in the slab came or went in so many
        epochs. The learning rates then fall to zero in as many, and training ends. None: it goes on
        to ``max_epochs``.
    """

    standardise: bool = True
    decoder: str = "auto"
    max_epochs: int | None = None
    batch_size: int = 128
    features_per_batch: int | None = 500
    precision: str = "auto"
    lr: float = 1e-2
    lr_mask: float = 3e-2
    lambda0: Sequence[tuple[float, float]] = ((0.0, 1.0), (0.05, 10.0), (0.30, 15.0))
    lambda1: float = 0.1
    a: float = 1.0
    b: float | None = None
    prior_scale: float | str | None = "auto"
    screen_every: int = 10
    restructure_from: float | None = 0.15
    restructure_every: float = 0.07
    moves: Sequence[str] | None = None
    patience: int | None = 10

    def __post_init__(self) -> None:
        def keep(key: str, value: object) -> None:
            object.__setattr__(self, key, value)

        if not isinstance(self.standardise, bool | np.bool_):
            raise InputError(f"standardise must be True or False, not {self.standardise!r}")
        keep("standardise", bool(self.standardise))
        for key in ("batch_size", "screen_every"):
            keep(key, whole(key, getattr(self, key)))
        for key in ("max_epochs", "features_per_batch", "patience"):
            if getattr(self, key) is not None:
                keep(key, whole(key, getattr(self, key)))
        for key in ("lr", "lr_mask", "lambda1", "a", "restructure_every"):
            keep(key, _positive(key, getattr(self, key)))
        if not isinstance(self.decoder, str) or self.decoder not in _DECODERS:
            raise InputError(f"decoder must be one of {', '.join(_DECODERS)}, not {self.decoder!r}")
        for key in ("b", "prior_scale"):
            is_auto = key == "prior_scale" and isinstance(self.prior_scale, str)
            if is_auto and self.prior_scale == "auto":
                continue
            if getattr(self, key) is not None:
                keep(key, _positive(key, getattr(self, key)))
        if not isinstance(self.precision, str) or self.precision not in _PRECISIONS:
            raise InputError(
                f"precision must be one of {', '.join(_PRECISIONS)}, not {self.precision!r}"
            )
        keep("lambda0", _ladder(self.lambda0))
        if self.moves is not None:
            keep("moves", _names("moves", self.moves))
        if self.restructure_from is not None:
            first = number("restructure_from", self.restructure_from)
            if not 0 < first <= AUTOMATIC.last_restructuring:
                raise InputError(
                    "restructure_from must be None or a share of training up to "
                    f"{AUTOMATIC.last_restructuring}, not {first}"
                )
            keep("restructure_from", first)

    def for_samples(self, n_samples: int) -> "FitSettings":
        """Return the settings with a number of epochs, as they are if they have one."""
        if self.max_epochs is not None:
            return self
        steps_of_epoch = math.ceil(n_samples / self.batch_size)
        return replace(self, max_epochs=math.ceil(AUTOMATIC.steps / steps_of_epoch))

    @property
    def epochs(self) -> int:
        """The number of epochs, which ``for_samples`` gives."""
        if self.max_epochs is None:
            raise ValueError("the number of epochs is not known: call for_samples first")
        return self.max_epochs

    def product_precision(self, device: torch.device) -> torch.dtype | None:
        """Return what ``precision`` asks for on a device; None for that of the parameters."""
        if self.precision == "float32":
            return None
        if self.precision == "bfloat16" or has_bfloat16(device):
            return torch.bfloat16
        return None

    def lambda0_at(self, epoch: int) -> float:
        """Return the spike rate of an epoch, counted from 0."""
        return [rate for share, rate in self.lambda0 if epoch >= share * self.epochs][-1]

    def scale(self, n_samples: int) -> float:
        """Return ``prior_scale`` as a number."""
        if isinstance(self.prior_scale, str):  # Auto, which is the only one.
            linear = min(n_samples, AUTOMATIC.largest_linear_prior_scale)
            return AUTOMATIC.nonlinear_prior_scale if self.decoder == "nonlinear" else linear
        return n_samples if self.prior_scale is None else self.prior_scale

    def lr_factor(self, epoch: int) -> float:
        """Return what the learning rates of an epoch, counted from 0, are multiplied with."""
        if self.restructure_from is None:
            return 1.0
        left = self.epochs * (1 - AUTOMATIC.last_restructuring)
        return min(1.0, (self.epochs - epoch) / left)

    def restructuring_epochs(self) -> list[int]:
        """Return the epochs, counted from 0, before which the columns may be repaired."""
        if self.restructure_from is None:
            return []
        end = AUTOMATIC.last_restructuring + 1e-9  # That share belongs to them.
        every = max(self.restructure_every, 0.5 / self.epochs)  # An epoch has one at most.
        shares = np.arange(self.restructure_from, end, every)
        return sorted({round(share * self.epochs) for share in shares})


def _plain(value: float) -> float:
    """Return a whole number as one: 400 and 400.0 are the same setting, and written alike."""
    return int(value) if value.is_integer() else value


def _positive(key: str, value: object) -> float:
    if (value := number(key, value)) <= 0:
        raise InputError(f"{key} must be positive, not {value}")
    return _plain(value)


def _ladder(rungs: Any) -> tuple[tuple[float, float], ...]:
    """Return ``lambda0`` as Python's numbers."""
    try:
        pairs = [tuple(rung) for rung in rungs]
        ladder = tuple(
            (_plain(number("lambda0", share)), _positive("lambda0", rate)) for share, rate in pairs
        )
    except (TypeError, ValueError) as error:
        raise InputError(
            "lambda0 must list pairs of numbers, (share of training, rate), such as "
            f"[(0, 1), (0.3, 15)], not {rungs!r}: {error}"
        ) from error
    shares = [share for share, _ in ladder]
    if not shares or shares[0] != 0 or shares != sorted(shares) or shares[-1] >= 1:
        raise InputError(f"lambda0 must list growing shares of training from 0, not {shares}")
    return ladder


def _names(key: str, value: Any) -> tuple[str, ...]:
    """Return a list of names as a tuple."""
    listed = not isinstance(value, str) and np.iterable(value)
    if not listed or not all(isinstance(name, str) for name in value):
        raise InputError(f"{key} must be None or a list of names, not {value!r}")
    return tuple(map(str, value))


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 matrices natively."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if not hasattr(torch.cpu, "get_capabilities"):  # As in the release that conda has.
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


# What a linear fit goes by.
LINEAR_SETTINGS = {"decoder", "standardise", "prior_scale", "lambda0", "lambda1", "moves"}
# "paper": the paper's (Table 2 for RNA data, appendix C.2) and the objective as written.
# "default": what recovers the truth best (docs/method.md).
PRESETS = {
    "paper": FitSettings(
        decoder="nonlinear",
        standardise=False,
        max_epochs=800,
        batch_size=512,
        features_per_batch=None,
        lr=1e-3,
        lr_mask=1e-2,
        prior_scale=None,
        restructure_from=None,
        patience=None,
    ),
    "default": FitSettings(),
}


def changed(preset: str, settings: Mapping[str, Any]) -> FitSettings:
    """Return a preset with other settings; raise InputError if one is unknown."""
    if not isinstance(preset, str) or preset not in PRESETS:
        raise InputError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}")
    known = [field.name for field in fields(FitSettings)]
    for key in settings:
        if key not in known:
            raise InputError(f"unknown setting {key!r} of fit: choose from {', '.join(known)}")
    return replace(PRESETS[preset], **settings)
