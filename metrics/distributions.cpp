// SPDX-License-Identifier: Apache-2.0
#include "metrics/distributions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/error.h"

namespace clade {

namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kTiny = 1e-300;
constexpr int kMaxTerms = 10000;

// Continued fraction of the incomplete beta function, evaluated with the modified Lentz method.
double beta_fraction(double a, double b, double x) {
  double c = 1.0;
  double d = 1.0 - (a + b) * x / (a + 1.0);
  if (std::abs(d) < kTiny) d = kTiny;
  d = 1.0 / d;
  double result = d;
  for (int m = 1; m < kMaxTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double factor = 1.0;
    for (double term : {even, odd}) {
      d = 1.0 + term * d;
      if (std::abs(d) < kTiny) d = kTiny;
      c = 1.0 + term / c;
      if (std::abs(c) < kTiny) c = kTiny;
      d = 1.0 / d;
      factor = d * c;
      result *= factor;
    }
    if (std::abs(factor - 1.0) < kEpsilon) return result;
  }
  fail(ErrorCode::numerical, "incomplete beta function of ", a, ", ", b, ", ", x);
}

// I_x(a, b)
double incomplete_beta(double a, double b, double x) {
  if (x <= 0.0) return 0.0;
  if (x >= 1.0) return 1.0;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  // The fraction converges fast on this side of the mean only.
  if (x < (a + 1.0) / (a + b + 2.0)) return front * beta_fraction(a, b, x) / a;
  return 1.0 - front * beta_fraction(b, a, 1.0 - x) / b;
}

// Q(a, x)
double upper_incomplete_gamma(double a, double x) {
  if (x <= 0.0) return 1.0;
  const double front = std::exp(a * std::log(x) - x - std::lgamma(a));
  if (x < a + 1.0) {
    double term = 1.0 / a, sum = term;
    for (int n = 1; n < kMaxTerms && term > sum * kEpsilon; ++n) sum += term *= x / (a + n);
    return 1.0 - front * sum;
  }
  double b = x + 1.0 - a, c = 1.0 / kTiny, d = 1.0 / b, result = d;
  for (int n = 1; n < kMaxTerms; ++n) {
    const double term = -n * (n - a);
    b += 2.0;
    d = 1.0 / (term * d + b);
    c = b + term / c;
    result *= d * c;
    if (std::abs(d * c - 1.0) < kEpsilon) break;
  }
  return front * result;
}

struct Quadrature {
  static constexpr int kNodes = 16;
  std::array<double, kNodes> node{}, weight{};
};

// Gauss-Legendre on [-1, 1]: zeros of the Legendre polynomial by Newton's method.
Quadrature make_quadrature() {
  constexpr int n = Quadrature::kNodes;
  Quadrature rule;
  for (std::size_t i = 0; i < n; ++i) {
    double x = std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (n + 0.5));
    double slope = 1.0;
    for (int iteration = 0; iteration < 20; ++iteration) {
      double before = 1.0, here = x;
      for (int order = 2; order <= n; ++order) {
        const double next = ((2 * order - 1) * x * here - (order - 1) * before) / order;
        before = here;
        here = next;
      }
      slope = n * (x * here - before) / (x * x - 1.0);
      x -= here / slope;
    }
    rule.node[i] = x;
    rule.weight[i] = 2.0 / ((1.0 - x * x) * slope * slope);
  }
  return rule;
}

template <class Function>
double integrate(double low, double high, int panels, const Function& function) {
  static const Quadrature rule = make_quadrature();
  const double half = 0.5 * (high - low) / panels;
  double sum = 0.0;
  for (int panel = 0; panel < panels; ++panel) {
    const double middle = low + half * (2 * panel + 1);
    for (std::size_t i = 0; i < Quadrature::kNodes; ++i) sum += rule.weight[i] * function(middle + half * rule.node[i]);
  }
  return half * sum;
}

double normal_below(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

// P(W > w) for the range W of `groups` standard normal values.
double range_survival(double w, int groups) {
  if (w <= 0.0) return 1.0;
  constexpr double reach = 8.5;  // 1e-17 of a standard normal distribution lies beyond
  const double below = integrate(-reach, reach, 16, [&](double z) {
    const double density = std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi);
    return density * std::pow(normal_below(z + w) - normal_below(z), groups - 1);
  });
  return std::clamp(1.0 - groups * below, 0.0, 1.0);
}

}  // namespace

double f_survival(double f, double numerator, double denominator) {
  if (f <= 0.0) return 1.0;
  if (std::isinf(f)) return 0.0;
  return incomplete_beta(0.5 * denominator, 0.5 * numerator, denominator / (denominator + numerator * f));
}

double chi_squared_survival(double x, double freedom) { return upper_incomplete_gamma(0.5 * freedom, 0.5 * x); }

double studentized_range_survival(double q, int groups, double freedom) {
  CLADE_CHECK(groups >= 2 && freedom >= 1.0, ErrorCode::usage, "studentized range of ", groups, " groups with ",
              freedom, " degrees of freedom");
  constexpr double practically_infinite = 1e5;
  if (q <= 0.0) return 1.0;
  if (std::isinf(q)) return 0.0;
  if (freedom > practically_infinite) return range_survival(q, groups);
  // chi^2 = freedom u^2 leaves [freedom - 2 sqrt(freedom x), freedom + 2 sqrt(freedom x) + 2 x] with probability 2 e^-x
  // at most (Laurent and Massart 2000).
  constexpr double x = 36.0;
  const double low = std::sqrt(std::max(0.0, freedom - 2.0 * std::sqrt(freedom * x)) / freedom);
  const double high = std::sqrt((freedom + 2.0 * std::sqrt(freedom * x) + 2.0 * x) / freedom);
  const double log_front = std::numbers::ln2 + 0.5 * freedom * std::log(0.5 * freedom) - std::lgamma(0.5 * freedom);
  return integrate(low, high, 16, [&](double u) {
    const double density = std::exp(log_front + (freedom - 1.0) * std::log(u) - 0.5 * freedom * u * u);
    return density * range_survival(q * u, groups);
  });
}

double studentized_range_quantile(double p, int groups, double freedom) {
  CLADE_CHECK(p > 0.0 && p < 1.0, ErrorCode::usage, "probability ", p, ", expected 0 < p < 1");
  double low = 0.0, high = 1.0;
  while (studentized_range_survival(high, groups, freedom) > p) {
    low = high;
    high *= 2.0;
  }
  while (high - low > 1e-10 * high) {
    const double middle = 0.5 * (low + high);
    (studentized_range_survival(middle, groups, freedom) > p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace clade
