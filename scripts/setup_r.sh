#!/bin/sh
# Make R and the given Debian packages available, or say what to install.
set -eu
have_r() {
    command -v Rscript >/dev/null &&
        Rscript -e 'for (p in c("AnnotationDbi", "org.Hs.eg.db", "GO.db"))
            if (!nzchar(system.file(package = p))) quit(status = 1)' >/dev/null 2>&1
}
have_r && exit 0
sh "$(dirname "$0")/apt_install.sh" "$@" && have_r && exit 0
echo "R with the packages AnnotationDbi, org.Hs.eg.db and GO.db is needed and was not found." >&2
echo "On Debian or Ubuntu:  sudo apt-get install $*" >&2
echo "Without root:         snakemake --sdm conda (see README.md)" >&2
exit 1
