// SPDX-License-Identifier: Apache-2.0
#include "tools/training_settings.h"

#include "tests/support/catch.h"
#include "tests/support/errors.h"
#include "tools/json_integer.h"

using namespace clade;
using clade::test::error_of;
using nlohmann::json;

TEST_CASE("training settings survive a trip through config.json", "[settings]") {
  TrainingSettings settings;
  settings.preset = "ct";
  settings.inputs = {"a.nii", "b.nii"};
  settings.train.seed = 18446744073709551615u;
  settings.train.generator.base_channels = 16;
  settings.steps = 12;
  const auto written = to_json(settings);
  CHECK(to_json(settings_from_json(json::parse(written.dump()))) == written);
}

TEST_CASE("numbers of config.json that its integers cannot hold are refused", "[settings]") {
  const json good = json::parse(to_json(TrainingSettings{}).dump());
  const auto refused = [&](const char* key, const char* number) {
    json changed = good;
    changed[key] = json::parse(number);
    const std::string message = error_of(ErrorCode::model, [&] { settings_from_json(changed); });
    INFO(message);
    CHECK(message.find(key) != std::string::npos);
  };
  refused("seed", "3333333333333333333333333333330");
  refused("seed", "-1");
  refused("steps", "1e300");
  refused("steps", "9223372036854775808");
  refused("base_channels", "16.5");
  refused("base_channels", "4294967312");  // 16 in 32 bits
  refused("batch", "true");
  refused("patch", "\"32\"");
}

TEST_CASE("messages are one line, whatever a file says", "[settings]") {
  json changed = json::parse(to_json(TrainingSettings{}).dump());
  changed["adversarial"] = "lsg\n\x1b[2J";
  CHECK(error_of(ErrorCode::model, [&] { settings_from_json(changed); }).find("'lsg??[2J'") != std::string::npos);
  Error error(ErrorCode::input, "caf\xc3\xa9");  // letters beyond ASCII stay
  error.add_context("a\nb");
  CHECK(std::string(error.what()) == "a?b: caf\xc3\xa9");
}

TEST_CASE("integers of JSON are taken within their bounds", "[settings]") {
  CHECK(integer<int>(json(-3), "x") == -3);
  CHECK(integer<std::uint8_t>(json(255), "x") == 255);
  error_of(ErrorCode::input, [] { integer<std::uint8_t>(json(256), "x"); });
  CHECK(integer<int>(json(17), "x", 0, 17) == 17);
  error_of(ErrorCode::input, [] { integer<int>(json(18), "x", 0, 17); });
  error_of(ErrorCode::input, [] { integer<int>(json(nullptr), "x"); });
}
