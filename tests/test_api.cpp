// SPDX-License-Identifier: Apache-2.0
// The public C++ and C interfaces against the layers below them.
#include <clade/clade.h>

#include <algorithm>
#include <clade/clade.hpp>
#include <cstddef>
#include <limits>
#include <mutex>
#include <thread>

#include "core/version.h"
#include "io/nifti.h"
#include "models/super_resolve.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/support/volumes.h"

namespace api = clade::api;
using clade::test::TempDir;

namespace {

const std::string kModel = std::string(CLADE_GOLDEN_DIR) + "/init.safetensors";

clade::Volume make_input() {
  return clade::test::random_volume(clade::test::make_geometry({18, 40, 9}, {1.0, 1.0, 4.3}));
}

// The same volume as a program without NIfTI would describe it.
api::Volume make_public_input() {
  const clade::Volume input = make_input();
  api::Volume volume;
  volume.geometry.size = input.geometry.size;
  volume.geometry.spacing = input.geometry.spacing;
  volume.geometry.affine = input.geometry.affine;
  volume.voxels = input.voxels;
  return volume;
}

clade_geometry c_geometry() {
  const clade::Geometry source = make_input().geometry;
  clade_geometry geometry = {};
  for (int axis = 0; axis < 3; ++axis) {
    geometry.size[axis] = source.size[static_cast<std::size_t>(axis)];
    geometry.spacing[axis] = source.spacing[static_cast<std::size_t>(axis)];
    for (int column = 0; column < 4; ++column)
      geometry.affine[axis][column] = source.affine[static_cast<std::size_t>(axis)][static_cast<std::size_t>(column)];
  }
  return geometry;
}

// What the layers below make of it with `stride`.
clade::Volume expected_result(int stride, clade::Volume* uncertainty = nullptr) {
  clade::ThreadPool pool(1);
  clade::Stream stream(clade::Device{}, pool);
  clade::SuperResolver model = clade::load_model(kModel, {}, stream);
  clade::Volume volume = make_input();
  clade::SuperResolveOptions options;
  options.stride = stride;
  options.uncertainty = uncertainty != nullptr;
  const auto plan = clade::plan_super_resolution(volume.geometry, model.metadata(), model.config(), options);
  return clade::super_resolve(std::move(volume), plan, model, {}, uncertainty);
}

api::ModelOptions on_cpu(int threads = 1) {
  api::ModelOptions options;
  options.device = "cpu";
  options.threads = threads;
  return options;
}

clade_model* c_model() {
  clade_model_options options = CLADE_MODEL_OPTIONS_INIT;
  options.device = "cpu";
  options.threads = 1;
  clade_model* model = nullptr;
  REQUIRE(clade_model_load(kModel.c_str(), &options, &model) == CLADE_OK);
  return model;
}

template <class Body>
std::string error_of(api::Status status, const Body& body) {
  try {
    body();
  } catch (const api::Error& error) {
    INFO("message: " << error.what());
    CHECK(static_cast<int>(error.status()) == static_cast<int>(status));
    return error.what();
  }
  FAIL("no error was thrown");
  return {};
}

}  // namespace

TEST_CASE("the C++ interface gives the result of the layers below", "[api]") {
  const clade::Volume expected = expected_result(9);
  api::Model model(kModel, on_cpu(2));
  CHECK(model.device() == "cpu");
  api::Options options;
  options.stride = 9;
  std::int64_t last = 0, units = 0;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    CHECK(done > last);
    last = done;
    units = total;
    return true;
  };
  const api::Plan plan = model.plan(make_public_input().geometry, options);
  const api::Volume result = model.super_resolve(make_public_input(), options);
  CHECK(result.voxels == expected.voxels);
  CHECK(result.geometry.size == expected.geometry.size);
  CHECK(result.geometry.spacing == expected.geometry.spacing);
  CHECK(result.geometry.affine == expected.geometry.affine);
  CHECK(plan.geometry.size == result.geometry.size);
  CHECK(plan.slice_axis == 2);
  CHECK(last == plan.tiles);
  CHECK(units == plan.tiles);
}

