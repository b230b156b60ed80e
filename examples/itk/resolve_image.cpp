// SPDX-License-Identifier: Apache-2.0
// resolve_image MODEL: an itk::Image through a model, without files. The image is a tilted drawing of a sphere; the
// result must have the same centre.
#include <cmath>
#include <cstdio>

#include "itk_clade.h"

namespace {

using itk_clade::Image;

Image::Pointer draw_sphere() {
  Image::SizeType size = {{48, 48, 9}};
  Image::SpacingType spacing;
  spacing[0] = spacing[1] = 1.0;
  spacing[2] = 5.0;
  Image::PointType origin;
  origin[0] = -30.0;
  origin[1] = 12.0;
  origin[2] = 100.0;
  Image::DirectionType direction;
  direction.SetIdentity();
  direction(1, 1) = direction(2, 2) = std::cos(0.2);
  direction(2, 1) = std::sin(0.2);
  direction(1, 2) = -std::sin(0.2);

  Image::Pointer image = Image::New();
  image->SetRegions(size);
  image->SetSpacing(spacing);
  image->SetOrigin(origin);
  image->SetDirection(direction);
  image->Allocate();
  float* voxel = image->GetBufferPointer();
  for (int k = 0; k < 9; ++k)
    for (int j = 0; j < 48; ++j)
      for (int i = 0; i < 48; ++i) *voxel++ = std::hypot(i - 23.5, j - 23.5, 5.0 * (k - 4.0)) < 18.0 ? 1000.0f : 0.0f;
  return image;
}

Image::PointType centre(const Image& image) {
  itk::ContinuousIndex<double, 3> index;
  for (unsigned int axis = 0; axis < 3; ++axis)
    index[axis] = 0.5 * (static_cast<double>(image.GetBufferedRegion().GetSize(axis)) - 1.0);
  Image::PointType point;
  image.TransformContinuousIndexToPhysicalPoint(index, point);
  return point;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: resolve_image MODEL\n");
    return static_cast<int>(clade::api::Status::usage);
  }
  try {
    clade::api::Model model(argv[1]);
    const Image::Pointer before = draw_sphere();
    const Image::Pointer after = itk_clade::super_resolve(*before, model);
    const double moved = centre(*before).EuclideanDistanceTo(centre(*after));
    std::printf("%d slices of %g mm became %d of %g mm, centre moved by %g mm\n",
                static_cast<int>(before->GetBufferedRegion().GetSize(2)), before->GetSpacing()[2],
                static_cast<int>(after->GetBufferedRegion().GetSize(2)), after->GetSpacing()[2], moved);
    return moved < 1e-6 ? 0 : 1;
  } catch (const clade::api::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return static_cast<int>(error.status());
  } catch (const itk::ExceptionObject& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
