#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kills small trainings at random moments until they were killed often enough, resumes them after each kill, and
# compares what comes out with trainings that nobody disturbed: on patches, and by turns on a volume with validation.
#
#   scripts/kill_test.sh [-b BIN_DIR] [-n KILLS] [-s SEED]
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
bin=$root/build/bin
kills_wanted=100
RANDOM=$$
while getopts b:n:s: option; do
  case $option in
    b) bin=$OPTARG ;;
    n) kills_wanted=$OPTARG ;;
    s) RANDOM=$OPTARG ;;
    *) exit 2 ;;
  esac
done

work=$(mktemp -d "${TMPDIR:-/tmp}/clade-kill-XXXXXX")
trap 'rm -rf "$work"' EXIT
patches=$root/tests/golden/patches.safetensors
volume=$work/volume.nii
network=(--base-channels 4 --residual-blocks 1 --pool 3 --threads 1 -q)
on_patches=(--patches "$patches" --steps 12 --batch 2 "${network[@]}")
on_volume=(-i "$volume" --patches-per-slice 1 --epochs 2 --batch 8 --validate "$volume" --keep-best piqe "${network[@]}")

fail() {
  echo "kill_test: $*" >&2
  cat "$work/messages" >&2
  exit 1
}

zeros() { head -c "$1" /dev/zero; }

# 16-bit integers, little-endian.
int16() {
  local value
  for value; do printf '%b' "$(printf '\\x%02x\\x%02x' $((value & 255)) $((value >> 8)))"; done
}

# A NIfTI-1 file of 32 x 32 x 8 int16 voxels, 1 x 1 x 4 mm, from bytes that are at hand.
make_volume() {
  int16 348 0                                      # sizeof_hdr
  zeros 36
  int16 3 32 32 8 1 1 1 1                          # dim
  zeros 14
  int16 4 16 0                                     # datatype, bitpix
  int16 0 0 0 0x3f80 0 0x3f80 0 0x4080             # pixdim: 0, 1, 1, 4 as float32
  zeros 16
  int16 0 0x43b0                                   # vox_offset: 352
  zeros 140
  int16 1 0                                        # qform_code, sform_code
  zeros 88
  printf 'n+1\0\0\0\0\0'
  tail -c $((32 * 32 * 8 * 2)) "$patches"
}

# Milliseconds that it takes.
measure() {
  local start=$EPOCHREALTIME
  "$@" 2> "$work/messages" || fail "the undisturbed training failed"
  local end=$EPOCHREALTIME
  echo $(((${end/[.,]/} - ${start/[.,]/}) / 1000))
}

make_volume > "$volume"
lifetimes=("$(measure "$bin/clade_train" "${on_patches[@]}" --checkpoint-minutes 0 -o "$work/undisturbed0")"
  "$(measure "$bin/clade_train" "${on_volume[@]}" --checkpoint-minutes 0 -o "$work/undisturbed1")")
kills=0 runs=0 in_write=0 before_state=0
while ((kills < kills_wanted)); do
  runs=$((runs + 1))
  run=$work/run$runs
  kind=$((runs % 2))
  if ((kind == 0)); then training=("${on_patches[@]}"); else training=("${on_volume[@]}"); fi
  lifetime=${lifetimes[kind]}
  last=$((kills + 4 < kills_wanted ? kills + 4 : kills_wanted))  # then it may end, and the other one has its turn
  while true; do
    if [[ -e $run/config.json ]]; then
      arguments=(--resume -q -o "$run")
    else
      arguments=("${training[@]}" -o "$run")
    fi
    "$bin/clade_train" "${arguments[@]}" --checkpoint-minutes 0 2> "$work/messages" &
    process=$!
    if ((kills < last)); then
      printf -v pause '%d.%03d' $((RANDOM % (lifetime + 1) / 1000)) $((RANDOM % (lifetime + 1) % 1000))
      sleep "$pause"
      kill -KILL $process 2> /dev/null || true
    fi
    code=0
    wait $process 2> /dev/null || code=$?
    ((code == 0)) && break
    ((code == 137)) || fail "exit code $code after $kills kills"
    kills=$((kills + 1))
    compgen -G "$run/.tmp-*" > /dev/null && in_write=$((in_write + 1))
    [[ -e $run/state.safetensors ]] || before_state=$((before_state + 1))
    # A model that is there can be used; the state is read by the next start.
    if [[ -e $run/latest.safetensors ]]; then
      "$bin/clade_sr" -q --force --patches -m "$run/latest.safetensors" -i "$patches" -o "$work/y.safetensors" \
        2> "$work/messages" || fail "the model left by kill $kills cannot be used"
    fi
  done
  # The lock names its process; nothing else may differ, be missing or be left over.
  diff -r -x .lock "$work/undisturbed$kind" "$run" > "$work/messages" || fail "run $runs differs"
  rm -rf "$run"
done
echo "$kills kills in $runs runs: $in_write during the writing of a file, $before_state before the first checkpoint;" \
  "every run ended with the bytes of the undisturbed one"