TEST_CASE("the C interface gives the result of the layers below", "[api]") {
  const clade::Volume expected = expected_result(9);
  const std::vector<float> voxels = make_input().voxels;
  const clade_geometry geometry = c_geometry();
  clade_model* model = c_model();
  clade_options options = CLADE_OPTIONS_INIT;
  options.stride = 9;
  int64_t last = 0, units = 0, memory = 0;
  options.progress_user = &last;
  options.progress = [](void* user, int64_t done, int64_t) {
    *static_cast<int64_t*>(user) = done;
    return 0;
  };
  clade_geometry planned = {};
  REQUIRE(clade_model_plan(model, &geometry, &options, &planned, &units, &memory) == CLADE_OK);
  CHECK(memory > 0);
  clade_volume* result = nullptr;
  REQUIRE(clade_model_super_resolve(model, &geometry, voxels.data(), &options, &result) == CLADE_OK);
  CHECK(last == units);
  const clade_geometry* made = clade_volume_geometry(result);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    CHECK(made->size[axis] == expected.geometry.size[axis]);
    CHECK(made->size[axis] == planned.size[axis]);
    CHECK(made->spacing[axis] == expected.geometry.spacing[axis]);
    for (std::size_t column = 0; column < 4; ++column)
      CHECK(made->affine[axis][column] == expected.geometry.affine[axis][column]);
  }
  const float* made_voxels = clade_volume_voxels(result);
  CHECK(std::vector<float>(made_voxels, made_voxels + expected.voxels.size()) == expected.voxels);
  clade_volume_free(result);
  clade_model_free(model);
  CHECK(clade_version() == std::string(clade::kVersion));
}

TEST_CASE("both interfaces give the uncertainty where it is asked for", "[api]") {
  clade::Volume expected;
  const clade::Volume result = expected_result(9, &expected);
  api::Model model(kModel, on_cpu());
  api::Options options;
  options.stride = 9;
  const std::int64_t bare = model.plan(make_public_input().geometry, options).peak_memory_bytes;
  api::Volume uncertainty;
  options.uncertainty = &uncertainty;
  CHECK(model.plan(make_public_input().geometry, options).peak_memory_bytes > bare);
  CHECK(uncertainty.voxels.empty());
  CHECK(model.super_resolve(make_public_input(), options).voxels == result.voxels);
  CHECK(uncertainty.voxels == expected.voxels);
  CHECK(uncertainty.geometry.affine == expected.geometry.affine);

  const std::vector<float> voxels = make_input().voxels;
  const clade_geometry geometry = c_geometry();
  clade_model* handle = c_model();
  clade_options c_options = CLADE_OPTIONS_INIT;
  c_options.stride = 9;
  clade_volume *made = nullptr, *map = nullptr;
  c_options.uncertainty = &map;
  int64_t memory = 0;
  REQUIRE(clade_model_plan(handle, &geometry, &c_options, nullptr, nullptr, &memory) == CLADE_OK);
  CHECK(memory > bare);
  REQUIRE(clade_model_super_resolve(handle, &geometry, voxels.data(), &c_options, &made) == CLADE_OK);
  CHECK(clade_volume_geometry(map)->size[2] == expected.geometry.size[2]);
  CHECK(std::equal(expected.voxels.begin(), expected.voxels.end(), clade_volume_voxels(map)));
  clade_volume_free(made);
  clade_volume_free(map);

  // A caller compiled before there was such a field.
  c_options.struct_size = offsetof(clade_options, uncertainty);
  made = map = nullptr;
  REQUIRE(clade_model_super_resolve(handle, &geometry, voxels.data(), &c_options, &made) == CLADE_OK);
  CHECK(map == nullptr);
  clade_volume_free(made);
  clade_model_free(handle);
}

