// What the browser has loaded of the pictures in a page.

/** The width of the candidate that the browser chose for *image*, from the srcset of its tag. */
export function chosenWidth(image) {
  const offers = [image, ...(image.closest("picture")?.querySelectorAll("source") ?? [])];
  const [, width] = offers
    .flatMap((each) => each.srcset.split(/,\s+/))
    .map((candidate) => candidate.split(" "))
    .find(([url]) => new URL(url, image.baseURI).href === image.currentSrc) ?? [];
  return width ? parseInt(width, 10) : image.naturalWidth;
}

/** The pictures among *images* of the window *view* that are loaded, each with what the browser measured of it. */
export function loaded(view, images) {
  const entries = new Map(view.performance.getEntriesByType("resource").map((entry) => [entry.name, entry]));
  return images
    .filter((image) => image.currentSrc && entries.get(image.currentSrc)?.encodedBodySize)
    .map((image) => ({ image, entry: entries.get(image.currentSrc) }));
}
