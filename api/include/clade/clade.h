/* SPDX-License-Identifier: Apache-2.0 */
/* CLADE for C programs, and for languages that call C: super-resolution of a volume in memory, and training on
 * volumes in memory. The library prints nothing, keeps no global state, and never ends the process.
 *
 * Functions that can fail return a status and set their results on CLADE_OK only; clade_last_error() says more. Handles
 * are independent of each other. Threads may share a handle: their calls wait for each other. Text is UTF-8 and
 * ends with 0. */
#ifndef CLADE_CLADE_H
#define CLADE_CLADE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The values are the exit codes of the programs. */
typedef enum clade_status {
  CLADE_OK = 0,
  CLADE_ERROR_INTERNAL = 1,  /* a broken invariant of the library */
  CLADE_ERROR_USAGE = 2,     /* wrong arguments */
  CLADE_ERROR_INPUT = 3,     /* volume unreadable, malformed or unsupported */
  CLADE_ERROR_MODEL = 4,     /* model invalid, or it does not fit */
  CLADE_ERROR_OUTPUT = 5,    /* a file cannot be written */
  CLADE_ERROR_DEVICE = 6,    /* device unavailable, or out of memory */
  CLADE_ERROR_NUMERICAL = 7, /* the network made values that are not finite, or a training has such losses */
  CLADE_INTERRUPTED = 130    /* stopped by clade_model_cancel or by the progress callback */
} clade_status;

typedef enum clade_log_level { CLADE_LOG_ERROR, CLADE_LOG_WARNING, CLADE_LOG_INFO, CLADE_LOG_DEBUG } clade_log_level;

/* Callbacks run in the thread that called the library, and get the pointer that was given with them. They must not
 * throw or jump out, and of the functions of their own model they may call clade_model_cancel only. */
typedef void (*clade_log_callback)(void* user, clade_log_level level, const char* message);
/* Units of work done and in all. Returns 0 to go on; anything else stops the work. */
typedef int (*clade_progress_callback)(void* user, int64_t done, int64_t total);

/* A trained model on a device, with threads of its own. */
typedef struct clade_model clade_model;
/* Voxels with their geometry. */
typedef struct clade_volume clade_volume;

/* Where the voxels of a volume are. Set what you do not know to 0. */
typedef struct clade_geometry {
  int32_t size[3];   /* voxels along i, j, k; in memory i is the fastest */
  double spacing[3]; /* millimetres */
  /* Rows of the matrix that takes (i, j, k, 1) to world millimetres, RAS+: x to the right, y to the front, z up. All
   * zeros: the voxel axes are the world axes. */
  double affine[3][4];
  /* What NIfTI files say besides. `affine` is the sform when sform_code > 0, else the qform when qform_code > 0, else
   * it becomes the sform of a file that is written. */
  int32_t sform_code;
  int32_t qform_code;
  double qform[3][4];
} clade_geometry;

/* How a model is loaded. Start from CLADE_MODEL_OPTIONS_INIT, which is the defaults. */
typedef struct clade_model_options {
  size_t struct_size;    /* sizeof(clade_model_options) */
  const char* device;    /* auto, cpu, cuda or cuda:N; NULL: auto */
  int32_t threads;       /* 0: all processors of this process */
  const char* norm;      /* demod or instance; NULL: as the file says */
  const char* precision; /* of convolutions on a CUDA device, tf32, fp32 or bf16; NULL: tf32 */
  clade_log_callback log;
  void* log_user;
} clade_model_options;
#define CLADE_MODEL_OPTIONS_INIT \
  { sizeof(clade_model_options), NULL, 0, NULL, NULL, NULL, NULL }

/* How a volume is super-resolved. Start from CLADE_OPTIONS_INIT; what is 0 or NULL comes from the model. */
typedef struct clade_options {
  size_t struct_size;     /* sizeof(clade_options) */
  int32_t stride;         /* pixels from tile to tile: smaller is smoother and slower */
  int32_t batch;          /* tiles per call of the network; 0: what keeps the device busy */
  const char* plane;      /* low-resolution plane: sagittal, coronal or axial */
  const char* slice_axis; /* axis across the slices: i, j or k; NULL: the one with the largest spacing */
  const char* intensity;  /* minmax, percentile:LO,HI or window:LO,HI */
  clade_progress_callback progress;
  void* progress_user;
  int32_t back_projections; /* rounds of making the result explain the acquired slices, after the network */
  double thickness;         /* of the acquired slices for them, mm; 0: their spacing */
  /* Where it is not NULL, clade_model_super_resolve() puts there what clade_volume_free() frees: the standard deviation
   * of the overlapping tiles, in intensities, on the grid of the result; 0 where one tile alone covers a voxel. */
  clade_volume** uncertainty;
} clade_options;
#define CLADE_OPTIONS_INIT \
  { sizeof(clade_options), 0, 0, NULL, NULL, NULL, NULL, NULL, 0, 0.0, NULL }

