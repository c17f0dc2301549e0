// The workbench: each change of a control asks for the picture, shows it with its cost and its code, and becomes a part
// of the address of the page.
import { SILENT, announce, bytes, debounce, fillRange, milliseconds, render } from "./common.js";

const by = (id) => document.getElementById(id);
const form = by("workbench");
const photo = form.elements.photo;
const controls = [...form.querySelectorAll("[data-option]")];
const compare = by("compare");
let asking; // the request that is under way
let asked; // its query, or that of the last one

// Values of controls

const nameOf = (control) => control.dataset.option;
const fieldOf = (control) => control.querySelector(`[name="${nameOf(control)}"]:not([type=hidden])`);
const partsOf = (control) => [...control.querySelectorAll(`[name^="${nameOf(control)}."]`)];

function joined(parts) {
  const values = parts.map((part) => part.value.trim());
  const lacksFirst = !parts[0].dataset.fallback && !values[0];
  if (!values.some(Boolean) || lacksFirst) return "";
  return values.map((value, index) => value || parts[index].dataset.fallback).join(",");
}

/** Return the value of a control, empty if its option is not given. */
function valueOf(control) {
  switch (control.dataset.kind) {
    case "switch": {
      const { checked } = fieldOf(control);
      return checked === "on" in control.dataset ? "" : checked ? "1" : "0";
    }
    case "segments":
      return control.querySelector("input:checked")?.value ?? "";
    case "several":
      return [...control.querySelectorAll("input:checked")].map((box) => box.value).join(",");
    case "parts":
      return joined(partsOf(control));
    default:
      return fieldOf(control).value.trim();
  }
}

/** Let a control show *text*, empty if its option is not given. */
function show(control, text) {
  switch (control.dataset.kind) {
    case "switch":
      fieldOf(control).checked = text === "" ? "on" in control.dataset : text !== "0";
      break;
    case "segments":
      for (const radio of control.querySelectorAll("input")) radio.checked = radio.value === text;
      if (!control.querySelector("input:checked")) control.querySelector("input").checked = true;
      break;
    case "several":
      for (const box of control.querySelectorAll("input")) box.checked = text.split(",").includes(box.value);
      break;
    case "parts": {
      const parts = partsOf(control);
      let values = text ? text.split(",") : [];
      if (nameOf(control) === "padding" && values.length === 1) values = Array(4).fill(values[0]);
      parts.forEach((part, index) => setField(part, values[index] ?? ""));
      break;
    }
    default:
      setField(fieldOf(control), text);
  }
}

function setField(field, text) {
  if (field.tagName === "SELECT" && text && ![...field.options].some((option) => option.value === text)) {
    field.add(new Option(text, text));
  }
  field.value = text;
  follow(field);
}

/** Let the slider or the palette beside a field show the same value. */
function follow(field) {
  const companion = field.id && form.querySelector(`[data-for="${field.id}"]`);
  if (!companion) return;
  if (companion.type === "range") {
    companion.value = field.value.trim() === "" ? field.dataset.start : field.value;
    fillRange(companion);
  } else if (/^#[0-9a-f]{6}$/i.test(field.value)) {
    companion.value = field.value;
  }
}

/** Return all that the address of the page holds. */
function collect() {
  const parameters = new URLSearchParams({ photo: photo.value });
  for (const control of controls) {
    const value = valueOf(control);
    if (value !== "") parameters.set(nameOf(control), value);
  }
  return parameters;
}

function fill(parameters) {
  if (parameters.has("photo")) photo.value = parameters.get("photo");
  for (const control of controls) show(control, parameters.get(nameOf(control)) ?? "");
}