TEST_CASE("errors carry the status of the command line", "[api]") {
  using api::Status;
  CHECK(error_of(Status::model, [] { api::Model("missing.safetensors", on_cpu()); }).find("missing") !=
        std::string::npos);
  error_of(Status::usage, [] {
    api::ModelOptions options;
    options.device = "tpu";
    api::Model(kModel, options);
  });
  error_of(Status::usage, [] { api::Model(kModel, on_cpu(1 << 30)); });
  error_of(Status::device, [] {
    api::ModelOptions options;
    options.device = "cuda:99";
    api::Model(kModel, options);
  });

  api::Model model(kModel, on_cpu());
  const auto fails = [&](Status status, auto change) {
    api::Volume volume = make_public_input();
    api::Options options;
    change(volume, options);
    return error_of(status, [&] { model.super_resolve(std::move(volume), options); });
  };
  fails(Status::input, [](auto& v, auto&) { v.voxels.pop_back(); });
  fails(Status::input, [](auto& v, auto&) { v.voxels[7] = std::numeric_limits<float>::quiet_NaN(); });
  fails(Status::input, [](auto& v, auto&) { v.voxels.assign(v.voxels.size(), 3.0f); });
  fails(Status::input, [](auto& v, auto&) { v.geometry.size[1] = 0; });
  fails(Status::input, [](auto& v, auto&) { v.geometry.size = {1 << 30, 1 << 30, 1 << 30}; });
  fails(Status::input, [](auto& v, auto&) { v.geometry.spacing[0] = -1.0; });
  CHECK(fails(Status::input, [](auto& v, auto&) { v.geometry.affine[2][2] = 1.0; }).find("axis k") !=
        std::string::npos);
  fails(Status::input, [](auto& v, auto&) { v.geometry.affine[0][3] = std::numeric_limits<double>::infinity(); });
  fails(Status::input, [](auto& v, auto&) { v.geometry.affine[0][3] = 1e300; });
  CHECK(fails(Status::input, [](auto& v, auto&) { v.geometry.spacing[2] = 5e-17; }).find("5e-17 mm") !=
        std::string::npos);
  // A qform is a rotation, the affine of a tilted gantry is not.
  const auto tilt = [](auto& v, auto&) {
    v.geometry.affine[1][2] = 0.3 * v.geometry.affine[2][2];
    v.geometry.affine[2][2] *= 0.9539392;
    v.geometry.qform_code = 1;
  };
  CHECK(fails(Status::input, tilt).find("right angles") != std::string::npos);
  fails(Status::usage, [](auto&, auto& o) { o.stride = -1; });
  fails(Status::usage, [](auto&, auto& o) { o.stride = std::numeric_limits<int>::max(); });
  fails(Status::usage, [](auto&, auto& o) { o.slice_axis = "x"; });
  fails(Status::usage, [](auto&, auto& o) { o.plane = "axial"; });
  fails(Status::usage, [](auto&, auto& o) { o.intensity = "window:5"; });
  // The model is as good as before.
  CHECK(model.super_resolve(make_public_input()).voxels == expected_result(12).voxels);

  const TempDir folder;
  error_of(Status::input, [&] { api::read_nifti(folder / "missing.nii"); });
  error_of(Status::output, [&] { api::write_nifti(folder / "missing/out.nii", make_public_input()); });
}

