"""Configs of the workflow: values by the types of the schema, checked before any rule."""

import difflib
import math
import os
import re
import reprlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from mssvae.errors import InputError
from mssvae.pipeline.yaml_files import line_of

# Without "_" and leading zeros, which are other numbers for others.
_NUMBER = re.compile(r"[-+]?(?!0[0-9])([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_KINDS = {
    "integer": "a whole number",
    "number": "a number such as 0.001 or 1e-3",
    "string": "a text",
    "array": "a list in brackets, [ ]",
    "object": "keys with values, each on a line of its own, or in braces, { }",
    "boolean": "true or false",
    "null": "null",
}
# A key, within the keys that it is below, and what is wrong with it.
_Problem = tuple[list[str | int], str]


def checked_config(
    config: dict[str, Any], schema_path: str | os.PathLike, files: Sequence[str | os.PathLike] = ()
) -> dict[str, Any]:
    """Return a config with values of the types of a schema, and its defaults filled in.

    A text becomes a number or None where the schema asks for one, such as ``1e-3``; where it asks
    for a text, ``no`` and ``2020`` stay what they are.

    Parameters
    ----------
    config
        What `read_yaml` gave, of all files together.
    schema_path
        JSON schema (2020-12) in YAML. A ``$comment`` says in words what a ``pattern`` asks for,
        what a ``not`` is about, and why keys are ``required``.
    files
        Where the config comes from, the one that counts last; for the messages.

    Raises
    ------
    InputError
        If something does not follow the schema or contradicts itself: names all that does, each
        with file, line and key.
    """
    # Here, as the workflow alone needs it; Snakemake brings it.
    from jsonschema import Draft202012Validator

    schema = yaml.safe_load(Path(schema_path).read_text(encoding="utf-8"))
    typed = _typed(config, schema, schema["$defs"])
    errors = Draft202012Validator(schema).iter_errors(typed)
    problems = [problem for error in errors for problem in _problems(error)]
    if problems := problems or list(_contradictions(typed)):
        lines = [f"{_place(keys, files)}: {text}" for keys, text in problems]
        raise InputError("the config needs changes:\n" + "\n".join(dict.fromkeys(lines)))
    return typed


