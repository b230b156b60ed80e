/* SPDX-License-Identifier: Apache-2.0 */
/* resolve_buffer MODEL BEFORE.nii.gz AFTER.nii.gz: voxels that are already in memory through a model in C. The voxels
 * here are a drawing of a sphere, written to BEFORE; what the model makes of it is written to AFTER. */
#include <clade/clade.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 48, HEIGHT = 48, SLICES = 9 };
static const double SLICE_SPACING = 5.0; /* mm; 1 mm in-plane */

static float* draw_sphere(void) {
  float* voxels = malloc(sizeof(float) * WIDTH * HEIGHT * SLICES);
  if (!voxels) return NULL;
  for (int k = 0; k < SLICES; ++k)
    for (int j = 0; j < HEIGHT; ++j)
      for (int i = 0; i < WIDTH; ++i) {
        const double x = i - 0.5 * (WIDTH - 1), y = j - 0.5 * (HEIGHT - 1),
                     z = SLICE_SPACING * (k - 0.5 * (SLICES - 1));
        voxels[i + WIDTH * (j + HEIGHT * k)] = x * x + y * y + z * z < 18.0 * 18.0 ? 1000.0f : 0.0f;
      }
  return voxels;
}

static int show_progress(void* user, int64_t done, int64_t total) {
  (void)user;
  fprintf(stderr, "\r%3d %%", (int)(100 * done / total));
  return 0; /* go on */
}

static int report(clade_status status, const char* message) {
  fprintf(stderr, "\nerror: %s\n", message);
  return (int)status;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: resolve_buffer MODEL BEFORE AFTER\n");
    return CLADE_ERROR_USAGE;
  }
  float* voxels = draw_sphere();
  if (!voxels) return CLADE_ERROR_DEVICE;
  clade_geometry geometry = {.size = {WIDTH, HEIGHT, SLICES}, .spacing = {1.0, 1.0, SLICE_SPACING}};
  clade_status status = clade_volume_write(argv[2], &geometry, voxels);
  if (status != CLADE_OK) {
    free(voxels);
    return report(status, clade_last_error(NULL));
  }

  clade_model* model = NULL;
  status = clade_model_load(argv[1], NULL, &model);
  if (status != CLADE_OK) {
    free(voxels);
    return report(status, clade_last_error(NULL));
  }

  clade_options options = CLADE_OPTIONS_INIT;
  options.stride = 16;
  options.progress = show_progress;
  clade_volume* result = NULL;
  status = clade_model_super_resolve(model, &geometry, voxels, &options, &result);
  free(voxels);
  if (status != CLADE_OK) {
    const int code = report(status, clade_last_error(model));
    clade_model_free(model);
    return code;
  }

  const clade_geometry* made = clade_volume_geometry(result);
  printf("\nCLADE %s: %d slices of %g mm became %d of %g mm\n", clade_version(), SLICES, SLICE_SPACING,
         (int)made->size[2], made->spacing[2]);
  status = clade_volume_write(argv[3], made, clade_volume_voxels(result));
  clade_volume_free(result);
  clade_model_free(model);
  return status == CLADE_OK ? 0 : report(status, clade_last_error(NULL));
}
