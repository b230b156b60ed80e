// SPDX-License-Identifier: Apache-2.0
// Between the types of <clade/clade.hpp> and those of the library.
#pragma once

#include <clade/clade.hpp>

#include "core/log.h"
#include "io/volume.h"

namespace clade::api {

/// Throws clade::Error(input) for a geometry that no volume has, naming the field.
clade::Geometry to_internal(const Geometry& geometry);
/// The same for a whole volume, which must have its voxels, all of them finite.
clade::Volume to_internal(Volume&& volume);

Geometry to_public(const clade::Geometry& geometry);
Volume to_public(clade::Volume&& volume);

clade::Log to_internal(const LogCallback& callback);

}  // namespace clade::api
