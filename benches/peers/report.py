"""Writes docs/PERFORMANCE.md's tables and plots from the data of this bench: report.py CSV OUTDIR.

The CSV is what `cargo run --release -- --csv FILE` wrote. OUTDIR gets `table.md`, `receive.svg` and `send.svg`.
"""

import csv
import math
import re
import sys
from collections import defaultdict
from pathlib import Path

US, FLOOR = "sockless", "floor"
COLOURS = ["#d62728", "#7f7f7f", "#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#bcbd22"]
WIDTH, HEIGHT, MARGIN = 720, 420, 60
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}


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
    lines = ["| workload | ours, ns | best peer, ns | ratio to it | floor, ns | ratio to it |", "|---|---|---|---|---|---|"]
    to_floor = []
    for workload, row in figures.items():
        ours, floor = row[US], row.get(FLOOR)
        peers = {name: ns for name, ns in row.items() if name not in (US, FLOOR)}
        best = min(peers, key=peers.get)
        line = f"| {workload} | {brief(ours)} | {brief(peers[best])} {best} | {ours / peers[best]:.2f} |"
        if floor:
            to_floor.append(ours / floor)
        lines.append(line + (f" {brief(floor)} | {ours / floor:.2f} |" if floor else " | |"))
    mean = math.exp(sum(map(math.log, to_floor)) / len(to_floor))
    lines.append(f"\nGeometric mean of our time to the floor: {mean:.2f}.")
    return "\n".join(lines) + "\n"


def size(workload):
    number, unit = re.search(r"(\d+) (B|KiB|MiB)", workload).groups()
    return int(number) * UNITS[unit]


def plot(figures, prefix, title):
    """Nanoseconds a message against its size, both by powers of ten."""
    series = defaultdict(list)
    for workload, row in figures.items():
        if re.fullmatch(rf"{prefix} \d+ (B|KiB|MiB).*", workload):
            for peer, ns in row.items():
                series[peer].append((size(workload), ns))
    points = [point for line in series.values() for point in line]
    low = [math.log10(min(point[axis] for point in points)) for axis in (0, 1)]
    high = [math.log10(max(point[axis] for point in points)) for axis in (0, 1)]

    def place(point):
        x, y = ((math.log10(point[axis]) - low[axis]) / (high[axis] - low[axis]) for axis in (0, 1))
        return MARGIN + x * (WIDTH - 3 * MARGIN), HEIGHT - MARGIN - y * (HEIGHT - 2 * MARGIN)

    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{WIDTH / 2}" y="24" text-anchor="middle" font-size="15">{title}</text>',
    ]
    for bytes_ in sorted({point[0] for point in points}):
        x, _ = place((bytes_, 10 ** low[1]))
        unit = next(unit for unit in ("MiB", "KiB", "B") if bytes_ >= UNITS[unit])
        svg.append(f'<text x="{x:.0f}" y="{HEIGHT - MARGIN + 20}" text-anchor="middle">{bytes_ // UNITS[unit]} {unit}</text>')
    for power in range(math.ceil(low[1]), math.floor(high[1]) + 1):
        _, y = place((10 ** low[0], 10**power))
        svg.append(f'<path d="M{MARGIN} {y:.0f}H{WIDTH - 2 * MARGIN}" stroke="#ddd"/>')
        svg.append(f'<text x="{MARGIN - 6}" y="{y + 4:.0f}" text-anchor="end">{10**power:,} ns</text>')
    for at, (peer, line) in enumerate(series.items()):
        colour, width = COLOURS[at % len(COLOURS)], 3 if peer == US else 1.5
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, sorted(line)))
        svg.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        svg.append(f'<text x="{WIDTH - 2 * MARGIN + 10}" y="{MARGIN + 20 * at}" fill="{colour}">{peer}</text>')
    return "\n".join([*svg, "</svg>", ""])


def main(path, outdir):
    figures, outdir = read(path), Path(outdir)
    outdir.mkdir(parents=True, exist_ok=True)
    (outdir / "table.md").write_text(table(figures))
    receive = plot(figures, "server receives binary", "A server receives binary messages: ns a message")
    (outdir / "receive.svg").write_text(receive)
    send = plot(figures, "server sends", "A server sends: ns a message")
    (outdir / "send.svg").write_text(send)


main(*sys.argv[1:])
