#!/bin/sh
# Make R and the given Debian packages available to the virtual environment, or say what is missing.
set -eu
have_r() {
    .venv/bin/python -c 'import sys; from mssvae.pipeline import annotation; sys.exit(not annotation.has_r())'
}
have_r && exit 0
sh "$(dirname "$0")/apt_install.sh" "$@" && have_r && exit 0
.venv/bin/python -c 'from mssvae.pipeline import annotation
print("No R with its annotation was found: all but the tests of gene sets runs.", annotation.ADVICE)' >&2
