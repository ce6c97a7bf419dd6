/* A moment of a figure under the pointer, and a part of it enlarged. The page reads without. */
for (const figure of document.querySelectorAll("svg[data-lines]")) {
  const panels = JSON.parse(figure.dataset.lines), whole = figure.getAttribute("viewBox");
  const [, , width, height] = whole.split(" ").map(Number);
  const told = document.createElement("p");
  told.className = "told";
  told.setAttribute("aria-hidden", "true");
  figure.after(told);
  const make = (name) => figure.appendChild(document.createElementNS(figure.namespaceURI, name));
  const rule = make("line"), frame = make("rect");
  rule.setAttribute("class", "rule");
  frame.setAttribute("class", "frame");
  let from = null;
  const at = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY);
    return point.matrixTransform(figure.getScreenCTM().inverse());
  };
  const near = (panel, x) => {
    const share = (x - panel.left * width) / ((panel.right - panel.left) * width);
    const wanted = panel.from + share * (panel.to - panel.from);
    let best = 0;
    panel.x.forEach((value, index) => {
      if (Math.abs(value - wanted) < Math.abs(panel.x[best] - wanted)) best = index;
    });
    return best;
  };
  const shown = (value) => value === null ? "-" :
    value.toLocaleString("en", { maximumSignificantDigits: 4 });
  figure.addEventListener("pointermove", (event) => {
    const { x, y } = at(event);
    if (from) {
      frame.setAttribute("x", Math.min(from.x, x));
      frame.setAttribute("width", Math.abs(x - from.x));
      frame.setAttribute("y", 0);
      frame.setAttribute("height", height);
    }
    const panel = panels.find((one) => y / height >= one.top && y / height <= one.bottom) || panels[0];
    if (x < panel.left * width || x > panel.right * width) return;
    const index = near(panel, x);
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", 0], ["y2", height]])
      rule.setAttribute(name, value);
    const seconds = Math.round(panel.x[index] * 60);
    const clock = Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0");
    told.textContent = clock + " · " +
      panel.lines.map((line) => line.name + " " + shown(line.y[index])).join(" · ");
  });
  figure.addEventListener("pointerdown", (event) => { from = at(event); });
  figure.addEventListener("pointerup", (event) => {
    const to = at(event), wide = Math.abs(to.x - from.x);
    if (wide > width / 50) {
      const high = wide * height / width, middle = (from.y + to.y) / 2;
      const top = Math.max(0, Math.min(height - high, middle - high / 2));
      figure.setAttribute("viewBox", [Math.min(from.x, to.x), top, wide, high].join(" "));
    }
    from = null;
    frame.setAttribute("width", 0);
  });
  figure.addEventListener("dblclick", () => figure.setAttribute("viewBox", whole));
}
