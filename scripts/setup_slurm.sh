#!/bin/sh
# Make Slurm available from the given Debian packages, or say what to install.
set -eu
PATH="$PATH:/usr/sbin"
have_slurm() {
    for program in munged slurmctld slurmd sbatch prlimit; do
        command -v "$program" >/dev/null || return 1
    done
}
have_slurm && exit 0
sh "$(dirname "$0")/apt_install.sh" "$@" && have_slurm && exit 0
echo "Slurm and munge are needed for this test and were not found." >&2
echo "On Debian or Ubuntu:  sudo apt-get install $*" >&2
exit 1
