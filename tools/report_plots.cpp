// SPDX-License-Identifier: Apache-2.0
#include "tools/report_plots.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "tools/eval_table.h"
#include "tools/html.h"

namespace clade {

namespace {

constexpr int kColours = 8;        // classes of page.css
constexpr int kBoxFrom = 5;        // values: fewer say nothing about quartiles
constexpr double kWidth = 360;     // of a plot
constexpr double kTop = 26;        // below the title
constexpr double kBottom = 24;     // for the numbers of the axis
constexpr double kRow = 26;        // of a box plot
constexpr double kNames = 104;     // for the names of rows
constexpr double kMarks = 30;      // for significance
constexpr double kCurves = 150;    // height of curves
constexpr double kNumbers = 44;    // for the numbers of a vertical axis
constexpr std::size_t kName = 16;  // letters of a name

std::string number(double value) { return fixed(value, 1); }

// The first letters of a name, never half of a UTF-8 sequence.
std::string shortened(const std::string& name) {
  std::size_t letters = 0;
  for (std::size_t i = 0; i < name.size(); ++i)
    if ((name[i] & 0xC0) != 0x80 && ++letters > kName) return name.substr(0, i) + "\u2026";
  return name;
}

std::string text(double x, double y, const char* anchor, const std::string& words, const char* kind = "") {
  return str("<text x=\"", number(x), "\" y=\"", number(y), "\" text-anchor=\"", anchor, "\"", kind, ">",
             escape_html(words), "</text>");
}

std::string line(const char* kind, double x1, double y1, double x2, double y2) {
  return str("<line class=\"", kind, "\" x1=\"", number(x1), "\" y1=\"", number(y1), "\" x2=\"", number(x2), "\" y2=\"",
             number(y2), "\"/>");
}

std::string begin_plot(const std::string& title, double height) {
  return str("<svg class=\"plot\" viewBox=\"0 0 ", kWidth, " ", height, "\" role=\"img\" aria-label=\"",
             escape_html(title), "\">", text(4, 15, "start", title, " class=\"title\""));
}

// Where values stand in the picture.
struct Scale {
  double low, high, begin, end;
  double operator()(double value) const { return begin + (end - begin) * (value - low) / (high - low); }
};

// Some room on both sides, also for values that are all the same.
Scale make_scale(double low, double high, double begin, double end) {
  const double room = high > low ? 0.06 * (high - low) : std::max(0.5 * std::abs(low), 1e-3);
  return {low - room, high + room, begin, end};
}

std::string tick_text(double value, double step) {
  if (std::abs(value) < 1e-9 * step) return "0";
  if (std::abs(value) >= 1e5) return str(value);
  return fixed(value, std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 6));
}

double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

std::string box(const BoxRow& row, double y, const Scale& x) {
  std::vector<double> sorted = row.values;
  std::sort(sorted.begin(), sorted.end());
  const double lower = quantile(sorted, 0.25), upper = quantile(sorted, 0.75);
  const double reach = 1.5 * (upper - lower);
  const double first = *std::find_if(sorted.begin(), sorted.end(), [&](double v) { return v >= lower - reach; });
  const double last = *std::find_if(sorted.rbegin(), sorted.rend(), [&](double v) { return v <= upper + reach; });
  std::string svg = line("whisker", x(first), y, x(lower), y) + line("whisker", x(upper), y, x(last), y);
  svg += str("<rect class=\"box\" x=\"", number(x(lower)), "\" y=\"", number(y - 7), "\" width=\"",
             number(std::max(1.0, x(upper) - x(lower))), "\" height=\"14\"/>");
  const double median = x(quantile(sorted, 0.5));
  return svg + line("median", median, y - 7, median, y + 7);
}

}  // namespace

std::vector<double> axis_ticks(double low, double high, int count) {
  const double rough = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10.0 * power;
  for (double factor : {5.0, 2.0, 1.0})
    if (factor * power >= rough) step = factor * power;
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) ticks.push_back(i * step);
  return ticks;
}

