// The page /engines: measures as soon as something is chosen, and compares the pixels of both pictures.
import { SILENT, announce, fillRange } from "./common.js";

const form = document.getElementById("choice");
const result = document.getElementById("result");
const button = form.querySelector("button");
let current;

/** Let the server measure what is chosen, and show its answer. */
async function measure() {
  current?.abort();
  const mine = (current = new AbortController());
  const chosen = new URLSearchParams(new FormData(form));
  history.replaceState(null, "", `?${chosen}`);
  result.setAttribute("aria-busy", "true");
  button.textContent = "Measuring …";
  try {
    const response = await fetch(`${form.action}?${chosen}&measure=1&fragment=1`, { signal: mine.signal });
    if (response.ok) {
      result.innerHTML = await response.text();
      start();
    } else tell(response.status === 404 ? "This picture is not here any more. Choose another one." : SILENT);
  } catch (error) {
    if (error.name === "AbortError") return;
    tell(SILENT);
  }
  result.setAttribute("aria-busy", "false");
  button.textContent = "Measure again";
}

/** Show what is wrong instead of the result. */
function tell(problem) {
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.setAttribute("role", "alert");
  notice.textContent = problem;
  result.replaceChildren(notice);
}

/** Start what is in the answer: the amplification, and the comparison of the pixels. */
function start() {
  const gain = document.getElementById("gain");
  const compared = document.querySelectorAll("#difference img");
  if (compared.length < 2) return;
  fillRange(gain);
  gain.addEventListener("input", () => {
    document.getElementById("difference").style.setProperty("--gain", gain.value);
    document.getElementById("gain-now").textContent = gain.value;
  });
  compare(compared);
  const told = [...document.querySelectorAll(".engine")].map((each) => {
    return `${each.querySelector("h2").textContent}: ${each.querySelector(".measures b").textContent}`;
  });
  announce(told.join(", "));
}

/** Return the pixels of *image*, as this browser decodes them. */
async function pixels(image) {
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height).data;
}

const PIECE = 4 * 32768; // the bands of as many pixels as are compared at once, so that the page stays responsive

async function compare([first, second]) {
  const decoded = await Promise.all([pixels(first), pixels(second)]).catch(() => []);
  if (!decoded.length) return; // removed meanwhile, or a format that this browser does not show
  const [a, b] = decoded;
  if (a.length !== b.length) return;
  const sums = { squares: 0, equal: 0, largest: 0 };
  for (let at = 0; at < a.length; at += PIECE) {
    add(sums, a.subarray(at, at + PIECE), b.subarray(at, at + PIECE));
    await new Promise((resume) => setTimeout(resume));
  }
  if (!first.isConnected) return; // something else was chosen meanwhile
  const mean = sums.squares / (0.75 * a.length);
  const show = (name, text) => {
    document.querySelector(`[data-distance=${name}]`).textContent = text;
  };
  show("psnr", mean ? `${(10 * Math.log10((255 * 255) / mean)).toFixed(1)} dB` : "∞");
  show("equal", `${((400 * sums.equal) / a.length).toFixed(1)} %`);
  show("largest", `${sums.largest}`);
}

/** Add the differences of the pixels *a* and *b* to *sums*. */
function add(sums, a, b) {
  let { squares, equal, largest } = sums;
  for (let at = 0; at < a.length; at += 4) {
    const red = Math.abs(a[at] - b[at]);
    const green = Math.abs(a[at + 1] - b[at + 1]);
    const blue = Math.abs(a[at + 2] - b[at + 2]);
    const most = red > green ? (red > blue ? red : blue) : green > blue ? green : blue;
    squares += red * red + green * green + blue * blue;
    equal += most <= 2 ? 1 : 0;
    if (most > largest) largest = most;
  }
  Object.assign(sums, { squares, equal, largest });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  measure();
});
form.addEventListener("change", measure);
measure();
