"""What a fit costs, and what it recovers, with the decoder evaluated in different ways."""

import json
import logging
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.benchmark import Timer

from mssvae import MSSVAE, simulate
from mssvae.core.decoder import Decoder
from mssvae.core.module import MultiStudyModule
from mssvae.errors import InputError
from mssvae.fitting.settings import FitSettings
from mssvae.metrics import structure_scores
from studies.memory import peak_memory

log = logging.getLogger(__name__)

# The large matrix product has at most so many rows and columns; it and the decoder are repeated
# for at least so many seconds.
_MAX_SIDE, _MIN_TIME = 4096, 0.2


class LiteralDecoder(Decoder):
    """The decoder as the equations have it: all features at once, zero-padded to all K dimensions.

    It holds the masked latents of all samples and features, [B, G, K], in the precision of the
    parameters.
    """

    def feature_chunks(
        self, n_samples: int, n_features: int, chunk_elements: int = 0
    ) -> Iterator[slice]:
        """Yield all features as one slice."""
        yield slice(0, n_features)

    def products_dominate(self) -> bool:
        """Return False: every feature and sample is computed alike."""
        return False

    def forward(
        self,
        z: Tensor,
        mask: Tensor,
        dimensions: Tensor,
        weight: Tensor,
        bias: Tensor,
        precision: torch.dtype | None = None,
    ) -> Tensor:
        """Return what ``Decoder.forward`` returns, [B, g]; ``precision`` is ignored."""
        return self._outputs(
            self._padded(z, dimensions), self._padded(mask, dimensions), weight, bias
        )

    def _outputs(self, z: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        c = z.unsqueeze(1) * mask  # [B, g, K]
        return ((self._hidden(c) + c) * weight).sum(-1) + bias

    def _padded(self, values: Tensor, dimensions: Tensor) -> Tensor:
        padded = values.new_zeros(len(values), self.first.in_features)
        return padded.index_copy(1, dimensions, values)

    def _hidden(self, c: Tensor) -> Tensor:
        return functional.relu(self.second(functional.relu(self.first(c))))


class FeatureLoopDecoder(LiteralDecoder):
    """The decoder as a loop over features, zero-padded to all K dimensions."""

    def _outputs(self, z: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        outputs = []
        for w_j, v_j, b_j in zip(mask, weight, bias, strict=True):
            c = w_j * z
            outputs.append((self._hidden(c) + c) @ v_j + b_j)
        return torch.stack(outputs, 1)


# By name, the decoder and the setting ``precision`` of the fit.
VARIANTS = {
    "engine": (Decoder, "auto"),
    "engine, float32": (Decoder, "float32"),
    "literal": (LiteralDecoder, "float32"),
    "feature loop": (FeatureLoopDecoder, "float32"),
}


@dataclass(frozen=True)
class Case:
    """Simulated data, and how a model is fitted to them.

    Attributes
    ----------
    n_samples : int
        Of all studies together; each has as many as the others.
    n_features, n_studies : int
    n_shared, n_specific : int
        Numbers of factors to start from. True ones are 8, and 2 of each study.
    n_hidden : int
        Width of the decoder's hidden layer, and of the encoders' first; their second has half.
    likelihood : {"gaussian", "negative_binomial"}
        Data from ``simulate.gaussian`` or ``simulate.rnaseq``.
    preset : {"default", "paper"}
        How to fit.
    max_epochs, batch_size, lr, lr_mask
        As in ``FitSettings``; None for the preset's.
    seed : int
        Of data and fit.
    """

    n_samples: int
    n_features: int
    n_shared: int
    n_specific: int
    n_hidden: int
    n_studies: int = 3
    likelihood: str = "gaussian"
    preset: str = "default"
    max_epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    lr_mask: float | None = None
    seed: int = 11

    def settings(self) -> dict[str, str | int | float]:
        """Return the arguments of ``MSSVAE.fit``."""
        keys = ("preset", "max_epochs", "batch_size", "lr", "lr_mask")
        given = {key: getattr(self, key) for key in keys if getattr(self, key) is not None}
        return {"decoder": "nonlinear", **given}

    def model(self, decoder: type[Decoder]) -> tuple[MSSVAE, dict[str, np.ndarray]]:
        """Return a model to fit, and the true masks: ``"shared"`` and by study, [G x K]."""
        simulator = {"gaussian": simulate.gaussian, "negative_binomial": simulate.rnaseq}
        adata = simulator[self.likelihood](
            self.n_samples // self.n_studies,
            self.n_features,
            n_studies=self.n_studies,
            seed=self.seed,
        )
        model = MSSVAE(
            adata,
            likelihood=self.likelihood,
            n_shared=self.n_shared,
            n_specific=self.n_specific,
            hidden=(self.n_hidden, self.n_hidden // 2),
            seed=self.seed,
        )
        model.module.decoder.__class__ = decoder  # They have the same parameters.
        return model, {part: adata.varm[f"true_{part}"] for part in ("shared", *model.studies)}


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes
    ----------
    base : Case
    sweeps : mapping of str to sequence
        By attribute of ``Case``, its values; the others are those of ``base``.
    recovery : sequence of Case
        Small enough for all variants.
    replicates : sequence of Case
        For the engine and the literal decoder alone.
    """

    base: Case
    sweeps: Mapping[str, Sequence]
    recovery: Sequence[Case]
    replicates: Sequence[Case]


_TINY = Case(
    n_samples=60,
    n_features=70,
    n_shared=4,
    n_specific=2,
    n_hidden=16,
    max_epochs=15,
    batch_size=60,
)
_SMALL = Case(
    n_samples=450,
    n_features=70,
    n_shared=16,
    n_specific=4,
    n_hidden=50,
    max_epochs=100,
    batch_size=64,
)
# The Gaussian study of section 4.1.
_REPLICATE = Case(n_samples=3000, n_features=100, n_shared=30, n_specific=5, n_hidden=50)
# The RNA study of section 4.2, reduced to what the literal decoder finishes in minutes; its decoder
# is large enough for the closed forms.
_REDUCED = Case(
    n_samples=1200,
    n_features=500,
    n_shared=30,
    n_specific=6,
    n_hidden=128,
    likelihood="negative_binomial",
    max_epochs=150,
    batch_size=64,
)
PLANS = {
    "full": Plan(
        # With a large rate of the masks, so few epochs end with sparse ones.
        base=Case(
            n_samples=960,
            n_features=250,
            n_shared=20,
            n_specific=5,
            n_hidden=256,
            max_epochs=12,
            batch_size=128,
            lr_mask=0.05,
        ),
        sweeps={
            "n_samples": (480, 960, 1920),
            "n_features": (250, 500, 1000),
            "n_shared": (10, 20, 40),
            "n_studies": (2, 3, 5),
            "likelihood": ("gaussian", "negative_binomial"),
        },
        recovery=[_SMALL],
        replicates=[
            _REPLICATE,
            replace(_REPLICATE, preset="paper", max_epochs=500, lr=0.01),
            # Fits that differ in rounding alone recover a little more or less by chance.
            *[replace(_REDUCED, seed=seed) for seed in (11, 12, 13)],
        ],
    ),
    "quick": Plan(
        base=_TINY,
        sweeps={"n_samples": (60,), "n_features": (70,), "n_shared": (4,), "n_studies": (3,)},
        recovery=[],
        replicates=[_TINY],
    ),
}


def cost(plan: Plan) -> pd.DataFrame:
    """Measure how the cost grows with the size of data and model.

    A case that is in several sweeps is measured once, and its rows are repeated.

    Returns
    -------
    DataFrame
        One row per sweep, value and variant: ``sweep``, the attributes of ``Case``, ``variant``,
        and what ``measure`` returns.
    """
    rows_of = cache(partial(_rows, variants=VARIANTS))
    return pd.DataFrame(
        {"sweep": sweep, **row}
        for sweep, values in plan.sweeps.items()
        for value in values
        for row in rows_of(replace(plan.base, **{sweep: value}))
    )


def recovery(plan: Plan) -> pd.DataFrame:
    """Measure what is recovered, and in what time.

    Returns
    -------
    DataFrame
        One row per case and variant, with the columns of ``cost`` but ``sweep``.
    """
    rows = [row for case in plan.recovery for row in _rows(case, VARIANTS)]
    for case in plan.replicates:
        rows += _rows(case, ["engine", "literal"])
    return pd.DataFrame(rows)


def machine() -> dict:
    """Return what the measurements depend on beside the code."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else None
    return {
        "cpu_name": torch.cpu.get_capabilities()["cpu_name"],
        "device": str(device),
        "device_name": name,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "precision": _name(FitSettings().product_precision(device)),
    }


def measure(case: Case, variant: str) -> dict[str, float | int | str]:
    """Fit once, in a new process, and return what it took and what it found.

    Parameters
    ----------
    case : Case
    variant : str
        A key of ``VARIANTS``.

    Returns
    -------
    dict
        ``precision`` of the large products, ``epochs``; median ``start_s_per_epoch`` in
        the first fifth, when all columns are live, without the first epoch, and
        ``end_s_per_epoch`` in the last, when masks are sparse, both without repairs of columns;
        ``total_s`` of the fit;
        ``peak_memory_mib``, and ``baseline_memory_mib``, the peak before the fit (on a GPU, of its
        memory); ``shared_consensus`` and ``specific_consensus``. Then, of the dense decoder alone,
        with all columns live: ``decoder_s_per_epoch``, forward and backward;
        ``limit_s_per_epoch``, of one matrix product in the same precision with as many
        multiply-adds as the engine's hidden layers have; ``share_of_limit``, their ratio.
    """
    answer = subprocess.run(
        [sys.executable, __file__],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},  # The same library.
        input=json.dumps({"case": asdict(case), "variant": variant}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout)


def _measure_here(case: Case, variant: str) -> dict[str, float | int | str]:
    decoder, precision = VARIANTS[variant]
    model, truth = case.model(decoder)
    before = _peak_memory(model.device)
    clock = _EpochClock()
    trainer = logging.getLogger("mssvae.fitting.networks")
    trainer.addHandler(clock)
    trainer.setLevel(logging.INFO)
    start = time.perf_counter()
    model.fit(**case.settings(), precision=precision)
    total = time.perf_counter() - start
    peak = _peak_memory(model.device)
    starting, ending = phase_medians(clock.spans)

    true_own = {study: truth[study] for study in model.studies}
    support = model.support
    scores = structure_scores(truth["shared"], true_own, support.shared, support.specific)
    consensus = scores[scores["metric"] == "consensus"].set_index("part")["value"]

    n, n_studies = len(model.obs_names), len(model.studies)
    n_calls = math.ceil(n / model.fit_settings.batch_size) * n_studies
    dtype = model.fit_settings.product_precision(model.device)
    fresh, _ = case.model(decoder)
    return {
        "precision": _name(dtype),
        "epochs": len(model.history),
        "start_s_per_epoch": starting,
        "end_s_per_epoch": ending,
        "total_s": total,
        "peak_memory_mib": peak,
        "baseline_memory_mib": before,
        "shared_consensus": consensus["shared"],
        "specific_consensus": consensus["specific"],
        **_dense_part(fresh.module, round(n / n_calls), n_calls, dtype),
    }


def phase_medians(spans: Sequence[tuple[int, int, float]]) -> tuple[float, float]:
    """Return the median seconds per epoch at the start and at the end of a fit.

    In spans that start in the first fifth of the epochs, or in the last.

    Parameters
    ----------
    spans : sequence of (int, int, float)
        Numbers of completed epochs before and after, and the seconds between.

    Raises
    ------
    InputError
        If there is no such span.
    """
    starting, ending = [], []
    n_epochs = spans[-1][1] if spans else 0
    for before, after, seconds in spans:
        if before < n_epochs / 5:
            starting.append(seconds / (after - before))
        elif before >= 4 * n_epochs / 5:
            ending.append(seconds / (after - before))
    if not starting or not ending:
        raise InputError(f"{n_epochs} epochs are too few to time: raise max_epochs")
    return float(np.median(starting)), float(np.median(ending))


def _rows(case: Case, variants: Iterable[str]) -> list[dict]:
    """Return a row per variant, measured in turn, so that they share the machine's noise."""
    rows = []
    for variant in variants:
        result = measure(case, variant)
        rows.append({**asdict(case), "variant": variant, **result})
        log.info(
            "%s of %s: %.3f s per epoch, then %.3f, %.1f in all",
            variant,
            case,
            result["start_s_per_epoch"],
            result["end_s_per_epoch"],
            result["total_s"],
        )
    return rows


def _dense_part(
    module: MultiStudyModule, n: int, n_calls: int, dtype: torch.dtype | None
) -> dict[str, float]:
    """Time the decoder of one study in a batch of n samples, and a product of as many operations.

    Returned are the seconds of ``n_calls`` such.
    """
    decoder, live = module.decoder, module.live_columns()
    dimensions = module.dimensions([0], live)
    *masks, weight, bias, _ = module.tables
    mask = torch.cat(masks[:2], 1).detach().requires_grad_()
    z = torch.randn(n, len(dimensions), device=mask.device).requires_grad_()

    def forward_and_backward() -> None:
        for chunk in decoder.feature_chunks(n, len(mask)):
            output = decoder(z, mask[chunk], dimensions, weight[chunk], bias[chunk], dtype)
            output.sum().backward()

    n_hidden, n_latent = decoder.first.weight.shape
    multiply_adds = 3 * n_calls * n * len(mask) * n_hidden * (len(dimensions) + n_latent)
    side = min(_MAX_SIDE, round(multiply_adds ** (1 / 3)))
    one, two = torch.randn(2, side, side, device=mask.device).to(dtype or mask.dtype)
    limit = _seconds(lambda: one @ two) * multiply_adds / side**3
    seconds = _seconds(forward_and_backward) * n_calls
    return {
        "decoder_s_per_epoch": seconds,
        "limit_s_per_epoch": limit,
        "share_of_limit": limit / seconds,
    }


def _seconds(function: Callable[[], object]) -> float:
    timer = Timer("function()", globals={"function": function}, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=_MIN_TIME).median


def _peak_memory(device: torch.device) -> float:
    """Return the most memory that this process had so far, or of a GPU's, in MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return peak_memory()


def _name(precision: torch.dtype | None) -> str:
    return str(precision or torch.float32).removeprefix("torch.")


class _EpochClock(logging.Handler):
    """Notes the time between reports of the trainer, as ``phase_medians`` takes it.

    Not before the first report, which has what is done once, nor with repairs of columns.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[tuple[int, int, float]] = []
        self.last: tuple[int, float] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        now = time.perf_counter()
        if record.msg.startswith("epoch %d of"):
            if self.last is not None:
                before, since = self.last
                self.spans.append((before, record.args[0], now - since))
            self.last = record.args[0], now
        elif record.msg.startswith("before epoch %d"):
            self.last = record.args[0] - 1, now


if __name__ == "__main__":
    request = json.load(sys.stdin)
    json.dump(_measure_here(Case(**request["case"]), request["variant"]), sys.stdout)
