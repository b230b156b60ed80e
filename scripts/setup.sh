#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian/Ubuntu packages that CLADE is built from. Does nothing when they are all there.
# Usage: scripts/setup.sh [--demo | --test | --ci]   (--demo: also the brain volume that the demo uses, --test: also what
# the emulation of CUDA needs, --ci: that, the second compiler and the static analysers)
set -euo pipefail

packages=(cmake g++ ninja-build libeigen3-dev libnifti-dev zlib1g-dev libcli11-dev nlohmann-json3-dev catch2 libpng-dev
          libbenchmark-dev)
[[ "${1:-}" != --demo ]] || packages+=(mricron-data)
[[ "${1:-}" != --test && "${1:-}" != --ci ]] || packages+=(libboost-context-dev)
[[ "${1:-}" != --ci ]] || packages+=(clang libclang-rt-dev clang-tidy clang-format cppcheck)

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not Debian or Ubuntu; please install what corresponds to: ${packages[*]} libnifti2-dev" >&2
  exit 0
fi

installed() { [[ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" == "install ok installed" ]]; }

missing=()
for package in "${packages[@]}"; do
  installed "$package" || missing+=("$package")
done
# Newer releases keep the NIfTI-2 reader in a package of its own; older ones have it in libnifti-dev.
have_nifti2() { installed libnifti2-dev || [[ -n "$(find /usr/include -name nifti2_io.h -print -quit 2>/dev/null)" ]]; }
if [[ ${#missing[@]} -eq 0 ]] && have_nifti2; then
  exit 0
fi

as_root=()
if [[ "$(id -u)" -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "setup: run this as root; missing: ${missing[*]:-libnifti2-dev}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "setup: packages are missing; updating the package lists"
${as_root[@]+"${as_root[@]}"} apt-get update
have_nifti2 || ! apt-cache show libnifti2-dev >/dev/null 2>&1 || missing+=(libnifti2-dev)
echo "setup: installing ${missing[*]}"
${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
