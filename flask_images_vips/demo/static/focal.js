// The focal point: a click, a drag or the arrow keys move the marker, and the crops follow.

import { SILENT, announce, debounce } from "./common.js";

const page = document.querySelector(".focal");
const stage = document.getElementById("stage");
const whole = document.getElementById("whole");
const marker = document.getElementById("marker");
const [across, down] = [document.getElementById("x"), document.getElementById("y")];
const crops = [...document.querySelectorAll("img[data-shape]")];
const FAR = 5;
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

let point = [Number(across.value), Number(down.value)];
let request;

/** Where `object-position` must be so that the box shows the *at*th part of a side that is *scaled* long. */
function position(at, scaled, box) {
  const room = scaled - box;
  if (room <= 0.5) return "50%";
  return `${(100 * Math.min(room, Math.max(0, at * scaled - box / 2))) / room}%`;
}

/** Draw the crop from the large picture, until the server has rendered it. */
function preview(crop) {
  const shown = crop.nextElementSibling?.matches(".preview") ? crop.nextElementSibling : addPreview(crop);
  const [width, height] = [crop.clientWidth, crop.clientHeight];
  const scale = Math.max(width / whole.naturalWidth, height / whole.naturalHeight);
  const [x, y] = point;
  shown.style.objectPosition = [
    position(x / 100, whole.naturalWidth * scale, width),
    position(y / 100, whole.naturalHeight * scale, height),
  ].join(" ");
  shown.classList.add("shown");
}

function addPreview(crop) {
  const image = new Image();
  image.className = "preview";
  image.alt = "";
  image.src = whole.currentSrc || whole.src;
  crop.after(image);
  return image;
}

async function requestCrops() {
  request?.abort();
  request = new AbortController();
  const [x, y] = point;
  const query = new URLSearchParams({ photo: page.dataset.photo, x, y });
  try {
    const response = await fetch(`${page.dataset.crops}?${query}`, { signal: request.signal });
    if (!response.ok) return;
    const { focal, code, urls } = await response.json();
    document.getElementById("focal-code").textContent = focal;
    document.getElementById("jinja-code").textContent = code;
    history.replaceState(null, "", `?${query}`);
    await Promise.all(crops.map((crop) => replace(crop, urls[crop.dataset.shape], request.signal)));
  } catch (error) {
    if (error.name !== "AbortError") announce(SILENT);
  }
}

async function replace(crop, url, signal) {
  const next = new Image();
  next.src = url;
  await next.decode().catch(() => {});
  if (signal.aborted) return;
  crop.src = url;
  await crop.decode().catch(() => {});
  if (!signal.aborted) crop.nextElementSibling?.classList.remove("shown");
}

const requestSoon = debounce(requestCrops, 140);
const sayWhere = debounce(() => announce(`${point[0]} % across, ${point[1]} % down`), 500);

function place() {
  const [x, y] = point;
  stage.style.setProperty("--x", `${x}%`);
  stage.style.setProperty("--y", `${y}%`);
  marker.setAttribute("aria-label", `Focal point: ${x} % across, ${y} % down`);
}

function move(x, y) {
  const next = [x, y].map((value) => Math.round(Math.min(100, Math.max(0, value))));
  if (next[0] === point[0] && next[1] === point[1]) return;
  point = next;
  [across.value, down.value] = point;
  place();
  // Show the code at once. The server answers with the same.
  document.getElementById("focal-code").textContent = `focal=(${point.map(fraction).join(", ")})`;
  if (whole.naturalWidth) crops.forEach(preview);
  requestSoon();
}

/** Write a percentage as Python writes the fraction. */
function fraction(percent) {
  return percent % 100 ? String(percent / 100) : (percent / 100).toFixed(1);
}

function follow(event) {
  const box = whole.getBoundingClientRect();
  move((100 * (event.clientX - box.left)) / box.width, (100 * (event.clientY - box.top)) / box.height);
}

stage.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  event.preventDefault();
  stage.setPointerCapture(event.pointerId);
  stage.classList.add("dragging");
  marker.focus({ preventScroll: true, focusVisible: false });
  follow(event);
});
stage.addEventListener("pointermove", (event) => {
  if (stage.hasPointerCapture(event.pointerId)) follow(event);
});
for (const end of ["pointerup", "pointercancel"]) {
  stage.addEventListener(end, () => {
    stage.classList.remove("dragging");
    sayWhere();
  });
}

marker.addEventListener("keydown", (event) => {
  const step = KEYS[event.key];
  if (!step) return;
  event.preventDefault();
  const far = event.shiftKey ? FAR : 1;
  move(point[0] + far * step[0], point[1] + far * step[1]);
  sayWhere();
});

for (const number of [across, down]) {
  number.addEventListener("input", () => {
    if (number.value !== "") move(Number(across.value), Number(down.value));
  });
}
document.getElementById("numbers").addEventListener("submit", (event) => {
  event.preventDefault();
  move(Number(across.value), Number(down.value));
});

place();
