"""Groups of samples."""

import logging
import os
import re
from collections.abc import Sequence

import pandas as pd

from mssvae.cohorts._sheets import read_sheet
from mssvae.data.validation import validate_n_groups, validate_study_names, written_alike
from mssvae.errors import InputError

logger = logging.getLogger(__name__)

# Cells, in lower case, that stand for no group. A group may be called "None".
_NO_GROUP = re.compile(
    r"|na|<na>|n/a|n\.a\.?|nan|null|[-–—.?]+"
    # Errors of spreadsheet programs in any language, and what they show for want of room.
    r"|#n/[adv]|#n/a n/a|#nv|#\S+[!?]|err:\d+|#+"
)


def read_group_mapping(path: str | os.PathLike) -> pd.DataFrame:
    """Read the mapping from the labels of a source to groups; capitals do not count in labels.

    Returns
    -------
    DataFrame
        Indexed by ``label``: ``group``, empty where samples with the label are left out (also for
        NA and the like), and ``reason``, which says why; with a group, it is a remark.

    Raises
    ------
    InputError
        If the file is no table, a column is missing, a label occurs twice, or one has neither group
        nor reason.
    """
    table = read_sheet(path, "labels")
    if list(table.columns) != ["label", "group", "reason"]:
        raise InputError(
            f"{path}: the columns are {', '.join(table.columns)}: they must be label, group, reason"
        )
    table["group"] = table["group"].mask(_is_missing(table["group"]), "")
    for row in table[table["label"].str.casefold().duplicated()].itertuples():
        raise InputError(
            f"{path}: the label {row.label!r} occurs twice, again in line {row.Index}: keep one "
            "line of it"
        )
    for row in table[(table["group"] == "") & (table["reason"] == "")].itertuples():
        raise InputError(
            f"{path}: the label {row.label!r} has no group in line {row.Index}: name one, or say "
            "in the column reason why its samples are left out"
        )
    return table.set_index("label")


def check_mapped(groups: Sequence[str], mapping: pd.DataFrame, mapping_name: str) -> None:
    """Raise InputError if a group wanted is not one that the mapping has."""
    for group in groups:
        if group not in mapping["group"].array:
            known = ", ".join(filter(None, mapping["group"].unique()))
            raise InputError(
                f"{mapping_name}: no label has the group {group!r} of the config, only {known}: "
                "correct the config or the mapping"
            )


def map_labels(
    labels: pd.Series, mapping: pd.DataFrame, mapping_name: str, labels_name: str
) -> pd.Series:
    """Return the group of each sample that is not left out; log how many are left out and why.

    Parameters
    ----------
    labels
        Label of each sample, indexed by sample name.
    mapping, mapping_name
        What ``read_group_mapping`` gave, and the name of its file.
    labels_name
        What the labels are, for messages.

    Raises
    ------
    InputError
        If labels are not in the mapping (names each and some of its samples), or no sample is left.
    """
    mapping = mapping.set_axis(mapping.index.str.casefold())
    folded = labels.str.casefold()
    unknown = labels[~folded.isin(mapping.index)]
    if len(unknown):
        each = "; ".join(
            f"{label!r} of {len(samples)} samples ({_some(samples.index)})"
            for label, samples in unknown.groupby(unknown, sort=False)
        )
        raise InputError(
            f"{mapping_name}: labels of {labels_name} are not in the mapping: {each}: add a line "
            "each"
        )
    unused = mapping.index.difference(folded, sort=False)
    if len(unused):
        logger.info("%s: no sample has %d labels, such as %s", mapping_name, len(unused), unused[0])
    for label, samples in folded.groupby(folded, sort=False):
        if mapping["group"][label] == "":
            logger.info(
                "%d samples labelled %s left out: %s",
                len(samples),
                labels[samples.index[0]],
                mapping["reason"][label],
            )
    groups = folded.map(mapping["group"])
    if (groups == "").all():
        raise InputError(
            f"{mapping_name}: all {len(groups)} samples are left out: give a group to one of their "
            f"labels, {', '.join(map(repr, labels.unique()))}"
        )
    return groups[groups != ""]


def ordered_groups(
    groups: pd.Series, order: Sequence[str] | None, source: str, default: Sequence[str]
) -> pd.Categorical:
    """Return the groups of all samples as a categorical.

    Parameters
    ----------
    groups
        Group of each sample, indexed by sample name.
    order
        Groups in the order wanted; None takes ``default`` as far as it is in the data.
    source
        Where the groups come from, for messages.

    Raises
    ------
    InputError
        If a sample has no group (or NA and the like), a group of ``order`` is not in the data, a
        group in the data is not in ``order``, a group has one sample, one group seems to be written
        in two ways, or model or figures cannot take names or the number of groups.
    """
    without = groups[_is_missing(groups)]
    if len(without):
        raise InputError(
            f"{source}: {len(without)} samples have no group ({_some(without.index)}), but "
            f"{', '.join(map(repr, without.unique()))}: fill in the group or remove the samples"
        )
    present = groups.unique()
    if both := written_alike(present):
        one, other = (f"{name!r} ({_some(groups.index[groups == name])})" for name in both)
        raise InputError(
            f"{source}: the groups {one} and {other} differ only in capitals, blanks or marks: "
            "write one group in one way, or give two groups names that differ more"
        )
    validate_study_names(present, source)
    validate_n_groups(present, source)
    if order is None:
        order = [group for group in default if group in present]
    for group in order:
        if group not in present:
            raise InputError(
                f"{source}: the group {group!r} of the config is not in the data, which has "
                f"{', '.join(present)}: correct or remove it"
            )
    for group, samples in groups.groupby(groups, sort=False):
        if group not in order:
            raise InputError(
                f"{source}: the group {group!r} ({_some(samples.index)}) is not among the groups "
                f"of the config, {', '.join(order)}: add it there or remove its samples"
            )
        if len(samples) == 1:
            raise InputError(
                f"{source}: the group {group!r} has one sample, {samples.index[0]!r}: a group "
                "needs at least two; remove the sample or put it into another group"
            )
    return pd.Categorical(groups, categories=order)


def _is_missing(groups: pd.Series) -> pd.Series:
    return groups.str.casefold().str.fullmatch(_NO_GROUP)


def _some(samples: pd.Index) -> str:
    return ", ".join(samples[:3]) + (", ..." if len(samples) > 3 else "")
