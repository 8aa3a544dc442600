#!/bin/bash
# One recipe on all GPUs of several nodes; the checkout must be on a file system that all of them see:
#   sbatch --nodes=2 --gpus-per-node=8 scripts/slurm/several_nodes.sh RECIPE [--field VALUE ...]
#SBATCH --job-name=distill
#SBATCH --nodes=2
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
    echo "usage: sbatch $0 RECIPE [--field VALUE ...]; names: python -m distill_lib list" >&2
    exit 2
fi

# A signal may find the processes in an evaluation; they get that long to come to a step's end.
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=240

# The processes find each other at the first node, at a port of this job's own.
read -r meeting_point < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
port=$((20000 + SLURM_JOB_ID % 10000))

# srun starts one torchrun on each node, torchrun one process for each GPU there.
srun --kill-on-bad-exit=1 "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes "$SLURM_JOB_NUM_NODES" --nproc_per_node "${PROCESSES:-gpu}" \
    --rdzv_id "$SLURM_JOB_ID" --rdzv_backend c10d --rdzv_endpoint "$meeting_point:$port" \
    -m distill_lib train "$@" --budget paper &
training=$!

# Time is nearly over: every process finishes its step and saves; the job goes to the queue again.
stop() {
    kill -TERM "$training" # srun passes it on to all nodes
    wait "$training" || true
    scontrol requeue "$SLURM_JOB_ID"
    exit 143
}
trap stop TERM INT
wait "$training"
