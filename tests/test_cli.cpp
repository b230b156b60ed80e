// SPDX-License-Identifier: Apache-2.0
// The programs: exit codes, messages, nothing half-written, goldens, kills and resumes.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <sstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "io/nifti.h"
#include "io/safetensors.h"
#include "kernels/instructions.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/runs.h"
#include "tests/support/volumes.h"

using namespace clade;
using test::check_refused;
using test::check_same_run;
using test::make_volume;
using test::Outcome;
using test::Program;
using test::relative_distance;
using test::run;
using test::TempDir;
using test::tiny_training;
using test::with;

namespace {

namespace fs = std::filesystem;

const std::string kGolden = CLADE_GOLDEN_DIR;

// Puts a value into the header of an uncompressed NIfTI-1 file; offsets are those of the standard.
template <class T>
void put(std::string& bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}
constexpr std::size_t kDim = 40;
constexpr std::size_t kPixdim = 76, kVoxOffset = 108, kMagic = 344, kVoxels = 352;

}  // namespace

TEST_CASE("clade_train and clade_sr refuse bad volumes with code 3 and leave nothing", "[cli]") {
  const TempDir folder;
  make_volume(folder / "good.nii.gz");
  REQUIRE(run("clade_train", tiny_training(folder / "good.nii.gz", folder / "run", 2)).code == 0);
  const std::string model = (folder / "run" / "latest.safetensors").string();
  std::string bad = (folder / "bad.nii.gz").string();
  const std::string bytes = test::read_bytes(folder / "good.nii.gz");
  std::string word = "bad.nii";
  const auto with_header = [&](const auto& change) {
    bad = (folder / "bad.nii").string();
    make_volume(bad);
    std::string file = test::read_bytes(bad);
    change(file);
    test::write_bytes(bad, file);
  };

  SECTION("empty") { test::write_bytes(bad, ""); }
  SECTION("truncated") { test::write_bytes(bad, bytes.substr(0, bytes.size() / 2)); }
  SECTION("not a volume") { test::write_bytes(bad, "hello"); }
  SECTION("2-D") {
    with_header([](std::string& file) { put(file, kDim, std::int16_t{2}); });
    word = "dim";
  }
  SECTION("4-D") {
    with_header([](std::string& file) {
      put(file, kDim, std::int16_t{4});
      put(file, kDim + 6, std::int16_t{3});
      put(file, kDim + 8, std::int16_t{3});
    });
    word = "dim";
  }
  SECTION("zero spacing") {
    with_header([](std::string& file) { put(file, kPixdim + 12, 0.0f); });
    word = "pixdim";
  }
  SECTION("NaN spacing") {
    with_header([](std::string& file) { put(file, kPixdim + 12, std::numeric_limits<float>::quiet_NaN()); });
    word = "pixdim";
  }
  SECTION("NaN voxel") {
    Volume volume = test::random_volume(test::make_geometry({36, 40, 9}, {1, 1, 4.5}));
    volume.voxels[100] = std::numeric_limits<float>::quiet_NaN();
    write_nifti(bad, volume);
  }
  SECTION("constant") {
    Volume volume = test::random_volume(test::make_geometry({36, 40, 9}, {1, 1, 4.5}), 7.0, 7.0);
    write_nifti(bad, volume);
  }
  SECTION("isotropic") {
    make_volume(bad, {36, 40, 9}, {1, 1, 1});
    word = "--slice-axis";
  }
  const Outcome applied = run("clade_sr", {"-m", model, "-i", bad, "-o", (folder / "out.nii.gz").string()});
  check_refused(applied, 3, {bad, word});
  CHECK_FALSE(fs::exists(folder / "out.nii.gz"));
  const Outcome trained = run("clade_train", tiny_training(bad, folder / "run2", 2));
  check_refused(trained, 3, {bad, word});
  // The good volume, its run and the bad volume: nothing half-written stays.
  CHECK(folder.count() == 3);
}

