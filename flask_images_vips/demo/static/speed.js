// The page /speed: the browser sends the requests itself, and draws what the server says of each (Server-Timing).
import { SILENT, milliseconds } from "./common.js";

const page = document.getElementById("speed");
const form = document.getElementById("choice");
const button = form.querySelector("button");
const problem = document.getElementById("problem");
const least = Math.log10(page.dataset.least);
const decades = Math.log10(page.dataset.most) - least;
const trips = [];

class Problem extends Error {}

/** Request *url*, past the browser's own cache, and return its phases in milliseconds. */
async function request(url) {
  const begin = performance.now();
  const response = await fetch(url, { cache: "no-store" });
  const data = await response.blob();
  trips.push(performance.now() - begin);
  if (!response.ok) throw new Problem(`The picture was refused with status ${response.status}.`);
  const header = response.headers.get("Server-Timing");
  if (!header) throw new Problem("Nothing can be measured, because IMAGES_SERVER_TIMING is not set.");
  const found = [...header.matchAll(/(\w+);dur=([\d.]+)/g)].map(([, name, ms]) => [name, Number(ms)]);
  return { phases: Object.fromEntries(found), isHit: header.includes("desc=hit"), data };
}

function figure(name, ms) {
  page.querySelector(`[data-figure=${name}]`).textContent = ms === undefined ? "–" : milliseconds(ms);
}

const lane = (name) => page.querySelector(`[data-lane=${name}] .plot`);
const place = (ms) => `${Math.min(100, Math.max(0, (100 * (Math.log10(ms) - least)) / decades))}%`;

function draw(parent, kind, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
}

function dot(name, ms) {
  draw(lane(name), "circle", { class: name, cx: place(ms), cy: "50%", r: name === "again" ? 5 : 7 });
}

function median(name, values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const value = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  lane(name).querySelector(".median")?.remove();
  if (values.length > 1) draw(lane(name), "line", { class: "median", x1: place(value), x2: place(value), y1: 4, y2: 36 });
  figure(name, value);
  return value;
}

function clear() {
  trips.length = 0;
  problem.hidden = true;
  for (const each of ["first", "again", "others"]) figure(each);
  for (const each of page.querySelectorAll(".plot circle, .plot .median, .phases rect:not(.empty)")) each.remove();
  for (const each of page.querySelectorAll("[data-phase] b")) each.textContent = "–";
  for (const each of page.querySelectorAll(".lane .quiet")) if (each.closest("[data-lane=again]") === null) each.textContent = "";
}

/** Draw what the first request did, in proportion. */
function showPhases({ lookup = 0, lock = 0, queue = 0, render = 0, encode = 0, store = 0 }) {
  const parts = { lookup, wait: lock + queue, encode, handover: Math.max(0, render - encode), store };
  const total = Object.values(parts).reduce((sum, ms) => sum + ms, 0);
  let at = 0;
  for (const [name, ms] of Object.entries(parts)) {
    draw(page.querySelector(".phases"), "rect", { class: name, x: `${(100 * at) / total}%`, width: `${(100 * ms) / total}%`, height: "100%" });
    page.querySelector(`[data-phase=${name}] b`).textContent = milliseconds(ms);
    at += ms;
  }
}

function showPicture(data, width) {
  const image = new Image();
  image.alt = `${form.photo.selectedOptions[0].dataset.alt}, ${width} pixels wide`;
  image.src = URL.createObjectURL(data);
  image.onload = () => URL.revokeObjectURL(image.src);
  document.getElementById("shown").replaceChildren(image);
}

async function run() {
  const begun = await (await fetch(page.dataset.start, { method: "POST", body: new URLSearchParams({ photo: form.photo.value }) })).json();
  if (begun.problem) throw new Problem(begun.problem);
  const note = (name, text) => { page.querySelector(`[data-lane=${name}] .quiet`).textContent = text; };
  note("first", `${begun.first.width} px wide, from ${begun.width} × ${begun.height}`);
  note("others", `${begun.others.map((each) => each.width).join(", ")} px wide`);

  const first = await request(begun.first.url);
  figure("first", first.phases.total);
  dot("first", first.phases.total);
  showPhases(first.phases);
  showPicture(first.data, begun.first.width);
  trips.length = 0;

  const again = [];
  for (let count = 0; count < Number(page.dataset.again); count += 1) {
    const { phases } = await request(begun.first.url);
    again.push(phases.total);
    dot("again", phases.total);
    median("again", again);
  }
  const trip = [...trips].sort((a, b) => a - b)[trips.length >> 1];
  document.getElementById("trip").textContent = `; it waited ${milliseconds(trip)} for each of the cached ones`;

  const others = [];
  for (const each of begun.others) {
    const { phases } = await request(each.url);
    others.push(phases.total);
    dot("others", phases.total);
    median("others", others);
  }
  document.getElementById("summary").textContent =
    `The first request took ${milliseconds(first.phases.total)}, the same URL again ${milliseconds(median("again", again))}, ` +
    `another size ${milliseconds(median("others", others))}.`;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  clear();
  try {
    await run();
  } catch (error) {
    problem.textContent = error instanceof Problem ? error.message : SILENT;
    problem.hidden = false;
  }
  button.disabled = false;
  button.focus({ preventScroll: true });
});
