"""Masks and factors where Theorem 2 has them."""

import copy

import numpy as np

from mssvae.core.module import MultiStudyModule
from mssvae.data.model_data import ModelData
from mssvae.moves.parts import Part, Price, read_parts
from mssvae.moves.theorem2 import common_columns, split_columns
from mssvae.results.tables import FactorTables


def assigned(
    masks: FactorTables,
    latent: FactorTables,
    module: MultiStudyModule,
    data: ModelData,
    price: Price,
) -> tuple[FactorTables, FactorTables]:
    """Return masks and factors with each column where Theorem 2 has it, see ``MSSVAE.assigned``.

    Parameters
    ----------
    masks, latent : FactorTables
        Of the module; changed in place.
    price : Price
        What the prior asked for last.
    """
    module = copy.deepcopy(module)
    inputs = module.likelihood.encoder_input(data.x)
    parts = read_parts(module, data.x, inputs, data.study, price)
    _assign(masks, latent, parts, price)
    return masks, latent


def _assign(masks: FactorTables, latent: FactorTables, parts: list[Part], price: Price) -> None:
    """Move the columns of both tables to where Theorem 2 has them.

    Parameters
    ----------
    masks, latent : FactorTables
        Changed in place.
    parts : list of Part
        Those of the tables.
    price : Price
    """
    studies, moved = list(masks.specific), []
    for k, acts in split_columns(parts, price):
        name = masks.shared.columns[k]
        for study, features in zip(studies, acts, strict=True):
            if features.any():
                mask, own = masks.specific[study], latent.specific[study]
                mask[f"{study}_{name}"] = masks.shared[name].where(features.cpu().numpy(), 0)
                own[f"{study}_{name}"] = latent.shared.loc[own.index, name]
        moved.append((masks.shared, latent.shared, name))
    for columns, features, scores in common_columns(parts):
        names = [masks.specific[m].columns[k] for m, k in zip(studies, columns, strict=True)]
        found = list(zip(studies, names, strict=True))
        weights = np.mean([masks.specific[study][name] for study, name in found], axis=0)
        masks.shared[f"shared_{names[0]}"] = weights * features.cpu().numpy()
        latent.shared[f"shared_{names[0]}"] = scores.cpu().numpy()
        for study, name in found:
            moved.append((masks.specific[study], latent.specific[study], name))
    for mask, factors, name in moved:
        del mask[name], factors[name]
