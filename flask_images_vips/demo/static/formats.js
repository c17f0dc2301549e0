// The page /formats: asks for one measurement after another, and draws all of them on one scale.
import { SILENT, announce, bytes, debounce, milliseconds } from "./common.js";

const form = document.getElementById("choice");
const large = document.getElementById("large");
const problem = document.getElementById("problem");
const figures = [...document.querySelectorAll(".rendition")];
const isLarge = (figure) => figure.parentElement === large;
const queue = new Set();
let running = false;

/** What *figure* shall show, as the query of a request. Figures below the first row have a quality of their own. */
function wanted(figure) {
  const quality = isLarge(figure) ? form.quality.value : figure.dataset.quality;
  return String(new URLSearchParams({ photo: form.photo.value, width: form.width.value, format: figure.dataset.format, quality }));
}

/** Ask for the measurement of *figure*, after those that are queued already. */
async function enqueue(figure) {
  queue.add(figure);
  if (running) return;
  running = true;
  for (const next of queue) {
    queue.delete(next);
    await measure(next);
  }
  running = false;
}

async function measure(figure) {
  const query = wanted(figure);
  const isStale = () => wanted(figure) !== query; // something else is wanted by now, and queued
  let measured;
  try {
    measured = await (await fetch(`${form.dataset.measure}?${query}`)).json();
  } catch {
    measured = { problem: SILENT };
  }
  if (isStale()) return;
  problem.textContent = measured.problem;
  problem.hidden = !measured.problem;
  if (measured.problem) return;
  await show(figure, measured.url);
  if (isStale()) return;
  figure.dataset.bytes = measured.bytes;
  figure.dataset.ms = measured.ms;
  figure.classList.remove("waiting");
  draw();
  if (isLarge(figure)) mark(figure, measured.sent);
}

/** Show the picture at *url* once it is decoded, so that nothing flickers. */
async function show(figure, url) {
  const image = new Image();
  image.src = url;
  image.draggable = false;
  try {
    await image.decode();
  } catch {
    figure.classList.add("undecodable"); // this browser does not know the format
    return;
  }
  figure.classList.remove("undecodable");
  const { format } = figure.dataset;
  const quality = isLarge(figure) ? form.quality.value : figure.dataset.quality;
  const photo = form.photo.selectedOptions[0].dataset.alt;
  image.alt = `${photo}, as ${format.toUpperCase()}${format === "png" ? "" : ` of quality ${quality}`}`;
  image.setAttribute("width", image.naturalWidth);
  image.setAttribute("height", image.naturalHeight);
  figure.querySelector(".crop").replaceChildren(image);
  if (!isLarge(figure)) return;
  document.getElementById("size").textContent = `${image.naturalWidth} × ${image.naturalHeight} px`;
  showClosely();
}

/** Lay the two pictures that are chosen for a closer look over each other. */
function showClosely() {
  const frame = document.getElementById("frame");
  const names = [document.getElementById("right").value, document.getElementById("left").value];
  const images = names.map((name) => large.querySelector(`[data-format=${name}] .crop img`)?.cloneNode());
  if (!images[0] || !images[1]) return;
  for (const old of frame.querySelectorAll("img")) old.remove();
  images[1].className = "before";
  frame.style.setProperty("--wide", `${images[0].getAttribute("width")}px`);
  frame.style.setProperty("--high", `${images[0].getAttribute("height")}px`);
  frame.prepend(...images);
  const [right, left] = names.map((name) => (name === "png" ? "PNG" : `${name.toUpperCase()} ${form.quality.value}`));
  frame.querySelector(".left").textContent = left;
  frame.querySelector(".right").textContent = right;
}

/** Draw all bars anew. The longest are the largest file of a lossy format, and the longest time. */
function draw() {
  const done = figures.filter((each) => each.dataset.bytes);
  const most = Math.max(...done.map((each) => (each.dataset.format === "png" ? 0 : Number(each.dataset.bytes))));
  const slowest = Math.max(...done.map((each) => Number(each.dataset.ms)));
  if (!most) return;
  for (const figure of done) {
    const [size, time] = figure.querySelectorAll(".measures > div");
    fill(size, figure.dataset.bytes / most, bytes(Number(figure.dataset.bytes)));
    fill(time, figure.dataset.ms / slowest, milliseconds(Number(figure.dataset.ms)));
    size.classList.toggle("beyond", figure.dataset.bytes > most);
  }
  document.getElementById("scale").textContent = `: the longest ones are ${bytes(most)} and ${milliseconds(slowest)}`;
}

