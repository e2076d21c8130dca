// Filters, the grid, and moving about. Only the cards on the screen are in the document.

const all = [...document.querySelectorAll('script[type="application/json"]')].map((node, place) => ({
  node, place, kind: node.dataset.kind, task: node.dataset.task, labels: node.dataset.labels ? node.dataset.labels.split("\n") : [],
}));
const grid = document.getElementById("grid"), cards = document.getElementById("cards");
const record = document.getElementById("record"), help = document.getElementById("help");
const inputs = Object.fromEntries(["kind", "task", "label", "text"].map((id) => [id, document.getElementById(id)]));
const GAP = 14, WIDE = 292, HIGH = 312;
let found = all, current = 0, isOpen = false, columns = 1;

const parsed = (entry) => (entry.item ??= JSON.parse(entry.node.textContent));

function words(entry) { // what a search looks through
  return entry.words ??= spoken(parsed(entry).record, entry.labels).toLowerCase();
}

function spoken(r, labels) {
  if (!KINDS.includes(r.kind)) return JSON.stringify(r);
  return [labels.join("\n"), r.error, r.response, ...[r, ...(r.samples ?? [])].flatMap((s) => [s.id, s.scene, s.dataset,
    answerText(s.answer), ...(s.messages ?? []).map((m) => said(m.content))])].filter(Boolean).join("\n");
}

function options(select, values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  select.append(new Option("all", ""));
  for (const [value, n] of [...counts].sort((a, b) => a[0].localeCompare(b[0]))) select.append(new Option(`${value} (${n})`, value));
  select.disabled = counts.size === 0;
}

function filter() {
  const { kind, task, label } = inputs, wanted = inputs.text.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  found = all.filter((entry) => (!kind.value || entry.kind === kind.value) && (!task.value || entry.task === task.value)
    && (!label.value || entry.labels.includes(label.value)) && wanted.every((word) => words(entry).includes(word)));
  current = 0;
  close();
  grid.scrollTop = 0;
  lay();
}

function lay() { // how many cards stand in a row, and how long the list is
  columns = Math.max(1, Math.floor((cards.clientWidth + GAP) / (WIDE + GAP)));
  cards.style.height = `${Math.ceil(found.length / columns) * (HIGH + GAP)}px`;
  cards.replaceChildren();
  paint();
}

function paint() { // put into the document what is on the screen, and a row around it
  const top = Math.floor((grid.scrollTop - 16) / (HIGH + GAP)) - 1, rows = Math.ceil(grid.clientHeight / (HIGH + GAP)) + 2;
  const from = Math.max(0, top * columns), to = Math.min(found.length, (top + rows + 1) * columns);
  for (const held of [...cards.children]) if (held.n < from || held.n >= to) held.remove();
  const there = new Set([...cards.children].map((held) => held.n));
  const width = (cards.clientWidth + GAP) / columns - GAP;
  for (let n = from; n < to; n++) {
    if (there.has(n)) continue;
    const button = card(parsed(found[n]));
    button.addEventListener("click", () => { current = n; open(); });
    const holder = element("li", { style: `left:${(n % columns) * (width + GAP)}px; top:${Math.floor(n / columns) * (HIGH + GAP)}px; width:${width}px; height:${HIGH}px` }, button);
    holder.n = n;
    cards.append(holder);
  }
  for (const held of cards.children) held.firstChild.setAttribute("aria-current", held.n === current);
  if (!found.length) cards.replaceChildren(element("li", { class: "empty", style: "width: 100%" }, "No record fits these filters."));
  const whole = found.length === all.length ? "" : ` of ${all.length.toLocaleString("en")}`;
  document.getElementById("count").textContent = isOpen ? `${current + 1} of ${found.length.toLocaleString("en")}`
    : `${found.length.toLocaleString("en")}${whole} record${all.length === 1 ? "" : "s"}`;
}