typedef struct clade_training_progress {
  int64_t step;         /* steps done, this one included */
  int64_t steps;        /* in all */
  double adversarial;   /* of the super-resolver */
  double discriminator; /* of its judge */
  double cycle;         /* |G_X(G_Y(y)) - y| */
  double gradient;      /* gradient map of the same cycle */
} clade_training_progress;
/* After each step. Returns 0 to go on; anything else stops the training. */
typedef int (*clade_training_callback)(void* user, const clade_training_progress* progress);

/* How a model is trained. Start from CLADE_TRAINING_OPTIONS_INIT; what is 0 or NULL is as clade_train has it. */
typedef struct clade_training_options {
  size_t struct_size;    /* sizeof(clade_training_options) */
  const char* preset;    /* mri or ct; NULL: mri */
  int64_t steps;         /* 0: 20000 */
  uint64_t seed;         /* the same seed, volumes and options give the same bytes */
  int32_t batch;         /* pairs of patches a step */
  int32_t base_channels; /* of the networks; 0: 64 */
  int32_t residual_blocks;
  int32_t threads; /* 0: all processors of this process */
  double learning_rate;
  double clip_gradient;   /* largest norm of the gradients of each optimiser; 0: any */
  double ema;             /* decay of the average of the weights that the model holds; negative: no average */
  const char* norm;       /* demod or instance */
  const char* plane;      /* low-resolution plane: sagittal, coronal or axial */
  const char* slice_axis; /* axis across the slices: i, j or k; NULL: the one with the largest spacing */
  const char* intensity;  /* minmax, percentile:LO,HI or window:LO,HI */
  const char* device;     /* auto, cpu, cuda or cuda:N; NULL: auto */
  clade_log_callback log;
  void* log_user;
  clade_training_callback progress;
  void* progress_user;
} clade_training_options;
#define CLADE_TRAINING_OPTIONS_INIT                                                                                  \
  {                                                                                                                  \
    sizeof(clade_training_options), NULL, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
        NULL, NULL                                                                                                   \
  }

/* "MAJOR.MINOR.PATCH" */
const char* clade_version(void);

/* What went wrong in the last call for `model` that failed; with NULL, in the last such call of this thread that has no
 * model (clade_model_load, clade_volume_*, clade_train). Empty when none did. The text stays until this thread calls
 * this again. */
const char* clade_last_error(clade_model* model);

/* Loads a .safetensors file. `options` may be NULL. */
clade_status clade_model_load(const char* path, const clade_model_options* options, clade_model** model);
/* No call for the model may be running. NULL is allowed. */
void clade_model_free(clade_model* model);

/* What super-resolution would do, without doing it. Each of the results may be NULL: geometry of the result, units of
 * work, and an estimate of the memory of the whole process. */
clade_status clade_model_plan(clade_model* model, const clade_geometry* geometry, const clade_options* options,
                              clade_geometry* result, int64_t* units, int64_t* peak_memory_bytes);

/* Makes `result`, which has square pixels in the low-resolution plane, from size[0] * size[1] * size[2] voxels. The
 * voxels are read before the work starts and belong to the caller. `options` may be NULL. */
clade_status clade_model_super_resolve(clade_model* model, const clade_geometry* geometry, const float* voxels,
                                       const clade_options* options, clade_volume** result);

/* Stops clade_model_super_resolve within a batch of tiles; from any thread. When none is running it stops the next one,
 * so that a cancel that comes before the work has started is not lost. */
void clade_model_cancel(clade_model* model);

/* What a volume holds, until it is freed. */
const clade_geometry* clade_volume_geometry(const clade_volume* volume);
const float* clade_volume_voxels(const clade_volume* volume);
/* NULL is allowed. */
void clade_volume_free(clade_volume* volume);

/* Reads a 3-D NIfTI file (.nii, .nii.gz, or either name of a pair .hdr and .img). */
clade_status clade_volume_read(const char* path, clade_volume** volume);
/* Writes a NIfTI file of float32 voxels, whole or not at all; replaces a file that is there. */
clade_status clade_volume_write(const char* path, const clade_geometry* geometry, const float* voxels);

/* Trains a model on `count` volumes, copies of which are held meanwhile, and writes it to `path`, whole or not at all;
 * replaces a file that is there. A training that is stopped writes nothing: for runs of hours the program clade_train
 * is better, whose runs can be resumed. `options` may be NULL. */
clade_status clade_train(int32_t count, const clade_geometry* geometries, const float* const* voxels, const char* path,
                         const clade_training_options* options);

#ifdef __cplusplus
}
#endif

#endif
