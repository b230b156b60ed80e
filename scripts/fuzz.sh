#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the fuzz targets one after the other: fuzz.sh [SECONDS [TARGET...]], 60 seconds each by default. The corpus grows
# in build-fuzz/corpus, what goes wrong is left in build-fuzz/findings; any finding ends the script with an error.
# Needs clang and its libFuzzer (Debian: clang, libclang-rt-14-dev).
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
targets=("${@:2}")
((${#targets[@]})) || targets=(nifti safetensors model patches api)

cmake -S . -B build-fuzz -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=clang++ \
  -DCMAKE_CXX_FLAGS_RELEASE=-O1 -DCLADE_CUDA=OFF -DCLADE_FUZZ=ON -DCLADE_TESTS=OFF -DCLADE_TOOLS=OFF -DCLADE_C_LIBRARY=OFF \
  -DCLADE_INSTALL=OFF
cmake --build build-fuzz --target make_corpus "${targets[@]/#/fuzz_}"
build-fuzz/fuzz/make_corpus build-fuzz/corpus

status=0
mkdir -p build-fuzz/findings
for target in "${targets[@]}"; do
  echo "fuzz: $target"
  options=(-max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512
    -artifact_prefix="build-fuzz/findings/$target-" -print_final_stats=1)
  [[ $target == nifti || $target == api ]] || options+=(-dict=fuzz/json.dict)
  build-fuzz/fuzz/fuzz_"$target" "${options[@]}" "build-fuzz/corpus/$target" 2>"build-fuzz/$target.log" || status=1
  grep -E 'DONE|ERROR|SUMMARY|broken promise' "build-fuzz/$target.log" || true
done
exit "$status"
