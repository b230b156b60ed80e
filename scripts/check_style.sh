#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Reports what clang-format, cppcheck and clang-tidy have to say: check_style.sh [--quick] [BUILD_FOLDER], which must
# have been configured with -DCMAKE_EXPORT_COMPILE_COMMANDS=ON. Ends with an error if any of them found something.
# --quick leaves out clang-tidy, which takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
quick=
if [[ "${1:-}" == --quick ]]; then
  quick=yes
  shift
fi
build=${1:-build}
[[ -f $build/compile_commands.json ]] || {
  echo "check_style: no $build/compile_commands.json; configure with -DCMAKE_EXPORT_COMPILE_COMMANDS=ON" >&2
  exit 2
}

status=0
# Layers whose sources are kept formatted; the others follow the same style, but tables are set by hand there.
mapfile -t formatted < <(find io fuzz -name '*.h' -o -name '*.cpp'; find api -name '*.cpp')
echo "clang-format: ${#formatted[@]} files"
clang-format --dry-run --Werror "${formatted[@]}" || status=1

echo "cppcheck"
find api bench core engine io kernels losses metrics models tools -name '*.cpp' |
  xargs cppcheck -j "$(nproc)" --quiet --std=c++20 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
  --suppressions-list=scripts/cppcheck.txt \
  --suppress=missingIncludeSystem -I . -I "$build/generated" || status=1
[[ -z $quick ]] || exit "$status"

# GCC's flags that Clang does not know are no findings.
tidy() {
  xargs -P "$(nproc)" -n 3 clang-tidy -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option "$@" 2>/dev/null
}
echo "clang-tidy"
find io core api engine losses -name '*.cpp' ! -name cuda_api.cpp | tidy || status=1
# Channels, nets, batches and windows are small numbers; extents of volumes, in the other layers, are not.
find models metrics -name '*.cpp' |
  tidy --checks=-bugprone-implicit-widening-of-multiplication-result,-bugprone-misplaced-widening-cast || status=1
exit "$status"
