// SPDX-License-Identifier: Apache-2.0
// Slices of one subject side by side, with a magnified part at the same place of all.
"use strict";

const MAGNIFICATION = 3;
const BAR_MM = 20;
// What is where in an upright slice: left, right, top, bottom.
const SIDES = {sagittal: "APSI", coronal: "RLSI", axial: "RLAP"};

function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// A row of buttons of which one is pressed; returns {node, choose(index)}.
function choice(title, names, chosen, onchoose) {
  const buttons = names.map((name, index) => element("button", {type: "button", onclick: () => choose(index)}, name));
  const mark = index => buttons.forEach((b, i) => b.setAttribute("aria-pressed", String(i === index)));
  function choose(index) {
    mark(index);
    onchoose(index);
  }
  mark(chosen);
  return {node: element("div", {class: "choice", role: "group", "aria-label": title}, element("span", {}, title), ...buttons),
          choose};
}

class Viewer {
  // `subject` as report_pictures.h describes it; `name` for the texts of pictures.
  constructor(subject, name) {
    this.subject = subject;
    this.name = name;
    this.insets = subject.planes.map(plane => plane.inset.slice());
    this.redraws = [];
    this.place = element("span", {class: "choice"});
    this.controls = element("div", {class: "controls"});
    const planes = choice("Plane", subject.planes.map(p => p.name + (p.kind ? ` (${p.kind})` : "")), 0,
                          index => this.showPlane(index));
    this.controls.append(planes.node, this.place);
    this.showPlane(0);
  }

  showPlane(index) {
    this.plane = index;
    const slices = this.current.slices;
    this.slice = Math.floor(slices.length / 2);
    this.place.replaceChildren(choice("Slice", slices, this.slice, slice => {
      this.slice = slice;
      this.redraw();
    }).node);
    this.redraw();
  }

  get current() { return this.subject.planes[this.plane]; }

  redraw() { for (const draw of this.redraws) draw(); }

  // Calls `draw` now and whenever plane, slice or magnified place change.
  track(draw) {
    this.redraws.push(draw);
    draw();
  }

  // An <img> that always shows the slice of `view()`, one of the subject's views.
  image(view) {
    const image = element("img", {draggable: "false"});
    this.track(() => {
      const source = view().images[this.plane][this.slice];
      if (image.getAttribute("src") !== source) image.src = source;
      image.alt = [this.name, view().name, this.current.name, this.current.slices[this.slice]].filter(Boolean).join(", ");
      image.style.aspectRatio = `${this.current.width} / ${this.current.height}`;
    });
    return image;
  }

  // Letters of the sides and a bar of 20 mm over a slice.
  addMarks(slice) {
    const sides = ["left", "right", "top", "bottom"].map(side => element("span", {class: "side " + side, "aria-hidden": "true"}));
    const bar = element("span", {class: "bar", "aria-hidden": "true"}, element("span", {}, BAR_MM / 10 + " cm"));
    slice.append(...sides, bar);
    this.track(() => {
      sides.forEach((side, i) => { side.textContent = SIDES[this.current.name][i]; });
      bar.style.width = 100 * BAR_MM * this.current.scale / this.current.width + "%";
    });
  }

  moveInset(x, y) {
    const within = (value, half) => half >= 0.5 ? 0.5 : Math.min(1 - half, Math.max(half, value));
    const aspect = this.current.height / this.current.width;
    this.insets[this.plane] = [within(x, 0.5 / MAGNIFICATION), within(y, 0.25 / MAGNIFICATION / aspect)];
    this.redraw();
  }

  // A slice whose frame shows the magnified part; a click or the arrow keys move it in all pictures.
  sliceWithFrame(view) {
    const frame = element("span", {class: "frame"});
    const slice = element("div", {
      class: "slice", tabindex: "0", role: "group",
      "aria-label": "Slice; arrow keys move the magnified part",
      onclick: event => {
        const box = slice.getBoundingClientRect();
        this.moveInset((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
      },
      onkeydown: event => {
        const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
        if (!step) return;
        event.preventDefault();
        const [x, y] = this.insets[this.plane];
        this.moveInset(x + 0.02 * step[0], y + 0.02 * step[1]);
      }
    }, this.image(view), frame);
    this.addMarks(slice);
    this.track(() => {
      const aspect = this.current.height / this.current.width;
      const width = 100 / MAGNIFICATION, height = Math.min(100, 50 / MAGNIFICATION / aspect);
      const [x, y] = this.insets[this.plane];
      Object.assign(frame.style, {left: 100 * x - width / 2 + "%", top: 100 * y - height / 2 + "%",
                                  width: width + "%", height: height + "%"});
    });
    return slice;
  }

  inset(view) {
    const image = this.image(view);
    this.track(() => {
      // Percentages of top refer to the height of the box, half of its width.
      const height = 2 * MAGNIFICATION * this.current.height / this.current.width;
      const [x, y] = this.insets[this.plane];
      Object.assign(image.style, {width: 100 * MAGNIFICATION + "%", left: 50 - 100 * MAGNIFICATION * x + "%",
                                  top: 50 - 100 * height * y + "%"});
    });
    return element("div", {class: "inset"}, image);
  }

  // One figure: caption, slice, magnified part.
  figure(view, caption) {
    return element("figure", {}, element("figcaption", {}, caption), this.sliceWithFrame(() => view),
                   this.inset(() => view));
  }
}