TEST_CASE("NaN padding is refused, or background for training and application alike", "[cli]") {
  const TempDir folder;
  Volume volume = test::random_volume(test::make_geometry({36, 40, 9}, {1, 1, 4.5}));
  for (std::size_t v = 0; v < 40; ++v) volume.voxels[v] = std::numeric_limits<float>::quiet_NaN();
  write_nifti(folder / "padded.nii", volume);
  const auto training = tiny_training(folder / "padded.nii", folder / "run", 2);
  check_refused(run("clade_train", training), 3, {"padded.nii", "is nan", "--nan-is-background"});
  CHECK(run("clade_train", with(training, {"--nan-is-background"})).code == 0);
  CHECK(test::read_bytes(folder / "run" / "config.json").find("\"nan_is_background\": true") != std::string::npos);

  // As a pair of files; several inputs go to a folder as single files.
  std::string bytes = test::read_bytes(folder / "padded.nii");
  std::memcpy(bytes.data() + kMagic, "ni1", 4);
  put(bytes, kVoxOffset, 0.0f);
  test::write_bytes(folder / "pair.hdr", bytes.substr(0, kVoxels));
  test::write_bytes(folder / "pair.img", bytes.substr(kVoxels));
  const std::vector<std::string> application = {"-m", (folder / "run" / "latest.safetensors").string(), "-i",
                                                (folder / "pair.hdr").string(), "-o", (folder / "out/").string()};
  check_refused(run("clade_sr", application), 3, {"pair.hdr", "--nan-is-background"});
  CHECK(run("clade_sr", with(application, {"--nan-is-background"})).code == 0);
  CHECK(read_nifti(folder / "out/pair_clade.nii.gz").geometry.size[2] == 41);
}

TEST_CASE("a volume with too few voxels cannot be trained on", "[cli]") {
  const TempDir folder;
  make_volume(folder / "small.nii.gz", {20, 20, 4}, {1, 1, 4});
  check_refused(run("clade_train", tiny_training(folder / "small.nii.gz", folder / "run", 2)), 3, {"32"});
}

TEST_CASE("usage errors exit with 2", "[cli]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const auto training = tiny_training(folder / "v.nii.gz", folder / "run", 2);
  check_refused(run("clade_train", with(training, {"--plane", "oblique"})), 2, {"oblique"});
  check_refused(run("clade_train", with(training, {"--plane", "axial"})), 2, {"axial"});
  check_refused(run("clade_train", with(training, {"--norm", "batch"})), 2, {"batch"});
  check_refused(run("clade_train", with(training, {"--no-such-option"})), 2, {"--no-such-option"});
  check_refused(run("clade_train", {"-o", (folder / "run").string()}), 2, {"--input"});
  check_refused(run("clade_sr", {"-i", (folder / "v.nii.gz").string()}), 2, {"model"});
  CHECK_FALSE(fs::exists(folder / "run"));
}

TEST_CASE("the level of instructions is chosen by CLADE_INSTRUCTIONS", "[cli]") {
  // The programs inherit it; this process has chosen before.
  const std::string chosen = kernels::cpu_kernels().level, built = kernels::built_levels();
  const char* before = std::getenv("CLADE_INSTRUCTIONS");
  const std::string restored = before == nullptr ? "" : before;
  setenv("CLADE_INSTRUCTIONS", chosen.c_str(), 1);
  const Outcome version = run("clade_sr", {"--version"});
  CHECK(version.code == 0);
  CHECK(version.messages.find("instructions: " + chosen + " (built: " + built + ")") != std::string::npos);
  setenv("CLADE_INSTRUCTIONS", "x86-64-v9", 1);
  const std::vector<std::string> words = {"error: CLADE_INSTRUCTIONS is x86-64-v9", "this build has " + built};
  check_refused(run("clade_eval", {"--version"}), 2, words);
  const TempDir folder;
  check_refused(run("clade_sr", {"-m", "model", "-i", "in.nii", "-o", folder / "out.nii"}), 2, words);
  setenv("CLADE_INSTRUCTIONS", restored.c_str(), 1);
}