function fill(row, share, text) {
  row.querySelector(".value").setAttribute("width", `${Math.min(100, 100 * share).toFixed(2)}%`);
  row.querySelector(".number").textContent = text;
}

/** Mark *figure* as what the visitors called *sent* get. */
function mark(figure, sent) {
  const badges = sent.map((name) => {
    const cell = document.querySelector(`[data-gets="${name}"]`);
    cell.textContent = figure.dataset.format.toUpperCase();
    const badge = document.createElement("span");
    badge.textContent = cell.dataset.badge;
    return badge;
  });
  figure.querySelector(".sent").replaceChildren(...badges);
  const row = [...large.children];
  if (row.every((each) => !each.classList.contains("waiting"))) {
    announce(row.map((each) => `${each.dataset.format}: ${bytes(Number(each.dataset.bytes))}`).join(", "));
  }
}

// Pictures further down are rendered when somebody scrolls near them.
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      enqueue(target);
    }
  },
  { rootMargin: "300px" },
);

/** Measure what was chosen: the first row, and with *all*, the other qualities too. */
function begin(all) {
  for (const figure of figures) {
    if (!isLarge(figure) && !all) continue;
    figure.classList.add("waiting");
    if (isLarge(figure)) {
      enqueue(figure);
    } else {
      delete figure.dataset.bytes; // of another photograph or width
      near.unobserve(figure);
      near.observe(figure);
    }
  }
  const { photo, width, quality } = form;
  history.replaceState(null, "", `?${new URLSearchParams({ photo: photo.value, width: width.value, quality: quality.value })}`);
}

// The part that all crops show, as fractions of what there is to move.
const part = { x: 0.5, y: 0.5 };
function move(x, y) {
  part.x = Math.min(1, Math.max(0, x));
  part.y = Math.min(1, Math.max(0, y));
  document.documentElement.style.setProperty("--part-x", `${100 * part.x}%`);
  document.documentElement.style.setProperty("--part-y", `${100 * part.y}%`);
}

function moveToSubject() {
  const { x, y } = form.photo.selectedOptions[0].dataset;
  move(Number(x), Number(y));
}

function startDrag(event) {
  const crop = event.target.closest(".crop");
  if (!crop || event.button !== 0) return;
  const image = crop.querySelector("img");
  if (!image) return;
  const zoom = Number(form.zoom.value);
  const spare = { x: zoom * image.naturalWidth - crop.clientWidth, y: zoom * image.naturalHeight - crop.clientHeight };
  const from = { left: event.clientX, top: event.clientY, ...part };
  event.preventDefault();
  if (isLarge(crop.parentElement)) large.focus({ preventScroll: true });
  crop.setPointerCapture(event.pointerId);
  const drag = ({ clientX, clientY }) => {
    const along = (start, moved, least) => (least > 0 ? start - moved / least : start);
    move(along(from.x, clientX - from.left, spare.x), along(from.y, clientY - from.top, spare.y));
  };
  const end = () => crop.removeEventListener("pointermove", drag);
  crop.addEventListener("pointermove", drag);
  crop.addEventListener("pointerup", end, { once: true });
  crop.addEventListener("pointercancel", end, { once: true });
}

document.querySelector(".page").addEventListener("pointerdown", startDrag);
large.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step) return;
  event.preventDefault();
  move(part.x + 0.05 * step[0], part.y + 0.05 * step[1]);
});

const measureSoon = debounce(() => begin(false), 150);
form.quality.addEventListener("input", () => {
  for (const each of document.querySelectorAll("[data-quality-now]")) each.textContent = form.quality.value;
  measureSoon();
});
for (const side of ["left", "right"]) document.getElementById(side).addEventListener("change", showClosely);
form.width.addEventListener("change", () => begin(true));
form.photo.addEventListener("change", () => {
  moveToSubject();
  begin(true);
});
form.addEventListener("submit", (event) => event.preventDefault());
moveToSubject();
begin(true);
