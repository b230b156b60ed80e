// SPDX-License-Identifier: Apache-2.0
#include "io/png.h"

#include <png.h>

#include "core/atomic_file.h"
#include "core/error.h"

namespace clade {

void write_png(const std::filesystem::path& path, const GreyImage& image) {
  CLADE_CHECK(image.width > 0 && image.height > 0 &&
                  image.pixels.size() == static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height),
              ErrorCode::internal, "picture of ", image.width, " x ", image.height, " with ", image.pixels.size(),
              " pixels");
  write_atomically(path, [&](const std::filesystem::path& temporary) {
    png_image header{};
    header.version = PNG_IMAGE_VERSION;
    header.width = static_cast<png_uint_32>(image.width);
    header.height = static_cast<png_uint_32>(image.height);
    header.format = PNG_FORMAT_GRAY;
    const int written = png_image_write_to_file(&header, temporary.c_str(), 0, image.pixels.data(), 0, nullptr);
    CLADE_CHECK(written, ErrorCode::output, "cannot write ", path.string(), ": ", header.message);
  });
}

}  // namespace clade