/** Mark the controls that are given, count them in their groups, and mark the photograph. */
function mark() {
  for (const control of controls) {
    const given = valueOf(control) !== "";
    control.classList.toggle("given", given);
    control.querySelector(".reset").hidden = !given;
  }
  for (const group of form.querySelectorAll(".group")) {
    const count = group.querySelectorAll(".control.given").length;
    group.querySelector(".set").textContent = count || "";
  }
  for (const link of form.querySelectorAll("[data-photo]")) {
    if (link.dataset.photo === photo.value) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  const now = collect().toString();
  for (const chip of form.querySelectorAll("[data-preset]")) {
    const same = sorted(withPhoto(chip)) === sorted(new URLSearchParams(now));
    if (same) chip.setAttribute("aria-current", "true");
    else chip.removeAttribute("aria-current");
  }
}

function sorted(parameters) {
  parameters.sort();
  return parameters.toString();
}

// The picture

/** Ask for the picture of the controls, and show what comes. With *commit*, it becomes an entry of the history. */
async function update({ commit = false, fresh = false } = {}) {
  soon.cancel();
  mark();
  const parameters = collect();
  const address = `?${parameters}`;
  if (commit && address !== location.search) history.pushState(null, "", address);
  if (address === asked && !fresh) return;
  asked = address;
  asking?.abort();
  asking = new AbortController();
  by("stage").setAttribute("aria-busy", "true");
  try {
    const shown = await render(parameters, { fresh, signal: asking.signal });
    await present(shown, asking.signal);
    by("stage").setAttribute("aria-busy", "false");
    by("stage").dataset.shown = address;
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

const soon = debounce(() => update(), 90);

async function present(shown, signal) {
  tellProblem(shown);
  if ("jinja" in shown) presentCode(shown);
  else asked = undefined; // so that the same can be tried again
  if (shown.problem) {
    for (const fact of form.querySelectorAll(".facts dd span")) fact.textContent = "–";
    for (const note of form.querySelectorAll(".facts dd small")) note.textContent = "";
    compare.hidden = true;
    by("download").hidden = true;
    return;
  }
  presentCost(shown);
  const picture = new Image();
  picture.src = shown.url;
  await picture.decode().catch(() => {});
  if (signal.aborted) return;
  lay(by("picture"), shown.url, shown);
  by("picture").alt = shown.alt;
  by("tag-result").textContent = shown.format;
  compare.style.setProperty("--wide", `${shown.width}px`);
  compare.style.setProperty("--ratio", shown.width / shown.height);
  compare.hidden = false;
  announce(`${shown.width} by ${shown.height} pixels, ${bytes(shown.bytes)}, ${shown.format}`);
  await presentBefore(shown, signal);
}

function lay(image, url, { width, height }) {
  image.src = url;
  image.width = width;
  image.height = height;
}

/** Lay the original over the picture, once it is there. */
async function presentBefore(shown, signal) {
  const before = by("before");
  if (before.getAttribute("src") === shown.before) return;
  compare.classList.remove("ready");
  const picture = new Image();
  picture.src = shown.before;
  await picture.decode().catch(() => {});
  if (signal?.aborted || !picture.naturalWidth) return;
  lay(before, shown.before, shown);
  compare.classList.add("ready");
}

function presentCost(shown) {
  by("download").href = shown.download;
  by("download").hidden = false;
  const facts = {
    size: `${shown.width} × ${shown.height}`,
    bytes: bytes(shown.bytes),
    format: shown.format,
    time: milliseconds(shown.ms),
    cache: shown.cached ? "hit" : "miss",
    engine: shown.engine_name,
    "own-size": shown.own_size,
    share: shown.share,
    saving: shown.saving,
    "own-format": shown.own_format,
    render: shown.time_note,
    "cache-note": shown.cache_note,
  };
  for (const [name, text] of Object.entries(facts)) by(`f-${name}`).textContent = text;
}

const CODES = { "code-jinja": "jinja", "code-url-for": "url_for", "code-url": "absolute_url", "code-html": "tag" };

function presentCode(shown) {
  for (const [id, name] of Object.entries(CODES)) highlight(by(id), shown[name]);
}

/** Show *code* with strings and the names of options in colours. */
function highlight(element, code) {
  const pattern = /('(?:[^'\\]|\\.)*'|"[^"]*")|([a-z_-]+)(?==)|\b(\d[\d.]*|True|False)\b/gi;
  const pieces = [];
  let end = 0;
  for (const match of code.matchAll(pattern)) {
    const [text, string, name] = match;
    const piece = document.createElement("span");
    piece.className = string ? "string" : name ? "name" : "value";
    piece.textContent = text;
    pieces.push(code.slice(end, match.index), piece);
    end = match.index + text.length;
  }
  element.replaceChildren(...pieces, code.slice(end));
}

/** Say what is wrong: in place of the picture, and beside the control that is the reason. */
function tellProblem({ problem, option }) {
  by("problem").hidden = !problem;
  by("problem").textContent = problem;
  for (const control of controls) {
    const wrong = Boolean(problem) && nameOf(control) === option;
    const line = by(`e-${nameOf(control)}`);
    line.hidden = !wrong;
    line.textContent = wrong ? problem : "";
    for (const field of control.querySelectorAll("[aria-describedby]")) {
      if (wrong) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
    if (wrong) control.closest("details").open = true;
  }
}

// What a visitor does

const isOption = (field) => Boolean(field.closest("[data-option]"));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  update({ commit: true });
});
form.addEventListener("input", (event) => {
  const { target } = event;
  if (!isOption(target)) return;
  if (target.dataset.for) by(target.dataset.for).value = target.value;
  else follow(target);
  soon();
});
form.addEventListener("change", (event) => {
  if (isOption(event.target)) update({ commit: true });
});
form.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest("[data-photo], [data-preset]");
  const reset = event.target.closest("[data-reset]");
  if (link) {
    event.preventDefault();
    by("upload-problem").hidden = true;
    if (link.dataset.photo) photo.value = link.dataset.photo;
    else fill(withPhoto(link));
    update({ commit: true });
  } else if (reset) {
    const control = reset.closest("[data-option]");
    show(control, "");
    control.querySelector("input:not([type=hidden]), select, textarea").focus();
    update({ commit: true });
  }
});
by("again").addEventListener("click", () => update({ fresh: true }));
addEventListener("popstate", () => {
  fill(new URLSearchParams(location.search || form.dataset.first));
  update();
});

