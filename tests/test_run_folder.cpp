// SPDX-License-Identifier: Apache-2.0
// The lock of a run folder, while processes make the folder and take it away again.
#include "tools/run_folder.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

using namespace clade;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kProcesses = 6;
constexpr auto kDuration = std::chrono::seconds(3);
// A folder that was there before its owner came stays; then the race goes on in the next one.
constexpr auto kTurn = std::chrono::milliseconds(2);

// Exit codes of a contender.
constexpr int kNotAlone = 1, kWithoutName = 2, kNeverOwner = 3, kOtherError = 4;

// Opens the folder of the time again and again; while it owns it, no other may. A run that starts nothing takes the
// folder that it made away, so folder and lock come and go all the time.
int contend(const fs::path& parent) {
  bool owned = false;
  for (const auto end = Clock::now() + kDuration; Clock::now() < end;) {
    const fs::path folder = parent / std::to_string(Clock::now().time_since_epoch() / kTurn);
    const fs::path marker = folder.string() + ".owned";
    try {
      const RunFolder run(folder);
      owned = true;
      const int file = open(marker.c_str(), O_CREAT | O_EXCL, 0666);
      if (file < 0) return kNotAlone;
      close(file);
      if (!fs::exists(folder / ".lock")) return kWithoutName;
      fs::remove(marker);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::output) return kOtherError;
    }
  }
  return owned ? 0 : kNeverOwner;
}

}  // namespace

TEST_CASE("a run folder has one owner, though folder and lock come and go", "[run_folder]") {
  const test::TempDir folder;
  for (int i = 0; i < kProcesses; ++i)
    if (fork() == 0) _exit(contend(folder.path()));
  for (int i = 0; i < kProcesses; ++i) {
    int status = 0;
    REQUIRE(wait(&status) > 0);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}

TEST_CASE("an earlier run stays when nothing is started in its folder", "[run_folder]") {
  const test::TempDir folder;
  test::write_bytes(folder / "config.json", "{}");
  { const RunFolder run(folder.path()); }
  CHECK(fs::exists(folder / "config.json"));
}
