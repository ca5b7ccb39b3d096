"""Writes the tables and plots of docs/PERFORMANCE.md: report.py CSV OUTDIR.

CSV is a file that `cargo run --release --bin in_memory -- --csv FILE` has written. OUTDIR gets
`table.md`. Other files in the directory of CSV are read if they exist:

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


# Workloads in which a peer is not compared: nexus-web does not validate text that spans reads.
EXCLUDED = {"nexus-web": "text 16 KiB"}


def read(path):
    """Reads nanoseconds by workload and peer, or server, in the order of the file."""
    figures = defaultdict(dict)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            figures[row["workload"]][row.get("peer") or row["server"]] = float(row["nanoseconds"])
    return figures


def format_ns(ns):
    return f"{ns:.1f}" if ns < 100 else f"{ns:,.0f}"


def table(figures):
    """Returns the table: sockless, the best peer, and the floor."""
    lines = ["| workload | ours, ns | best peer, ns | ratio to it | floor, ns | ratio to it |", "|---|--:|---|--:|--:|--:|"]
    ratios_to_floor = []
    for workload, row in figures.items():
        sockless, floor = row[SOCKLESS], row.get(FLOOR)
        peers = {name: ns for name, ns in row.items() if name not in (SOCKLESS, FLOOR)}
        peers = {name: ns for name, ns in peers.items() if EXCLUDED.get(name, workload + ".") not in workload}
        best = min(peers, key=peers.get, default=None)
        line = f"| {workload} | {format_ns(sockless)} |"
        line += f" {format_ns(peers[best])} {best} | {sockless / peers[best]:.2f} |" if best else " | |"
        if floor:
            ratios_to_floor.append(sockless / floor)
        lines.append(line + (f" {format_ns(floor)} | {sockless / floor:.2f} |" if floor else " | |"))
    if ratios_to_floor:
        mean = math.exp(sum(map(math.log, ratios_to_floor)) / len(ratios_to_floor))
        lines.append(
            f"\nThe geometric mean of our time to the floor is {mean:.2f}, and the ratio is at most"
            f" {max(ratios_to_floor):.2f}."
        )
    return "\n".join(lines) + "\n"


def parse_size(text):
    number, unit = text.split()
    return int(number) * UNITS[unit]


def by_size(figures, work):
    """Returns nanoseconds per message, by the size of the message."""
    series = defaultdict(list)
    for workload, row in figures.items():
        if match := re.fullmatch(work.format(size=r"(\d+ \w+)"), workload):
            for peer, ns in row.items():
                series[peer].append((parse_size(match[1]), ns))
    return series


def by_arrival(figures, message):
    """Returns nanoseconds per byte of payload, by the length of a read."""
    series = defaultdict(list)
    for workload, row in figures.items():
        if match := re.fullmatch(rf"server receives binary {message}(?:, (\d+ B|one byte) at a time)?", workload):
            read_len = parse_size((match[1] or "64 KiB").replace("one byte", "1 B"))
            for peer, ns in row.items():
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
    if (directory / "memory.csv").exists():
        plot_memory(directory / "memory.csv", outdir)
    if (directory / "echo.csv").exists():
        (outdir / "echo.md").write_text(echo_table(directory / "echo.csv"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
