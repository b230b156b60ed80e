#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the tests, benchmarks and programs with CUDA and puts them with the libraries they need into a folder that runs
# on a machine with nothing but a driver: scripts/gpu_check.sh works from it.
# Usage: scripts/collect_gpu_build.sh [FOLDER (build-gpu)] [options of cmake...]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build-gpu}
build="build-cuda"
programs=(tests/clade_device_tests bench/bench_step bench/bench_kernels bin/clade_sr bin/clade_train)

# Libraries are looked for beside the programs first.
# shellcheck disable=SC2016  # $ORIGIN is for the loader
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCLADE_CUDA=ON -DCLADE_BENCH=ON \
  -DCMAKE_BUILD_RPATH='$ORIGIN/../lib' \
  -DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags "${@:2}"
cmake --build "$build" --target "${programs[@]##*/}"

rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/lib"
for program in "${programs[@]}"; do
  strip --strip-debug -o "$folder/bin/${program##*/}" "$build/$program"
  # The C library is everywhere and must be the system's own.
  ldd "$build/$program" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' |
    grep -vE '/(libc|libm|libdl|librt|libpthread|ld-linux[^/]*)\.so' | sort -u |
    while read -r library; do cp -Ln "$library" "$folder/lib/"; done
done
du -sh "$folder"
