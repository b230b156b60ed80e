#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kills a small training at random moments until it was killed often enough, resumes it after each kill, and compares
# what comes out with a training that nobody disturbed.
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
training=(--patches "$patches" --steps 12 --batch 2 --pool 3 --base-channels 4 --residual-blocks 1 --threads 1 -q)

fail() {
  echo "kill_test: $*" >&2
  cat "$work/messages" >&2
  exit 1
}

# Seconds are what `sleep` takes; most of a life must be training, not start-up.
measure() {
  local start=$EPOCHREALTIME
  "$@" 2> "$work/messages" || fail "the undisturbed training failed"
  local end=$EPOCHREALTIME
  echo $(((${end/[.,]/} - ${start/[.,]/}) / 1000))
}

lifetime=$(measure "$bin/clade_train" "${training[@]}" --checkpoint-minutes 0 -o "$work/undisturbed")
kills=0 runs=0 in_write=0 before_state=0
while ((kills < kills_wanted)); do
  runs=$((runs + 1))
  run=$work/run$runs
  while true; do
    if [[ -e $run/config.json ]]; then
      arguments=(--resume -q -o "$run")
    else
      arguments=("${training[@]}" -o "$run")
    fi
    "$bin/clade_train" "${arguments[@]}" --checkpoint-minutes 0 2> "$work/messages" &
    process=$!
    if ((kills < kills_wanted)); then
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
  for file in config.json log.jsonl latest.safetensors state.safetensors epoch_0001.safetensors; do
    cmp "$work/undisturbed/$file" "$run/$file" > "$work/messages" || fail "$file of run $runs differs"
  done
  compgen -G "$run/.tmp-*" > "$work/messages" && fail "run $runs left temporary files"
  rm -rf "$run"
done
echo "$kills kills in $runs runs: $in_write during the writing of a file, $before_state before the first checkpoint;" \
  "every run ended with the bytes of the undisturbed one"