TEST_CASE("the C interface returns statuses and keeps messages apart", "[api]") {
  clade_model* none = nullptr;
  CHECK(clade_model_load("missing.safetensors", nullptr, &none) == CLADE_ERROR_MODEL);
  CHECK(none == nullptr);
  CHECK(std::string(clade_last_error(nullptr)).find("missing.safetensors") != std::string::npos);
  std::thread([] { CHECK(std::string(clade_last_error(nullptr)).empty()); }).join();
  CHECK(clade_model_load(nullptr, nullptr, &none) == CLADE_ERROR_USAGE);
  clade_model_options unset = {};
  CHECK(clade_model_load(kModel.c_str(), &unset, &none) == CLADE_ERROR_USAGE);

  clade_model* model = c_model();
  clade_model* other = c_model();
  const clade_geometry geometry = c_geometry();
  const std::vector<float> voxels = make_input().voxels;
  clade_volume* result = nullptr;
  CHECK(clade_model_super_resolve(model, &geometry, nullptr, nullptr, &result) == CLADE_ERROR_USAGE);
  clade_geometry flat = geometry;
  flat.size[1] = -2;
  CHECK(clade_model_super_resolve(model, &flat, voxels.data(), nullptr, &result) == CLADE_ERROR_INPUT);
  CHECK(result == nullptr);
  CHECK(std::string(clade_last_error(model)).find("-2") != std::string::npos);
  CHECK(std::string(clade_last_error(other)).empty());
  // Sizes of no version of the options: the second ends within the pointer `plane`.
  clade_options cut = CLADE_OPTIONS_INIT;
  cut.plane = "sagittal";
  for (std::size_t size : {std::size_t{0}, offsetof(clade_options, plane) + 3}) {
    cut.struct_size = size;
    CHECK(clade_model_plan(model, &geometry, &cut, nullptr, nullptr, nullptr) == CLADE_ERROR_USAGE);
    CHECK(std::string(clade_last_error(model)).find("struct_size") != std::string::npos);
  }
  clade_volume* volume = nullptr;
  CHECK(clade_volume_read("missing.nii", &volume) == CLADE_ERROR_INPUT);
  clade_model_free(other);
  clade_model_free(model);
  clade_model_free(nullptr);
  clade_volume_free(nullptr);
}

TEST_CASE("super-resolution through the public interface can be stopped", "[api]") {
  api::Model model(kModel, on_cpu());
  api::Options options;
  options.batch = 2;
  int calls = 0;
  options.progress = [&](std::int64_t, std::int64_t) { return ++calls < 3; };
  error_of(api::Status::interrupted, [&] { model.super_resolve(make_public_input(), options); });
  CHECK(calls == 3);

  // Before the work, during it, and not beyond it.
  options.progress = {};
  model.cancel();
  error_of(api::Status::interrupted, [&] { model.super_resolve(make_public_input(), options); });
  options.progress = [&](std::int64_t, std::int64_t) {
    model.cancel();
    return true;
  };
  error_of(api::Status::interrupted, [&] { model.super_resolve(make_public_input(), options); });
  options.progress = [&](std::int64_t done, std::int64_t total) {
    if (done == total) model.cancel();
    return true;
  };
  CHECK_NOTHROW(model.super_resolve(make_public_input(), options));
  options.progress = {};
  CHECK_NOTHROW(model.super_resolve(make_public_input(), options));

  clade_model* handle = c_model();
  const clade_geometry geometry = c_geometry();
  const std::vector<float> voxels = make_input().voxels;
  clade_options stopping = CLADE_OPTIONS_INIT;
  stopping.batch = 2;
  stopping.progress_user = handle;
  stopping.progress = [](void* user, int64_t, int64_t) {
    std::thread([user] { clade_model_cancel(static_cast<clade_model*>(user)); }).join();
    return 0;
  };
  clade_volume* result = nullptr;
  CHECK(clade_model_super_resolve(handle, &geometry, voxels.data(), &stopping, &result) == CLADE_INTERRUPTED);
  CHECK(result == nullptr);
  clade_model_free(handle);
}

