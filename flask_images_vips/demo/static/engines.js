// The page /engines: measures as soon as something is chosen, and compares the pixels of both pictures.
import { announce, fillRange } from "./common.js";

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
    result.innerHTML = await response.text();
    start();
  } catch (error) {
    if (error.name === "AbortError") return;
    const notice = document.createElement("p");
    notice.className = "notice";
    notice.setAttribute("role", "alert");
    notice.textContent = "The playground does not answer. Is its command still running?";
    result.replaceChildren(notice);
  }
  result.setAttribute("aria-busy", "false");
  button.textContent = "Measure again";
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

async function compare([first, second]) {
  const [a, b] = [await pixels(first), await pixels(second)];
  if (a.length !== b.length) return;
  let squares = 0;
  let equal = 0;
  let largest = 0;
  for (let at = 0; at < a.length; at += 4) {
    let most = 0;
    for (let band = at; band < at + 3; band += 1) {
      const apart = Math.abs(a[band] - b[band]);
      squares += apart * apart;
      most = Math.max(most, apart);
    }
    equal += most <= 2;
    largest = Math.max(largest, most);
  }
  const mean = squares / (0.75 * a.length);
  const show = (name, text) => {
    document.querySelector(`[data-distance=${name}]`).textContent = text;
  };
  show("psnr", mean ? `${(10 * Math.log10((255 * 255) / mean)).toFixed(1)} dB` : "∞");
  show("equal", `${((400 * equal) / a.length).toFixed(1)} %`);
  show("largest", `${largest}`);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  measure();
});
form.addEventListener("change", measure);
measure();
