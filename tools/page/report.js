// SPDX-License-Identifier: Apache-2.0
// Fills the sections of subjects.
"use strict";

function sideBySide(viewer, views) {
  const figures = views.map(view => viewer.figure(view, view.name));
  const toggles = views.map((view, i) => {
    const button = element("button", {type: "button", "aria-pressed": "true", onclick: () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      figures[i].hidden = !shown;
    }}, view.name);
    return button;
  });
  viewer.controls.append(element("div", {class: "choice", role: "group", "aria-label": "Show"},
                                 element("span", {}, "Show"), ...toggles));
  return element("div", {class: "pictures"}, ...figures);
}

// Two methods in one picture, divided by a line that moves.
function wipe(viewer, views) {
  const select = (title, chosen) => {
    const node = element("select", {"aria-label": title, onchange: () => viewer.redraw()},
                         ...views.map((view, i) => element("option", {value: i}, view.name)));
    node.value = chosen;
    return node;
  };
  const left = select("Method on the left", 0), right = select("Method on the right", Math.min(1, views.length - 1));
  const over = viewer.image(() => views[left.value]);
  over.classList.add("over");
  const handle = element("span", {class: "handle"});
  const slider = element("input", {type: "range", min: 0, max: 100, step: 0.5, value: 50,
                                   "aria-label": "Place of the line between the two methods"});
  const slice = element("div", {class: "slice"}, viewer.image(() => views[right.value]), over, handle);
  viewer.addMarks(slice);
  const draw = () => {
    over.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
    handle.style.left = slider.value + "%";
  };
  slider.addEventListener("input", draw);
  const drag = event => {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = slice.getBoundingClientRect();
    slider.value = 100 * (event.clientX - box.left) / box.width;
    draw();
  };
  slice.addEventListener("pointerdown", event => {
    slice.setPointerCapture(event.pointerId);
    drag(event);
  });
  slice.addEventListener("pointermove", drag);
  draw();
  const names = [element("span", {}), element("span", {})];
  viewer.track(() => [left, right].forEach((side, i) => { names[i].textContent = views[side.value].name; }));
  return element("div", {class: "wipe"},
                 element("div", {class: "controls"}, element("label", {}, "Left ", left),
                         element("label", {}, "Right ", right)),
                 element("figure", {}, element("figcaption", {}, ...names), slice), slider);
}

// Maps in colour, and what the colours mean.
function maps(viewer, views, ramp) {
  const figures = views.map(view => {
    const slice = element("div", {class: "slice"}, viewer.image(() => view));
    viewer.addMarks(slice);
    return element("figure", {class: "map"}, element("figcaption", {}, view.name), slice);
  });
  const legend = element("p", {class: "ramp"}, ramp.low, element("img", {src: ramp.image, alt: "colour scale"}), ramp.high);
  return [legend, element("div", {class: "pictures"}, ...figures)];
}

// To a hundredth of the span, roughly.
function windowText([low, high]) {
  const step = 10 ** Math.floor(Math.log10(high - low) - 2);
  return [low, high].map(v => Number((Math.round(v / step) * step).toPrecision(6)) || 0).join(" to ");
}

const data = JSON.parse(document.getElementById("data").textContent);
data.subjects.forEach((subject, index) => {
  const viewer = new Viewer(subject, subject.name);
  const section = document.getElementById("pictures-" + index);
  const shown = element("p", {class: "print-only"});
  viewer.track(() => { shown.textContent = `${viewer.current.name}, ${viewer.current.slices[viewer.slice]}`; });
  section.append(viewer.controls, shown, sideBySide(viewer, subject.picture));
  section.append(element("p", {class: "quiet"},
    `Intensities ${windowText(subject.window)} from black to white, the same for all; one pixel is ${(1 / subject.planes[0].scale).toPrecision(2)} mm. ` +
    `Click a slice to move the part that is magnified ${MAGNIFICATION} times below.`));
  if (subject.picture.length > 1) section.append(element("h3", {}, "Two in one picture"), wipe(viewer, subject.picture));
  for (const [kind, ramp] of Object.entries(data.ramps)) {
    if (!subject[kind]) continue;
    section.append(element("h3", {}, ramp.title), element("p", {class: "quiet"}, ramp.text),
                   ...maps(viewer, subject[kind], ramp));
  }
});
