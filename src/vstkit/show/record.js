// One record, opened: what it says, beside its pictures. What Python did not check is shown as JSON only.

const KINDS = ["scene", "sample", "prediction", "score", "pack", "reject"];
const asked = (record) => Array.isArray(record.meta?.labels) ? record.meta.labels.join(", ") : "";

const number = (value, digits = 2) => typeof value === "number" ? value.toFixed(digits).replace(/^-(?=[0.]*$)/, "") : "";
const said = (content) => typeof content === "string" ? content
  : content.map((part) => part.text ?? `[${part.type}]`).join("\n").replace(/(\[image\]\n?)+/g, (run) =>
    `[${run.match(/image/g).length > 1 ? `${run.match(/image/g).length} images` : "image"}]\n`);

function answerText(answer) {
  if (!answer) return "";
  if (Array.isArray(answer)) return answer.map(answerText).join("; ");
  if (answer.type === "choice") return `${answer.value}: ${answer.options[answer.value]}`;
  if (answer.type === "number") return `${answer.value} ${answer.unit}`;
  if (answer.type === "boxes3d") return `${answer.value.length} box${answer.value.length === 1 ? "" : "es"}`;
  return Array.isArray(answer.value) ? answer.value.join(", ") : String(answer.value);
}

function table(head, rows, numeric = []) {
  const cell = (tag) => (value, i) => element(tag, numeric.includes(i) ? { class: "n" } : {}, value);
  const body = element("tbody");
  for (const { cells, ...attributes } of rows) body.append(element("tr", attributes, ...cells.map(cell("td"))));
  return element("div", { class: "scroll" },
    element("table", {}, element("thead", {}, element("tr", {}, ...head.map(cell("th")))), body));
}

function facts(pairs) {
  const list = element("dl", { class: "facts" });
  for (const [name, value] of pairs) {
    if (value === undefined || value === "") continue;
    list.append(element("dt", {}, name), element("dd", {}, typeof value === "string" ? value : JSON.stringify(value)));
  }
  return list;
}

function boxTable(item) {
  const scored = item.boxes.some((box) => "iou" in box), roles = item.boxes.some((box) => box.role);
  const head = [...(roles ? ["", "label"] : ["label"]), "x", "y", "z", "size", "", "", "pitch", "yaw", "roll"];
  const first = roles ? 2 : 1, rows = item.boxes.map((box, i) => {
    const cells = [...(roles ? [box.role, box.label] : [box.label]), ...box.box3d.map((v, k) => number(v, k < 6 ? 2 : 0))];
    if (scored) cells.push("iou" in box ? number(box.iou) : "");
    return { cells, class: box.role, "data-box": i, tabindex: "0" };
  });
  return table(scored ? [...head, "IoU"] : head, rows, [...Array(10).keys()].map((k) => k + first));
}

function scoreTable(scores, most = Infinity) {
  const rows = scores.slice(0, most).map((score) => {
    const group = Object.entries(score.group ?? {}).map(([k, v]) => `${k} ${v}`).join(", ");
    const meter = element("span", { class: "meter", style: `width: ${Math.max(0, Math.min(1, score.value)) * 5}em` });
    return { cells: [score.metric, group, number(100 * score.value), meter, String(score.n)] };
  });
  return table(["metric", "of", "percent", "", "n"], rows, [2, 4]);
}

function packTable(pack, most = Infinity) {
  const rows = pack.samples.slice(0, most).map((sample) => {
    const turn = sample.messages.find((m) => m.role === "user");
    const text = turn ? said(turn.content).replace("[image]\n", "") : "";
    return { cells: [sample.id, sample.task ?? "", text.length > 90 ? `… ${text.slice(-90)}` : text, answerText(sample.answer)] };
  });
  return table(["sample", "task", "question", "answer"], rows);
}

function measured(record) { // what the values of an answer were, by option where there are options
  const { values, objects, near = [], unit = "" } = record.meta ?? {};
  if (!Array.isArray(values) || !Array.isArray(objects) || values.length !== objects.length) return null;
  const options = Object.entries(record.answer?.options ?? {});
  const rows = values.map((value, i) => ({
    cells: [options[i] ? `${options[i][0]}: ${options[i][1]}` : "", objects[i], `${number(value, 3)} ${unit}`, near[i] === undefined ? "" : `${number(near[i], 3)} ${unit}`],
    ...(options[i]?.[0] === record.answer?.value ? { class: "true" } : {}),
  }));
  return table(["option", "object", "value", "near"], rows, [2, 3]);
}

function conversation(record) {
  const parts = (record.messages ?? []).map((message) => {
    const text = said(message.content);
    return element("div", { class: `turn ${message.role} ${text.length > 900 ? "long" : ""}` },
      element("span", { class: "who" }, message.role), text);
  });
  if ("response" in record) {
    parts.push(element("div", { class: "turn model" }, element("span", { class: "who" }, "the model's response"), record.response));
  }
  return parts;
}

