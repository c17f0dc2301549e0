// Three frames load one page over a slow network. Measures what each of them has loaded.

import { SILENT, announce, bytes } from "./common.js";
import { chosenWidth, loaded } from "./measure.js";

const page = document.querySelector(".devices");
const form = document.getElementById("network");
const problem = document.getElementById("problem");
const original = Number(page.dataset.original);
const devices = [...document.querySelectorAll(".device")].reverse(); // the phone first
const EVERY_MS = 120;
const MOST_MS = 40000;

let loads = 0;

/** What *frame* has loaded of its pictures so far. */
function measure(frame) {
  const view = frame.contentWindow;
  const images = [...view.document.images];
  const pictures = loaded(view, images);
  return {
    total: pictures.reduce((sum, { entry }) => sum + entry.encodedBodySize, 0),
    count: pictures.length,
    all: images.length,
    seconds: Math.max(0, ...pictures.map(({ entry }) => entry.responseEnd)) / 1000,
    lead: pictures.find(({ image }) => image === images[0]),
  };
}

function show(device, { total, count, seconds, lead }) {
  const put = (name, text) => (device.querySelector(`[data-${name}]`).textContent = text);
  put("total", count ? bytes(total) : "–");
  put("seconds", count ? `${seconds.toFixed(1)} s` : "–");
  const format = lead?.entry.contentType?.replace("image/", "").toUpperCase();
  put("lead", lead ? [`${chosenWidth(lead.image)} px`, bytes(lead.entry.encodedBodySize), format].filter(Boolean).join(", ") : "–");
  const bar = document.querySelector(`[data-bar="${device.dataset.device}"]`);
  bar.style.setProperty("--share", total / original);
  bar.querySelector("b").textContent = count ? bytes(total) : "–";
}

/** The number of the load that *frame* shows, or undefined if the browser shows a page of its own in it. */
function runIn(frame) {
  try {
    return new URLSearchParams(frame.contentWindow.location.search).get("run");
  } catch {
    return undefined; // the page about an error has another origin
  }
}

function stop(device) {
  device.dataset.state = "stopped";
  problem.textContent = SILENT;
  problem.hidden = false;
}

/** Keep showing what *device* has loaded, until it has everything or a newer load begins. */
function follow(device, load, finished) {
  const frame = device.querySelector("iframe");
  const begin = performance.now();
  const timer = setInterval(() => {
    if (load !== loads) return clearInterval(timer);
    const arrived = runIn(frame);
    if (arrived === undefined) {
      clearInterval(timer);
      return stop(device);
    }
    if (arrived !== device.dataset.run) return; // until the new page is there, the frame still has the old one
    const found = measure(frame);
    show(device, found);
    const complete = found.all > 0 && found.count === found.all;
    if (complete || performance.now() - begin > MOST_MS) {
      clearInterval(timer);
      device.dataset.state = complete ? "complete" : "stopped";
      finished(device, found);
    }
  }, EVERY_MS);
}

/** Load the page anew in all frames. */
function load() {
  const run = String(Math.floor(Math.random() * 1e6));
  const network = new FormData(form).get("network");
  for (const device of devices) {
    const frame = device.querySelector("iframe");
    frame.contentWindow.location.replace(`${frame.dataset.page}?${new URLSearchParams({ network, run })}`);
  }
  watch(run);
}

/** Show what the frames load with the number *run*. */
function watch(run) {
  problem.hidden = true;
  const number = ++loads;
  const waiting = new Set(devices);
  for (const device of devices) {
    device.dataset.run = run;
    device.dataset.state = "loading";
    show(device, { total: 0, count: 0 });
    follow(device, number, (done) => {
      waiting.delete(done);
      if (!waiting.size) announce("All three screens are loaded.");
    });
  }
}

/** The frames follow the colours of this page. */
function matchTheme(frame) {
  const { theme } = document.documentElement.dataset;
  const inside = frame.contentDocument?.documentElement;
  if (inside && theme) inside.dataset.theme = theme;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  load();
});
form.addEventListener("change", load);
new MutationObserver(() => devices.forEach((device) => matchTheme(device.querySelector("iframe")))).observe(
  document.documentElement,
  { attributeFilter: ["data-theme"] },
);
const density = Math.round(devicePixelRatio * 100) / 100;
document.getElementById("density").textContent = `Your screen has ${density} ${density === 1 ? "pixel" : "pixels"} per CSS pixel, in all three frames. They share the six connections that a browser opens to a host.`;
watch(page.dataset.run);
