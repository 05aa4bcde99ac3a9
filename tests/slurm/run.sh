#!/usr/bin/env bash
# The smoke size of every study through the profile for Slurm, on a real Slurm of one node; see cluster.sh.
# Called by `make test-slurm`, which has the environment on the path. STUDIES chooses some of them, OVERLAY another config.
# With STRIKES above zero it is then run again under so many faults, and compared; see tests/faults.py.
set -euo pipefail
cd "$(dirname "$0")/../.."

overlay=${OVERLAY:-tests/slurm/overlay.yaml}
folder=$(mktemp -d)
trap 'tests/slurm/cluster.sh stop "$folder"' EXIT
tests/slurm/cluster.sh start "$folder"

# Of more jobs than cores some end between two looks, which keeps looks frequent.
snakemake --profile tests/slurm --workflow-profile profiles/slurm --jobs 6 --latency-wait 10 \
    ${STUDIES:+--config studies="$STUDIES"} --configfile "$overlay"

# shellcheck disable=SC2086
chosen="--config $overlay ${STUDIES:+$(printf -- '--study %s ' $STUDIES)}"
# shellcheck disable=SC2086
symbench check-results $chosen

squeue --states all --noheader --format %T | sort | uniq -c
unfinished=$(squeue --states all --noheader --format %T | grep -cv COMPLETED || true)
granted=$(scontrol show jobs --oneliner | grep -c 'TresPerJob=[^ ]*gpu:loopback:1' || true)
# shellcheck disable=SC2086
results=$(symbench where $chosen --folder)
trained=$(find "$results" -name weights.safetensors | wc -l)
echo "$trained trainings; a GPU was granted to $granted jobs; $unfinished jobs did not complete"
[ "$unfinished" -eq 0 ] && [ "$granted" -ge "$trained" ] && [ "$trained" -gt 0 ] || exit 1

[ "${STRIKES:-0}" -eq 0 ] || python -m tests.faults --slurm --strikes "$STRIKES" --studies "${STUDIES:-}" \
    --whole "$results" --output results/reference/faults
