"""What do the results say in figures? One table a part, for the page and for the README alike.

This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from bench.findings import (
    BARE,
    FULL,
    LIMIT,
    OURS,
    PACKAGE,
    PILLOW,
    Results,
    bits_of,
    cold_cases,
    engine_cases,
    goals,
    hits,
    losses,
    mixed_cases,
)
from bench.statistics import ratio, spread


@dataclass(frozen=True, slots=True)
class Table:
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        text = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
        return text + (f"\n\n{self.note.strip()}" if self.note else "")

    def html(self) -> str:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.head)
        body = "".join(f"<tr>{_cell(label)}{''.join(map(_figure, rest))}</tr>" for label, *rest in self.rows)
        note = f'<p class="note">{escape(self.note)}</p>' if self.note else ""
        return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}'


def _cell(text: str, kind: str = "") -> str:
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def _figure(text: str) -> str:
    """A cell that is no label: a state stands out, and a number takes one line."""
    if kind := {"met": "met", "not met": "lost", "not measured": "open"}.get(text):
        return f'<td class="{kind}"><span>{escape(text)}</span></td>'
    return _cell(text, "number" if text[:1].isdigit() else "")


def environment(results: Results) -> list[str]:
    """Sentences about the machine, the versions and the day; several where the parts were measured apart."""
    machines: dict[str, list[str]] = {}
    revisions: dict[str, list[str]] = {}
    for part, data in results.items():
        here = data["environment"]
        machine = here["machine"]
        versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items() if version)
        text = (
            f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, {machine['system']} "
            f"{machine['architecture']}. {versions}."
        )
        machines.setdefault(text, []).append(part)
        revisions.setdefault(f"Revision {here['revision']}, {here['date'][:10]}.", []).append(part)
    told = [
        text if len(lines) == 1 else f"{', '.join(parts)}: {text}"
        for lines in (machines, revisions)
        for text, parts in lines.items()
    ]
    quick = [part for part, data in results.items() if data.get("quick")]
    return told + ([f"A quick run, for a first look: {', '.join(quick)}."] if quick else [])


def disturbance(noted: dict[str, Any], rounds: int) -> str:
    """What a reader must know of the rounds that others disturbed."""
    if not noted.get("disturbed"):
        return ""
    share = 100 * noted["foreign_share"]
    return f"Disturbed: in {noted['disturbed']} of {rounds} rounds others took up to {share:.0f} % of the processors. "


def _disturbances(all_cases: Sequence[dict[str, Any]]) -> str:
    hit = [case for case in all_cases if case["disturbed"]]
    if not hit:
        return ""
    worst = 100 * max(case["foreign_share"] for case in hit)
    names = (
        "all of these"
        if len(hit) == len(all_cases) > 1
        else ", ".join(case.get("case") or case.get("picture") or case["load"] for case in hit)
    )
    return f"Disturbed: others took up to {worst:.0f} % of the processors in {names}. "


def skipped(data: dict[str, Any]) -> str:
    """What a part left out, and why."""
    return " ".join(f"{line.rstrip('.')}." for line in data.get("skipped", []))


def goal_table(results: Results) -> Table:
    rows = []
    for goal in goals(results):
        state = "not measured" if goal.found is None else "met" if goal.met else "not met"
        rows.append((goal.name, goal.wanted, goal.found.text(2) if goal.found else "–", state))
    return Table(("goal", "wanted", "found", ""), rows)


def loss_table(results: Results) -> Table:
    missed = [
        (goal.name, "the goal", goal.found.text(2), goal.wanted, "", goal.reason)
        for goal in goals(results)
        if goal.found and not goal.met
    ]
    told = {reason for *_, reason in missed}
    rows = [
        (loss.where, loss.to, loss.ours, loss.theirs, f"{loss.times:.2f}", loss.reason)
        for loss in losses(results)
        if loss.reason not in told  # the same figures, as a goal
    ]
    return Table(("what", "better", "ours", "theirs", "times", "why"), [*missed, *rows])


def engine_table(results: Results, *, short: bool = False) -> Table:
    """CPU of each case by each engine; *short* has what matters most."""
    data = results.get("engines", {})
    cases = [case for case in engine_cases(results) if not short or case["case"] == f"{case['picture']}, fit 400×300"]
    names = [name for name in (OURS, PILLOW, BARE, FULL, LIMIT) if not short or name != PILLOW]
    rows = []
    for case in cases:
        found = case["contenders"]
        bits = bits_of(results, case["picture"])
        label = case["case"].removesuffix(", fit 400×300") + (f", {bits:.1f} bits a pixel" if bits else "")
        cpu = [spread(found[name]["cpu_ms"]).text() if name in found else "–" for name in names]
        both = (
            ratio(found[one]["cpu_ms"], found[other]["cpu_ms"]).text(2) if one in found and other in found else "–"
            for one, other in ((FULL, OURS), (OURS, BARE))
        )
        rows.append((label, *cpu, *both))
    rounds = data.get("rounds", 0)
    note = _disturbances(cases) + f"CPU ms, median of {rounds} interleaved rounds (least–most)."
    return Table(("picture", *names, "full ÷ vips", "vips ÷ bare"), rows, note)


def engine_details(results: Results) -> Table:
    """Time, memory, bytes and nearness."""
    rows = []
    for case in engine_cases(results):
        label = case["case"]
        for name, row in case["contenders"].items():
            near = (f"{row['ssim']:.4f}", f"{row['psnr']:.1f}") if "ssim" in row else ("–", "–")
            memory = f"{row['peak_mb']:.0f}", f"{row['peak_mb'] - row['idle_mb']:.0f}"
            rows.append((label, name, spread(row["wall_ms"]).text(), *memory, f"{row['bytes']:,}", *near))
            label = ""
    note = "Memory: the peak of a fresh process that renders this alone, and how much of it is over the idle process."
    return Table(("case", "by", "wall ms", "peak MB", "over idle", "bytes", "SSIM", "PSNR, dB"), rows, note)


def cold_table(results: Results) -> Table:
    data = results.get("cold", {})
    rows = []
    for case in cold_cases(results):
        bits = bits_of(results, case["picture"])
        label = case["picture"] + (f", {bits:.1f} bits a pixel" if bits else "")
        for name, row in case["contenders"].items():
            figures = (spread(row[column]).text() for column in ("per_second", "cpu_ms", "median_ms", "p95_ms"))
            near = f"{row['bytes']:,}", f"{row['ssim']:.3f}"
            rows.append((label, name, *figures, *near, spread(row["client_ms"]).text()))
            label = ""
    head = ("picture", "server", "requests/s", "CPU ms", "median ms", "p95 ms", "bytes", "SSIM", "client's CPU, ms")
    note = (
        f"{_disturbances(cold_cases(results))}{data.get('clients', 0)} clients, "
        f"{data.get('cores', 0)} cores that the client shares, {data.get('rounds', 0)} interleaved rounds; each "
        f"request for another size around 400×300. {skipped(data)}"
    )
    return Table(head, rows, note)


def cold_summary(results: Results) -> Table:
    """Requests a second alone, a column for each server."""
    cases = cold_cases(results)
    names = list(dict.fromkeys(name for case in cases for name in case["contenders"]))
    rows = [
        (
            case["picture"],
            *(
                f"{spread(case['contenders'][name]['per_second']).text()}, SSIM {case['contenders'][name]['ssim']:.3f}"
                if name in case["contenders"]
                else "–"
                for name in names
            ),
        )
        for case in cases
    ]
    rounds = results.get("cold", {}).get("rounds", 0)
    note = f"{_disturbances(cases)}First renditions a second, median of {rounds} interleaved rounds (least–most)."
    return Table(("picture", *names), rows, note)


def mixed_table(results: Results, *, short: bool = False) -> Table:
    """Both loads by each server, and what ours is of it; *short* without the waits."""
    data = results.get("mixed", {})
    waits = () if short else ("median_ms", "p95_ms")
    rows = []
    for case in mixed_cases(results):
        label, ours = f"{case['load']}, {case['requests']:,}", case["contenders"][PACKAGE]
        for name, row in case["contenders"].items():
            figures = (spread(row[column]).text() for column in ("per_second", "cpu_s", *waits))
            copies = spread(row["copies_mb"]).median
            kept = f"{spread(row['disk_mb']).median:,.0f}" + (f" ({copies:,.0f} copies)" if copies else "")
            times = (
                "–" if row is ours else ratio(ours[column], row[column]).text(2) for column in ("per_second", "cpu_s")
            )
            rows.append((label, name, *figures, f"{spread(row['answer_kb']).median:.1f}", kept, *times))
            label = ""
    columns = (column.replace("_", " ") for column in waits)
    ratios = "requests/s, ours ÷ it", "CPU, ours ÷ it"
    head = ("load", "server", "requests/s", "CPU s", *columns, "kB each", "MB kept", *ratios)
    widths = ", ".join(map(str, data.get("widths", [])))
    note = (
        f"{_disturbances(mixed_cases(results))}{data.get('sources', 0)} sources, half of them JPEGs of 24 Mpx, asked "
        f"for by Zipf's law at {widths} px, as JPEG, from an empty cache on. {data.get('clients', 0)} clients, "
        f"{data.get('cores', 0)} cores that the client shares, {data.get('rounds', 0)} interleaved rounds, each by "
        "fresh servers, ours with 4 threads a process. Each URL once is what a cache in front lets through that "
        f"forgets nothing; ipx has none of its own. {skipped(data)}"
    )
    return Table(head, rows, note)


def warm_tables(results: Results) -> list[Table]:
    """In the application, and then one table for each kind of server."""
    data = results.get("warm")
    if not data:
        return []
    within = data["in_process"]["cpu_us"]
    found = hits(results)
    tables = [
        Table(
            ("in the application", "CPU µs", "÷ send_from_directory"),
            [
                (name, spread(times).text(), ratio(times, within["send_from_directory"]).text(2))
                for name, times in within.items()
            ],
            disturbance(data["in_process"], data["rounds"]),
        )
    ]
    groups = {
        "sync": "sync: send_from_directory",
        "gthread": "gthread: send_from_directory",
        "nginx": "nginx: a static file",
        "thumbor": "thumbor: a kept rendition",
    }
    for group, base in groups.items():
        rows = [
            (
                name.partition(": ")[2],
                spread(row["cpu_us"]).text(),
                ratio(row["cpu_us"], found[base]["cpu_us"]).text(2) if base in found else "–",
                spread(row["per_second"]).text(0),
                spread(row["p99_ms"]).text(),
                spread(row["client_us"]).text(0),
            )
            for name, row in found.items()
            if name.startswith(group)
        ]
        if rows:
            title = f"gunicorn, {group}" if group in ("sync", "gthread") else group
            head = (title, "CPU µs", f"÷ {base.partition(': ')[2]}", "requests/s", "p99 ms", "client's CPU µs")
            tables.append(Table(head, rows))
    return tables


def warm_note(results: Results) -> str:
    data = results.get("warm", {})
    return (
        f"{disturbance(data.get('servers', {}), data.get('rounds', 0))}A JPEG of {data.get('bytes', 0):,} bytes, "
        f"{data.get('clients', 0)} clients by {data.get('client', '')}, {data.get('rounds', 0)} interleaved rounds of "
        f"{data.get('seconds', 0):g} s; one worker of nginx, {data.get('cores', 0)} of all others. CPU of all the "
        "server's processes, median (least–most)."
    )


def stampede_table(results: Results) -> Table | None:
    data = results.get("stampede")
    if not data:
        return None
    columns = ("renders", "cpu_ms", "wall_ms", "median_ms", "peak_mb")
    rows = [(name, *(spread(row[column]).text() for column in columns)) for name, row in data["contenders"].items()]
    note = (
        f"{disturbance(data, data['rounds'])}{data['crowd']} clients at once for one new picture ({data['picture']}), "
        f"{data['rounds']} interleaved rounds. {skipped(data)} "
    )
    for waits in data.get("waits", []):
        middle, late, last = waits["beyond_ms"] or (0, 0, 0)
        note += (
            f"{waits['pictures']} pictures × {waits['clients']} clients on {waits['workers']} processes of ours, "
            f"{waits['how']}: {waits['renders']} renders; the {waits['waited']} who waited had their answer "
            f"{middle:.1f} ms after the render's end (p95 {late:.1f}, last {last:.1f}). "
        )
    head = ("server", "CPU, in requests alone", "CPU ms", "ms until all had it", "median wait, ms", "peak MB")
    return Table(head, rows, note.strip())


def memory_table(results: Results) -> Table | None:
    data = results.get("memory")
    if not data:
        return None
    rows = [
        (name, *(spread(row[column]).text(0) for column in ("idle_mb", "peak_mb")), spread(row["per_second"]).text())
        for name, row in data["contenders"].items()
    ]
    made, held = data["growth"]["renders"], data["growth"]["resident_mb"]
    middle = (len(held) - 1) // 2
    note = (
        f"{data['requests']} different renditions of a {data['picture']} by {data['clients']} clients, a fresh server "
        f"in each of {data['rounds']} rounds; peaks of all processes, added up, what they share counted in each. One "
        f"process of ours that renders and renders holds {held[middle]} MB after {made[middle]:,} renders and "
        f"{held[-1]} MB after {made[-1]:,}. {skipped(data)}"
    )
    return Table(("server", "idle MB", "peak MB", "requests/s"), rows, note)


def quality_table(results: Results) -> Table | None:
    cases = results.get("quality", {}).get("cases", [])
    if not cases:
        return None
    names = list(dict.fromkeys(name for case in cases for name in case["contenders"]))
    rows = []
    for case in cases:
        found = case["contenders"]
        texts = (
            f"{found[name]['ssim']:.4f} · {found[name]['psnr']:.1f} dB · {found[name]['bytes']:,}"
            if name in found
            else "–"
            for name in names
        )
        rows.append((case["case"], *texts))
    note = (
        "SSIM, PSNR and bytes of the encoded answer, against the source decoded whole and scaled by LANCZOS, "
        "not yet encoded: most of the distance is the encoder's. Always the same, so there is no spread."
    )
    return Table(("case", *names), rows, note)


def contender_table(results: Results) -> Table:
    """Who is who."""
    engines = results.get("engines", {}).get("contenders", {})
    cold, mixed = (results.get(part, {}).get("servers", {}) for part in ("cold", "mixed"))
    served = cold | mixed | cold  # who is in both does the same in both
    return Table(
        ("contender", "what it is"), [*engines.items(), *((f"{name}, served", note) for name, note in served.items())]
    )


def picture_table(results: Results) -> Table:
    seen: dict[str, dict[str, Any]] = {}
    for part in ("engines", "cold", "mixed"):
        for picture in results.get(part, {}).get("pictures", []):
            seen.setdefault(picture["name"], picture)
    rows = [
        (
            name,
            f"{picture['size'][0]} × {picture['size'][1]}",
            f"{picture['bytes'] / 1e6:.2f} MB",
            f"{picture['bits_per_pixel']:.2f}",
            picture["photograph"],
            ", ".join(f"{key} {value:g}" for key, value in picture["saved"].items()),
        )
        for name, picture in seen.items()
    ]
    return Table(("picture", "pixels", "bytes", "bits a pixel", "photograph", "made with"), rows)
