"""The state of a linear fit: parameters, and the posterior of each study's factors."""

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mssvae.core.linear.observations import CountObservation, GaussianObservation

# Samples whose second moments are held in memory at once.
CHUNK = 4096


@dataclass
class StudyData:
    """The samples of one study, and which of all factors they have.

    Attributes
    ----------
    x : Tensor [n, G]
    factors : Tensor [k]
        Positions among all factors: the shared ones, then the study's own.
    """

    x: Tensor
    factors: Tensor


@dataclass
class Parameters:
    """What is the same for all samples of a study, and what infers factors of new ones.

    The output of feature j for a sample of study m is ``loadings_j' z + bias_j + intercepts_mj``.

    Attributes
    ----------
    observation : class
        One of ``observations.OBSERVATIONS``.
    loadings : Tensor [G, K]
        Of all factors; exact zeros where a feature is not affected.
    bias : Tensor [G]
    intercepts : Tensor [M, G]
        What studies differ by on the whole.
    log_noise : Tensor [G]
    log_scale : Tensor [G]
        Counts have the mean ``library size * exp(log_scale) * softplus(output)``.
    library_mean, library_variance : Tensor, scalars
        Of the prior of log library sizes.
    factor_covariances : Tensor [M, k, k]
        By study, of the normal prior of its factors: the shared ones, then its own.
    """

    observation: type[GaussianObservation] | type[CountObservation]
    loadings: Tensor
    bias: Tensor
    intercepts: Tensor
    log_noise: Tensor
    log_scale: Tensor
    library_mean: Tensor
    library_variance: Tensor
    factor_covariances: Tensor

    def output(self, study: int, factors: Tensor, z: Tensor) -> Tensor:
        """Return the outputs of samples of a study with values z [n, k] of factors, [n, G]."""
        return z @ self.loadings[:, factors].T + self.bias + self.intercepts[study]

    def of_features(self, features: Tensor | slice) -> "Parameters":
        """Return the parameters of some features alone."""
        return replace(
            self,
            loadings=self.loadings[features],
            bias=self.bias[features],
            intercepts=self.intercepts[:, features],
            log_noise=self.log_noise[features],
            log_scale=self.log_scale[features],
        )


@dataclass
class Posterior:
    """Normal posteriors of the factors of one study's samples, and their library sizes.

    Attributes
    ----------
    mean : Tensor [n, k]
    covariance : Tensor [n, k, k]
    log_library : Tensor [n, 1]
        At the mode; zeros for a likelihood without library sizes.
    """

    mean: Tensor
    covariance: Tensor
    log_library: Tensor

    def variance(self) -> Tensor:
        """Return the variances of the factors, [n, k]."""
        return self.covariance.diagonal(dim1=1, dim2=2)

    def transform(self, matrix: Tensor) -> None:
        """Replace factors z by ``matrix z``."""
        self.mean = self.mean @ matrix.T
        self.covariance = matrix @ self.covariance @ matrix.T

    def evidence(self) -> Tensor:
        """Return the log Bayes factor of each factor against its absence, over samples, [k].

        By Savage and Dickey: density at zero of the prior over that of the posterior.
        """
        variance = self.variance()
        return 0.5 * (variance.log() + self.mean.square() / variance).sum(0)

    def forget(self, k: int) -> None:
        """Put factor k back to its prior."""
        self.mean[:, k] = 0
        self.covariance[:, k, :] = 0
        self.covariance[:, :, k] = 0
        self.covariance[:, k, k] = 1


