#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests and measures CLADE on a machine with an NVIDIA GPU, in less than nine minutes, with no network and no rights:
# tests on the device, compute-sanitizer, benchmarks of kernels, steps and volumes, comparison with PyTorch where
# python3 has it. A part that fails or runs out of time does not stop the others, but the exit code tells.
# Usage: scripts/gpu_check.sh [RESULTS (bench/results/<name of the GPU>)] [BUILD (build-gpu)]
# BUILD comes from scripts/collect_gpu_build.sh, here or on another machine; without it that script is run.
# SKIP="racecheck torch" leaves parts out, SANITIZED names the tests that run under compute-sanitizer.
set -uo pipefail
start=$PWD
cd "$(dirname "$0")/.." || exit
root=$PWD

gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1) || { echo "gpu_check: no GPU here" >&2; exit 1; }
results=$(cd "$start" && realpath -m "${1:-$root/bench/results/$(tr ' /' '__' <<<"$gpu")}")
build=$(cd "$start" && realpath -m "${2:-$root/build-gpu}")
[[ -d "$build/bin" ]] || scripts/collect_gpu_build.sh "$build" || exit 1
mkdir -p "$results"
log=$results/log.txt
bin=$build/bin
sanitized=${SANITIZED:-[conv]~[cudnn],[norm],[loss],[update],[demodulation],[pointwise],[patches],[graph]}

# cuDNN and cuBLAS, if only PyTorch brought them.
python_libraries=$(python3 -c 'import glob, nvidia
print(":".join(d for p in nvidia.__path__ for d in sorted(glob.glob(p + "/*/lib"))))' 2>/dev/null)
export PATH=$PATH:/usr/local/cuda/bin
export CLADE_TEST_DEVICE=cuda CLADE_GOLDEN_DIR=$PWD/tests/golden

names=() outcomes=() times=()
{ date -u; nvidia-smi; sed -n 's/^model name.*: //p' /proc/cpuinfo | sort | uniq -c; } >"$log" 2>&1

# part NAME SECONDS COMMAND...
part() {
  local name=$1 limit=$2 begin=$SECONDS outcome code
  shift 2
  if [[ " ${SKIP:-} " == *" $name "* ]]; then
    outcome=skipped
  else
    echo "gpu_check: $name (at most $limit s)"
    printf '\n==== %s: %s\n' "$name" "$*" >>"$log"
    timeout -k 5 "$limit" "$@" >>"$log" 2>&1
    code=$?
    case $code in
      0) outcome=ok ;;
      124 | 137) outcome="out of time" ;;
      *) outcome="FAILED ($code)" ;;
    esac
  fi
  names+=("$name") outcomes+=("$outcome") times+=($((SECONDS - begin)))
}
in_libraries=(env "LD_LIBRARY_PATH=/usr/local/cuda/lib64:$python_libraries:${LD_LIBRARY_PATH:-}")

part tests 90 "${in_libraries[@]}" "$bin/clade_device_tests"
part memcheck 60 compute-sanitizer --tool memcheck --error-exitcode 9 "$bin/clade_device_tests" "$sanitized"
part racecheck 60 compute-sanitizer --tool racecheck --error-exitcode 9 "$bin/clade_device_tests" "$sanitized"
part step 60 "$bin/bench_step" --device=cuda '--benchmark_filter=transposed|resize/(tf32|bf16)' --benchmark_min_time=0.2 \
  --benchmark_out="$results/step.json" --benchmark_out_format=json
part volume 40 python3 bench/bench_volume.py --program "$bin/clade_sr" --device cuda --json "$results/volume.json"
part kernels 100 "${in_libraries[@]}" "$bin/bench_kernels" --device=cuda --batches=1,16,256 --precisions=tf32,bf16 \
  --seconds=0.01 --benchmark_out="$results/kernels.json" --benchmark_out_format=json
if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
  part torch 120 python3 bench/compare_torch.py --device cuda --bench "$bin/bench_step" --rounds 3 --seconds 0.3 \
    --budget 60 --json "$results/torch.json"
else
  echo "gpu_check: python3 has no PyTorch that sees this GPU; no comparison"
fi

{
  echo "GPU: $gpu"
  python3 - "$results" <<'SUMMARY'
import json, pathlib, sys

results = pathlib.Path(sys.argv[1])


def load(name):
    """A file of results; what is complete of it if the program was stopped."""
    try:
        text = (results / name).read_text()
        try:
            return json.loads(text)
        except ValueError:
            return json.loads(text[:text.rindex("\n    }") + 6] + "]}")
    except (OSError, ValueError):
        return None


kernels = load("kernels.json")
if kernels:
    context = kernels["context"]
    print(f"peak {float(context['peak_tflops']):.0f} TFLOP/s in TF32, {float(context['bandwidth_gbs']):.0f} GB/s, as measured")
    columns = {"us": "real_time", "cold us": "cold_us", "TFLOP/s": "TFLOP/s", "GB/s": "GB/s", "/floor": "over_floor",
               "cold": "cold_over_floor", "/cuDNN": "over_cudnn", "cold ": "cold_over_cudnn"}
    print(f"{'kernel':50}", *(f"{title:>9}" for title in columns))
    for row in kernels["benchmarks"]:
        cells = (f"{row[key]:9.2f}" if key in row else " " * 9 for key in columns.values())
        print(f"{row['name'].split('/iterations')[0]:50}", *cells, row.get("error_message", row.get("label", "")))
for row in (load("step.json") or {}).get("benchmarks", []):
    rate = (f"{1e3 * row['step_seconds']:.3f} ms a step" if "step_seconds" in row else
            f"{row['patches/s']:.0f} patches/s" if "patches/s" in row else row.get("error_message", ""))
    print(f"{row['name'].removesuffix('/real_time'):58} {rate}, {1e-3 * row.get('GFLOP/s', 0):.1f} TFLOP/s")
for row in load("volume.json") or []:
    print(f"{'clade_sr ' + row['volume'] + ', ' + row['output'][4:]:58} {row['median_seconds']:.2f} s")
for result in (load("torch.json") or {}).get("results", []):
    for name, row in result["rows"].items():
        case = f"{result['what']}, {result['precision']}, batch {result['batch']}: {name}"
        print(f"{case:72} {1e3 * row['median_seconds']:9.3f} ms {row['times_clade']:6.2f} x CLADE")
SUMMARY
  for i in "${!names[@]}"; do printf '%-12s %-14s %4d s\n' "${names[i]}" "${outcomes[i]}" "${times[i]}"; done
} 2>&1 | tee "$results/summary.txt"

failed=0
for outcome in "${outcomes[@]}"; do [[ "$outcome" == ok || "$outcome" == skipped ]] || failed=1; done
exit $failed
