#!/bin/sh
# Print the recipe of a container with all environments; envs/apptainer.def keeps it:
#   sh scripts/container_recipe.sh > envs/apptainer.def
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
# Snakemake writes the recipe, and asks conda about itself before it does. This answers, so that
# the recipe is the same where there is another conda or none.
cat >"$folder/conda" <<'EOF'
#!/bin/sh
echo '{"conda_version": "24.11.3", "conda_prefix": "/opt/conda", "platform": "linux-64",
       "get": {"channel_priority": "strict"}}'
EOF
chmod +x "$folder/conda"
PATH="$folder:$PWD/.venv/bin:$PATH" snakemake --containerize apptainer >"$folder/recipe"
echo "# Written by scripts/container_recipe.sh; to be built in the repository's root."
sed 's/miniforge3:latest/miniforge3:24.11.3-2/' "$folder/recipe"
