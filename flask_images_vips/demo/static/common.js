// What every page of the playground shares: theme, copy buttons, tabs, comparisons, and the request for a picture.

const root = document.documentElement;

/** What to say if a request fails. */
export const SILENT = "The playground does not answer. Is its command still running?";

/** Return *run*, delayed until it has not been called for *ms* milliseconds. Its method *cancel* drops a call. */
export function debounce(run, ms = 120) {
  let timer;
  const later = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), ms);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/** Request what the options in *parameters* make of a photograph: see /render.json. Never throws, except AbortError. */
export async function render(parameters, { fresh = false, signal } = {}) {
  const query = new URLSearchParams(parameters);
  if (fresh) query.set("fresh", "1");
  try {
    const response = await fetch(`${document.body.dataset.render}?${query}`, { signal, headers: { Accept: "application/json" } });
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { problem: SILENT, option: "" };
  }
}

/** Show *count* bytes as people read it, such as "48.3 kB". */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${(count / 1e3).toFixed(count < 1e5 ? 1 : 0)} kB`;
  return `${(count / 1e6).toFixed(2)} MB`;
}

/** Show *ms* milliseconds with the digits that matter, such as "0.14 ms" or "70 ms". */
export function milliseconds(ms) {
  return `${ms < 1 ? ms.toFixed(2) : ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** Let screen readers say *text*. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

async function copyText(text, source) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers allow the clipboard on HTTPS and on this machine only. Elsewhere, select the text and ask as of old.
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy");
  }
}

/** <button data-copy="id of an element">: copies the text of that element. */
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  await copyText(source.textContent.trim(), source);
  const label = button.dataset.label ?? (button.dataset.label = button.textContent);
  button.textContent = "Copied";
  button.classList.add("done");
  announce("Copied");
  setTimeout(() => {
    button.textContent = label;
    button.classList.remove("done");
  }, 1600);
});

/** <div role="tablist">: the arrow keys move among its tabs, as in the ARIA Authoring Practices. */
function startTabs(list) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const select = (tab, focus) => {
    for (const each of tabs) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", chosen);
      each.tabIndex = chosen ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
  };
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) select(tab);
  });
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    select(tabs[(to + tabs.length) % tabs.length], true);
  });
  select(tabs.find((tab) => tab.getAttribute("aria-selected") === "true") ?? tabs[0]);
}

/** <div class="compare">: an <input type="range"> moves the line between its two pictures. */
function startCompare(frame) {
  const range = frame.querySelector("input[type=range]");
  const move = () => frame.style.setProperty("--at", `${range.value}%`);
  range.addEventListener("input", move);
  move();
}

/** <input type="range">: draws the part of the track before its thumb. */
export function fillRange(range) {
  const least = Number(range.min || 0);
  const most = Number(range.max || 100);
  range.style.setProperty("--filled", `${(100 * (range.value - least)) / (most - least)}%`);
}

function startTheme(button) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const current = () => root.dataset.theme ?? (dark.matches ? "dark" : "light");
  const show = () => button.setAttribute("aria-pressed", current() === "dark");
  button.addEventListener("click", () => {
    root.dataset.theme = current() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // The choice lasts for this page.
    }
    show();
  });
  dark.addEventListener("change", show);
  show();
}

startTheme(document.getElementById("theme"));
document.querySelectorAll("[role=tablist]").forEach(startTabs);
document.querySelectorAll(".compare").forEach(startCompare);
document.querySelectorAll("input[type=range]").forEach(fillRange);
document.addEventListener("input", (event) => {
  if (event.target.matches("input[type=range]")) fillRange(event.target);
});
// On a phone, the navigation scrolls sideways: show where we are.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
