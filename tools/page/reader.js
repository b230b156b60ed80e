// SPDX-License-Identifier: Apache-2.0
// Asks for the rank of every picture, case after case, and saves the answers as a table.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const cases = data.cases;
// ranks[case][picture]: 1, 2, ... or null.
let ranks = cases.map(c => c.picture.map(() => null));
let reader = "";
let shown = 0;

// Answers outlive a closed window where the browser lets pages of this kind store something.
const store = "clade-reader-" + data.study;
try {
  const saved = JSON.parse(localStorage.getItem(store));
  if (saved && saved.ranks.length === ranks.length) ({ranks, reader} = saved);
} catch (error) { /* then they do not */ }
function keep() {
  try { localStorage.setItem(store, JSON.stringify({ranks, reader})); } catch (error) { /* as above */ }
}

const complete = index => ranks[index].every(rank => rank !== null);

function csv() {
  const cell = text => /[",\r\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  const lines = [["study", "reader", "case", "picture", "rank"]];
  cases.forEach((c, i) => c.picture.forEach((view, j) =>
    lines.push([data.study, reader, String(i + 1), view.name, ranks[i][j] === null ? "" : String(ranks[i][j])])));
  return lines.map(line => line.map(cell).join(",") + "\n").join("");
}

function save() {
  const link = element("a", {href: URL.createObjectURL(new Blob([csv()], {type: "text/csv"})),
                             download: `answers-${reader.replace(/[^A-Za-z0-9_-]+/g, "_")}.csv`});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const name = element("input", {type: "text", id: "reader", autocomplete: "off", oninput: () => {
  reader = name.value.trim();
  keep();
  drawState();
}});
name.value = reader;
const state = element("p", {role: "status"});
const overview = element("div", {class: "choice", role: "group", "aria-label": "Case"});
const saveButton = element("button", {type: "button", id: "save", onclick: save}, "Save answers");
const place = element("section", {});

function drawState() {
  const missing = cases.map((c, i) => i).filter(i => !complete(i)).map(i => i + 1);
  state.className = missing.length || !reader ? "missing" : "done";
  state.textContent = !reader ? "Enter your reader name or number." :
    missing.length ? `Still to rank: case ${missing.join(", ")}.` : "All cases are ranked: save the answers.";
  saveButton.disabled = missing.length > 0 || !reader;
  overview.replaceChildren(element("span", {}, "Case"), ...cases.map((c, i) =>
    element("button", {type: "button", "aria-pressed": String(i === shown), onclick: () => show(i)},
            complete(i) ? `${i + 1} \u2713` : String(i + 1))));
}

function rankButtons(index, picture) {
  const numbers = cases[index].picture.map((view, i) => String(i + 1));
  const chosen = ranks[index][picture] === null ? -1 : ranks[index][picture] - 1;
  return element("div", {class: "rank"}, choice("Rank of " + cases[index].picture[picture].name, numbers, chosen, rank => {
    ranks[index][picture] = rank + 1;
    keep();
    drawState();
  }).node);
}

function show(index) {
  shown = index;
  const viewer = new Viewer(cases[index], `case ${index + 1}`);
  const figures = cases[index].picture.map((view, picture) => {
    const figure = viewer.figure(view, view.name);
    figure.append(rankButtons(index, picture));
    return figure;
  });
  const step = (title, to) => {
    const button = element("button", {type: "button", onclick: () => show(to)}, title);
    button.disabled = to < 0 || to >= cases.length;
    return button;
  };
  place.replaceChildren(element("h2", {}, `Case ${index + 1} of ${cases.length}`), element("p", {}, data.question),
                        viewer.controls, element("div", {class: "pictures"}, ...figures),
                        element("div", {class: "controls"}, step("Previous case", index - 1), step("Next case", index + 1)));
  drawState();
}

document.getElementById("study").append(
  element("p", {}, "The pictures of a case are of the same slices; letters mean nothing from case to case. " +
                   `Click a slice to move the part that is magnified ${MAGNIFICATION} times below it.`),
  element("div", {class: "controls"}, element("label", {for: "reader"}, "Reader "), name, overview, saveButton), state, place);
show(0);
