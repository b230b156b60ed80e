// SPDX-License-Identifier: Apache-2.0
#include "io/png.h"

#include <png.h>

#include <fstream>

#include "core/atomic_file.h"
#include "core/error.h"

namespace clade {

std::vector<std::uint8_t> encode_png(const GreyImage& image, const Palette* palette) {
  CLADE_CHECK(image.width > 0 && image.height > 0 &&
                  image.pixels.size() == static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height),
              ErrorCode::internal, "picture of ", image.width, " x ", image.height, " with ", image.pixels.size(),
              " pixels");
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = palette ? PNG_FORMAT_RGB_COLORMAP : PNG_FORMAT_GRAY;
  if (palette) header.colormap_entries = static_cast<png_uint_32>(palette->size());
  std::vector<std::uint8_t> bytes(PNG_IMAGE_PNG_SIZE_MAX(header));
  png_alloc_size_t size = bytes.size();
  const int written = png_image_write_to_memory(&header, bytes.data(), &size, 0, image.pixels.data(), 0,
                                                palette ? palette->data() : nullptr);
  CLADE_CHECK(written, ErrorCode::internal, "cannot encode a picture: ", header.message);
  bytes.resize(size);
  return bytes;
}

void write_png(const std::filesystem::path& path, const GreyImage& image) {
  const std::vector<std::uint8_t> bytes = encode_png(image);
  write_atomically(path, [&](const std::filesystem::path& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    out.close();
    CLADE_CHECK(out, ErrorCode::output, "cannot write ", path.string());
  });
}

}  // namespace clade
