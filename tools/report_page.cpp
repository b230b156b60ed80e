// SPDX-License-Identifier: Apache-2.0
#include "tools/report_page.h"

#include <algorithm>
#include <ctime>

#include "core/version.h"
#include "tools/colour_maps.h"
#include "tools/html.h"
#include "tools/page_assets.h"
#include "tools/report_plots.h"

namespace clade {

namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string details(const std::string& summary, const std::string& body) {
  return "<details><summary>" + escape_html(summary) + "</summary>\n" + body + "</details>\n";
}

std::string settings_table(const TextTable& table) { return "<div class=\"settings\">" + html_table(table) + "</div>"; }

std::string heading(const Report& report, const std::string& title, bool explains_metrics) {
  std::string html = "<header>\n<h1>" + escape_html(title) + "</h1>\n<p class=\"quiet\">" +
                     std::to_string(report.sheet.methods.size()) + " methods, " +
                     std::to_string(report.sheet.subjects.size()) + " subjects. clade_eval " + kVersion + ", " +
                     utc_now() +
                     ".</p>\n<p class=\"notice\">For research use only; not a medical device. Super-resolution can "
                     "invent, move and remove structures: pictures and scores here are no basis for a diagnosis.</p>\n";
  html += "<nav aria-label=\"Contents\"><a href=\"#scores\">Scores</a>";
  for (std::size_t i = 0; i < report.subjects.size(); ++i)
    html += str("<a href=\"#subject-", i, "\">", escape_html(report.subjects[i]["name"].get<std::string>()), "</a>");
  if (!report.runs.empty()) html += "<a href=\"#training\">Training</a>";
  return html + (explains_metrics ? "<a href=\"#metrics\">What the metrics mean</a>" : "") +
         "<a href=\"#made\">How this was made</a></nav>\n</header>\n";
}

std::string scores(const Report& report) {
  const ScoreSheet& sheet = report.sheet;
  const std::vector<MetricComparison> comparisons = compare(sheet);
  const PostHoc post_hoc = parse_post_hoc(report.marks.test);
  const int against = report.marks.against_in(sheet);
  TextTable means = mean_table(sheet, comparisons, post_hoc, against);
  for (auto& row : means)
    for (std::string& cell : row)
      if (const std::size_t at = cell.find("+-"); at != std::string::npos) cell.replace(at, 2, "\u00b1");
  std::string html = "<section id=\"scores\">\n<h2>Scores</h2>\n" + html_table(means);
  const std::string& other = sheet.methods[static_cast<std::size_t>(against)];
  if (sheet.methods.size() > 1 && sheet.subjects.size() > 1) {
    html += "<p class=\"quiet\">Mean \u00b1 standard deviation over subjects. *, **, ***: differs from " +
            escape_html(other) + " with p &lt; 0.05, 0.01, 0.001 (" + escape_html(report.marks.test) +
            "), corrected for the number of pairs of methods, not for the number of metrics: one "
            "in twenty is significant by chance. n: subjects that every method has a value for.</p>\n";
    html += details("Tests over all methods", html_table(test_table(comparisons)));
    html += details("All pairs of methods", html_table(pair_table(sheet, comparisons)));
  } else {
    html += "<p class=\"quiet\">Statistics need at least two methods and two subjects.</p>\n";
  }
  html += "<h3>By subject</h3>\n<p class=\"quiet\">A dot for each subject";
  html += sheet.subjects.size() >= 5 ? ", box plots over all.</p>\n" : "; boxes are drawn from five subjects on.</p>\n";
  html += "<div class=\"plots\">\n";
  for (std::size_t metric = 0; metric < sheet.metrics.size(); ++metric) {
    std::vector<BoxRow> rows;
    for (std::size_t method = 0; method < sheet.methods.size(); ++method) {
      rows.push_back({sheet.methods[method],
                      significance_mark(comparisons[metric], post_hoc, static_cast<int>(method), against),
                      {}});
      for (const auto& value : sheet.values[metric][method])
        if (value) rows.back().values.push_back(*value);
    }
    const std::string better = better_text(sheet.metrics[metric].better);
    html += box_plot(sheet.metrics[metric].title() + (better.empty() ? "" : " (better: " + better + ")"), rows);
  }
  html += "</div>\n" + details("Every score", html_table(to_table(sheet)));
  return html + "</section>\n";
}

std::string subjects(const Report& report) {
  std::string html;
  for (std::size_t i = 0; i < report.subjects.size(); ++i)
    html += str("<section id=\"subject-", i, "\">\n<h2>", escape_html(report.subjects[i]["name"].get<std::string>()),
                "</h2>\n<div id=\"pictures-", i,
                "\"></div>\n<noscript><p>The pictures need JavaScript; nothing is loaded from elsewhere."
                "</p></noscript>\n</section>\n");
  if (!report.without_pictures.empty())
    html +=
        "<p class=\"notice\">No pictures, to keep this page small: " + escape_html(joined(report.without_pictures)) +
        ". Scores are of all subjects.</p>\n";
  return html;
}

std::string training(const Report& report) {
  if (report.runs.empty()) return "";
  std::string html = "<section id=\"training\">\n<h2>Training</h2>\n" + training_curves(report.runs);
  for (const TrainingRun& run : report.runs) {
    html += details(run.method + ": settings of " + run.folder, settings_table(run.settings));
    if (run.model.size() > 1) html += details(run.method + ": metadata of the model", settings_table(run.model));
  }
  return html + "</section>\n";
}

std::string metrics(const Report& report) {
  TextTable table{{"metric", "what it says and does not say"}};
  for (const Metric& metric : report.sheet.metrics) {
    const std::string note = metric_note(metric.name);
    if (note.empty()) continue;
    if (table.back()[1] == note) {
      table.back()[0] += "\n" + metric.title();
    } else {
      table.push_back({metric.title(), note});
    }
  }
  if (table.size() == 1) return "";
  return "<section id=\"metrics\">\n<h2>What the metrics mean</h2>\n<p>No single number tells whether a volume is "
         "better: "
         "PIQE rewards invented texture, sharpness rewards noise, PSNR rewards blur. Read them together, and look at "
         "the "
         "slices.</p>\n" +
         settings_table(table) + "</section>\n";
}

nlohmann::ordered_json ramps() {
  GreyImage ramp{256, 1, {}};
  for (int i = 0; i < 256; ++i) ramp.pixels.push_back(static_cast<std::uint8_t>(i));
  return {{"difference",
           {{"title", "Difference from the measured slices"},
            {"text",
             "Each result degraded back to thick slices, less the acquisition: what was lost, invented or moved within "
             "the resolution of the slices. Whatever is finer than them does not show."},
            {"low", "-10 % of the span or less"},
            {"high", "+10 % or more"},
            {"image", png_uri(ramp, &difference_palette())}}},
          {"uncertainty",
           {{"title", "Uncertainty"},
            {"text", "As given by the methods. Low uncertainty is no proof that a structure is there."},
            {"low", "0"},
            {"high", "10 % of the span or more"},
            {"image", png_uri(ramp, &magnitude_palette())}}}};
}

}  // namespace

std::string report_html(const Report& report) {
  Page page;
  page.title = "Comparison: " + joined(report.sheet.methods);
  const std::string notes = metrics(report);
  page.body = heading(report, page.title, !notes.empty()) + "<main>\n" + scores(report) + subjects(report) +
              training(report) + notes + "<section id=\"made\">\n<h2>How this was made</h2>\n<code class=\"command\">" +
              escape_html(report.command_line) + "</code>\n" + settings_table(report.settings) +
              "</section>\n</main>\n";
  page.data = {{"subjects", report.subjects}, {"ramps", ramps()}};
  page.scripts = {kViewerScript, kReportScript};
  return html_document(page);
}

}  // namespace clade
