"""The environments: exact, in agreement, and with what the scripts of their rules import."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mssvae
from mssvae.pipeline.annotation import R_PACKAGES

REPOSITORY = Path(__file__).parents[1]
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))
TOOLS = Path(sys.executable).parent

# Packages of this repository, by the folder that they lie in.
OURS = {"mssvae": REPOSITORY / "src", "studies": REPOSITORY}
# Packages whose conda name is not the one they are imported by.
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",
    "sklearn": "scikit-learn",
    "torch": "pytorch",
    "yaml": "pyyaml",
}


def pins(path):
    content = yaml.safe_load(path.read_text())
    return dict(pin.split("=") for pin in content["dependencies"])


def rules():
    """By name of every rule with a body of its own, the files of its script and environment."""
    found = {}
    for path in sorted((REPOSITORY / "workflow/rules").glob("*.smk")):
        for block in re.split(r"^rule ", path.read_text(), flags=re.M)[1:]:
            name, body = block.split(":\n", 1)
            files = (re.search(rf'{key}:\n +"../../(.+)"', body) for key in ("script", "conda"))
            found[name] = tuple(match and REPOSITORY / match[1] for match in files)
    return found


RULES = rules()


class Source:
    """A script or a module of the library, and where the names in it come from."""

    def __init__(self, path):
        self.tree = ast.parse(path.read_text())
        self.tree.body = [node for node in self.tree.body if not _for_types_alone(node)]
        self.origins = {}  # Of an imported name: the module, and the name in it unless it is one.
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    self.origins[name.asname or name.name] = (name.name, None)
            elif isinstance(node, ast.ImportFrom):
                for name in node.names:
                    self.origins[name.asname or name.name] = _origin(node.module, name.name)
        self.definitions = {}
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.definitions[node.name] = node
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                for target in ast.walk(node):
                    if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store):
                        self.definitions[target.id] = node


def _for_types_alone(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _origin(module, name):
    lazy = {"MSSVAE": "mssvae.model", "InputError": "mssvae.errors"}
    if module == "mssvae" and name in lazy:
        return lazy[name], name
    if is_ours(module) and path_of(f"{module}.{name}"):
        return f"{module}.{name}", None
    return module, name


def is_ours(module):
    return module.split(".")[0] in OURS


@cache
def path_of(module):
    path = OURS[module.split(".")[0]] / module.replace(".", "/")
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((candidate for candidate in candidates if candidate.exists()), None)


@cache
def read(module):
    return Source(path_of(module))


def imported_packages(script):
    """Packages that a script imports, itself or by what it uses of the library.

    Imports at the top of a module count when it is imported, and those within a function or class
    when it is used, by whatever is used itself.
    """
    packages, seen = set(), set()

    def load(module):
        if not is_ours(module):
            packages.add(module.split(".")[0])
        elif module not in seen:
            seen.add(module)
            if "." in module:
                load(module.rpartition(".")[0])
            for node in read(module).tree.body:
                if isinstance(node, ast.Import | ast.ImportFrom):
                    follow(read(module), node)

    def use(source, name):
        if name in source.origins:
            module, inner = source.origins[name]
            load(module)
            if inner and is_ours(module):
                use(read(module), inner)
        elif name in source.definitions and (id(source), name) not in seen:
            seen.add((id(source), name))
            follow(source, source.definitions[name])

    def follow(source, tree):
        own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    load(name.name)
            elif isinstance(node, ast.ImportFrom):
                for name in node.names:
                    load(_origin(node.module, name.name)[0])
            elif isinstance(node, ast.Name) and node.id not in own:
                use(source, node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module, inner = source.origins.get(node.value.id, ("", None))
                if is_ours(module) and inner is None:
                    use(read(module), node.attr)

    source = Source(script)
    follow(source, source.tree)
    return packages - sys.stdlib_module_names


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_every_package_is_pinned_exactly(path):
    content = yaml.safe_load(path.read_text())
    assert content["channels"] == ["conda-forge", "bioconda", "nodefaults"]
    for pin in content["dependencies"]:
        assert re.fullmatch(r"[a-z0-9.-]+=[0-9][0-9.]*", pin), pin


def test_environments_agree_on_versions():
    versions = {}
    for path in ENVIRONMENTS:
        for name, version in pins(path).items():
            assert versions.setdefault(name, version) == version, name


@pytest.mark.parametrize("name", RULES)
def test_environment_of_a_rule_has_what_its_script_imports(name):
    script, environment = RULES[name]
    packages = {CONDA_NAMES.get(package, package) for package in imported_packages(script)}
    assert packages - pins(environment).keys() == set()


def test_imports_are_found_through_the_library():
    scripts = REPOSITORY / "scripts"
    assert {"torch", "scipy"} <= imported_packages(scripts / "fit.py")
    assert "sklearn" in imported_packages(scripts / "scores.py")
    assert "sklearn" not in imported_packages(scripts / "truth.py")
    assert "sklearn" in imported_packages(scripts / "peer_gene_sets.py")
    assert "rpy2" in imported_packages(scripts / "enrichment.py")
    assert "rpy2" not in imported_packages(scripts / "processes.py")
    assert "scanpy" in imported_packages(scripts / "select_genes.py")
    assert "yaml" in imported_packages(scripts / "cohort_counts.py")
    assert {"torch", "sklearn"} <= imported_packages(scripts / "talk_scores.py")
    packages = imported_packages(scripts / "supervised_scores.py")
    assert {"torch", "sklearn", "scanpy"} <= packages


def test_every_environment_is_used():
    assert {environment for _, environment in RULES.values()} == set(ENVIRONMENTS)


def test_the_enrichment_environment_has_the_packages_of_r():
    wanted = {f"bioconductor-{name.lower()}" for name in (*R_PACKAGES, "clusterProfiler")}
    assert wanted | {"r-base"} <= pins(REPOSITORY / "envs/enrichment.yaml").keys()


def run_snakemake(*arguments, folder, **environment):
    """Run snakemake in a folder, without PYTHONPATH as under conda."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [
            TOOLS / "snakemake",
            *arguments,
            *("--cores", "1", "--directory", folder),
            *("--configfile", REPOSITORY / "config/quick.yaml"),
        ],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("installed", [False, True])
