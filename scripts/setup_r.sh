#!/bin/sh
# Make R and the given Debian packages available to the virtual environment, or say what is missing.
set -eu
have_r() {
    .venv/bin/python -c 'from mssvae.enrichment import _r; _r.load_functions()' >/dev/null 2>&1
}
have_r && exit 0
sh "$(dirname "$0")/apt_install.sh" "$@" && have_r && exit 0
echo "No R with AnnotationDbi, org.Hs.eg.db and GO.db, so gene sets will not be tested in R; all else runs." \
    "To get it: sudo apt-get install $*, or any R on the PATH or in R_HOME; README.md says how to do without." >&2