TEST_CASE("broken models exit with 4", "[cli]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const fs::path model = folder / "m.safetensors";
  const std::string good = test::read_bytes(kGolden + "/init.safetensors");
  SECTION("truncated") { test::write_bytes(model, good.substr(0, good.size() / 2)); }
  SECTION("huge header") {
    test::write_bytes(model, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) + good.substr(8));
  }
  SECTION("overlapping tensors") {
    const std::string header =
        R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})";
    std::string length(8, '\0');
    length[0] = static_cast<char>(header.size());
    test::write_bytes(model, length + header + std::string(12, '\0'));
  }
  SECTION("shapes that do not fit") {
    TensorFile file = read_safetensors(kGolden + "/init.safetensors");
    file.tensors["generator_x.encoder.1.weight"].shape = {8, 16, 3, 3};
    write_safetensors(model, file);
  }
  SECTION("no generator") { write_safetensors(model, TensorFile{}); }
  check_refused(run("clade_sr", {"-m", model.string(), "-i", (folder / "v.nii.gz").string(), "-o",
                                 (folder / "out.nii.gz").string()}),
                4, {"m.safetensors"});
  CHECK_FALSE(fs::exists(folder / "out.nii.gz"));
}

TEST_CASE("outputs are not overwritten, unwritable folders are named", "[cli]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  test::write_bytes(folder / "out.nii.gz", "precious");
  test::write_bytes(folder / "file", "");
  const std::vector<std::string> base{
      "-m", kGolden + "/init.safetensors", "-i", (folder / "v.nii.gz").string(), "--stride", "32", "-o"};
  check_refused(run("clade_sr", with(base, {(folder / "out.nii.gz").string()})), 5, {"out.nii.gz", "--force"});
  CHECK(test::read_bytes(folder / "out.nii.gz") == "precious");
  CHECK(run("clade_sr", with(base, {(folder / "out.nii.gz").string(), "--force"})).code == 0);
  CHECK(read_nifti(folder / "out.nii.gz").geometry.size == std::array<int, 3>{36, 40, 41});
  check_refused(run("clade_sr", with(base, {(folder / "file" / "out.nii.gz").string()})), 5, {"file"});
  check_refused(run("clade_train", tiny_training(folder / "v.nii.gz", folder / "file" / "run", 2)), 5, {"file"});
  CHECK(run("clade_sr", with(base, {(folder / "cuda.nii.gz").string(), "--device", "cuda"})).code == 6);
}

TEST_CASE("a batch goes on past a bad volume and exits with 8", "[cli]") {
  const TempDir folder;
  fs::create_directory(folder / "in");
  make_volume(folder / "in" / "a.nii.gz");
  test::write_bytes(folder / "in" / "b.nii.gz", "broken");
  make_volume(folder / "in" / "c.nii.gz");
  const Outcome outcome = run("clade_sr", {"-m", kGolden + "/init.safetensors", "-i", (folder / "in").string(), "-o",
                                           (folder / "out").string(), "--stride", "32"});
  check_refused(outcome, 8, {"b.nii.gz"});
  CHECK(fs::exists(folder / "out" / "a_clade.nii.gz"));
  CHECK_FALSE(fs::exists(folder / "out" / "b_clade.nii.gz"));
  CHECK(fs::exists(folder / "out" / "c_clade.nii.gz"));
}

TEST_CASE("degrade, plan, super-resolve and draw", "[cli]") {
  const TempDir folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  make_volume(folder / "truth.nii.gz", {36, 40, 44}, {1, 1, 1});
  REQUIRE(run("clade_eval",
              {"degrade", "-i", path("truth.nii.gz"), "-o", path("thick.nii.gz"), "--axis", "si", "--spacing", "4"})
              .code == 0);
  const Geometry thick = read_nifti(folder / "thick.nii.gz").geometry;
  CHECK(thick.size == std::array<int, 3>{36, 40, 11});
  CHECK(thick.spacing[2] == Approx(4.0));

  const std::vector<std::string> apply{
      "-m", kGolden + "/init.safetensors", "-i", path("thick.nii.gz"), "-o", path("out.nii.gz")};
  const Outcome plan = run("clade_sr", with(apply, {"--dry-run"}));
  REQUIRE(plan.code == 0);
  CHECK(plan.messages.find("36 x 40 x 44") != std::string::npos);
  CHECK(plan.messages.find("sagittal") != std::string::npos);
  CHECK_FALSE(fs::exists(folder / "out.nii.gz"));

  const Outcome applied =
      run("clade_sr",
          with(apply, {"--dtype", "int16", "--preview", path("p.png"), "--preview-reference", path("truth.nii.gz")}));
  INFO(applied.messages);
  REQUIRE(applied.code == 0);
  const Volume result = read_nifti(folder / "out.nii.gz");
  CHECK(result.stored_type == VoxelType::int16);
  CHECK(result.geometry.size == std::array<int, 3>{36, 40, 44});
  CHECK(test::distance(test::centre_of_view(result.geometry), test::centre_of_view(thick)) < 1e-3);
  // Width and height stand big-endian at byte 16 of a PNG file; three columns are wider than high here.
  const std::string png = test::read_bytes(folder / "p.png");
  REQUIRE(png.substr(1, 3) == "PNG");
  const auto number = [&](std::size_t at) {
    int value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value * 256 + static_cast<unsigned char>(png[at + i]);
    return value;
  };
  CHECK(number(16) >= 600);
  CHECK(number(20) >= 300);
}

