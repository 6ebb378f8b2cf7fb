"""The house: layers of imports, one move a file, numbers in dataclasses, short functions."""

import ast
import re
import runpy
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import mssvae
from mssvae.moves import linear, networks

REPOSITORY = Path(__file__).parents[1]
LIBRARY = REPOSITORY / "src/mssvae"
HOUSE = runpy.run_path(str(REPOSITORY / "docs/architecture.py"))
MODULES = {
    ".".join(path.relative_to(LIBRARY).with_suffix("").parts).removesuffix(".__init__"): path
    for path in LIBRARY.rglob("*.py")
    if path != LIBRARY / "__init__.py"  # It loads the others when they are asked for.
}
LAYERS = {room: i for i, layer in enumerate(HOUSE["LAYERS"]) for room in layer}


def parsed(path):
    return ast.parse(path.read_text())


def imports(path):
    """The modules of the library that a file imports, but for those that types alone need."""
    tree = parsed(path)
    types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in types:
            module = node.module.removeprefix("mssvae").removeprefix(".")
            if node.module == "mssvae":  # Also by the names that it gives away.
                yield from {mssvae._NAMES.get(name.name, name.name) for name in node.names} & set(
                    MODULES
                )
            elif node.module.split(".")[0] == "mssvae":
                for name in node.names:
                    yield from {f"{module}.{name.name}", module} & MODULES.keys()


def test_every_room_has_a_layer():
    assert {name.split(".")[0] for name in MODULES} == LAYERS.keys()


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_down(name):
    room = name.split(".")[0]
    for imported in imports(MODULES[name]):
        other = imported.split(".")[0]
        assert other == room or LAYERS[other] > LAYERS[room], imported


def test_imports_do_not_go_in_circles():
    """Also within a room; a package is what its __init__ imports."""
    graph = {name: set(imports(path)) - {name} for name, path in MODULES.items()}
    for name in graph:  # A module's package comes with it, but for the names it gives away.
        graph[name] -= {name.rpartition(".")[0]}
    assert list(TopologicalSorter(graph).static_order())


def test_the_page_is_up_to_date():
    """If not: `python docs/architecture.py`."""
    assert HOUSE["PAGE"].read_text() == HOUSE["page"]()


@pytest.mark.parametrize("name", [name for name, _ in HOUSE["WAY"]])
def test_steps_of_a_fit_exist(name):
    parts = name.split(".")
    end = next(i for i, part in enumerate(parts) if part[0].isupper() or i == len(parts) - 1)
    thing = import_module(".".join(parts[:end]))
    for part in parts[end:]:
        thing = getattr(thing, part)


def test_names_of_the_page_exist():
    text = HOUSE["PAGE"].read_text()
    for path in re.findall(r"`((?:docs|tests|scripts|workflow|studies)/[^`<]*)`", text):
        assert (REPOSITORY / path).exists(), path
    for room, name in re.findall(rf"`((?:{'|'.join(LAYERS)})[./])([^`]+)`", text):
        parts = (room + name).removesuffix(".py").replace("/", ".").split(".")
        known = max(i for i in range(1, len(parts) + 1) if ".".join(parts[:i]) in MODULES)
        thing = import_module("mssvae." + ".".join(parts[:known]))
        for part in parts[known:]:
            thing = getattr(thing, part)


@pytest.mark.parametrize("package", [linear, networks], ids=["linear", "networks"])
class TestMoves:
    def test_one_move_is_one_file(self, package):
        for name, move in package.MOVES.items():
            assert move.__module__ == f"{package.__name__}.{name}"
            assert move.__name__ == name

    def test_docs_have_a_row_for_each_in_their_order(self, package):
        text = (REPOSITORY / "docs/method.md").read_text()
        tables = re.findall(r"^\| move \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.M)
        rows = [re.findall(r"^\| `(\w+)` \|", table, re.M) for table in tables]
        assert list(package.MOVES) in rows

    def test_each_has_a_test_file(self, package):
        kind = package.__name__.rpartition(".")[2]
        for name in package.MOVES:
            assert (REPOSITORY / f"tests/moves/{kind}/test_{kind}_{name}.py").exists()


@pytest.mark.parametrize(
    "name", [name for name in MODULES if name.split(".")[0] in ("core", "fitting", "moves")]
)
def test_numbers_that_decide_results_are_in_dataclasses(name):
    """A number, or numbers, under a name of the module is none with meaning, unit and origin."""
    allowed = {
        # How work is cut into pieces, and what is exact: no result that is reported.
        *("_CHUNK_ELEMENTS", "_LARGE_DECODER", "_MULTIPLE", "CHUNK", "_STIRLING_FROM"),
        *("HALF_LOG_TAU", "MIN_LIBRARY_VARIANCE"),
    }
    for node in parsed(MODULES[name]).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            names = {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}
            numbers = [
                one
                for one in ast.walk(node.value)
                if isinstance(one, ast.Constant) and isinstance(one.value, int | float)
            ]
            assert not numbers or names <= allowed or names == {"PRESETS"}, names


@pytest.mark.parametrize(
    "name",
    [
        *("cohorts", "enrichment", "evaluation", "factors", "figures", "metrics", "pages"),
        *("preprocess", "replicates", "simulate"),
    ],
)
def test_public_modules_are_there_by_both_ways(name):
    assert import_module(f"mssvae.{name}") is getattr(mssvae, name)


def test_public_names_are_those_of_their_modules():
    assert mssvae.MSSVAE is import_module("mssvae.model").MSSVAE
    assert mssvae.InputError is import_module("mssvae.errors").InputError
    assert mssvae.consensus is mssvae.evaluation.consensus


def without_docstrings(node):
    """How many lines a function or class has, without docstrings."""
    documented = (ast.FunctionDef, ast.ClassDef)
    docstrings = [
        one.body[0]
        for one in ast.walk(node)
        if isinstance(one, documented) and ast.get_docstring(one) is not None
    ]
    lines = node.end_lineno - node.lineno + 1
    return lines - sum(text.end_lineno - text.lineno + 1 for text in docstrings)


@pytest.mark.parametrize(("kind", "most"), [(ast.FunctionDef, 75), (ast.ClassDef, 260)])
def test_functions_and_classes_are_short(kind, most):
    for name, path in MODULES.items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, kind):
                assert without_docstrings(node) <= most, f"{name}.{node.name}"
