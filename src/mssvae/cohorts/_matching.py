"""Matching the samples of counts with their descriptions, whose names tools may have changed."""

import logging
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

import pandas as pd

from mssvae.errors import InputError

logger = logging.getLogger(__name__)


def simplified(name: str) -> str:
    """Return a name without capitals, and with a dash for all that separates letters and digits."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\W_]+", "-", text).strip("-")


def of_samples(described: pd.DataFrame, samples: pd.Index, path: str | os.PathLike) -> pd.DataFrame:
    """Return the descriptions of samples, in their order and by their names.

    Names that are not described are matched with descriptions of other samples than these, if just
    one fits: one that differs in capitals, in marks between letters and digits, or in the X of R
    before digits. If no name is described, all may have a beginning and an end more than the
    descriptions have, such as a folder and ``.bam``, or less. The log says what was matched, and
    which descriptions are left over.

    Parameters
    ----------
    described
        A row per sample, indexed by sample name.
    samples
        Names of the samples of the count matrix.
    path
        File of the descriptions, for messages.

    Raises
    ------
    InputError
        If a sample is not described.
    """
    partners = _partners(samples, described)
    missing = samples[~samples.isin(list(partners))]
    extra = described.index.difference(list(partners.values()), sort=False)
    if len(missing):
        raise InputError(
            f"{path}: {len(missing)} samples of the count matrix are not described, such as "
            f"{missing[0]!r}: {_instead(described, missing, extra)}: add them or correct their "
            "names, or remove their counts"
        )
    renamed = [name for name in samples if partners[name] != name]
    if renamed:
        logger.warning(
            "%s: %d samples of the count matrix have other names here and were matched, such as "
            "%r with %r",
            path,
            len(renamed),
            renamed[0],
            partners[renamed[0]],
        )
    if len(extra):
        logger.warning("%s: %d samples have no counts, such as %s", path, len(extra), extra[0])
    return described.loc[[partners[name] for name in samples]].set_axis(
        samples.rename(described.index.name), axis=0
    )


def _instead(described: pd.DataFrame, missing: pd.Index, extra: pd.Index) -> str:
    """Say what is described instead of samples that are missing."""
    if extra.empty:
        return "nothing else is described"
    text = f"described are {', '.join(map(repr, extra[:3]))}{', ...' if len(extra) > 3 else ''}"
    if (column := _column_of_names(described, missing)) is not None:
        text += f", but the column {column!r} has the names, and must be the first to do so"
    return text


def _column_of_names(described: pd.DataFrame, samples: pd.Index) -> str | None:
    return next((key for key, cells in described.items() if samples.isin(cells).all()), None)


def _partners(samples: pd.Index, described: pd.DataFrame) -> dict[str, str]:
    """Return the name in the index of ``described`` of each sample that has one."""
    names = described.index
    partners = {name: name for name in samples.intersection(names, sort=False)}
    # The first column may just number the rows.
    if not partners and _column_of_names(described, samples) is not None:
        return {}
    for key in (simplified, _without_x):
        partners |= _pairs(
            samples[~samples.isin(list(partners))],
            names[~names.isin(list(partners.values()))],
            key,
        )
    return partners or _pairs_by_ends(samples, names)


def _pairs(samples: Iterable[str], described: Iterable[str], key: Callable) -> dict[str, str]:
    """Return pairs of names with the same key that no other name has."""
    ours, theirs = (
        pd.Series(list(names), index=[key(name) for name in names], dtype=object)
        for names in (samples, described)
    )
    ours, theirs = (names[~names.index.duplicated(keep=False)] for names in (ours, theirs))
    return {name: theirs[found] for found, name in ours.items() if found in theirs.index}


def _without_x(name: str) -> str:
    return re.sub(r"^x(-|(?=\d))", "", simplified(name))


def _pairs_by_ends(samples: pd.Index, described: pd.Index) -> dict[str, str]:
    """Return pairs of all samples, where the same beginning and end make the one name the other."""
    for form in (simplified, _file_name):
        ours, theirs = ({form(name): name for name in names} for names in (samples, described))
        if len(samples) < 2 or (len(ours), len(theirs)) != (len(samples), len(described)):
            continue
        # Names without a letter may just number rows.
        if not all(re.search(r"[^\W\d_]", name) for name in [*ours, *theirs]):
            continue
        first = next(iter(ours))
        changes = [_without(*ends) for name in theirs for ends in _ends(first, name)]
        changes += [_between(*ends) for name in theirs for ends in _ends(name, first)]
        matches = [
            matched
            for change in changes
            if set(matched := [change(name) for name in ours]) <= theirs.keys()
        ]
        if len(matches) == 1:
            partners = [theirs[name] for name in matches[0]]
            return dict(zip(ours.values(), partners, strict=True))
    return {}


def _file_name(path: str) -> str:
    return simplified(re.split(r"[/\\]", path)[-1])


def _ends(long: str, short: str) -> Iterator[tuple[str, str]]:
    """Yield what is before and after a name in a longer one, unless it is part of a word there."""
    for match in re.finditer(f"(?={re.escape(short)})", long):
        before, after = long[: match.start()], long[match.start() + len(short) :]
        if not (_is_within_word(before, short) or _is_within_word(short, after)):
            yield before, after


def _is_within_word(left: str, right: str) -> bool:
    joint = left[-1:] + right[:1]
    return len(joint) == 2 and (joint.isalpha() or joint.isdigit())


def _without(before: str, after: str) -> Callable[[str], str | None]:
    def change(name: str) -> str | None:
        middle = name[len(before) : len(name) - len(after)]
        return middle if before + middle + after == name else None

    return change


def _between(before: str, after: str) -> Callable[[str], str]:
    return lambda name: before + name + after
