// Pictures with boxes on them, and boxes from above. Numbers come ready from Python; nothing is projected here.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children); // strings become text, never markup
  return made;
}

function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const lines = (segments) => segments.map(([a, b, c, d]) => `M${a} ${b}L${c} ${d}`).join("");

function source(key) { // an image of the page, or a file beside it
  const held = document.getElementById(key);
  return held?.type === "image/jpeg" ? `data:image/jpeg;base64,${held.textContent}` : key;
}

/** A picture with its boxes; `item` has their labels and roles. */
function picture(item, shown, alt) {
  const [width, height] = shown.size;
  const frame = element("div", { class: "frame", style: `aspect-ratio: ${width} / ${height}` });
  frame.append(element("img", { src: source(shown.image), alt, decoding: "async", draggable: "false" }));
  if (!shown.drawn?.length) return frame;
  // Pixel centres have integer coordinates, so the picture begins at -0.5.
  const svg = shape("svg", { viewBox: `-0.5 -0.5 ${width} ${height}`, "aria-hidden": "true" });
  for (const drawn of shown.drawn) {
    const box = item.boxes[drawn.box], path = lines(drawn.edges);
    const group = shape("g", { class: `${box.role} ${drawn.faint ? "faint" : ""}`, "data-box": drawn.box });
    group.append(shape("path", { class: "casing", d: path }), shape("path", { class: "edge", d: path }));
    drawn.axes.forEach((axis, i) => group.append(shape("path", { class: `axis ${"xyz"[i]}`, d: lines([axis]) })));
    group.append(shape("path", { class: "hit", d: path }));
    svg.append(group);
  }
  frame.append(svg);
  for (const drawn of [...shown.drawn].reverse()) { // near ones first: they get the room
    const [u, v] = drawn.at;
    frame.append(element("span", {
      class: "name", "data-box": drawn.box, ...(drawn.faint ? { "data-faint": "" } : {}),
      style: `left: ${100 * (u + 0.5) / width}%; top: ${100 * (v + 0.5) / height}%`,
    }, item.boxes[drawn.box].label));
  }
  return frame;
}

/** Hide names that would cover one another, once the pictures have their size; names stay inside the picture. */
function arrange(root) {
  for (const frame of root.querySelectorAll(".frame")) {
    const taken = [], names = [...frame.querySelectorAll(".name")], { clientWidth: width, clientHeight: height } = frame;
    const places = names.map((name) => { // measure all, then write: one layout instead of many
      const w = name.offsetWidth, h = name.offsetHeight;
      const x = Math.max(0, Math.min(parseFloat(name.style.left) / 100 * width, width - w));
      const y = Math.max(0, Math.min(parseFloat(name.style.top) / 100 * height - h, height - h));
      return [x, y, w, h];
    });
    names.forEach((name, i) => {
      const [x, y, w, h] = places[i];
      const crowded = "faint" in name.dataset
        || taken.some(([a, b, c, d]) => x < a + c && a < x + w && y < b + d && b < y + h);
      if (!crowded) taken.push(places[i]);
      name.classList.toggle("crowded", crowded);
      name.style.transform = `translate(${x - parseFloat(name.style.left) / 100 * width}px, ${y - parseFloat(name.style.top) / 100 * height}px)`;
    });
  }
}

/** Boxes and cameras from above, the first camera looking up the page; a line of the grid is a metre (or 5, 10, ...). */
function above(item) {
  const cameras = item.cameras ?? [], points = cameras.map(([x, y]) => [x, y]);
  for (const box of item.boxes ?? []) if (!box.around) points.push(...box.outline); // not the room that it is all in
  if (!points.length) return null;
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  let [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const span = Math.max(x1 - x0, y1 - y0, 1), pad = 0.07 * span;
  [x0, x1, y0, y1] = [x0 - pad, x1 + pad, y0 - pad, y1 + pad];
  const more = (1.25 * (y1 - y0) - (x1 - x0)) / 2; // not higher than it is wide, by a fifth
  if (more > 0) [x0, x1] = [x0 - more, x1 + more];
  const step = [1, 5, 10, 50, 100, 1000].find((s) => span / s <= 14) ?? 10000;
  const svg = shape("svg", { class: "above", viewBox: `${x0} ${-y1} ${x1 - x0} ${y1 - y0}`, role: "img" });
  svg.append(shape("title", {}, `From above: ${item.boxes?.length ?? 0} boxes, ${cameras.length} cameras`));
  let grid = "";
  for (let x = Math.ceil(x0 / step) * step; x <= x1; x += step) grid += `M${x} ${-y0}V${-y1}`;
  for (let y = Math.ceil(y0 / step) * step; y <= y1; y += step) grid += `M${x0} ${-y}H${x1}`;
  svg.append(shape("path", { class: "grid", d: grid }));
  const reach = 0.13 * span, size = 0.026 * span;
  for (const [x, y, dx, dy, half] of cameras) {
    const corner = (angle) => { // at the end of the view, `angle` from its middle
      const c = Math.cos(angle), s = Math.sin(angle), r = reach / Math.max(Math.cos(half), 0.3);
      return `${x + r * (c * dx - s * dy)} ${-(y + r * (s * dx + c * dy))}`;
    };
    svg.append(shape("path", { class: "view", d: `M${x} ${-y}L${corner(half)}L${corner(-half)}Z` }));
  }
  const named = [];
  (item.boxes ?? []).forEach((box, i) => {
    const outline = box.outline.map(([x, y]) => `${x} ${-y}`).join("L");
    const group = shape("g", { class: `${box.role} ${box.around ? "around" : ""}`, "data-box": i });
    group.append(shape("path", { class: "area", d: `M${outline}Z` }, shape("title", {}, box.label)));
    const n = box.outline.length, [u, v] = [0, 1].map((k) => box.outline.reduce((sum, p) => sum + p[k], 0) / n);
    const half = box.label.length * size * 0.27; // where there is room, a name
    if (!named.some(([a, b, c]) => Math.abs(a - u) < half + c && Math.abs(b - v) < 1.2 * size) && !box.around) {
      named.push([u, v, half]);
      group.append(shape("text", { x: u, y: -v, "font-size": size, "stroke-width": size / 4 }, box.label));
    }
    svg.append(group);
  });
  svg.append(shape("text", { class: "metres", x: x0 + 0.01 * span, y: -y0 - 0.025 * span, "font-size": size, "stroke-width": size / 4 }, `grid ${step} m`));
  return svg;
}
