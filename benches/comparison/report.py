"""Writes the tables and plots of docs/PERFORMANCE.md: report.py CSV OUTDIR.

CSV is a file that `cargo run --release --bin in_memory -- --csv FILE` has written. OUTDIR gets
`table.md`. Other files in the directory of CSV are read if they exist:

* `buffers.csv`, written by `--bin in_memory -- --buffers --csv FILE`: `buffers.md`
* `curves.csv`, written by `--bin in_memory -- --curves --csv FILE`: `receive.svg`, `send.svg` and
  `arrival.svg`
* `memory.csv`, written by `--bin memory -- --csv FILE`: `memory.svg` and `memory.md`
* `echo.csv`, written by `--bin echo -- --csv FILE`: `echo.md`
"""

import csv
import math
import re
import sys
from collections import defaultdict
from pathlib import Path

from charts import FLOOR, SOCKLESS, UNITS, bars, curves


# Other ways to use `sockless`, which are columns of their own.
BUFFER, TOKIO = "sockless, `InputBuffer`", "sockless, tokio"
# Workloads in which a peer is not compared: nexus-web does not validate text that spans reads.
EXCLUDED = {"nexus-web": ("text 16 KiB", "text 1 MiB")}


def read(path):
    """Reads nanoseconds by workload and peer, or server, in the order of the file."""
    figures = defaultdict(dict)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            figures[row["workload"]][row.get("peer") or row["server"]] = float(row["nanoseconds"])
    return figures


def format_ns(ns):
    return f"{ns:.1f}" if ns < 100 else f"{ns:,.0f}"


def engine(row):
    """The time of the engine: with a plain loop or with `InputBuffer`, whichever takes less."""
    return min(row[way] for way in (SOCKLESS, BUFFER) if way in row)


def peers(workload, row):
    """The times of the crates that are compared."""
    others = {name: ns for name, ns in row.items() if not name.startswith((SOCKLESS, FLOOR))}
    return {name: ns for name, ns in others.items() if not any(text in workload for text in EXCLUDED.get(name, ()))}


def geometric_mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def table(figures):
    """Returns the table: the ways to use sockless, the best other crate, and the floor."""
    ways = [way for way in (SOCKLESS, BUFFER, TOKIO) if any(way in row for row in figures.values())]
    names = {SOCKLESS: "ours, ns", BUFFER: "with `InputBuffer`", TOKIO: "adapter for tokio"}
    lines = [
        "| workload | " + " | ".join(names[way] for way in ways) + " | best other crate, ns | ratio to it | floor, ns | ratio to it |",
        "|---|" + "--:|" * len(ways) + "---|--:|--:|--:|",
    ]
    to_peers, to_floor = [], []
    for workload, row in figures.items():
        ours, others = engine(row), peers(workload, row)
        best = min(others, key=others.get)
        to_peers.append(ours / others[best])
        to_floor.append(ours / row[FLOOR])
        cells = [format_ns(row[way]) if way in row else "–" for way in ways]
        cells += [f"{format_ns(others[best])} {best}", f"{to_peers[-1]:.2f}"]
        cells += [format_ns(row[FLOOR]), f"{to_floor[-1]:.2f}"]
        lines.append(f"| {workload} | " + " | ".join(cells) + " |")
    lines.append(
        f"\nIn the geometric mean, our time is {geometric_mean(to_peers):.2f} of that of the best other crate of each row, and"
        f" {geometric_mean(to_floor):.2f} of that of the floor; at most, it is {max(to_peers):.2f} and {max(to_floor):.2f}."
    )
    return "\n".join(lines) + "\n"


