"""Which names of genes the enrichment can take."""

import logging
import re
from collections.abc import Sequence

from mssvae.errors import InputError

_HUMAN = "ENSG[0-9]{11}"
# What other names are; the first pattern that fits counts.
_OTHERS = {
    rf"{_HUMAN}.+": "Ensembl ids with a version or another ending",
    rf"(?i:{_HUMAN})": "Ensembl ids in other capitals",
    r"ENS[A-Z]*[0-9]{11}.*": "Ensembl ids of another species, or not of genes",
    r"[0-9.]+": "numbers, as of Entrez",
    r"(?s:.*)": "symbols or other names",
}
_log = logging.getLogger(__name__)


def check_gene_ids(genes: Sequence[str], source: str) -> None:
    """Say which genes of a cohort the enrichment cannot know, before hours of fitting.

    Parameters
    ----------
    genes
        Names of all genes of the cohort.
    source
        What they are the genes of, for the message. If only some are no Ensembl ids of human genes,
        it is a warning in the log.

    Raises
    ------
    InputError
        If none is the Ensembl id of a human gene, without version.
    """
    others: dict[str, list[str]] = {}
    for gene in genes:
        if not re.fullmatch(_HUMAN, gene):
            kind = next(what for look, what in _OTHERS.items() if re.fullmatch(look, gene))
            others.setdefault(kind, []).append(gene)
    if not others:
        return
    n = sum(map(len, others.values()))
    each = "; ".join(f"{len(named):,} {kind}: {named[0]!r}" for kind, named in others.items())
    told = (
        f"{source}: {n:,} of {len(genes):,} genes are not called by an Ensembl id of human genes, "
        f"such as ENSG00000000419 ({each})"
    )
    if n == len(genes):
        raise InputError(
            f"{told}: the enrichment needs such ids; translate the names, or leave it out with "
            "`enrichment: {engine: none}` in the config of the cohort"
        )
    _log.warning("%s: the enrichment will leave them out", told)
