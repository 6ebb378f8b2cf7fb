"""What docs/paper.md names exists: rules, outputs, functions, files and keys of configs."""

import re
from importlib import import_module
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
TEXT = (REPOSITORY / "docs/paper.md").read_text()
RULES = "\n".join(path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk"))


def columns():
    """Return, by title, the names in backticks of all columns of all tables."""
    names, titles = {}, []
    for line in TEXT.splitlines():
        if not line.startswith("|"):
            titles = []
        elif not titles:
            titles = [cell.strip() for cell in line.strip("|").split("|")]
        else:
            for title, cell in zip(titles, line.strip("|").split("|"), strict=True):
                names.setdefault(title, set()).update(re.findall(r"`([^`]+)`", cell))
    return {title: sorted(found) for title, found in names.items()}


COLUMNS = columns()


def resolve(name):
    """Import what a dotted name stands for."""
    parts = name.split(".")
    thing = import_module(parts[0])
    for i, part in enumerate(parts[1:], 2):
        if not hasattr(thing, part):
            import_module(".".join(parts[:i]))
        thing = getattr(thing, part)
    return thing


@pytest.mark.parametrize("name", COLUMNS["rule"])
def test_rules_exist(name):
    assert re.search(rf"^(rule {name}|use rule \w+ as {name} with):$", RULES, re.MULTILINE)


@pytest.mark.parametrize("name", COLUMNS["output"])
def test_outputs_are_those_of_rules(name):
    path = name.replace("{c}", "{cohort}").replace("{s}", "{simulation}")
    path = re.sub(r"(shared|specific)_processes\.pdf", "{kind}_processes.pdf", path)
    path = re.sub(r"(simulated|real)_comparison\.pdf", "{kind}_comparison.pdf", path)
    assert f'"results/{{run}}/{path}"' in RULES


@pytest.mark.parametrize("name", [*COLUMNS["function"], *COLUMNS["literal"], *COLUMNS["fast"]])
def test_functions_exist(name):
    assert callable(resolve(name))


def test_every_rule_of_an_output_makes_it():
    """Each output of a row is one of a rule of the same row."""
    blocks = dict(
        re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)(.*?)(?=^\S|\Z)", RULES, re.M | re.S)
    )
    rows = [line.strip("|").split("|") for line in TEXT.splitlines() if line.count("|") == 5]
    checked = 0
    for _, rules, outputs, _ in rows:
        makers = [blocks[name] for name in re.findall(r"`(\w+)`", rules)]
        for output in re.findall(r"`([^`]+)`", outputs) if makers else []:
            assert any(Path(output).name.split("_")[-1] in block for block in makers), output
            checked += 1
    assert checked > 20


@pytest.mark.parametrize("name", [*COLUMNS["here"], *COLUMNS["measured in"]])
def test_places_of_numbers_exist(name):
    if name.startswith("mssvae."):
        assert resolve(name) is not None
    elif "/" in name:
        assert (REPOSITORY / name).is_file()
    else:
        files = [
            REPOSITORY / "config/config.yaml",
            REPOSITORY / "workflow/schemas/config.schema.yaml",
        ]
        assert any(f"{name}:" in path.read_text() for path in files)


def test_files_named_in_the_text_exist():
    for path in re.findall(r"`((?:docs|tests|config|scripts|workflow)/[^`]*)`", TEXT):
        assert (REPOSITORY / path).exists(), path
    for path in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (REPOSITORY / "docs" / path).exists(), path


def test_every_rule_that_draws_a_figure_is_on_the_page():
    figures = set(re.findall(r"^rule (figure_\w+):", RULES, re.MULTILINE))
    assert figures <= set(COLUMNS["rule"])


@pytest.mark.parametrize(
    "name",
    [
        *(f"Figure {number}" for number in range(1, 7)),
        *(f"Table {number}" for number in (1, 2)),
        *(f"eq. 2.{number}" for number in range(1, 6)),
        *(f"eq. 3.{number}" for number in (1, 4, 5)),
        *(f"eq. {number}" for number in ("A.1", "B.2", "C.1", "C.2", "C.5", "C.6")),
    ],
)
def test_every_figure_table_and_equation_has_a_row(name):
    """Ranges such as "eq. 3.1 to 3.3" are named by their first one."""
    first_cells = [line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| ")]
    assert any(re.search(rf"{re.escape(name)}(?!\d)", cell) for cell in first_cells)
