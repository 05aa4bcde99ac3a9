#!/bin/sh
# Snakemake runs this where it was started, with the new environment active: the package itself joins its dependencies.
set -e
[ -f pyproject.toml ] || { echo "conda: start Snakemake in the checkout of symbench" >&2; exit 1; }
pip install --quiet --no-deps --no-build-isolation --editable .
