#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds everything and runs all tests. With CI set, warnings are errors.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCLADE_WERROR="$([[ -n "${CI:-}" ]] && echo ON || echo OFF)"
cmake --build build
ctest --test-dir build --output-on-failure