/** Return the options of a preset, with the photograph that is shown. */
function withPhoto(link) {
  const parameters = new URLSearchParams(new URL(link.href).search);
  parameters.set("photo", photo.value);
  return parameters;
}

// A call or a URL sets the controls.

/** Let the server read what was pasted, and set the controls by it, or say why it cannot be read. */
async function readPasted() {
  const query = new URLSearchParams({ pasted: pasted.value, photo: photo.value });
  const answer = pasted.value.trim() ? await requestRead(query) : { problem: "", note: "" };
  for (const [id, text] of [["e-pasted", answer.problem], ["pasted-note", answer.note]]) {
    by(id).textContent = text;
    by(id).hidden = !text;
  }
  if (answer.problem) pasted.setAttribute("aria-invalid", "true");
  else pasted.removeAttribute("aria-invalid");
  if (!answer.query) return;
  fill(new URLSearchParams(answer.query));
  for (const control of controls) if (valueOf(control) !== "") control.closest("details").open = true;
  await update({ commit: true });
}

async function requestRead(query) {
  try {
    return await (await fetch(`${by("paste").dataset.read}?${query}`)).json();
  } catch {
    return { problem: SILENT, note: "" };
  }
}

const pasted = by("pasted");
by("paste").addEventListener("submit", (event) => {
  event.preventDefault();
  readPasted();
});
pasted.addEventListener("paste", () => setTimeout(readPasted)); // once the text is in the field
pasted.addEventListener("input", () => {
  if (!pasted.value) readPasted();
});

