#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A volume with thick slices in, a super-resolved volume and a picture out; less than ten minutes on two cores.
# Usage: scripts/demo.sh [VOLUME.nii.gz]
# Without a volume: a 1 mm brain is made 5.5 mm thick, so that the picture can show the truth beside the result.
set -euo pipefail
start=$PWD
cd "$(dirname "$0")/.."

# A small network and a short training: enough to see the effect, not enough for use.
channels=32
steps=3000
learning_rate=2e-4
truth=/usr/share/mricron/templates/ch2.nii.gz
out=demo-output

if [[ $# -gt 0 ]]; then
  volume=$(cd "$start" && realpath "$1")
  scripts/setup.sh
else
  scripts/setup.sh --demo
fi
# The CUDA kernels take minutes to compile, so only where there is a GPU to run them.
cuda=()
if [[ ! -e build/CMakeCache.txt ]] && ! nvidia-smi >/dev/null 2>&1; then
  cuda=(-DCLADE_CUDA=OFF)
fi
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release ${cuda[@]+"${cuda[@]}"} >/dev/null
cmake --build build --target clade_train clade_sr clade_eval
mkdir -p "$out"

preview=(--preview "$out/preview.png")
if [[ $# -eq 0 ]]; then
  volume=$out/thick.nii.gz
  echo "demo: making 5.5 mm slices from $truth" >&2
  build/bin/clade_eval degrade -i "$truth" -o "$volume" --axis si --spacing 5.5 --force
  preview+=(--preview-reference "$truth")
fi
echo "demo: training on $volume ($steps steps)" >&2
build/bin/clade_train -i "$volume" -o "$out/run" --base-channels "$channels" \
  --learning-rate "$learning_rate" --steps "$steps" --force
echo "demo: super-resolving" >&2
build/bin/clade_sr -m "$out/run/latest.safetensors" -i "$volume" -o "$out/result.nii.gz" \
  --back-projection 1 "${preview[@]}" --force

echo "volume:       $PWD/$out/result.nii.gz"
echo "picture:      $PWD/$out/preview.png"
echo "training log: $PWD/$out/run/log.jsonl"