def test_scripts_run_the_library_beside_the_workflow(tmp_path, installed):
    """In a copy; also where the environment has the library of another checkout."""
    for folder in ("workflow", "src"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    (tmp_path / "src/beside_the_workflow.py").touch()
    other = tmp_path / "other"
    other.mkdir()
    if installed:
        (other / "beside_the_workflow.py").touch()
    (tmp_path / "where.py").write_text(
        "import beside_the_workflow as module\n"
        "open(snakemake.output[0], 'w').write(module.__file__)\n"
    )
    (tmp_path / "Snakefile").write_text(
        'include: "workflow/rules/common.smk"\n'
        'rule where:\n    output: "where.txt"\n    script: "where.py"\n'
    )
    answer = run_snakemake("where", folder=tmp_path, PYTHONPATH=str(other))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert (tmp_path / "where.txt").read_text() == str(tmp_path / "src/beside_the_workflow.py")


def test_tests_and_what_they_start_run_the_library_beside_them():
    found = "import mssvae; print(mssvae.__file__)"
    answer = subprocess.run(
        [sys.executable, "-c", found], capture_output=True, text=True, check=True
    )
    assert mssvae.__file__ == answer.stdout.strip() == str(REPOSITORY / "src/mssvae/__init__.py")


class TestContainer:
    RECIPE = REPOSITORY / "envs/apptainer.def"

    def test_recipe_is_up_to_date(self):
        """If not: `sh scripts/container_recipe.sh > envs/apptainer.def`."""
        recipe = subprocess.run(
            ["sh", REPOSITORY / "scripts/container_recipe.sh"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert self.RECIPE.read_text() == recipe

    def test_recipe_has_every_environment(self):
        files = re.findall(r"^    envs/(\S+) /conda-envs/", self.RECIPE.read_text(), re.M)
        assert files == [path.name for path in ENVIRONMENTS]

    def test_snakemake_looks_for_the_environments_where_they_are(self, tmp_path):
        """What stands in for apptainer says that there is conda, and that there is nothing else."""
        calls = tmp_path / "calls.txt"
        (tmp_path / "apptainer").write_text(
            "#!/bin/sh\n"
            'case "$*" in\n'
            "--version) echo apptainer version 1.3.4 ;;\n"
            "*' sh -c conda '* | *' sh -c type conda')"
            ' echo \'{"conda_version": "24.11.3", "conda_prefix": "/opt/conda",'
            ' "platform": "linux-64"}\' ;;\n'
            f'*) echo "$*" >>{calls}; exit 1 ;;\n'
            "esac\n"
        )
        (tmp_path / "apptainer").chmod(0o755)
        (tmp_path / "mssvae.sif").touch()
        answer = run_snakemake(
            *("results/quick/figures/schematic.pdf", "--snakefile", REPOSITORY / "Snakefile"),
            *("--sdm", "conda", "apptainer", "--config", "container=mssvae.sif"),
            folder=tmp_path,
            PATH=f"{tmp_path}:{os.environ['PATH']}",
        )
        assert "Unable to find environment in container image" in answer.stdout + answer.stderr
        (prefix,) = re.findall(r"envs/plots.yaml (\S+)/environment.yaml", self.RECIPE.read_text())
        assert f"mssvae.sif sh -c [ -d '{prefix}' ]" in calls.read_text()


def requirements():
    """The lines of all files that the virtual environment is made from."""
    names = ("requirements.txt", "rpy2.txt")
    return [
        line for name in names for line in (REPOSITORY / "envs" / name).read_text().splitlines()
    ]


def test_the_virtual_environment_is_pinned_exactly():
    lines = requirements()
    for line in lines:
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", line), line
    assert "torch==2.13.0" in lines


def test_pins_lie_within_the_ranges_of_pyproject():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pinned = {
        canonicalize_name(name): version
        for name, _, version in (line.partition("==") for line in requirements())
        if version
    }
    extras = project["optional-dependencies"]
    for wanted in [*project["dependencies"], *extras["enrichment"], *extras["pages"]]:
        requirement = Requirement(wanted)
        assert {one.operator for one in requirement.specifier} == {">=", "<"}, wanted
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, wanted


def test_types_hold():
    """Strictly, where pyproject.toml says so: what users import."""
    answer = subprocess.run(
        [sys.executable, "-m", "mypy"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