def buffers_table(figures):
    """Returns the table of the sizes of the input buffer, with the ratio to the best size."""
    rows = defaultdict(dict)
    for workload, row in figures.items():
        if match := re.fullmatch(r"server receives binary (.+), into (.+)", workload):
            rows[match[1]][match[2]] = row[SOCKLESS]
            rows[match[1]].setdefault("`InputBuffer`", row[BUFFER])
    sizes = [size for size in next(iter(rows.values())) if size != "`InputBuffer`"]
    lines = ["| message | " + " | ".join(sizes) + " | `InputBuffer` |", "|---|" + "--:|" * (len(sizes) + 1)]
    for message, row in rows.items():
        best = min(row.values())
        cells = [f"{format_ns(row[size])} ({row[size] / best:.2f})" for size in [*sizes, "`InputBuffer`"]]
        lines.append(f"| {message} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def parse_size(text):
    number, unit = text.split()
    return int(number) * UNITS[unit]


def curves_of(workload, row):
    """The times that the plots show, by peer."""
    return {SOCKLESS: engine(row), FLOOR: row[FLOOR], **peers(workload, row)}.items()


def by_size(figures, work):
    """Returns nanoseconds per message, by the size of the message."""
    series = defaultdict(list)
    for workload, row in figures.items():
        if match := re.fullmatch(work.format(size=r"(\d+ \w+)"), workload):
            for peer, ns in curves_of(workload, row):
                series[peer].append((parse_size(match[1]), ns))
    return series


def by_arrival(figures, message):
    """Returns nanoseconds per byte of payload, by the length of a read."""
    series = defaultdict(list)
    for workload, row in figures.items():
        if match := re.fullmatch(rf"server receives binary {message}(?:, (\d+ B|one byte) at a time)?", workload):
            read_len = parse_size((match[1] or "64 KiB").replace("one byte", "1 B"))
            for peer, ns in curves_of(workload, row):
                series[peer].append((read_len, ns / parse_size(message)))
    return series


def plot_curves(figures, outdir):
    ends = {end: f"a {end}" for end in ("server", "client")}
    receive = {name: by_size(figures, f"{end} receives binary {{size}}") for end, name in ends.items()}
    title = "Receiving binary messages in one frame"
    (outdir / "receive.svg").write_text(curves(title, receive, "payload", "ns per message"))
    send = {name: by_size(figures, f"{end} sends {{size}}, each flushed") for end, name in ends.items()}
    title = "Sending binary messages, each flushed"
    (outdir / "send.svg").write_text(curves(title, send, "payload", "ns per message"))
    arrival = {f"messages of {message}": by_arrival(figures, message) for message in ("1 KiB", "16 KiB")}
    title = "A server receives binary messages that arrive in pieces"
    (outdir / "arrival.svg").write_text(curves(title, arrival, "length of a read", "ns per byte"))


def read_memory(path):
    """Reads the bytes of the value and of the heap of each peer."""
    with open(path, newline="") as file:
        return [(row["peer"], int(row["value"]), int(row["heap"])) for row in csv.DictReader(file)]


def plot_memory(path, outdir):
    rows = read_memory(path)
    lines = ["| | value, bytes | heap, bytes |", "|---|--:|--:|"]
    lines += [f"| {peer} | {value:,} | {heap:,} |" for peer, value, heap in rows]
    (outdir / "memory.md").write_text("\n".join(lines) + "\n")
    title = "Memory of an open, idle connection of a server"
    sums = sorted(((peer, value + heap) for peer, value, heap in rows), key=lambda row: row[1])
    (outdir / "memory.svg").write_text(bars(title, sums, "bytes, value and heap"))


def echo_table(path):
    """Returns the table with a row for each server: nanoseconds, and the ratio to `sockless mio`."""
    cells = defaultdict(dict)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            cells[row["server"]][row["workload"]] = f"{float(row['nanoseconds']):,.0f} ({float(row['ratio']):.2f})"
    workloads = list(dict.fromkeys(workload for row in cells.values() for workload in row))
    lines = ["| | " + " | ".join(workloads) + " |", "|---|" + "--:|" * len(workloads)]
    lines += [f"| {server} | " + " | ".join(row.get(name, "–") for name in workloads) + " |" for server, row in cells.items()]
    return "\n".join(lines) + "\n"


def main(path, outdir):
    figures, outdir = read(path), Path(outdir)
    outdir.mkdir(parents=True, exist_ok=True)
    (outdir / "table.md").write_text(table(figures))
    directory = Path(path).parent
    if (directory / "curves.csv").exists():
        plot_curves(read(directory / "curves.csv"), outdir)
    if (directory / "buffers.csv").exists():
        (outdir / "buffers.md").write_text(buffers_table(read(directory / "buffers.csv")))
    if (directory / "memory.csv").exists():
        plot_memory(directory / "memory.csv", outdir)
    if (directory / "echo.csv").exists():
        (outdir / "echo.md").write_text(echo_table(directory / "echo.csv"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
