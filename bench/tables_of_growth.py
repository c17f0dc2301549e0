"""Show the results of `bench.parts.growing` as the tables and sentences of docs/deploying/growing.md. No I/O here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.growth import DAY_SECONDS, Costs, Need, bytes_stored, need
from bench.measure import spread
from bench.tables import Table
from bench.units import CREATE, DOOR, EARLY, GET, PYTHON

HITS = {"python": (PYTHON, PYTHON), "early": (EARLY, EARLY), "nginx": (DOOR, PYTHON)}
"""What answers a picture that has a link, and one that only lies on the disk."""

WITH_STORE = "… an object store and Redis"

Data = Mapping[str, Any]


def all_tables(data: Data) -> dict[str, Table]:
    """Return the tables by the names of their places in the page."""
    return {
        "units": unit_table(data),
        "steps": step_table(data),
        "sizes": size_table(data),
        "events": event_table(data),
        "disks": disk_table(data),
        "day": day_table(data),
    }


def figure(value: float) -> str:
    """Return *value* in two significant digits, as rough as a simulation is."""
    if value == 0:
        return "0"
    if value < 0.001:
        return "< 0.001"
    digits = max(0, 1 - int(f"{value:e}".partition("e")[2]))
    rough = float(f"{value:.2g}")
    return f"{rough:,.{digits}f}"


def percent(part: float, whole: float) -> str:
    share = 100 * part / whole
    if share in (0, 100):
        return f"{share:.0f} %"
    return f"{share:.1f} %" if 0.05 <= share < 99.95 else f"{share:.3f} %"


def need_of(data: Data, counts: Data, hits: str = "nginx", *, shared: bool = True, peak: float | None = None) -> Need:
    """Return what *counts* need in the busiest hour, or in one with *peak* times the average traffic."""
    site = data["site"]
    return need(Costs(data["units"]), counts, HITS[hits], shared=shared, page=site["page"], peak=peak or site["peak"])


def hit_ratio(counts: Data) -> float:
    """Return the share of the requests to the hosts that their disks answer."""
    return float((counts["door"] + counts["disk"]) / sum(counts["sent"]))


# Tables.


def unit_table(data: Data) -> Table:
    units = data["units"]
    rows = [(f"a hit: {kind}", f"{spread(row['cpu_us']).text()} µs", "–", "–") for kind, row in units["hits"].items()]
    rows += [
        (f"a render: {name} px", f"{spread(row['cpu_ms']).text()} ms", f"{row['bytes'] / 1000:.0f} kB", "–")
        for name, row in units["renders"].items()
    ]
    rows.append(("a picture that another host has rendered", f"{spread(units['fetch']['cpu_ms']).text()} ms", "–", "–"))
    page = spread(units["page"]["cpu_ms"])
    rows.append((f"the tags of a page with {units['page']['tags']} pictures", f"{page.text()} ms", "–", "–"))
    size = f"{units['store']['bytes'] / 1000:.0f} kB"
    for kind, row in units["store"]["requests"].items():
        bytes_ = size if kind in (GET, CREATE) else "–"
        rows.append((f"object store: {kind}", f"{spread(row['cpu_us']).text()} µs", bytes_, spread(row["ms"]).text()))
    for kind, row in units["redis"].items():
        server = f" and {spread(row['server_us']).text()} µs in Redis"
        rows.append((f"Redis: {kind}", f"{spread(row['cpu_us']).text()} µs{server}", "–", spread(row["ms"]).text()))
    return Table(("event", "CPU", "bytes", "ms on this machine"), rows)


def step_table(data: Data) -> Table:
    rows = []
    for step in data["steps"]:
        counts, found = step["counts"], need_of(data, step["counts"], step["hits"], shared=step["shared"])
        whole, arrived = counts["shown"], sum(counts["sent"])
        parts = (whole - counts["requested"], counts["requested"] - arrived, counts["door"], counts["disk"])
        if step["hits"] != "nginx":
            parts = (*parts[:2], 0, counts["door"] + counts["disk"])
        shares = [percent(part, whole) for part in (*parts, counts["fetched"], sum(counts["rendered"]))]
        rows.append((step["step"], f"{step['pictures']:,}", *shares, figure(found.renders), figure(found.cores)))
    head = (
        "step",
        "pictures a day",
        "browser",
        "CDN",
        "nginx",
        "application",
        "store",
        "rendered",
        "renders/s",
        "cores",
    )
    return Table(head, rows)


def size_table(data: Data) -> Table:
    rows = []
    for size in data["sizes"]:
        label = f"{size['pictures']:,}"
        for name, in_front in (("alone", "no"), ("cdn", "yes")):
            counts = size[name]["counts"]
            found = need_of(data, counts)
            stored = bytes_stored(Costs(data["units"]), counts, data["site"]["shares"])
            rows.append(
                (
                    label,
                    in_front,
                    figure(found.requests),
                    figure(found.renders),
                    figure(found.cores),
                    figure(found.page_cores),
                    figure(found.gigabits),
                    str(size[name]["hosts"]),
                    f"{figure(found.gets)} / {figure(found.puts)}",
                    figure(found.redis),
                    f"{figure(stored / 1e9)} GB",
                )
            )
            label = ""
    head = ("pictures a day", "CDN", "requests/s", "renders/s", "cores", "cores for tags", "Gbit/s", "hosts")
    return Table((*head, "store GET / PUT per s", "Redis commands/s", "renditions"), rows)


def event_table(data: Data) -> Table:
    rows = []
    for row in data["events"]["rows"]:
        cells = [row["event"]]
        for name in ("alone", "shared"):
            counts = row[name]
            found = need_of(data, counts, shared=name == "shared", peak=DAY_SECONDS / 60 / data["events"]["minutes"])
            cells += [figure(found.renders), figure(found.cores)]
        fetched = need_of(data, row["shared"], peak=DAY_SECONDS / 60 / data["events"]["minutes"])
        rows.append((*cells, figure(fetched.gets - 2 * fetched.renders)))
    return Table(("event", "renders/s", "cores", "renders/s with a store", "cores", "fetched/s"), rows)


def disk_table(data: Data) -> Table:
    rows = []
    for row in data["disks"]:
        hits = [percent(hit_ratio(row[name]), 1) for name in ("hashed", "any")]
        rows.append((f"{100 * row['share']:g} %", f"{figure(row['disk_bytes'] / 1e9)} GB", *hits))
    return Table(("all disks together", "each disk", "hits, each URL to one host", "hits, any host for any URL"), rows)


def day_table(data: Data) -> Table:
    """Show what a store, a CDN and Redis charge for a day of the largest site, in units."""
    largest, site = data["sizes"][-1], data["site"]
    rows = []
    alone, behind = (need_of(data, largest[name]["counts"], peak=1) for name in ("alone", "cdn"))
    counts = largest["cdn"]["counts"]
    costs = Costs(data["units"])
    mean = sum(share * size for share, size in zip(site["shares"], costs.bytes, strict=True))
    to_visitors = counts["requested"] * counts["factor"] * mean
    stored = bytes_stored(costs, counts, site["shares"]) / 1e12

    def row(what: str, unit: str, without: float, with_cdn: float) -> None:
        rows.append((what, unit, figure(without), figure(with_cdn)))

    def a_day(rate: float) -> float:
        return rate * DAY_SECONDS

    row("pictures sent to visitors by the CDN", "million requests", 0, counts["requested"] * counts["factor"] / 1e6)
    row("their bytes", "TB", 0, to_visitors / 1e12)
    row("requests to the site", "million requests", a_day(alone.requests) / 1e6, a_day(behind.requests) / 1e6)
    row("bytes that the site sends", "TB", a_day(alone.gigabits) / 8e3, a_day(behind.gigabits) / 8e3)
    row("hosts", "host days", largest["alone"]["hosts"], largest["cdn"]["hosts"])
    row("renders", "million", a_day(alone.renders) / 1e6, a_day(behind.renders) / 1e6)
    row("store: PUT", "million requests", a_day(alone.puts) / 1e6, a_day(behind.puts) / 1e6)
    row("store: GET of renditions", "million requests", a_day(alone.gets) / 1e6, a_day(behind.gets) / 1e6)
    row(
        "store: GET of originals, to render",
        "million requests",
        a_day(alone.renders) / 1e6,
        a_day(behind.renders) / 1e6,
    )
    row(
        "store: GET of originals, whether one has changed",
        "million requests",
        a_day(alone.checks) / 1e6,
        a_day(behind.checks) / 1e6,
    )
    row("store: renditions kept", "TB", stored, stored)
    row("Redis", "million commands", a_day(alone.redis) / 1e6, a_day(behind.redis) / 1e6)
    return Table(("per day", "unit", "without a CDN", "with a CDN"), rows)


# Sentences.


def summary(data: Data) -> str:
    """Return the figures of the largest site in sentences."""
    largest, site = data["sizes"][-1], data["site"]
    alone, behind = (need_of(data, largest[name]["counts"]) for name in ("alone", "cdn"))
    counts = largest["alone"]["counts"]
    average = counts["shown"] * counts["factor"] / DAY_SECONDS
    kept = 1 - counts["requested"] / counts["shown"]
    hits = {kind: figure(1e6 / spread(row["cpu_us"]).median) for kind, row in data["units"]["hits"].items()}
    sentences = (
        f"{site['pictures_a_day']:,} pictures a day are {average:,.0f} a second on average, and "
        f"{average * site['peak']:,.0f} in the busiest hour.",
        f"Browsers show {100 * kept:.0f} % of them from their own caches, and request {figure(alone.requests)} a "
        "second.",
        f"Without a CDN, they take {figure(alone.cores)} cores and {figure(alone.gigabits)} Gbit/s of "
        f"{largest['alone']['hosts']} hosts, and {figure(alone.renders)} of them a second are renders.",
        f"Behind a CDN with a shield, {figure(behind.requests)} requests a second arrive, which take "
        f"{figure(behind.cores)} cores.",
        f"One core answers {hits[PYTHON]} hits a second in Python, {hits[EARLY]} by `IMAGES_EARLY_HITS`"
        + (f", and {hits[DOOR]} by nginx." if DOOR in hits else "."),
    )
    return " ".join(sentences)


def assumptions(data: Data) -> str:
    """Return the assumptions of the simulation, and how far its sample can be trusted, as a list."""
    site, host, cdn, half = data["site"], data["host"], data["cdn"], data["half"]
    whole = next(step["counts"] for step in data["steps"] if step["step"] == WITH_STORE)
    hits = [100 * hit_ratio(counts) for counts in (half, whole)]
    lines = (
        f"A page shows {site['page']} pictures. A visitor sees {site['pictures_a_visitor']} pictures in a day, and "
        f"comes every {site['visitors_return']} days. {100 * site['seen_pages']:.0f} % of the page views are of a page "
        "that the same visitor has opened before.",
        f"There is one source for every {1 / site['sources_a_picture']:.0f} pictures that are shown in a day. New "
        f"uploads replace {100 * site['uploads']:g} % of the sources each day. Popularity follows Zipf's law with "
        f"exponent {site['exponent']:g}. All sources are photographs of 6 megapixels.",
        f"Each source is requested in {len(site['shares'])} variants: three widths in three formats.",
        f"The busiest hour has {site['peak']:g} times the average traffic.",
        f"A host has {host['cores']} cores, {host['gigabits']} Gbit/s, and a cache of {host['disk_bytes'] / 1e9:,.0f} "
        f"GB. At most {100 * host['busy']:.0f} % of its cores and of its network are used. There are at least two "
        "hosts.",
        f"The CDN has {cdn['places']} places. Each forgets a picture that nobody has requested there for "
        f"{cdn['place_days']:g} days, and the shield one that nobody has requested for {cdn['shield_days']:g} days.",
        f"Objects in the store expire {data['store_days']:g} days after they were written.",
        f"One in {site['pictures_a_day'] / site['sample']:,.0f} pictures of the largest site is simulated. With half "
        f"of that sample, the disks of {data['hosts']} hosts answer {hits[0]:.1f} % of the requests instead of "
        f"{hits[1]:.1f} %.",
    )
    return "\n".join(f"- {line}" for line in lines)
