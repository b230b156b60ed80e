// SPDX-License-Identifier: Apache-2.0
// Upper tails of the distributions that the tests of metrics/statistics.h need.
#pragma once

namespace clade {

/// P(F > f) with (numerator, denominator) degrees of freedom, which need not be whole. By the incomplete beta function:
/// Abramowitz and Stegun 26.6.2 and the continued fraction 26.5.8.
double f_survival(double f, double numerator, double denominator);

/// P(chi^2 > x). By the incomplete gamma function: Abramowitz and Stegun 26.4.19, 6.5.29 and 6.5.31.
double chi_squared_survival(double x, double freedom);

/// P(Q > q), Q the range of `groups` standard normal values over an independent estimate of their standard deviation
/// with `freedom` degrees of freedom (infinity: the range itself). By Gauss-Legendre quadrature; error below 1e-9.
/// Tukey, "The problem of multiple comparisons", 1953.
double studentized_range_survival(double q, int groups, double freedom);

/// q with P(Q > q) = p, 0 < p < 1.
double studentized_range_quantile(double p, int groups, double freedom);

}  // namespace clade