std::string box_plot(const std::string& title, const std::vector<BoxRow>& rows) {
  double low = std::numeric_limits<double>::max(), high = std::numeric_limits<double>::lowest();
  for (const BoxRow& row : rows)
    for (double value : row.values) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  const double bottom = kTop + kRow * static_cast<double>(rows.size());
  std::string svg = begin_plot(title, bottom + kBottom);
  if (low > high) return svg + text(kNames, kTop + 16, "start", "no values") + "</svg>\n";
  const Scale x = make_scale(low, high, kNames, kWidth - kMarks);
  const std::vector<double> ticks = axis_ticks(x.low, x.high, 5);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : x.high - x.low;
  for (double tick : ticks)
    svg += line("grid", x(tick), kTop, x(tick), bottom) + text(x(tick), bottom + 15, "middle", tick_text(tick, step));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const BoxRow& row = rows[i];
    const double y = kTop + kRow * (static_cast<double>(i) + 0.5);
    svg += str("<g class=\"c", i % kColours, "\"><title>", escape_html(row.name), "</title>",
               text(kNames - 8, y + 4, "end", shortened(row.name)));
    if (row.values.size() >= kBoxFrom) svg += box(row, y, x);
    for (double value : row.values)
      svg += str("<circle cx=\"", number(x(value)), "\" cy=\"", number(y), "\" r=\"3\"/>");
    svg += text(kWidth - kMarks + 4, y + 5, "start", row.mark, " class=\"mark\"") + "</g>";
  }
  return svg + "</svg>\n";
}

std::string line_plot(const std::string& title, const std::string& x_title, const std::vector<Curve>& curves) {
  double low = 0.0, high = 0.0, last = 1.0;
  for (const Curve& curve : curves)
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      if (!std::isfinite(curve.y[i])) continue;
      low = std::min(low, curve.y[i]);
      high = std::max(high, curve.y[i]);
      last = std::max(last, curve.x[i]);
    }
  if (high == low) high = low + 1.0;
  const double bottom = kTop + kCurves;
  const Scale x{0.0, last, kNumbers, kWidth - 10}, y{low, 1.05 * high, bottom, kTop};
  std::string svg = begin_plot(title, bottom + kBottom);
  const std::vector<double> ticks = axis_ticks(y.low, y.high, 4);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : y.high;
  for (double tick : ticks)
    svg += line("grid", kNumbers, y(tick), kWidth - 10, y(tick)) +
           text(kNumbers - 6, y(tick) + 4, "end", tick_text(tick, step));
  for (double tick : axis_ticks(0.0, last, 3))
    svg += text(x(tick), bottom + 15, tick > 0.97 * last ? "end" : "middle", tick_text(tick, 1.0));
  svg += text(kWidth - 10, 15, "end", x_title);
  for (const Curve& curve : curves) {
    std::string path;
    bool pen = false;
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      if (std::isfinite(curve.y[i])) path += str(pen ? "L" : "M", number(x(curve.x[i])), " ", number(y(curve.y[i])));
      pen = std::isfinite(curve.y[i]);
    }
    svg += str("<path class=\"curve c", curve.colour % kColours, curve.dashed ? " dashed" : "", "\" d=\"", path,
               "\"><title>", escape_html(curve.name), "</title></path>");
  }
  return svg + "</svg>\n";
}

Curve smoothed(const Curve& curve, int count) {
  Curve result{curve.name, curve.colour, curve.dashed, {}, {}};
  const std::size_t bin = (curve.x.size() + static_cast<std::size_t>(count) - 1) / static_cast<std::size_t>(count);
  for (std::size_t begin = 0; begin < curve.x.size(); begin += bin) {
    const std::size_t end = std::min(begin + bin, curve.x.size());
    double x = 0.0, y = 0.0;
    int finite = 0;
    for (std::size_t i = begin; i < end; ++i) {
      x += curve.x[i];
      if (!std::isfinite(curve.y[i])) continue;
      y += curve.y[i];
      ++finite;
    }
    result.x.push_back(x / static_cast<double>(end - begin));
    result.y.push_back(finite > 0 ? y / finite : std::numeric_limits<double>::quiet_NaN());
  }
  return result;
}

}  // namespace clade
