"""Writes docs/PERFORMANCE.md's tables and plots from the data of these programs: report.py CSV OUTDIR.

The CSV is what `cargo run --release --bin in_memory -- --csv FILE` wrote: OUTDIR gets `table.md`. What lies beside it is plotted:
`curves.csv`, written with `--curves`, as `receive.svg`, `send.svg` and `arrival.svg`; `memory.csv`, of
`--bin memory -- --csv FILE`, as `memory.svg`, with `memory.md`. Of `echo.csv`, of `--bin echo -- --csv FILE`, `echo.md` is the table.
"""

import csv
import math
import re
import sys
from collections import defaultdict
from pathlib import Path

from charts import FLOOR, UNITS, US, bars, curves


# What a peer leaves out: it takes text that spans reads without looking at it.
LEAVES_OUT = {"nexus-web": "text 16 KiB"}


def read(path):
    """Nanoseconds by workload and peer, in the order of the file."""
    figures = defaultdict(dict)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            figures[row["workload"]][row["peer"]] = float(row["nanoseconds"])
    return figures


def brief(ns):
    return f"{ns:.1f}" if ns < 100 else f"{ns:,.0f}"


def table(figures):
    """Ours, the best of the others, and the floor."""
    lines = ["| workload | ours, ns | best peer, ns | ratio to it | floor, ns | ratio to it |", "|---|--:|---|--:|--:|--:|"]
    to_floor = []
    for workload, row in figures.items():
        ours, floor = row[US], row.get(FLOOR)
        peers = {name: ns for name, ns in row.items() if name not in (US, FLOOR)}
        peers = {name: ns for name, ns in peers.items() if LEAVES_OUT.get(name, workload + ".") not in workload}
        best = min(peers, key=peers.get, default=None)
        line = f"| {workload} | {brief(ours)} |"
        line += f" {brief(peers[best])} {best} | {ours / peers[best]:.2f} |" if best else " | |"
        if floor:
            to_floor.append(ours / floor)
        lines.append(line + (f" {brief(floor)} | {ours / floor:.2f} |" if floor else " | |"))
    if to_floor:
        mean = math.exp(sum(map(math.log, to_floor)) / len(to_floor))
        lines.append(f"\nGeometric mean of our time to the floor: {mean:.2f}; at most {max(to_floor):.2f}.")
    return "\n".join(lines) + "\n"


def size(words):
    number, unit = words.split()
    return int(number) * UNITS[unit]


def by_size(figures, work):
    """Nanoseconds a message, by its size."""
    series = defaultdict(list)
    for workload, row in figures.items():
        if match := re.fullmatch(work.format(size=r"(\d+ \w+)"), workload):
            for peer, ns in row.items():
                series[peer].append((size(match[1]), ns))
    return series


def by_arrival(figures, message):
    """Nanoseconds a byte of the payload, by how many bytes a read brings."""
    series = defaultdict(list)
    for workload, row in figures.items():
        if match := re.fullmatch(rf"server receives binary {message}(?:, (\d+ B|one byte) at a time)?", workload):
            read = size((match[1] or "64 KiB").replace("one byte", "1 B"))
            for peer, ns in row.items():
                series[peer].append((read, ns / size(message)))
    return series


def plot_curves(figures, outdir):
    ends = {end: f"a {end}" for end in ("server", "client")}
    receive = {name: by_size(figures, f"{end} receives binary {{size}}") for end, name in ends.items()}
    title = "Receiving binary messages in one frame"
    (outdir / "receive.svg").write_text(curves(title, receive, "payload", "ns a message"))
    send = {name: by_size(figures, f"{end} sends {{size}}, each flushed") for end, name in ends.items()}
    title = "Sending binary messages, each flushed"
    (outdir / "send.svg").write_text(curves(title, send, "payload", "ns a message"))
    arrival = {f"messages of {message}": by_arrival(figures, message) for message in ("1 KiB", "16 KiB")}
    title = "A server receives binary messages that arrive in pieces"
    (outdir / "arrival.svg").write_text(curves(title, arrival, "bytes a read brings", "ns a byte"))


def plot_memory(path, outdir):
    with open(path, newline="") as file:
        rows = [(row["peer"], int(row["value"]), int(row["heap"])) for row in csv.DictReader(file)]
    lines = ["| | value, bytes | heap, bytes |", "|---|--:|--:|"]
    lines += [f"| {peer} | {value:,} | {heap:,} |" for peer, value, heap in rows]
    (outdir / "memory.md").write_text("\n".join(lines) + "\n")
    title = "What an open, idle connection of a server holds"
    sums = sorted(((peer, value + heap) for peer, value, heap in rows), key=lambda row: row[1])
    (outdir / "memory.svg").write_text(bars(title, sums, "bytes, value and heap"))


def echo_table(path):
    """A row for each server: nanoseconds of its processor, and the ratio to the bare loop."""
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
    beside = Path(path).parent
    if (beside / "curves.csv").exists():
        plot_curves(read(beside / "curves.csv"), outdir)
    if (beside / "memory.csv").exists():
        plot_memory(beside / "memory.csv", outdir)
    if (beside / "echo.csv").exists():
        (outdir / "echo.md").write_text(echo_table(beside / "echo.csv"))


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