// Show only the options that a visitor looks for. Groups are opened meanwhile.
const wereOpen = new Map();
by("find").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  let found = 0;
  for (const control of controls) {
    const texts = `${nameOf(control)} ${control.querySelector(".head").textContent}`;
    control.hidden = !texts.toLowerCase().includes(wanted);
    found += !control.hidden;
  }
  for (const group of form.querySelectorAll(".group")) {
    if (!wereOpen.has(group)) wereOpen.set(group, group.open);
    group.hidden = !group.querySelector(".control:not([hidden])");
    group.open = wanted ? true : wereOpen.get(group);
  }
  if (!wanted) wereOpen.clear();
  by("found-nothing").hidden = found > 0;
});
by("find").addEventListener("keydown", (event) => {
  if (event.key === "Enter") event.preventDefault();
});

form.querySelector(".zoom").addEventListener("change", ({ target }) => {
  const stage = by("stage");
  stage.dataset.zoom = target.dataset.zoom;
  stage.scrollTo((stage.scrollWidth - stage.clientWidth) / 2, (stage.scrollHeight - stage.clientHeight) / 2);
});

// Pictures of one's own

let dragged = 0; // how many elements the pointer has entered with a file, less those that it has left
const isFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

addEventListener("dragenter", (event) => {
  if (!isFile(event)) return;
  dragged += 1;
  by("dropping").hidden = false;
});
addEventListener("dragleave", (event) => {
  if (isFile(event) && (dragged -= 1) <= 0) by("dropping").hidden = true;
});
addEventListener("dragover", (event) => {
  if (isFile(event)) event.preventDefault();
});
addEventListener("drop", (event) => {
  if (!isFile(event)) return;
  event.preventDefault();
  dragged = 0;
  by("dropping").hidden = true;
  take(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  const file = event.clipboardData?.files[0];
  if (file) take(file);
});
by("file").addEventListener("change", (event) => {
  take(event.target.files[0]);
  event.target.value = "";
});

/** Send *file*, and show it, or say what is wrong with it. */
async function take(file) {
  if (!file) return;
  const problem = by("upload-problem");
  problem.hidden = true;
  announce(`Uploading ${file.name}`);
  by("stage").setAttribute("aria-busy", "true");
  const answer = await upload(file);
  by("stage").setAttribute("aria-busy", "false");
  if (answer.problem) {
    problem.textContent = `${file.name}: ${answer.problem}`;
    problem.hidden = false;
    return;
  }
  addThumbnail(answer, file.name);
  photo.value = answer.photo;
  await update({ commit: true });
}

async function upload(file) {
  const most = Number(form.dataset.maxBytes);
  if (file.size > most) return { problem: form.dataset.tooLarge }; // the server would say the same after all bytes
  const body = new FormData();
  body.set("photo", file);
  try {
    const response = await fetch(form.dataset.upload, { method: "POST", body, headers: { Accept: "application/json" } });
    return await response.json();
  } catch {
    return { problem: SILENT };
  }
}

function addThumbnail({ photo: path, thumbnail, page }, name) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  const image = new Image(144, 144);
  link.href = page;
  link.dataset.photo = path;
  image.src = thumbnail;
  image.alt = `Your picture ${name}`;
  link.append(image);
  item.className = "mine";
  item.append(link);
  form.querySelector(".own").after(item);
  // The server has removed the oldest ones.
  for (const old of [...form.querySelectorAll(".mine")].slice(form.dataset.mostKept)) old.remove();
}

const first = `?${collect()}`;
asked = by("stage").dataset.shown = first;
for (const id of Object.keys(CODES)) highlight(by(id), by(id).textContent);
mark();
// The original comes after all else, so that it does not delay the picture.
const compareFirst = () => {
  const { width, height } = by("picture");
  if (asked === first && !compare.hidden) presentBefore({ before: by("before").dataset.src, width, height });
};
if (document.readyState === "complete") compareFirst();
else addEventListener("load", compareFirst);
