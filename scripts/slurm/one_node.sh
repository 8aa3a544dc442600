#!/bin/bash
# One recipe on all GPUs of one node; in a queue, or without one:
#   sbatch --gpus-per-node=8 scripts/slurm/one_node.sh RECIPE [--field VALUE ...]
#   PYTHON=.venv/bin/python bash scripts/slurm/one_node.sh RECIPE [--field VALUE ...]
#SBATCH --job-name=distill
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@300
#SBATCH --output=distill-%j.log

set -euo pipefail
if [ $# -eq 0 ]; then
    echo "usage: $0 RECIPE [--field VALUE ...]; names: python -m distill_lib list" >&2
    exit 2
fi

# A signal may find the processes in an evaluation; they get that long to come to a step's end.
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=240

# "gpu": one process for each GPU that the job was given.
"${PYTHON:-python}" -m torch.distributed.run --standalone --nproc_per_node "${PROCESSES:-gpu}" \
    -m distill_lib train "$@" --budget paper &
training=$!

# Time is nearly over: every process finishes its step and saves; the job goes to the queue again.
stop() {
    kill -TERM "$training"
    wait "$training" || true
    if [ -n "${SLURM_JOB_ID:-}" ]; then
        scontrol requeue "$SLURM_JOB_ID"
    fi
    exit 143
}
trap stop TERM INT
wait "$training"
