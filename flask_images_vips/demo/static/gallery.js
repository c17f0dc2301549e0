// The strip above the gallery: how many pictures are loaded, and what they weigh.

import { bytes, debounce } from "./common.js";
import { chosenWidth, loaded } from "./measure.js";

const images = [...document.querySelectorAll(".wall img")];

function show() {
  const pictures = loaded(window, images);
  const files = new Map(pictures.map(({ entry }) => [entry.name, entry.encodedBodySize]));
  const pixels = pictures.reduce((sum, { image }) => sum + chosenWidth(image) ** 2 * (image.height / image.width), 0);
  document.getElementById("count").textContent = pictures.length;
  document.getElementById("bytes").textContent = bytes([...files.values()].reduce((sum, size) => sum + size, 0));
  document.getElementById("pixels").textContent = (pixels / 1e6).toFixed(1);
}

// The browser keeps 250 measurements, which is enough for this page.
new PerformanceObserver(debounce(show, 60)).observe({ type: "resource", buffered: true });
