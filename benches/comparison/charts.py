"""Draws SVG: curves by powers of ten, in panels side by side, and bars."""

import math

COLOURS = {
    "sockless": "#d62728",
    "floor": "#7f7f7f",
    "nexus-web": "#1f77b4",
    "tokio-websockets": "#2ca02c",
    "sockudo-ws": "#9467bd",
    "fastwebsockets": "#8c564b",
    "yawc": "#e377c2",
    "tungstenite": "#bcbd22",
}
US, FLOOR = "sockless", "floor"
PANEL, GAP, HEIGHT = 360, 70, 440
LEFT, TOP, BOTTOM, LEGEND = 80, 64, 64, 140
UNITS = {"MiB": 1 << 20, "KiB": 1 << 10, "B": 1}


def length(count):
    unit = next(unit for unit in UNITS if count >= UNITS[unit])
    return f"{count // UNITS[unit]} {unit}"


def number(value):
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def svg(width, height, title, shapes):
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            text(width / 2, 24, title, anchor="middle", size=15),
            *shapes,
            "</svg>",
            "",
        ]
    )


def text(x, y, words, anchor="start", size=12, colour="black", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"{extra}>{words}</text>'


def spans(lines):
    """The least and the greatest of both axes, as logarithms; the second in whole powers of ten."""
    points = [point for line in lines for point in line]
    x, y = ([math.log10(point[axis]) for point in points] for axis in (0, 1))
    return (min(x), max(x)), (math.floor(min(y)), math.ceil(max(y)))


def curves(title, panels, x_title, y_title):
    """`panels` by their titles: points by peer. All have the same axes, both logarithmic."""
    (x_low, x_high), (y_low, y_high) = spans([line for panel in panels.values() for line in panel.values()])
    bottom = HEIGHT - BOTTOM
    shapes = []

    def height(y):
        return bottom - (math.log10(y) - y_low) / (y_high - y_low) * (bottom - TOP)

    for at, (name, series) in enumerate(panels.items()):
        left = LEFT + at * (PANEL + GAP)

        def place(x, y):
            return left + (math.log10(x) - x_low) / (x_high - x_low) * PANEL, height(y)

        shapes.append(text(left + PANEL / 2, TOP - 14, name, anchor="middle", size=13))
        for power in range(y_low, y_high + 1):
            y = height(10**power)
            shapes.append(f'<path d="M{left} {y:.1f}h{PANEL}" stroke="#ddd"/>')
            shapes.append(text(left - 6, y + 4, number(10**power), anchor="end"))
        # Powers of sixteen: they have short names, and room beside each other.
        for tick in (16**power for power in range(6)):
            if x_low - 0.01 <= math.log10(tick) <= x_high + 0.01:
                x, _ = place(tick, 10**y_low)
                shapes.append(f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="#eee"/>')
                shapes.append(text(x, bottom + 18, length(tick), anchor="middle"))
        shapes.append(text(left + PANEL / 2, bottom + 42, f"{x_title} (logarithmic)", anchor="middle"))
        # Ours on top.
        for peer in sorted(series, key=lambda peer: peer == US):
            points = [place(*point) for point in sorted(series[peer])]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            width, dashes = (3 if peer == US else 1.5), (' stroke-dasharray="5 3"' if peer == FLOOR else "")
            shapes.append(
                f'<polyline points="{path}" fill="none" stroke="{COLOURS[peer]}" stroke-width="{width}"{dashes}/>'
            )
            shapes += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="{COLOURS[peer]}"/>' for x, y in points]
    middle = (TOP + bottom) / 2
    turned = f' transform="rotate(-90 20 {middle:.1f})"'
    shapes.append(text(20, middle, f"{y_title} (logarithmic)", anchor="middle", extra=turned))
    right = LEFT + len(panels) * (PANEL + GAP) - GAP
    peers = [peer for peer in COLOURS if any(peer in series for series in panels.values())]
    for at, peer in enumerate(peers):
        y = TOP + 12 + 20 * at
        dashes = ' stroke-dasharray="5 3"' if peer == FLOOR else ""
        width = 3 if peer == US else 1.5
        shapes.append(
            f'<path d="M{right + 12} {y - 4}h18" stroke="{COLOURS[peer]}" stroke-width="{width}"{dashes}/>'
        )
        shapes.append(text(right + 34, y, peer))
    return svg(right + LEGEND + 10, HEIGHT, title, shapes)


def bars(title, rows, x_title):
    """`rows`: names and values, by a logarithmic axis."""
    label, row, top = 200, 26, 50
    low = math.floor(math.log10(min(value for _, value in rows)))
    high = math.ceil(math.log10(max(value for _, value in rows)))
    width, bottom = 480, top + row * len(rows)
    shapes = []
    for power in range(low, high + 1):
        x = label + (power - low) / (high - low) * width
        shapes.append(f'<path d="M{x:.1f} {top - 6}V{bottom}" stroke="#ddd"/>')
        shapes.append(text(x, bottom + 18, number(10**power), anchor="middle"))
    for at, (name, value) in enumerate(rows):
        y, reach = top + at * row, (math.log10(value) - low) / (high - low) * width
        colour = next(colour for peer, colour in COLOURS.items() if name.startswith(peer))
        shapes.append(f'<rect x="{label}" y="{y}" width="{reach:.1f}" height="{row - 8}" fill="{colour}"/>')
        shapes.append(text(label - 8, y + 13, name, anchor="end"))
        shapes.append(text(label + reach + 6, y + 13, number(value)))
    shapes.append(text(label + width / 2, bottom + 42, f"{x_title} (logarithmic)", anchor="middle"))
    return svg(label + width + 80, bottom + 56, title, shapes)
