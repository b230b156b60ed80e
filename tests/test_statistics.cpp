// SPDX-License-Identifier: Apache-2.0
// Expected values were computed with SciPy 1.17 and statsmodels 0.15, or stand in published tables.
#include "metrics/statistics.h"

#include <cmath>
#include <limits>

#include "core/philox.h"
#include "metrics/distributions.h"
#include "tests/support/errors.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;

namespace {

const double kInfinity = std::numeric_limits<double>::infinity();

const ScoreTable kScores{{62.1, 70.4, 58.9, 75.2, 66.0, 61.5},
                         {55.3, 61.2, 49.8, 70.1, 60.9, 50.2},
                         {48.7, 66.3, 51.0, 58.4, 49.9, 55.5},
                         {47.2, 52.9, 50.4, 60.3, 46.1, 41.8}};

// Ranks of two observers averaged: with ties.
const ScoreTable kRanks{
    {1, 1, 2, 1, 1.5, 1, 1, 2, 1, 1}, {2, 3, 1, 2, 1.5, 2, 3, 1, 2.5, 2}, {3, 2, 3, 3, 3, 3, 2, 3, 2.5, 3}};

void check_p(const std::vector<PairwiseComparison>& pairs, const std::vector<double>& expected) {
  REQUIRE(pairs.size() == expected.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) CHECK(pairs[i].p == Approx(expected[i]).epsilon(1e-6));
}

}  // namespace

TEST_CASE("tails of F and chi-squared", "[statistics]") {
  CHECK(f_survival(2.5366, 4, 56) == Approx(0.05).epsilon(1e-4));
  CHECK(f_survival(2.8270, 3, 42) == Approx(0.05).epsilon(1e-4));
  CHECK(f_survival(3.3404, 2, 28) == Approx(0.05).epsilon(1e-4));
  CHECK(f_survival(5.0, 4, 56) == Approx(0.001618555871938279).epsilon(1e-9));
  CHECK(f_survival(0.5, 2.3, 7.7) == Approx(0.6490066364652656).epsilon(1e-9));
  CHECK(f_survival(80.0, 3, 42) == Approx(2.0936367205870982e-17).epsilon(1e-6));
  CHECK(f_survival(0.0, 3, 42) == 1.0);
  CHECK(f_survival(kInfinity, 3, 42) == 0.0);
  CHECK(chi_squared_survival(3.2, 2) == Approx(0.2018965179946554).epsilon(1e-9));
  CHECK(chi_squared_survival(30.0, 4) == Approx(4.894437128029217e-06).epsilon(1e-9));
  CHECK(chi_squared_survival(0.7, 5) == Approx(0.9829686751880324).epsilon(1e-9));
  CHECK(chi_squared_survival(0.0, 5) == 1.0);
}

TEST_CASE("tail of the studentized range", "[statistics]") {
  struct Point {
    double q;
    int groups;
    double freedom, p;
  };
  for (const Point& point : {Point{3.3145, 3, kInfinity, 0.05},
                             {3.6332, 4, kInfinity, 0.05},
                             {3.8577, 5, kInfinity, 0.05},
                             {3.4358, 3, 42, 0.05},
                             {3.7830, 4, 42, 0.05},
                             {3.7447, 4, 56, 0.05},
                             {3.9862, 5, 56, 0.05},
                             {3.9600, 5, 70, 0.05}}) {
    INFO(point.groups << " groups, " << point.freedom);
    CHECK(studentized_range_survival(point.q, point.groups, point.freedom) == Approx(point.p).epsilon(2e-4));
    CHECK(studentized_range_quantile(point.p, point.groups, point.freedom) == Approx(point.q).margin(6e-5));
  }
  for (const Point& point : {Point{1, 2, 1, 0.6081734479693928},
                             {10, 3, 2, 0.03524355785261013},
                             {4, 10, 5, 0.3163465914232485},
                             {4.5, 5, 70, 0.017988786697685222},
                             {3, 3, kInfinity, 0.08554257165495793},
                             {8, 4, 42, 7.211880493351863e-06}}) {
    INFO(point.groups << " groups, " << point.freedom);
    CHECK(studentized_range_survival(point.q, point.groups, point.freedom) == Approx(point.p).margin(2e-9));
  }
  // Two groups: the range is sqrt(2) times a t variable, whose square is an F variable.
  for (double q : {0.3, 2.0, 5.0})
    CHECK(studentized_range_survival(q, 2, 9.0) == Approx(f_survival(q * q / 2.0, 1, 9)).margin(1e-9));
  CHECK(studentized_range_survival(0.0, 3, 9.0) == 1.0);
  error_of(ErrorCode::usage, [] { studentized_range_survival(1.0, 1, 9.0); });
  error_of(ErrorCode::usage, [] { studentized_range_quantile(0.0, 3, 9.0); });
}

TEST_CASE("repeated-measures ANOVA, with and without sphericity", "[statistics]") {
  const RepeatedMeasuresAnova anova = repeated_measures_anova(kScores);
  CHECK(anova.f == Approx(17.2080946).epsilon(1e-8));
  CHECK(anova.numerator_freedom == 3.0);
  CHECK(anova.denominator_freedom == 15.0);
  CHECK(anova.p == Approx(4.03724818e-05).epsilon(1e-7));
  CHECK(anova.epsilon == Approx(0.5690888526364779).epsilon(1e-10));
  CHECK(anova.corrected_p == Approx(0.0012755036610847179).epsilon(1e-7));
}

