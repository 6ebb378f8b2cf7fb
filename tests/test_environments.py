"""The environments: exact and in agreement."""

import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))


def pins(path):
    content = yaml.safe_load(path.read_text())
    return dict(pin.split("=") for pin in content["dependencies"])


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


def test_the_virtual_environment_is_pinned_exactly():
    lines = (REPOSITORY / "envs/requirements.txt").read_text().splitlines()
    for line in lines:
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", line), line
    assert "torch==2.13.0" in lines


def test_pyproject_and_virtual_environment_agree():
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = {
        line.lower() for line in (REPOSITORY / "envs/requirements.txt").read_text().splitlines()
    }
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["enrichment"], *extras["pages"]]
    assert [pin for pin in wanted if pin.lower() not in lines] == []
