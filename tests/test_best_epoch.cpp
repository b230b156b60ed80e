// SPDX-License-Identifier: Apache-2.0
#include "tools/best_epoch.h"

#include "tests/support/catch.h"
#include "tests/support/errors.h"
#include "tests/support/temp_dir.h"

using namespace clade;
using clade::test::error_of;
using clade::test::TempDir;

TEST_CASE("the best epoch has the lowest PIQE of all volumes within the bound", "[validation]") {
  const TempDir folder;
  const auto lines = folder / "validation.jsonl";
  test::write_bytes(lines,
                    R"({"epoch":1,"volume":"a","piqe":50.0,"fidelity_rmse":1.0})"
                    "\n"
                    R"({"epoch":1,"volume":"b","piqe":70.0,"fidelity_rmse":1.5})"
                    "\n"
                    R"({"epoch":2,"volume":"a","piqe":20.0,"fidelity_rmse":1.0})"
                    "\n"
                    R"({"epoch":2,"volume":"b","piqe":60.0,"fidelity_rmse":4.0})"
                    "\n"
                    R"({"epoch":3,"volume":"a","piqe":40.0,"fidelity_rmse":2.0})"
                    "\n"
                    R"({"epoch":3,"volume":"b","piqe":40.0,"fidelity_rmse":1.0})"
                    "\n"
                    R"({"epoch":4,"volume":"a","piqe":1.0,"fidelity_rmse":0.1})"
                    "\n"
                    R"({"epoch":4,"volume":"b","piqe":null,"fidelity_rmse":0.1})"
                    "\n");
  CHECK(best_epoch(lines, {}) == 2);  // 80 in all, as epoch 3, which came later
  CHECK(best_epoch(lines, {3.0}) == 3);
  CHECK(best_epoch(lines, {1.5}) == 1);
  CHECK_FALSE(best_epoch(lines, {0.5}));
  CHECK_FALSE(best_epoch(folder / "none", {}));
  test::write_bytes(lines, "{\"epoch\":1}\n");
  error_of(ErrorCode::model, [&] { best_epoch(lines, {}); });
}

TEST_CASE("the rule for the best epoch is read as it is written", "[validation]") {
  CHECK_FALSE(BestRule::parse("piqe").fidelity);
  CHECK(BestRule::parse("piqe:2.5").fidelity == 2.5);
  CHECK(BestRule::parse("piqe:2.5").text() == "piqe:2.5");
  CHECK(BestRule::parse("piqe").text() == "piqe");
  for (const char* text : {"", "ssim", "piqe:", "piqe:-1", "piqe:0", "piqe:nan", "piqe:2x", "piqe2"})
    error_of(ErrorCode::usage, [&] { BestRule::parse(text); });
}
