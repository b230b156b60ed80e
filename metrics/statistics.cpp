// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/error.h"
#include "metrics/distributions.h"

namespace clade {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kRounding = 1e-26;  // square of some hundred roundings

struct Size {
  double methods, subjects;
};

Size check_table(const ScoreTable& scores) {
  CLADE_CHECK(scores.size() >= 2, ErrorCode::input, "statistics of ", scores.size(), " methods, at least 2 are needed");
  const std::size_t subjects = scores.front().size();
  CLADE_CHECK(subjects >= 2, ErrorCode::input, "statistics of ", subjects, " subjects, at least 2 are needed");
  for (const auto& method : scores) {
    CLADE_CHECK(method.size() == subjects, ErrorCode::input, "methods with ", subjects, " and ", method.size(),
                " subjects; every method needs every subject");
    for (double score : method)
      CLADE_CHECK(std::isfinite(score), ErrorCode::input, "a score is ", score, "; statistics need finite values");
  }
  return {static_cast<double>(scores.size()), static_cast<double>(subjects)};
}

double mean(const std::vector<double>& values) {
  double sum = 0.0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::vector<double> method_means(const ScoreTable& scores) {
  std::vector<double> means;
  for (const auto& method : scores) means.push_back(mean(method));
  return means;
}

// x / y where 0 / 0 means that there is no effect.
double ratio(double x, double y) { return y > 0.0 ? x / y : x > 0.0 ? kInfinity : 0.0; }

// The covariance matrix of the methods, its rows and columns centred, has k - 1 equal eigenvalues under sphericity;
// epsilon is (sum of eigenvalues)^2 / ((k - 1) sum of squares of them), both sums being traces.
double greenhouse_geisser(const ScoreTable& scores) {
  const std::size_t k = scores.size(), n = scores.front().size();
  const std::vector<double> means = method_means(scores);
  std::vector<std::vector<double>> covariance(k, std::vector<double>(k));
  std::vector<double> row_means(k);
  for (std::size_t a = 0; a < k; ++a) {
    for (std::size_t b = 0; b < k; ++b)
      for (std::size_t i = 0; i < n; ++i)
        covariance[a][b] += (scores[a][i] - means[a]) * (scores[b][i] - means[b]) / static_cast<double>(n - 1);
    row_means[a] = mean(covariance[a]);
  }
  const double grand_mean = mean(row_means);
  double trace = 0.0, squares = 0.0;
  for (std::size_t a = 0; a < k; ++a)
    for (std::size_t b = 0; b < k; ++b) {
      const double centred = covariance[a][b] - row_means[a] - row_means[b] + grand_mean;
      if (a == b) trace += centred;
      squares += centred * centred;
    }
  return squares > 0.0 ? std::min(1.0, trace * trace / (static_cast<double>(k - 1) * squares)) : 1.0;
}

template <class Statistic>
std::vector<PairwiseComparison> all_pairs(const std::vector<double>& centres, double freedom, const Statistic& q_of) {
  const int k = static_cast<int>(centres.size());
  std::vector<PairwiseComparison> pairs;
  for (int a = 0; a < k; ++a)
    for (int b = a + 1; b < k; ++b) {
      const double difference = centres[static_cast<std::size_t>(b)] - centres[static_cast<std::size_t>(a)];
      const double q = q_of(std::abs(difference));
      pairs.push_back({a, b, difference, q, studentized_range_survival(q, k, freedom)});
    }
  return pairs;
}

// Variance of the difference of two mean ranks, on the scale of the studentized range.
double rank_deviation(double methods, double subjects) {
  return std::sqrt(methods * (methods + 1.0) / (6.0 * subjects)) / std::numbers::sqrt2;
}

}  // namespace

RepeatedMeasuresAnova repeated_measures_anova(const ScoreTable& scores) {
  const auto [k, n] = check_table(scores);
  const std::vector<double> means = method_means(scores);
  const double grand_mean = mean(means);
  double methods = 0.0, error = 0.0;
  for (double m : means) methods += n * (m - grand_mean) * (m - grand_mean);
  for (std::size_t i = 0; i < scores.front().size(); ++i) {
    double subject_mean = 0.0;
    for (const auto& method : scores) subject_mean += method[i] / k;
    for (std::size_t j = 0; j < scores.size(); ++j) {
      const double residual = scores[j][i] - means[j] - subject_mean + grand_mean;
      error += residual * residual;
    }
  }
  // What rounding leaves of a sum of squares that is 0.
  double total = 0.0;
  for (const auto& method : scores)
    for (double score : method) total += score * score;
  if (methods < kRounding * total) methods = 0.0;
  if (error < kRounding * total) error = 0.0;

  RepeatedMeasuresAnova result;
  result.numerator_freedom = k - 1.0;
  result.denominator_freedom = (k - 1.0) * (n - 1.0);
  result.error_mean_square = error / result.denominator_freedom;
  result.f = ratio(methods / result.numerator_freedom, result.error_mean_square);
  result.p = f_survival(result.f, result.numerator_freedom, result.denominator_freedom);
  result.epsilon = greenhouse_geisser(scores);
  result.corrected_p =
      f_survival(result.f, result.epsilon * result.numerator_freedom, result.epsilon * result.denominator_freedom);
  return result;
}

std::vector<PairwiseComparison> tukey_hsd(const ScoreTable& scores, TukeyError error) {
  const auto [k, n] = check_table(scores);
  const std::vector<double> means = method_means(scores);
  double mean_square = 0.0, freedom = 0.0;
  if (error == TukeyError::paired) {
    const RepeatedMeasuresAnova anova = repeated_measures_anova(scores);
    mean_square = anova.error_mean_square;
    freedom = anova.denominator_freedom;
  } else {
    freedom = (n - 1.0) * k;
    for (std::size_t j = 0; j < scores.size(); ++j)
      for (double score : scores[j]) mean_square += (score - means[j]) * (score - means[j]) / freedom;
  }
  const double deviation = std::sqrt(mean_square / n);
  return all_pairs(means, freedom, [&](double difference) { return ratio(difference, deviation); });
}

FriedmanTest friedman_test(const ScoreTable& scores) {
  const auto [k, n] = check_table(scores);
  FriedmanTest result;
  result.mean_ranks.assign(scores.size(), 0.0);
  double ties = 0.0;  // sum of t^3 - t over groups of t equal scores
  for (std::size_t i = 0; i < scores.front().size(); ++i)
    for (std::size_t j = 0; j < scores.size(); ++j) {
      double less = 0.0, equal = 0.0;
      for (const auto& other : scores) {
        less += other[i] < scores[j][i];
        equal += other[i] == scores[j][i];
      }
      result.mean_ranks[j] += (less + 0.5 * (equal + 1.0)) / n;
      ties += equal * equal - 1.0;  // once for each of the t members
    }
  double squares = 0.0;
  for (double rank : result.mean_ranks) squares += (rank - 0.5 * (k + 1.0)) * (rank - 0.5 * (k + 1.0));
  result.chi_squared = ratio(12.0 * n / (k * (k + 1.0)) * squares, 1.0 - ties / (n * k * (k * k - 1.0)));
  result.p = chi_squared_survival(result.chi_squared, k - 1.0);
  return result;
}

std::vector<PairwiseComparison> nemenyi_test(const ScoreTable& scores) {
  const auto [k, n] = check_table(scores);
  const double deviation = rank_deviation(k, n);
  return all_pairs(friedman_test(scores).mean_ranks, kInfinity,
                   [&](double difference) { return difference / deviation; });
}

double nemenyi_critical_difference(int methods, int subjects, double alpha) {
  return studentized_range_quantile(alpha, methods, kInfinity) * rank_deviation(methods, subjects);
}

}  // namespace clade