TEST_CASE("two methods: F is the square of the paired t and epsilon is 1", "[statistics]") {
  const std::vector<double>&a = kScores[0], &b = kScores[2];
  double mean = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < 6; ++i) mean += (a[i] - b[i]) / 6.0;
  for (std::size_t i = 0; i < 6; ++i) squares += (a[i] - b[i] - mean) * (a[i] - b[i] - mean);
  const RepeatedMeasuresAnova anova = repeated_measures_anova({a, b});
  CHECK(anova.f == Approx(mean * mean * 6.0 / (squares / 5.0)));
  CHECK(anova.epsilon == Approx(1.0));
  // And then Tukey's paired test is the same test.
  CHECK(tukey_hsd({a, b}, TukeyError::paired).front().p == Approx(anova.p).margin(1e-9));
}

TEST_CASE("Tukey's test, independent and paired", "[statistics]") {
  const auto independent = tukey_hsd(kScores, TukeyError::independent);
  check_p(tukey_hsd(kScores, TukeyError::paired), {0.017481019724148283, 0.0013641472830465684, 2.225579145176404e-05,
                                                   0.575392773681811, 0.012729542179254594, 0.1450189189317752});
  REQUIRE(independent.size() == 6);
  const double expected[] = {0.22543592, 0.05596782, 0.00308058, 0.87337698, 0.19292149, 0.55729452};
  for (std::size_t i = 0; i < 6; ++i) CHECK(independent[i].p == Approx(expected[i]).margin(2e-8));
  CHECK(independent[1].a == 0);
  CHECK(independent[1].b == 2);
  CHECK(independent[1].difference == Approx((48.7 + 66.3 + 51.0 + 58.4 + 49.9 + 55.5 - 394.1) / 6.0));
}

TEST_CASE("Friedman's test, without and with ties", "[statistics]") {
  const FriedmanTest plain = friedman_test(kScores);
  CHECK(plain.chi_squared == Approx(13.2));
  CHECK(plain.p == Approx(0.0042234636586863565).epsilon(1e-9));
  const FriedmanTest ties = friedman_test(kRanks);
  CHECK(ties.chi_squared == Approx(11.842105263157896));
  CHECK(ties.p == Approx(0.002682375137575446).epsilon(1e-9));
  REQUIRE(ties.mean_ranks.size() == 3);
  CHECK(ties.mean_ranks[0] == Approx(1.25));
  CHECK(ties.mean_ranks[1] == Approx(2.0));
  CHECK(ties.mean_ranks[2] == Approx(2.75));
}

TEST_CASE("Nemenyi's test", "[statistics]") {
  const auto pairs = nemenyi_test(kRanks);
  check_p(pairs, {0.2140118572621672, 0.00229645182507332, 0.2140118572621672});
  CHECK(pairs[1].q == Approx(4.74341649025257));
  CHECK(nemenyi_critical_difference(3, 15, 0.05) == Approx(0.8558).margin(5e-5));
}

TEST_CASE("tables without any difference or without any error", "[statistics]") {
  const ScoreTable same(3, {0.1, 2.7, 3.3});
  CHECK(repeated_measures_anova(same).p == 1.0);
  CHECK(friedman_test(same).p == 1.0);
  CHECK(tukey_hsd(same, TukeyError::paired).front().p == 1.0);
  CHECK(nemenyi_test(same).front().p == 1.0);
  const ScoreTable shifted{{0.1, 2.7, 3.3}, {1.1, 3.7, 4.3}};
  CHECK(repeated_measures_anova(shifted).p == 0.0);
  CHECK(tukey_hsd(shifted, TukeyError::paired).front().p == 0.0);
}

TEST_CASE("without differences p is below 0.05 in 5 % of the tables", "[statistics]") {
  constexpr int kTables = 2000;
  int anova = 0, corrected = 0;
  for (int table = 0; table < kTables; ++table) {
    RandomSequence random(1, RandomUse::test, static_cast<std::uint64_t>(table));
    ScoreTable scores(4, std::vector<double>(8));
    for (std::size_t i = 0; i < 8; ++i) {
      const double subject = 5.0 * random.next_normal();
      for (auto& method : scores) method[i] = subject + random.next_normal();
    }
    const RepeatedMeasuresAnova result = repeated_measures_anova(scores);
    anova += result.p < 0.05;
    corrected += result.corrected_p < 0.05;
  }
  // Standard deviation 0.0049 for 2000 tables; Greenhouse-Geisser is known to be too careful.
  CHECK(anova / static_cast<double>(kTables) == Approx(0.05).margin(0.015));
  CHECK(corrected <= anova);
  CHECK(corrected > anova / 3);
}

TEST_CASE("tables that cannot be tested are refused", "[statistics]") {
  for (const ScoreTable& table : {ScoreTable{},
                                  {{1, 2, 3}},
                                  {{1}, {2}},
                                  {{1, 2, 3}, {1, 2}},
                                  {{1, 2}, {std::nan(""), 2}},
                                  {{1, 2}, {kInfinity, 2}}}) {
    error_of(ErrorCode::input, [&] { repeated_measures_anova(table); });
    error_of(ErrorCode::input, [&] { tukey_hsd(table, TukeyError::independent); });
    error_of(ErrorCode::input, [&] { friedman_test(table); });
    error_of(ErrorCode::input, [&] { nemenyi_test(table); });
  }
  CHECK(contains(error_of(ErrorCode::input, [] { repeated_measures_anova({{1, 2, 3}, {1, 2}}); }), "3 and 2"));
}