@dataclass
class LinearState:
    """A linear fit under way.

    Attributes
    ----------
    parameters : Parameters
    data : list of StudyData
    posteriors : list of Posterior
        By study.
    n_shared : int
    spread : Tensor [G]
        Standard deviations of the outputs, positive.
    estimates_noise : Tensor [G]
        Which features' noise is estimated.
    log_base : float
        What of the log-likelihood of all data depends on them alone.
    price : Tensor [K]
        What an entry of each column has to gain in log-likelihood, in nats.
    """

    parameters: Parameters
    data: list[StudyData]
    posteriors: list[Posterior]
    n_shared: int
    spread: Tensor
    estimates_noise: Tensor
    log_base: float
    price: Tensor

    @property
    def n_samples(self) -> int:
        """Number of samples of all studies."""
        return sum(len(study.x) for study in self.data)

    @property
    def support(self) -> Tensor:
        """Which loadings are not zero, bool [G, K]."""
        return self.parameters.loadings != 0

    @property
    def relative_loadings(self) -> Tensor:
        """Loadings in spreads of their features, which can be compared, [G, K]."""
        return self.parameters.loadings / self.spread[:, None]

    def evidence(self) -> Tensor:
        """Return what each study has of evidence for each factor, [M, K]; 0 for others' own."""
        table = self.price.new_zeros(len(self.data), len(self.price))
        for row, data, posterior in zip(table, self.data, self.posteriors, strict=True):
            row[data.factors] = posterior.evidence()
        return table

    @property
    def live(self) -> Tensor:
        """Which columns have an entry, bool [K]."""
        return self.support.any(0)

    def own(self, study: int) -> Tensor:
        """Return the positions of a study's own factors among all."""
        return self.data[study].factors[self.n_shared :]

    def copy(self) -> "LinearState":
        """Return a copy that shares the data alone."""
        kept = copy.copy(self)
        kept.parameters = copy.copy(self.parameters)
        kept.parameters.loadings = self.parameters.loadings.clone()
        kept.price = self.price.clone()
        kept.posteriors = [
            Posterior(one.mean.clone(), one.covariance.clone(), one.log_library.clone())
            for one in self.posteriors
        ]
        return kept

    def chunks(self) -> Iterator[tuple[int, StudyData, Posterior]]:
        """Yield studies in pieces of some samples: number, data and posterior."""
        for study, (data, posterior) in enumerate(zip(self.data, self.posteriors, strict=True)):
            edges = range(0, len(data.x) + CHUNK, CHUNK)
            for start, end in itertools.pairwise(edges):
                yield (
                    study,
                    StudyData(data.x[start:end], data.factors),
                    Posterior(
                        posterior.mean[start:end],
                        posterior.covariance[start:end],
                        posterior.log_library[start:end],
                    ),
                )

    def transform(self, matrix: Tensor) -> None:
        """Replace factors z by ``matrix z`` [K, K]; loadings are the caller's to change."""
        for data, posterior in zip(self.data, self.posteriors, strict=True):
            posterior.transform(matrix[data.factors[:, None], data.factors])

    def unit_moments(self) -> None:
        """Scale factors to second moments of 1, as their prior has them; outputs stay."""
        moments, n = torch.zeros_like(self.price), torch.zeros_like(self.price)
        for data, posterior in zip(self.data, self.posteriors, strict=True):
            moments[data.factors] += (posterior.mean.square() + posterior.variance()).sum(0)
            n[data.factors] += len(data.x)
        scale = (moments / n).sqrt().clamp_min(1e-3)
        scale = torch.where(self.live, scale, torch.ones_like(scale))
        self.parameters.loadings = self.parameters.loadings * scale
        self.transform(torch.diag(1 / scale))


def pairs(k: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the positions of the lower triangle of a k x k matrix."""
    rows, columns = torch.tril_indices(k, k, device=device)
    return rows, columns


def pair_products(values: Tensor) -> Tensor:
    """Return products of all pairs of rows [k, n] of a matrix, as ``pairs`` has them."""
    rows, columns = pairs(len(values), values.device)
    return values[rows] * values[columns]


def symmetric(values: Tensor, k: int) -> Tensor:
    """Return matrices [n, k, k] of their lower triangles [n, k (k + 1) / 2]."""
    rows, columns = pairs(k, values.device)
    places = rows.new_empty(k, k)
    places[rows, columns] = places[columns, rows] = torch.arange(len(rows), device=values.device)
    return values.index_select(1, places.flatten()).view(len(values), k, k)


def precisions(covariances: Tensor) -> Tensor:
    """Return the inverses of covariances of factors, however close these are to one another."""
    return torch.linalg.inv(covariances.double()).to(covariances)


def safe_cholesky(matrices: Tensor) -> Tensor:
    """Return the Cholesky factors of positive definite matrices [n, k, k], whatever their range.

    Single precision loses what is small beside the largest entry, so that much is added first.
    """
    if not matrices.shape[-1]:
        return matrices
    diagonal = matrices.diagonal(dim1=1, dim2=2)
    largest = diagonal.amax(1, keepdim=True)
    diagonal += 2 * torch.finfo(matrices.dtype).eps * matrices.shape[-1] * largest
    return torch.linalg.cholesky(matrices)


def output_deviation(loadings: Tensor, covariance: Tensor) -> Tensor:
    """Return standard deviations of outputs [n, G]; loadings [k, G], covariances [n, k, k]."""
    rows, columns = pairs(len(loadings), loadings.device)
    twice = 2 - (rows == columns).to(loadings.dtype)
    variance = (covariance[:, rows, columns] * twice) @ pair_products(loadings)
    return variance.clamp_min(0).sqrt()