function reveal() { // scroll so that the current card is on the screen
  const top = Math.floor(current / columns) * (HIGH + GAP);
  if (top < grid.scrollTop) grid.scrollTop = top;
  else if (top + HIGH + 32 > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + HIGH + 32 - grid.clientHeight;
  paint();
}

function open(replace = isOpen) {
  if (!found.length) return;
  const item = parsed(found[current]), { kind, task, id } = item.record;
  const step = (by, text, label) => {
    const button = element("button", { type: "button", "aria-label": label }, text);
    button.addEventListener("click", () => move(by));
    return button;
  };
  const back = element("button", { type: "button" }, "All records");
  back.addEventListener("click", () => { close(); reveal(); });
  const bar = element("div", { class: "bar" }, back, step(-1, "←", "Previous record"), step(1, "→", "Next record"),
    element("span", { class: "tag" }, task ? `${kind} · ${task}` : kind), element("h2", {}, id));
  record.replaceChildren(bar, opened(item));
  record.scrollTop = 0;
  record.hidden = false;
  grid.hidden = true;
  isOpen = true;
  history[replace ? "replaceState" : "pushState"](null, "", `#${found[current].place + 1}`);
  record.focus({ preventScroll: true });
  arrange(record);
  paint();
}

function close() {
  if (!isOpen) return;
  isOpen = false;
  record.hidden = true;
  record.replaceChildren();
  grid.hidden = false;
  history.replaceState(null, "", location.pathname + location.search);
  grid.focus({ preventScroll: true });
}

function move(by) {
  const next = Math.max(0, Math.min(found.length - 1, current + by));
  if (next === current && isOpen) return;
  current = next;
  if (isOpen) open(); else reveal();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.target.matches("input, select")) {
    if (event.key === "Escape") grid.focus();
    return;
  }
  const screen = Math.max(1, Math.floor(grid.clientHeight / (HIGH + GAP))) * columns;
  const moves = { j: 1, k: -1, ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
  if (!isOpen) Object.assign(moves, { ArrowDown: columns, ArrowUp: -columns, PageDown: screen, PageUp: -screen });
  const does = {
    "?": () => help.showModal(),
    "/": () => inputs.text.focus(),
    b: () => document.body.classList.toggle("no-boxes"),
    l: () => document.body.classList.toggle("no-labels"),
    a: () => document.body.classList.toggle("no-axes"),
    ...(isOpen ? { Escape: () => { close(); reveal(); } } : {}),
    ...(!isOpen && !event.target.matches("button") ? { Enter: () => open() } : {}),
  };
  if (event.key in moves) move(moves[event.key]);
  else if (event.key in does) does[event.key]();
  else return;
  event.preventDefault();
}

function light(event) { // what belongs together lights up together
  const box = event.type === "focusout" || event.type === "mouseout" ? undefined : event.target.closest?.("[data-box]")?.dataset.box;
  for (const lit of record.querySelectorAll(".hot")) lit.classList.remove("hot");
  if (box !== undefined) for (const part of record.querySelectorAll(`[data-box="${box}"]`)) part.classList.add("hot");
}

function visit() { // #17 in the address is the 17th record of the page
  const place = Number(location.hash.slice(1)) - 1, n = found.findIndex((entry) => entry.place === place);
  if (n >= 0) { current = n; open(true); } else { close(); paint(); }
}

options(inputs.kind, all.map((entry) => entry.kind));
options(inputs.task, all.map((entry) => entry.task).filter(Boolean));
options(inputs.label, all.flatMap((entry) => entry.labels));
const filters = document.getElementById("filters");
filters.addEventListener("input", filter);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(filter));
document.getElementById("keys").addEventListener("click", () => help.showModal());
grid.addEventListener("scroll", () => requestAnimationFrame(paint), { passive: true });
for (const type of ["mouseover", "mouseout", "focusin", "focusout"]) record.addEventListener(type, light);
addEventListener("keydown", key);
addEventListener("popstate", visit);
addEventListener("resize", () => { if (isOpen) arrange(record); lay(); });
lay();
if (location.hash) visit();