TEST_CASE("goldens from the command line", "[cli]") {
  const TempDir folder;
  const TensorFile init = read_safetensors(kGolden + "/init.safetensors");
  struct Case {
    const char* file;
    const char* norm;
    const char* batch;
  };
  for (const Case& c : {Case{"train_demod_bce_b1", "demod", "1"}, Case{"train_instance_bce_b4", "instance", "4"}}) {
    INFO(c.file);
    const fs::path output = folder / c.norm;
    const Outcome outcome =
        run("clade_train", {"--init", kGolden + "/init.safetensors", "--patches", kGolden + "/patches.safetensors",
                            "--no-shuffle", "--steps", "3", "--batch", c.batch, "--norm", c.norm, "--adversarial",
                            "bce", "--gradient-form", "combined", "-o", output.string()});
    INFO(outcome.messages);
    REQUIRE(outcome.code == 0);
    std::istringstream own(test::read_bytes(output / "log.jsonl")),
        golden(test::read_bytes(kGolden + "/" + c.file + ".losses_f64.jsonl"));
    std::string a, b;
    for (int step = 1; step <= 3; ++step) {
      REQUIRE(std::getline(own, a));
      REQUIRE(std::getline(golden, b));
      const auto line = nlohmann::json::parse(a), expected = nlohmann::json::parse(b);
      CHECK(line.at("step") == step);
      for (const auto& [key, reference] : {std::pair{"adversarial_gx", "adv_gx"},
                                           {"adversarial_gy", "adv_gy"},
                                           {"cycle_x", "cyc_x"},
                                           {"cycle_y", "cyc_y"},
                                           {"identity_x", "ident_x"},
                                           {"identity_y", "ident_y"},
                                           {"gradient", "gmap"},
                                           {"generator", "g_total"},
                                           {"discriminator_x", "d_x"},
                                           {"discriminator_y", "d_y"}})
        CHECK(line.at(key).get<double>() ==
              Approx(expected.at(reference).get<double>()).epsilon(step == 1 ? 1e-4 : 1e-3));
    }
    const TensorFile trained = read_safetensors(output / "latest.safetensors");
    const TensorFile weights = read_safetensors(kGolden + "/" + c.file + ".weights.safetensors");
    std::vector<float> moved, expected;
    for (const auto& [key, tensor] : weights.tensors) {
      // Biases in front of an instance norm move by rounding alone; weights tell all there is to tell here.
      if (!key.ends_with(".weight")) continue;
      for (std::size_t i = 0; i < tensor.values.size(); ++i) {
        moved.push_back(trained.at(key).values[i] - init.at(key).values[i]);
        expected.push_back(tensor.values[i] - init.at(key).values[i]);
      }
    }
    CHECK(relative_distance(moved, expected) < 5e-2);
  }

  const Outcome applied =
      run("clade_sr", {"-m", kGolden + "/init.safetensors", "--patches", "-i", kGolden + "/patches.safetensors", "-o",
                       (folder / "y.safetensors").string()});
  INFO(applied.messages);
  REQUIRE(applied.code == 0);
  CHECK(relative_distance(
            read_safetensors(folder / "y.safetensors").at("y").values,
            read_safetensors(kGolden + "/forward.safetensors").at("demod.reflect.generator_x(x)").values) < 1e-5);
}

