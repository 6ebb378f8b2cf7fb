"""The profiles: what they say fits the rules."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
PROFILES = REPOSITORY / "profiles"
RULES = "".join(path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk"))
BODIES = {
    block.split(":", 1)[0]: block for block in re.split(r"^rule ", RULES, flags=re.MULTILINE)[1:]
}
NAMES = BODIES.keys() | set(re.findall(r"^use rule \w+ as (\w+) with:", RULES, re.MULTILINE))


def read(profile):
    return yaml.safe_load((PROFILES / profile / "profile.yaml").read_text())


@pytest.mark.parametrize("rule", BODIES)
def test_every_rule_says_what_it_needs(rule):
    for need in (r"threads: \d+", r"mem_mb=", r"runtime=\d+"):
        assert re.search(rf"^ +{need}", BODIES[rule], re.MULTILINE), need


def test_every_rule_but_fits_is_in_a_group():
    """Fits are long, and so is what makes several; the gene sets of Gene Ontology serve all."""
    several = {"unseen", "replication", "compare_fits", "talk_unseen", "supervised_scores"}
    fits = {*several, *(name for name in NAMES if name.startswith("fit_"))}
    alone = {*fits, "go_gene_sets", "go_gene_sets_of_r"}
    assert read("slurm")["groups"].keys() == NAMES - alone


def test_groups_side_by_side_are_groups():
    slurm = read("slurm")
    assert slurm["group-components"].keys() <= set(slurm["groups"].values())


def test_fits_ask_for_a_gpu():
    assert read("gpu")["set-resources"] == {
        rule: {"gpu": 1} for rule in sorted(NAMES) if rule.startswith("fit_")
    }


@pytest.mark.parametrize("profile", ["local", "slurm"])
@pytest.mark.parametrize("beside", ["default", "gpu"])
def test_profiles_can_be_used(profile, beside):
    answer = subprocess.run(
        [
            *(Path(sys.executable).parent / "snakemake", "--dry-run", "--forceall"),
            *("--configfile", "config/quick.yaml"),
            *("--profile", PROFILES / profile, "--workflow-profile", PROFILES / beside),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