def _typed(value: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    """Return a value with the types and the defaults of a schema, where it fits."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")] | schema
    if isinstance(value, list):
        return [_typed(item, schema.get("items", {}), definitions) for item in value]
    if not isinstance(value, dict):
        kinds = schema.get("type", [])
        return _typed_scalar(value, [kinds] if isinstance(kinds, str) else kinds)
    properties, others = schema.get("properties", {}), schema.get("additionalProperties") or {}
    defaults = {key: part["default"] for key, part in properties.items() if "default" in part}
    filled = value | {key: default for key, default in defaults.items() if key not in value}
    for key in filled:
        if not isinstance(key, str):  # Read_yaml gives texts; a Snakefile that sets it need not.
            raise InputError(f"the config has the key {key!r}, which is no text: put it in quotes")
    return {
        key: _typed(part, properties.get(key, others), definitions) for key, part in filled.items()
    }


def _typed_scalar(value: Any, kinds: Sequence[str]) -> Any:
    if isinstance(value, str):
        value = value.strip()
        if "null" in kinds and value in ("", "~", "null"):
            return None
        if "boolean" in kinds and value in ("true", "false"):
            return value == "true"
        if not {"integer", "number"}.intersection(kinds) or not _NUMBER.fullmatch(value):
            return value
        if value.lstrip("+-").isdecimal():
            return int(value)
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # For the schema, which knows no such numbers, to refuse.
    if isinstance(value, float) and value.is_integer() and "integer" in kinds:
        return int(value)
    return value


def _problems(error: Any) -> Iterator[_Problem]:
    """Say what an error of jsonschema means for the one who wrote the config."""
    keys, value, wanted = list(error.absolute_path), error.instance, error.validator_value
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            for key in value:
                if key not in known:
                    yield [*keys, key], f"no such key{_meant(key, known)}"
        case "required":
            for key in wanted:
                if key not in value:
                    why = f": {error.schema['$comment']}" if "$comment" in error.schema else ""
                    yield keys, f"the key {key!r} is missing{why}"
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            shown = "nothing" if value in ("", None) else reprlib.repr(value)
            quotes = "string" in kinds and isinstance(value, bool | int | float)
            yield (
                keys,
                (
                    f"must be {' or '.join(_KINDS[kind] for kind in kinds)}, not {shown}"
                    + (": put it in quotes" if quotes else "")
                ),
            )
        case "enum":
            yield keys, f"{value!r} is none of the choices{_meant(value, wanted)}"
        case "pattern":
            # The name of a key has no path of its own.
            names = [value] if "propertyNames" in error.absolute_schema_path else []
            yield [*keys, *names], f"{value!r} must be {error.schema['$comment']}"
        case "not":
            yield [*keys, value], f"is no key for {error.schema['$comment']}: remove it"
        case _:
            yield keys, error.message


def _meant(key: Any, known: Sequence[Any]) -> str:
    near = difflib.get_close_matches(str(key).lower(), map(str, known), n=1, cutoff=0.7)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f": {meant}There are {', '.join(map(str, known))}"


def _contradictions(config: dict[str, Any]) -> Iterator[_Problem]:
    """Find what only several keys together do wrong."""
    cohorts = config.get("cohorts", {})
    yield from _alike(["cohorts"], cohorts)
    for name, cohort in cohorts.items():
        keys = ["cohorts", name]
        yield from _lambda0([*keys, "fit"], cohort["fit"])
        for key in ("counts", "samples"):
            for variable in re.findall(r"\$(\w+)", cohort.get(key, ""), re.ASCII):
                if variable not in os.environ:
                    yield [*keys, key], f"the environment variable {variable} is not set"
        others = [None, *(other for other in cohorts if other != name)]
        if (of := cohort.get("replication", {}).get("of")) not in others:
            yield [*keys, "replication", "of"], f"the config has no other cohort {of!r}"
    yield from _comparison(config.get("comparison", {"methods": {}, "data": {}}))
    for study in ("simulations", "talk", "assumptions", "supervised"):
        replicates = config.get(study, {}).get("replicates", {"development": [], "reported": []})
        if both := sorted(set(replicates["development"]).intersection(replicates["reported"])):
            yield (
                [study, "replicates"],
                f"{both} are both development and reported ones: results must not come from the "
                "replicates that settings were chosen with",
            )
    if "talk" in config:
        talk = config["talk"]
        yield from _alike(["talk", "methods"], talk["methods"])
        yield from _alike(["talk", "data"], talk["data"])
        for name, about in talk["data"].items():
            yield from _other_methods(["talk", "data", name], about, ["settings"], talk["methods"])
    if "simulations" not in config:
        return
    simulations = ["simulations"]
    reported = config["simulations"]["replicates"]["reported"]
    settings = config["simulations"]["settings"]
    simulations.append("settings")
    yield from _alike(simulations, settings)
    for name, setting in settings.items():
        methods, others = setting["methods"], setting["other_methods"]
        # The folder truth/ lies beside those of the methods.
        yield from _alike([*simulations, name], ["truth", *methods, *others])
        for method, fit in methods.items():
            yield from _lambda0([*simulations, name, "methods", method], fit)
        if setting.get("n_reported", 0) > len(reported):
            yield (
                [*simulations, name, "n_reported"],
                f"is {setting['n_reported']}, but there are {len(reported)} reported replicates: "
                "lengthen their list",
            )
    methods = {method for setting in settings.values() for method in setting["methods"]}
    others = {method for setting in settings.values() for method in setting["other_methods"]}
    if both := sorted(methods & others):
        yield simulations, f"{both} are under methods and under other_methods: rename one"


def _comparison(comparison: dict[str, Any]) -> Iterator[_Problem]:
    methods = comparison["methods"]
    yield from _alike(["comparison", "methods"], methods)
    yield from _alike(["comparison", "data"], comparison["data"])
    for name, about in comparison["data"].items():
        yield from _other_methods(
            ["comparison", "data", name], about, ["settings", "without"], methods
        )
        if "all" not in about["fits"]:
            yield ["comparison", "data", name, "fits"], "must have 'all', which is measured"


def _other_methods(
    keys: list[str | int],
    about: dict[str, Any],
    parts: Sequence[str],
    methods: dict[str, Any],
) -> Iterator[_Problem]:
    """Find methods that data name and a study, the first of the keys, has not."""
    for part in parts:
        for method in about[part]:
            if method not in methods:
                yield (
                    [*keys, part],
                    f"the {keys[0]} has no method {method!r}{_meant(method, [*methods])}",
                )


def _alike(keys: list[str | int], names: Iterable[str]) -> Iterator[_Problem]:
    """Find names that are one folder where file systems do not tell capitals apart."""
    spellings = defaultdict(list)
    for name in names:
        spellings[name.casefold()].append(name)
    for alike in spellings.values():
        if len(alike) > 1:
            listed = " and ".join(map(repr, alike))
            yield keys, f"{listed} would be one folder, as capitals need not count: rename one"


def _lambda0(keys: list[str | int], fit: dict[str, Any]) -> Iterator[_Problem]:
    shares, rates = zip(*fit.get("lambda0", [(0, 1)]), strict=True)
    if shares[0] != 0 or list(shares) != sorted(shares) or shares[-1] >= 1 or min(rates) == 0:
        yield (
            [*keys, "lambda0"],
            "must be a list of [share of training, rate], with growing shares from 0 to below 1 "
            "and rates above 0",
        )


def _place(keys: list[str | int], files: Sequence[str | os.PathLike]) -> str:
    """Name a key, and the file and line that it is in, or else that a key above it is in."""
    name = ": ".join(map(str, keys)) or "at the top"
    for end in range(len(keys), 0, -1):
        for path in reversed(files):
            if line := line_of(path, keys[:end]):
                return f"{os.path.relpath(path)}, line {line}: {name}"
    return ", ".join([*map(os.path.relpath, files), name])
