"""YAML files, read as they are written: what a value means is up to whoever reads it.

YAML guesses kinds from looks: ``no`` is False, ``2020_01`` 202001, ``1e-3`` a text. Here every key
and every value is text, and a key that is there twice is an error.
"""

import os
import re
from collections.abc import Sequence
from typing import Any

import yaml

from mssvae.errors import InputError

_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    # The only look that stands for something else: "<<" takes over the keys of an alias.
    yaml_implicit_resolvers = {"<": [(_MERGE, re.compile("<<"))]}  # noqa: RUF012

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """Check the keys of a mapping, here, where aliases are not yet taken over."""
        node = super().compose_mapping_node(anchor)
        first: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            where = f"{self.name}, line {line}"
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(f"{where}: a key must be a text, not a list or a mapping")
            if key.value != key.value.strip():
                raise InputError(f"{where}: the key {key.value!r} has blanks around it")
            if key.value in first:
                raise InputError(
                    f"{where}: the key {key.value!r} is there twice, the first time in line "
                    f"{first[key.value]}: keep one of them"
                )
            first[key.value] = line
            if key.tag != _MERGE:
                key.tag = _TEXT
        return node


def read_yaml(path: str | os.PathLike) -> dict[str, Any]:
    """Return the content of a YAML file as dicts, lists and texts.

    Raises
    ------
    InputError
        If the file cannot be read, is no YAML, has no keys, or one twice: names file and line.
    """
    content = _parsed(path, yaml.load)
    if not isinstance(content, dict):
        raise InputError(f"{path}: the file has no keys: write lines such as `key: value`")
    return content


def line_of(path: str | os.PathLike, keys: Sequence[str | int]) -> int | None:
    """Return the line of a key within keys, or of an entry of a list; None if it is not there."""
    node, line = _parsed(path, yaml.compose), None
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = [pair for pair in node.value if pair[0].value == key]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            found = [(item, item) for item in node.value[key : key + 1]]
        else:
            found = []
        if not found:
            return None
        line, node = found[0][0].start_mark.line + 1, found[0][1]
    return line


def _parsed(path: str | os.PathLike, parse: Any) -> Any:
    try:
        with open(path, "rb") as stream:
            return parse(stream, _Loader)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        advice = ": indent with blanks, not with tabs" if r"'\t'" in str(error) else ""
        raise InputError(f"{path} is no YAML: {' '.join(str(error).split())}{advice}") from error
