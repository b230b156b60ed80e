#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds everything and runs all tests: on the processors of this machine (with nvcc the
# CUDA kernels are compiled too, and tested where there is a GPU), then the CUDA kernels in emulation under
# AddressSanitizer and UndefinedBehaviorSanitizer. With CI set, warnings are errors, CUDA kernels are compiled for one
# architecture, to save minutes, the tests of threads run once more as Clang compiles them, under ThreadSanitizer, each
# fuzz target runs for some seconds, and the quick static checks of check_style.sh must find nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

werror=OFF
cuda=(-DCLADE_CUDA=AUTO)
if [[ -z "${CI:-}" ]]; then
  scripts/setup.sh --test
else
  scripts/setup.sh --ci
  werror=ON
  cuda+=(-DCLADE_CUDA_ARCHITECTURES=90)
fi

cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release "${cuda[@]}" -DCLADE_WERROR="$werror"
grep -q 'CMAKE_CUDA_COMPILER:.*nvcc' build/CMakeCache.txt || echo "test: no nvcc here, the CUDA kernels are not compiled for a GPU"
cmake --build build
ctest --test-dir build --output-on-failure

cmake -S . -B build-emulation -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O1 -DCLADE_WERROR="$werror" \
  -DCLADE_CUDA=EMULATE -DCLADE_SANITIZE=address -DCLADE_TOOLS=OFF
cmake --build build-emulation
ctest --test-dir build-emulation --output-on-failure -j "$(nproc)"

[[ -n "${CI:-}" ]] || exit 0
cmake -S . -B build-threads -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O1 \
  -DCLADE_WERROR=ON -DCLADE_CUDA=OFF -DCLADE_SANITIZE=thread -DCLADE_TOOLS=OFF -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
cmake --build build-threads --target clade_thread_tests
build-threads/tests/clade_thread_tests

scripts/fuzz.sh 5
scripts/check_style.sh --quick build-threads