function verdict(item) { // how well predicted boxes agree with true ones
  const predicted = item.boxes.filter((b) => b.role === "predicted"), truth = item.boxes.length - predicted.length;
  const good = (t) => predicted.filter((b) => b.iou >= t).length;
  const mean = truth ? predicted.reduce((sum, b) => sum + (b.iou ?? 0), 0) / truth : 0;
  return facts([["boxes", `${truth} true, ${predicted.length} predicted`], ["mean IoU of the true ones", number(mean)],
    ["right at IoU .25 and .50", `${good(0.25)} and ${good(0.5)} of ${truth}`]]);
}

/** Everything there is to see of a record. */
function opened(item) {
  const record = item.record;
  if (!KINDS.includes(record.kind)) return element("pre", {}, JSON.stringify(record, null, 1));
  const side = [], shots = element("div", { class: "pictures" });
  for (const shown of item.pictures ?? []) {
    const role = shown.title.split(":")[0];
    shots.append(element("figure", { class: role }, element("figcaption", {}, shown.title), picture(item, shown, `${record.id}, ${shown.title}`)));
  }
  const add = (title, ...parts) => side.push(...(title ? [element("h3", {}, title)] : []), ...parts.filter(Boolean));
  if (record.kind === "score") add("", scoreTable(record.scores));
  if (record.kind === "pack") add("", facts([["tokens", String(record.length)], ["to learn", String(record.targets)], ["samples", String(record.samples.length)], ["model", record.model]]), packTable(record));
  if (record.kind === "reject") add("", facts([["where", `${record.file}:${record.line}`], ["fault", record.error]]));
  if (record.kind === "prediction" && item.boxes?.some((b) => "iou" in b)) add("Agreement", verdict(item));
  if (item.boxes?.length) add("From above", above(item));
  if (record.messages && asked(record)) add("Asked for", asked(record));
  if (record.messages) add("Conversation", ...conversation(record));
  if (record.answer) add("Answer", element("span", { class: "answer" }, answerText(record.answer)));
  const values = measured(record);
  if (values) add("Measured", values);
  const left = element("div", {}, shots);
  if (item.boxes?.length) {
    const head = element("h3", {}, `Boxes, in ${record.kind === "scene" ? "world" : "camera"} axes (m, degrees)`);
    if (record.kind === "scene") side.push(head, boxTable(item)); else left.append(head, boxTable(item));
  }
  const { scene, dataset, family, split, license, up, metric, meta = {} } = record;
  const known = facts([["scene", scene], ["dataset", dataset], ["family", family], ["split", split], ["license", license], ["up", up], ["metric", metric === false ? "only up to scale" : ""],
    ...Object.entries(meta).filter(([name]) => !["values", "near", "objects"].includes(name) || !values)]);
  if (known.children.length) add("Facts", known);
  const raw = element("details", {}, element("summary", {}, "The record as JSON"));
  raw.addEventListener("toggle", () => {
    if (raw.open && raw.children.length === 1) raw.append(element("pre", {}, JSON.stringify(record.scores ?? record, null, 1)));
  });
  const body = element("div", { class: `columns ${shots.children.length ? "" : "bare"}` });
  if (shots.children.length) body.append(left);
  body.append(element("section", { "aria-label": "What it says" }, ...side, raw));
  return body;
}

/** A record as a card of the grid. */
function card(item) {
  const record = item.record, shot = element("div", { class: "shot" }), text = element("div", { class: "text" });
  const shown = item.pictures?.find((p) => p.title.startsWith("predicted")) ?? item.pictures?.[0];
  if (shown) {
    const frame = picture(item, shown, "");
    frame.style.width = `min(100%, ${Math.round(196 * shown.size[0] / shown.size[1])}px)`;
    shot.append(frame);
  } else if (record.kind === "score") shot.append(scoreTable(record.scores, 7));
  else if (record.kind === "pack") shot.append(packTable(record, 6));
  else shot.append(element("pre", {}, record.error ?? JSON.stringify(record).slice(0, 300)));
  if (!KINDS.includes(record.kind)) {
    text.append(element("div", { class: "line" }, element("span", { class: "tag" }, record.kind), element("span", { class: "id" }, record.id)));
    return element("button", { class: "card", type: "button" }, shot, text);
  }
  const more = (item.pictures?.length ?? 0) - 1;
  text.append(element("div", { class: "line" }, element("span", { class: "tag" }, record.task ? `${record.kind} · ${record.task}` : record.kind),
    ...(more > 0 ? [element("span", { class: "tag" }, `+${more}`)] : []), element("span", { class: "id" }, record.id)));
  const turn = record.messages?.find((m) => m.role === "user");
  if (turn) {
    const question = said(turn.content).replace(/^\[.*?\]\n/, "");
    text.append(element("p", {}, asked(record) ? `Detect: ${asked(record)}` : question));
  }
  if (record.kind === "scene") text.append(element("p", {}, `${record.views.length} views, ${record.objects?.length ?? 0} objects`));
  if (record.answer) text.append(element("p", { class: "answer" }, answerText(record.answer)));
  if (record.response !== undefined && !item.boxes?.length) text.append(element("p", { class: "response" }, record.response));
  return element("button", { class: "card", type: "button" }, shot, text);
}