TEST_CASE("models in different threads do not touch each other", "[api]") {
  const std::vector<float> expected[] = {expected_result(8).voxels, expected_result(12).voxels};
  std::vector<float> made[2];
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 2; ++i)
    threads.emplace_back([&, i] {
      api::Model model(kModel, on_cpu());
      api::Options options;
      options.stride = i == 0 ? 8 : 12;
      made[i] = model.super_resolve(make_public_input(), options).voxels;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(made[0] == expected[0]);
  CHECK(made[1] == expected[1]);
}

TEST_CASE("threads may share a C handle", "[api]") {
  const std::vector<float> expected = expected_result(12).voxels;
  const std::vector<float> voxels = make_input().voxels;
  const clade_geometry geometry = c_geometry();
  clade_model* model = c_model();
  int right = 0;
  std::mutex access;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      clade_volume* result = nullptr;
      if (clade_model_super_resolve(model, &geometry, voxels.data(), nullptr, &result) != CLADE_OK) return;
      const float* made = clade_volume_voxels(result);
      const std::lock_guard lock(access);
      right += std::equal(expected.begin(), expected.end(), made);
      clade_volume_free(result);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 2);
  clade_model_free(model);
}

TEST_CASE("log messages reach the callback", "[api]") {
  std::vector<std::string> messages;
  api::ModelOptions options = on_cpu();
  options.log = [&](api::LogLevel level, std::string_view message) {
    CHECK(level == api::LogLevel::info);
    messages.emplace_back(message);
  };
  const api::Model model(kModel, options);
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].find("cpu") != std::string::npos);
}

TEST_CASE("NIfTI files go through the public interface unchanged", "[api]") {
  const TempDir folder;
  const std::string first = (folder / "first.nii.gz").string(), second = (folder / "second.nii.gz").string();
  const clade::Volume volume = make_input();
  clade::write_nifti(first, volume);
  api::write_nifti(second, api::read_nifti(first), 2);
  const clade::Volume again = clade::read_nifti(second);
  const clade::Geometry before = clade::read_nifti_header(first).geometry;
  CHECK(again.voxels == volume.voxels);
  CHECK(again.geometry.sform_code == before.sform_code);
  CHECK(again.geometry.qform_code == before.qform_code);
  CHECK(again.geometry.sform == before.sform);

  // A buffer with an affine and no codes: the affine is not lost.
  const clade_geometry geometry = c_geometry();
  REQUIRE(clade_volume_write(second.c_str(), &geometry, volume.voxels.data()) == CLADE_OK);
  CHECK(clade::read_nifti(second).geometry.affine[0][3] == Approx(volume.geometry.affine[0][3]));
  clade_volume* read = nullptr;
  REQUIRE(clade_volume_read(second.c_str(), &read) == CLADE_OK);
  CHECK(clade_volume_geometry(read)->sform_code == 1);
  CHECK(clade_volume_voxels(read)[5] == volume.voxels[5]);
  clade_volume_free(read);
}

TEST_CASE("a model is trained on volumes in memory", "[api]") {
  const TempDir folder;
  const std::filesystem::path file = folder / "model.safetensors";
  api::TrainingOptions options;
  options.device = "cpu";
  options.threads = 1;
  options.base_channels = 2;
  options.residual_blocks = 1;
  options.steps = 5;
  options.seed = 4;
  std::vector<std::int64_t> steps;
  options.progress = [&](const api::TrainingProgress& progress) {
    steps.push_back(progress.step);
    CHECK(progress.steps == 5);
    CHECK(progress.cycle > 0.0);
    return true;
  };
  // More slices than a patch needs in both planes.
  const auto volumes = [] {
    const clade::Volume source = clade::test::random_volume(clade::test::make_geometry({36, 40, 9}, {1.0, 1.0, 4.5}));
    api::Volume volume;
    volume.geometry.size = source.geometry.size;
    volume.geometry.spacing = source.geometry.spacing;
    volume.geometry.affine = source.geometry.affine;
    volume.voxels = source.voxels;
    return std::vector{volume};
  };
  api::train(volumes(), file, options);
  CHECK(steps == std::vector<std::int64_t>{1, 2, 3, 4, 5});
  api::Model model(file, on_cpu());
  CHECK(model.super_resolve(volumes().front()).geometry.size[2] > 9);

  // The same bytes again, whatever the threads.
  options.threads = 2;
  api::train(volumes(), folder / "again.safetensors", options);
  CHECK(clade::test::read_bytes(folder / "again.safetensors") == clade::test::read_bytes(file));

  options.progress = [](const api::TrainingProgress& progress) { return progress.step < 2; };
  error_of(api::Status::interrupted, [&] { api::train(volumes(), folder / "stopped.safetensors", options); });
  CHECK_FALSE(std::filesystem::exists(folder / "stopped.safetensors"));
  error_of(api::Status::input, [&] { api::train({}, file, options); });
  options.preset = "pet";
  CHECK(error_of(api::Status::usage, [&] { api::train(volumes(), file, options); }).find("pet") != std::string::npos);
}

