#!/bin/sh
# List what a run made, in its folder.
set -eu
cd "$1"
echo
echo "In $1:"
echo "Pages:"; ls explorer.html tables.html
echo "Figures:"; ls figures/*.pdf ./*/*/figures/*.pdf
echo "Tables:"; ls tables/* cohorts/*/tables/* simulations/*/*.csv
