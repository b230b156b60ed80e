// SPDX-License-Identifier: Apache-2.0
// Tests for k methods measured on the same n subjects.
#pragma once

#include <vector>

namespace clade {

/// scores[method][subject], every method measured on every subject.
using ScoreTable = std::vector<std::vector<double>>;

/// Two methods of a table. p is corrected for the number of comparisons.
struct PairwiseComparison {
  int a = 0, b = 0;         ///< a < b
  double difference = 0.0;  ///< mean (or mean rank) of b minus that of a
  double q = 0.0;           ///< statistic on the scale of the studentized range
  double p = 1.0;
};

/// One-way analysis of variance with repeated measures: Girden, "ANOVA: Repeated measures", 1992. The same split of
/// squares as a randomised block design: methods, subjects, error.
struct RepeatedMeasuresAnova {
  double f = 0.0;  ///< infinite when methods differ and there is no error; 0 when neither
  double numerator_freedom = 0.0;
  double denominator_freedom = 0.0;
  double p = 1.0;        ///< assumes sphericity
  double epsilon = 1.0;  ///< Greenhouse and Geisser, Psychometrika 24, 1959: 1 is sphericity, 1 / (k - 1) its opposite
  double corrected_p = 1.0;  ///< both degrees of freedom times epsilon
  double error_mean_square = 0.0;
};
/// Throws Error(input) for fewer than two methods or subjects, methods with unequal numbers of subjects, or values that
/// are not finite. So do all functions below.
RepeatedMeasuresAnova repeated_measures_anova(const ScoreTable& scores);

/// What the differences of means are measured by.
enum class TukeyError {
  independent,  ///< variance within methods, (n - 1) k degrees of freedom: ignores that subjects are the same
  paired        ///< error of the repeated-measures ANOVA, (k - 1)(n - 1) degrees of freedom
};
/// Honestly significant differences: Tukey, "The problem of multiple comparisons", 1953. All pairs, (0, 1), (0, 2), ...
std::vector<PairwiseComparison> tukey_hsd(const ScoreTable& scores, TukeyError error);

/// Friedman, J. Am. Stat. Assoc. 32, 1937: methods ranked within each subject, mid-ranks and a correction for ties.
struct FriedmanTest {
  double chi_squared = 0.0;  ///< k - 1 degrees of freedom; 0 when every subject ties all methods
  double p = 1.0;
  std::vector<double> mean_ranks;  ///< by method, 1 is the lowest score
};
FriedmanTest friedman_test(const ScoreTable& scores);

/// Nemenyi, "Distribution-free multiple comparisons", 1963, as in Demsar, JMLR 7, 2006: all pairs of mean ranks.
std::vector<PairwiseComparison> nemenyi_test(const ScoreTable& scores);
/// Difference of mean ranks from which p < alpha.
double nemenyi_critical_difference(int methods, int subjects, double alpha);

}  // namespace clade
