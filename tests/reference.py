"""The equations of the paper, written out literally: slow, in float64, one sample and one feature
at a time, with the zero-padded vectors that the fast code leaves out.

Only parameters are taken from the fast module; none of its computations are used.
"""

import math

import torch


def relu(x):
    """With derivative 0 at 0, where a feature without any factor sits."""
    return x * (x > 0)


def encoder(module, x):
    """Appendix B.1, in evaluation of a batch: batch norm with the batch's own moments."""
    h = x
    for layer, norm in zip(module.layers, module.norms, strict=True):
        h = h @ layer.weight.T + layer.bias
        mean = h.mean(0)
        variance = ((h - mean) ** 2).mean(0)
        h = relu((h - mean) / torch.sqrt(variance + norm.eps) * norm.weight + norm.bias)
    mu = h @ module.mean.weight.T + module.mean.bias
    log_variance = h @ module.log_variance.weight.T + module.log_variance.bias
    return mu, log_variance


def padded(module, m, shared, own, n_studies):
    """w-tilde or z-tilde of section 2.2: shared part, then zeros but for the study's own place."""
    parts = [shared]
    for other in range(n_studies):
        parts.append(own if other == m else torch.zeros_like(own))
    return torch.cat(parts)


def f(decoder, c, j):
    """The linear output of feature j for the masked latents c (appendix B.1)."""
    h1 = relu(decoder.first.weight @ c)
    h2 = relu(decoder.second.weight @ h1 + decoder.second.bias)
    return decoder.output.weight[j] @ (h2 + c) + decoder.output.bias[j]


def gaussian_log_density(x, mean, sigma2):
    return -0.5 * math.log(2 * math.pi) - 0.5 * torch.log(sigma2) - (x - mean) ** 2 / (2 * sigma2)


def negative_binomial_log_mass(x, mu, phi):
    """Section 2.4."""
    return (
        torch.lgamma(x + phi)
        - torch.lgamma(x + 1)
        - torch.lgamma(phi)
        + phi * torch.log(phi / (phi + mu))
        + x * torch.log(mu / (phi + mu))
    )


def normal_kl(mu, variance, prior_mu, prior_variance):
    return 0.5 * (
        variance / prior_variance
        + (mu - prior_mu) ** 2 / prior_variance
        - 1
        - torch.log(variance / prior_variance)
    )


def loss(module, x, study, noise, prior_scale):
    """Minus eq. 2.4 per sample, without the prior of the masks, with one draw of the factors.

    ``study`` gives each sample's number; a study's samples are its own batch for its encoder.
    """
    n_studies = len(module.specific_masks)
    counts = module.likelihood.uses_library
    inputs = torch.log(1 + x) if counts else x
    shared_mu, shared_lv = encoder(module.shared_encoder, inputs)
    own = {}
    for m in range(n_studies):
        rows = [i for i in range(len(x)) if study[i] == m]
        mu, lv = encoder(module.specific_encoders[m], inputs[rows])
        own |= {i: (mu[r], lv[r]) for r, i in enumerate(rows)}
    if counts:
        library_mu, library_lv = encoder(module.library_encoder, inputs)

    total = torch.zeros((), dtype=x.dtype)
    for i in range(len(x)):
        m = int(study[i])
        own_mu, own_lv = own[i]
        z = shared_mu[i] + torch.exp(shared_lv[i]) ** 0.5 * noise[i, : module.n_shared]
        zeta = own_mu + torch.exp(own_lv) ** 0.5 * noise[i, module.n_shared : -1]
        z_tilde = padded(module, m, z, zeta, n_studies)
        if counts:
            library = torch.exp(
                library_mu[i, 0] + torch.exp(library_lv[i, 0]) ** 0.5 * noise[i, -1]
            )
        for j in range(x.shape[1]):
            w_tilde = padded(
                module, m, module.shared_mask[j], module.specific_masks[m][j], n_studies
            )
            output = f(module.decoder, w_tilde * z_tilde, j)
            if counts:
                mu = library * torch.log(1 + torch.exp(output))
                phi = torch.exp(module.likelihood.log_theta[j])
                total = total - negative_binomial_log_mass(x[i, j], mu, phi)
            else:
                sigma2 = torch.exp(module.likelihood.log_sigma2[j])
                total = total - gaussian_log_density(x[i, j], output, sigma2)
        # A factor whose mask is all zero is out of the model, and so is its divergence.
        in_use = (module.shared_mask != 0).any(0), (module.specific_masks[m] != 0).any(0)
        total = total + normal_kl(shared_mu[i], torch.exp(shared_lv[i]), 0, 1)[in_use[0]].sum()
        total = total + normal_kl(own_mu, torch.exp(own_lv), 0, 1)[in_use[1]].sum()
        if counts:
            total = total + normal_kl(
                library_mu[i, 0],
                torch.exp(library_lv[i, 0]),
                module.library_mean,
                module.library_variance,
            )
    result = total / len(x)
    if not counts:
        sigma2 = torch.exp(module.likelihood.log_sigma2)
        alpha, beta = module.likelihood.alpha, module.likelihood.beta
        result = result - (-(alpha + 1) * torch.log(sigma2) - beta / sigma2).sum() / prior_scale
    return result


def slab_probability(w, eta, lambda0, lambda1):
    """Appendix B.2.1, one entry."""
    slab = eta * lambda1 * math.exp(-lambda1 * abs(w))
    spike = (1 - eta) * lambda0 * math.exp(-lambda0 * abs(w))
    return slab / (slab + spike)
