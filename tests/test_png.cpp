// SPDX-License-Identifier: Apache-2.0
#include "io/png.h"

#include <png.h>

#include "tests/support/errors.h"
#include "tests/support/temp_dir.h"

using namespace clade;
using clade::test::error_of;
using clade::test::TempDir;

TEST_CASE("a picture comes back from its file", "[png]") {
  const TempDir folder;
  GreyImage image{5, 3, {}};
  for (int i = 0; i < 15; ++i) image.pixels.push_back(static_cast<std::uint8_t>(17 * i));
  write_png(folder / "a.png", image);
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_file(&header, (folder / "a.png").c_str()));
  CHECK(header.width == 5);
  CHECK(header.height == 3);
  CHECK(header.format == PNG_FORMAT_GRAY);
  std::vector<std::uint8_t> pixels(15);
  REQUIRE(png_image_finish_read(&header, nullptr, pixels.data(), 0, nullptr));
  CHECK(pixels == image.pixels);
  CHECK(folder.count() == 1);
}

TEST_CASE("a picture that cannot be written is an output error", "[png]") {
  const TempDir folder;
  const GreyImage image{1, 1, {0}};
  const std::string message = error_of(ErrorCode::output, [&] { write_png(folder / "none/a.png", image); });
  CHECK(test::contains(message, "none/a.png"));
  error_of(ErrorCode::internal, [&] { write_png(folder / "a.png", {2, 2, {0}}); });
  CHECK(folder.count() == 0);
}