TEST_CASE("training through the C interface gives the bytes of the C++ one", "[api]") {
  const TempDir folder;
  const std::string file = folder / "model.safetensors", expected = folder / "expected.safetensors";
  const clade::Volume source = clade::test::random_volume(clade::test::make_geometry({36, 40, 9}, {1.0, 1.0, 4.5}));
  api::Volume volume;
  volume.geometry.size = source.geometry.size;
  volume.geometry.spacing = source.geometry.spacing;
  volume.voxels = source.voxels;
  api::TrainingOptions same;
  same.device = "cpu";
  same.preset = "ct";
  same.base_channels = 2;
  same.residual_blocks = 1;
  same.steps = 3;
  same.batch = 2;
  same.seed = 9;
  same.learning_rate = 1e-3;
  same.clip_gradient = 0.5;
  same.ema = 0.0;
  same.norm = "instance";
  same.intensity = "minmax";
  api::train({volume, volume}, expected, same);

  std::vector<std::int64_t> seen;
  clade_training_options options = CLADE_TRAINING_OPTIONS_INIT;
  options.device = "cpu";
  options.preset = "ct";
  options.base_channels = 2;
  options.residual_blocks = 1;
  options.steps = 3;
  options.batch = 2;
  options.seed = 9;
  options.learning_rate = 1e-3;
  options.clip_gradient = 0.5;
  options.ema = -1.0;
  options.norm = "instance";
  options.intensity = "minmax";
  options.progress_user = &seen;
  options.progress = [](void* user, const clade_training_progress* progress) {
    static_cast<std::vector<std::int64_t>*>(user)->push_back(progress->step);
    return progress->cycle > 0.0 && progress->steps == 3 ? 0 : 1;
  };
  clade_geometry geometry = {};
  for (int axis = 0; axis < 3; ++axis) {
    geometry.size[axis] = source.geometry.size[static_cast<std::size_t>(axis)];
    geometry.spacing[axis] = source.geometry.spacing[static_cast<std::size_t>(axis)];
  }
  const clade_geometry geometries[] = {geometry, geometry};
  const float* const voxels[] = {source.voxels.data(), source.voxels.data()};
  REQUIRE(clade_train(2, geometries, voxels, file.c_str(), &options) == CLADE_OK);
  CHECK(seen == std::vector<std::int64_t>{1, 2, 3});
  CHECK(clade::test::read_bytes(file) == clade::test::read_bytes(expected));

  std::filesystem::remove(file);
  options.progress = [](void*, const clade_training_progress* progress) { return progress->step == 2 ? 1 : 0; };
  CHECK(clade_train(2, geometries, voxels, file.c_str(), &options) == CLADE_INTERRUPTED);
  CHECK_FALSE(std::filesystem::exists(file));
  CHECK(clade_train(0, nullptr, nullptr, file.c_str(), &options) == CLADE_ERROR_INPUT);
  CHECK(clade_train(1, geometries, nullptr, file.c_str(), &options) == CLADE_ERROR_USAGE);
  options.norm = "batch";
  CHECK(clade_train(2, geometries, voxels, file.c_str(), &options) == CLADE_ERROR_USAGE);
  CHECK(std::string(clade_last_error(nullptr)).find("batch") != std::string::npos);
}
