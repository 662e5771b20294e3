#!/bin/bash
# A training on one GPU of a cluster that outlives its time limit:
# `sbatch docs/slurm.sh photos runs/photos --size 64`.
#
# A minute before the limit Slurm sends SIGTERM, the training saves a checkpoint and stops, and the
# job goes back to the queue; so it does where it is preempted. It resumes from its newest
# checkpoint, with the same result bit for bit.
#SBATCH --job-name=pyroclast
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@60
#SBATCH --requeue
#SBATCH --open-mode=append
set -uo pipefail

usage="usage: sbatch slurm.sh DATA RUN [OPTIONS of pyroclast train]"
what="${1:?$usage}"
run="${2:?$usage}"
arguments=(train "$what" --out "$run" --device cuda "${@:3}")
if [ -e "$run/config.toml" ]; then
    arguments+=(--resume)
fi

srun pyroclast "${arguments[@]}"
status=$?
# 130: interrupted and saved.
if [ "$status" = 130 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
