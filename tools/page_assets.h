// SPDX-License-Identifier: Apache-2.0
// The style and the scripts of pages; their texts are the files of tools/page.
#pragma once

namespace clade {

extern const char* const kPageStyle;     ///< page.css
extern const char* const kViewerScript;  ///< viewer.js: slices side by side
extern const char* const kReportScript;  ///< report.js; after the viewer
extern const char* const kReaderScript;  ///< reader.js; after the viewer

}  // namespace clade