TEST_CASE("a resumed run goes on clipping gradients", "[cli]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const auto training = [&](const char* name, std::int64_t steps, const char* most) {
    return with(tiny_training(folder / "v.nii.gz", folder / name, steps), {"--clip-gradient", most});
  };
  REQUIRE(run("clade_train", training("unbroken", 8, "0.01")).code == 0);
  REQUIRE(run("clade_train", training("resumed", 3, "0.01")).code == 0);
  REQUIRE(run("clade_train", {"--resume", "-q", "--steps", "8", "-o", (folder / "resumed").string()}).code == 0);
  REQUIRE(run("clade_train", training("free", 8, "0")).code == 0);
  const auto state = [&](const char* name) { return test::read_bytes(folder / name / "state.safetensors"); };
  const bool same = state("resumed") == state("unbroken"), clipped = state("unbroken") != state("free");
  CHECK(same);
  CHECK(clipped);
  check_refused(run("clade_train", training("negative", 8, "-1")), 2, {"--clip-gradient"});
}

TEST_CASE("a run that is killed and resumed ends with the bytes of an unbroken one", "[cli]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const std::int64_t steps = 60;
  const auto training = [&](const std::string& name) {
    return with(tiny_training(folder / "v.nii.gz", folder / name, steps), {"--ema", "0.9"});
  };
  REQUIRE(run("clade_train", training("unbroken")).code == 0);
  REQUIRE(run("clade_train", with(training("one_thread"), {"--threads", "1"})).code == 0);
  check_same_run(folder / "unbroken", folder / "one_thread");

  RandomSequence random(std::random_device{}(), RandomUse::test, 0);
  const std::vector<std::string> resume{"--resume", "-q", "--checkpoint-minutes", "0", "-o"};
  for (int repeat = 0; repeat < 4; ++repeat) {
    const std::string name = "killed" + std::to_string(repeat);
    const int signal = repeat == 3 ? SIGTERM : SIGKILL;
    int kills = 0;
    Outcome outcome;
    for (int attempt = 0; attempt < 200; ++attempt) {
      const bool begun = fs::exists(folder / name / "config.json");
      Program program("clade_train",
                      begun ? with(resume, {(folder / name).string()})
                            : with(training(name), {"--checkpoint-minutes", "0", "--force"}),
                      folder / "log");
      std::this_thread::sleep_for(std::chrono::milliseconds(30 + random.next_below(250)));
      if (kills < 5) program.signal(signal);
      outcome = program.wait();
      if (outcome.code == 0) break;
      INFO(outcome.messages);
      // A process that is killed before it has set up its handlers dies of SIGTERM itself.
      REQUIRE((outcome.code == 128 + signal || (signal == SIGTERM && outcome.code == 130)));
      ++kills;
    }
    CHECK(outcome.code == 0);
    INFO("kills: " << kills);
    check_same_run(folder / "unbroken", folder / name);
  }
}

TEST_CASE("every epoch is scored and the best one is kept", "[cli]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const fs::path volume = folder / "v.nii.gz", out = folder / "run";
  const std::vector<std::string> training = tiny_training(volume, out, 1000);
  check_refused(run("clade_train", with(training, {"--keep-best", "piqe"})), 2, {"--keep-best", "--validate"});
  check_refused(run("clade_train", with(training, {"--validate", volume.string(), "--keep-best", "ssim"})), 2, {"ssim"});
  REQUIRE(run("clade_train", with(training, {"--validate", volume.string(), "--keep-best", "piqe", "--epochs", "3"})).code ==
          0);

  std::ifstream lines(out / "validation.jsonl");
  std::map<double, std::string> epochs;  // by PIQE
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json scores = nlohmann::json::parse(line);
    CHECK(scores.at("edges_through_plane").is_number());
    CHECK(scores.at("fidelity_rmse").is_number());
    epochs.emplace(scores.at("piqe").get<double>(), str("epoch_000", scores.at("epoch").get<int>(), ".safetensors"));
  }
  REQUIRE(epochs.size() == 3);
  CHECK(test::read_bytes(out / "best.safetensors") == test::read_bytes(out / epochs.begin()->second));
}
