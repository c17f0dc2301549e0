// The page /formats: asks for one measurement after another, and draws all of them on one scale.
import { announce, bytes, debounce, milliseconds } from "./common.js";

const form = document.getElementById("choice");
const large = document.querySelector(".renditions.large");
const figures = [...document.querySelectorAll(".rendition")];
const problem = document.getElementById("problem");
const names = { ...Object.fromEntries([...document.querySelectorAll("[data-label]")].map((each) => [each.dataset.gets, each.dataset.label])) };
let queue = [];
let running = false;
let round = 0;

/** Ask for the measurement of *figure*, after those that are queued already. */
function enqueue(figure) {
  figure.dataset.wanted = String(round);
  queue = queue.filter((each) => each !== figure);
  queue.push(figure);
  if (!running) run();
}

async function run() {
  running = true;
  while (queue.length) await measure(queue.shift());
  running = false;
}

async function measure(figure) {
  const at = round;
  const query = new URLSearchParams({
    photo: form.photo.value,
    width: form.width.value,
    format: figure.dataset.format,
    quality: figure.dataset.fixed || form.quality.value,
  });
  let measured;
  try {
    measured = await (await fetch(`${form.dataset.measure}?${query}`)).json();
  } catch {
    measured = { problem: "The playground does not answer. Is its command still running?" };
  }
  if (at !== round) return; // something else is wanted by now
  problem.textContent = measured.problem;
  problem.hidden = !measured.problem;
  if (measured.problem) return;
  await show(figure, measured);
  figure.dataset.bytes = measured.bytes;
  figure.dataset.ms = measured.ms;
  figure.classList.remove("waiting");
  draw();
  if (figure.parentElement === large) mark(figure, measured.sent);
  if (figure.parentElement === large && !queue.some((each) => each.parentElement === large)) summarize();
}

/** Replace the picture once the new one is decoded, so that nothing flickers. */
async function show(figure, measured) {
  const old = figure.querySelector("img");
  if (old.getAttribute("src") === measured.url) return;
  const image = new Image();
  image.src = measured.url;
  try {
    await image.decode();
  } catch {
    figure.classList.add("undecodable"); // this browser does not know the format
    return;
  }
  figure.classList.remove("undecodable");
  image.alt = old.alt;
  image.width = image.naturalWidth;
  image.height = image.naturalHeight;
  old.replaceWith(image);
}

/** Draw all bars anew: the longest is the largest file of a lossy format, and the longest time. */
function draw() {
  const done = figures.filter((each) => each.dataset.bytes);
  const lossy = done.filter((each) => each.dataset.format !== "png");
  const most = Math.max(...lossy.map((each) => Number(each.dataset.bytes)));
  const slowest = Math.max(...done.map((each) => Number(each.dataset.ms)));
  for (const figure of done) {
    const { bytes: count, ms } = figure.dataset;
    const [size, time] = figure.querySelectorAll(".measures > div");
    fill(size, count / most, bytes(Number(count)));
    size.classList.toggle("beyond", Number(count) > most);
    fill(time, ms / slowest, milliseconds(Number(ms)));
  }
  if (lossy.length) {
    document.getElementById("scale").textContent = `: the longest are ${bytes(most)} and ${milliseconds(slowest)}`;
  }
}

function fill(row, share, text) {
  row.querySelector(".value").setAttribute("width", `${Math.min(100, 100 * share).toFixed(2)}%`);
  row.querySelector("output").textContent = text;
}

/** Mark what visitors get, who are named in *sent*. */
function mark(figure, sent) {
  for (const cell of document.querySelectorAll("[data-gets]")) {
    if (sent.includes(cell.dataset.gets)) cell.textContent = figure.dataset.format.toUpperCase();
  }
  figure.querySelector(".sent").replaceChildren(
    ...sent.map((name) => {
      const badge = document.createElement("span");
      badge.dataset.visitor = name;
      badge.textContent = document.querySelector(`[data-gets="${name}"]`).dataset.label;
      return badge;
    }),
  );
}

function summarize() {
  const all = figures.filter((each) => each.parentElement === large && each.dataset.bytes);
  announce(all.map((each) => `${each.dataset.format}: ${bytes(Number(each.dataset.bytes))}`).join(", "));
}

/** Begin anew, because something was chosen. *all* also measures the fixed qualities again. */
function begin(all) {
  round += 1;
  queue = queue.filter((figure) => figure.dataset.fixed && !all);
  for (const figure of figures) {
    if (figure.parentElement !== large && !all) continue;
    figure.classList.add("waiting");
    if (figure.parentElement === large) enqueue(figure);
    else watch.observe(figure);
  }
  for (const figure of queue) figure.dataset.wanted = String(round);
  const query = new URLSearchParams(new FormData(form));
  query.delete("zoom");
  history.replaceState(null, "", `?${query}`);
}

// The fixed qualities are rendered when one scrolls near them.
const watch = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      enqueue(target);
    }
  },
  { rootMargin: "200px" },
);

/** Move the part that all crops show, to fractions *x* and *y* of what there is to move. */
const part = { x: Number(large.dataset.x), y: Number(large.dataset.y) };
function move(x, y) {
  part.x = Math.min(1, Math.max(0, x));
  part.y = Math.min(1, Math.max(0, y));
  document.documentElement.style.setProperty("--part-x", `${100 * part.x}%`);
  document.documentElement.style.setProperty("--part-y", `${100 * part.y}%`);
}

function startDrag(event) {
  const crop = event.target.closest(".crop");
  if (!crop || event.button !== 0) return;
  const image = crop.querySelector("img");
  const zoom = Number(form.zoom.value);
  const spare = { x: zoom * image.naturalWidth - crop.clientWidth, y: zoom * image.naturalHeight - crop.clientHeight };
  const from = { x: event.clientX, y: event.clientY, ...{ left: part.x, top: part.y } };
  event.preventDefault();
  large.focus({ preventScroll: true });
  crop.setPointerCapture(event.pointerId);
  const drag = ({ clientX, clientY }) =>
    move(
      spare.x > 0 ? from.left - (clientX - from.x) / spare.x : 0.5,
      spare.y > 0 ? from.top - (clientY - from.y) / spare.y : 0.5,
    );
  crop.addEventListener("pointermove", drag);
  const end = () => crop.removeEventListener("pointermove", drag);
  crop.addEventListener("pointerup", end, { once: true });
  crop.addEventListener("pointercancel", end, { once: true });
}

for (const group of document.querySelectorAll(".renditions")) group.addEventListener("pointerdown", startDrag);
large.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [-0.05, 0], ArrowRight: [0.05, 0], ArrowUp: [0, -0.05], ArrowDown: [0, 0.05] }[event.key];
  if (!step) return;
  event.preventDefault();
  move(part.x + step[0], part.y + step[1]);
});

const quality = () => {
  for (const id of ["quality-now", "quality-title", "quality-visitors"]) {
    document.getElementById(id).textContent = form.quality.value;
  }
};
const later = debounce(() => begin(false), 150);
form.quality.addEventListener("input", () => {
  quality();
  later();
});
for (const name of ["photo", "width"]) form[name].addEventListener("change", () => begin(true));
form.addEventListener("submit", (event) => event.preventDefault());

for (const figure of figures) {
  if (figure.parentElement !== large) figure.dataset.fixed = figure.dataset.quality;
  figure.querySelector("img").draggable = false;
}
move(part.x, part.y);
begin(true);
