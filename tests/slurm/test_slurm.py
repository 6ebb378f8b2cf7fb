"""The workflow on a cluster, through the queue of a real Slurm: `make test-slurm`."""

import re
import subprocess

import pytest
import yaml
from cluster import wait_for
from workflows import MODEL, REPOSITORY, TOOLS, tables_of, tiny_simulations, write_own_files

# The last file of a fit, and what comes after it.
FITTED = "results/test/simulations/toy_rna/101/paper/model.npz"
SUMMARY = "results/test/simulations/toy_rna/summary.csv"


def write_inputs(folder, **model):
    """Write a run of the same shape as quick.yaml, but small: a cohort and two simulations."""
    simulations = tiny_simulations()
    simulations["replicates"]["reported"] = [101]
    simulations["settings"]["toy_rna"]["model"] = MODEL | model
    config = {
        "run": "test",
        "cohorts": {"mine": write_own_files(folder)},
        "simulations": simulations,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def start(cluster, folder, *arguments, prefix=()):
    """Start snakemake with the profile for Slurm, and what a Slurm without a database needs."""
    return cluster.start(
        *prefix,
        *(TOOLS / "snakemake", "--snakefile", REPOSITORY / "Snakefile"),
        *("--directory", folder, "--configfile", folder / "config.yaml"),
        *("--profile", REPOSITORY / "profiles/slurm", "--slurm-status-command", "squeue"),
        *("--slurm-init-seconds-before-status-checks", "10"),
        *arguments,
        output=folder / "output.txt",
    )


def finish(snakemake, folder):
    """Wait for snakemake, and return its exit status and what it said.

    It needs three to four minutes, and three times as many where other tests share the cores.
    """
    try:
        snakemake.wait(timeout=1800)
    except subprocess.TimeoutExpired:
        pytest.fail((folder / "output.txt").read_text())
    return snakemake.returncode, (folder / "output.txt").read_text()


def run(cluster, folder, *arguments):
    """Run snakemake to a good end, and return what it said."""
    status, output = finish(start(cluster, folder, *arguments), folder)
    assert status == 0, output
    return output


def jobs_of(cluster, output):
    """Return the jobs that the queue had of a run of snakemake, by what this said."""
    (name,) = set(re.findall(r"SLURM run ID: (\S+)", output))
    return [job for job in cluster.jobs() if job.run == name]


def wait_for_fit(cluster):
    """Wait until a fit runs, and return its job."""

    def fits():
        jobs = cluster.jobs()
        return [job for job in jobs if (job.rule, job.state) == ("fit_simulation", "RUNNING")]

    return wait_for(fits, "a fit to run", seconds=600)[0]


def half_written(folder):
    return [path for path in (folder / "results").rglob("*") if path.name.startswith(".writing")]


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory):
    """A folder in which a run has finished, and what Snakemake said."""
    folder = tmp_path_factory.mktemp("finished")
    write_inputs(folder)
    return folder, run(cluster, folder)


def same_tables(folder, finished):
    """Whether all tables that are there are, byte for byte, those of the run that finished."""
    tables, wanted = tables_of(folder / "results"), tables_of(finished / "results")
    return tables == {name: wanted[name] for name in tables}


def test_every_job_goes_through_the_queue(cluster, finished):
    folder, output = finished
    jobs = jobs_of(cluster, output)
    assert {job.state for job in jobs} == {"COMPLETED"}
    assert re.findall(r"^localrule (.+):", output, re.M) == ["all"]  # It has nothing to do.
    assert (folder / "results/test/cohorts/mine/figures/shared_processes.pdf").exists()
    assert (folder / "results/test/tables/simulations.csv").exists()


@pytest.mark.parametrize(
    ("rule", "n", "resources", "time_limit"),
    [
        ("fit_cohort", 1, "cpu=1,mem=6000M", "12:00:00"),
        ("fit_simulation", 3, "cpu=1,mem=6000M", "12:00:00"),
        # Two data sets side by side, and after them their truths.
        ("simulated", 1, "cpu=2,mem=8000M", "25:00"),
        # Three fits assigned side by side, and then scored.
        ("scored", 1, "cpu=3,mem=12000M", "45:00"),
    ],
)
def test_jobs_get_what_their_rules_ask_for(cluster, finished, rule, n, resources, time_limit):
    jobs = [job for job in jobs_of(cluster, finished[1]) if job.rule.startswith(rule)]
    assert len(jobs) == n
    for job in jobs:
        assert job.resources.startswith(f"{resources},")
        assert job.time_limit == time_limit


def test_a_failing_job_leaves_nothing_half_written(cluster, tmp_path):
    """No file may be larger than 300 kB, so that a fit cannot write its last one, the model."""
    write_inputs(tmp_path, hidden=[256, 256])
    status, output = finish(
        start(
            *(cluster, tmp_path, FITTED, "--retries", "1"),
            *("--workflow-profile", REPOSITORY / "profiles/gpu"),
            prefix=("prlimit", "--fsize=300000"),
        ),
        tmp_path,
    )
    assert status == 1
    log = "results/test/logs/simulations/toy_rna/101/paper/fit.log"
    assert log in output
    assert "File too large" in (tmp_path / log).read_text()
    assert half_written(tmp_path) == []
    assert not (tmp_path / FITTED).parent.exists()
    fits = [job for job in jobs_of(cluster, output) if job.rule == "fit_simulation"]
    assert [job.state for job in fits] == ["FAILED", "FAILED"]
    assert [job.gpus for job in fits] == ["gres:gpu:1", "gres:gpu:1"]
    first, second = (job.resources for job in fits)
    assert "mem=6000M" in first
    assert "mem=12000M" in second


def test_a_cancelled_job_is_reported_and_the_run_resumes(cluster, finished, tmp_path):
    write_inputs(tmp_path)
    snakemake = start(cluster, tmp_path, FITTED, "--retries", "0")
    cluster.ask("scancel", wait_for_fit(cluster).id)
    status, output = finish(snakemake, tmp_path)
    assert status == 1
    assert "CANCELLED" in output
    assert half_written(tmp_path) == []
    assert not (tmp_path / FITTED).exists()

    output = run(cluster, tmp_path, FITTED)
    assert [job.rule for job in jobs_of(cluster, output)] == ["fit_simulation"]
    assert same_tables(tmp_path, finished[0])


def test_after_a_kill_a_run_ends_with_the_same_tables(cluster, finished, tmp_path):
    write_inputs(tmp_path)
    snakemake = start(cluster, tmp_path, SUMMARY)
    fit = wait_for_fit(cluster)
    snakemake.kill()
    cluster.ask("scancel", "--signal=KILL", "--full", "--name", fit.run)
    wait_for(cluster.is_empty, "an empty queue", seconds=120)
    assert not (tmp_path / FITTED).exists()

    run(cluster, tmp_path, "--unlock")
    run(cluster, tmp_path, SUMMARY)
    assert half_written(tmp_path) == []
    assert same_tables(tmp_path, finished[0])
