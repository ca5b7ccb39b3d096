"""Draws SVG: curves with logarithmic axes, in several panels, and bars."""

import math

COLOURS = {
    "sockless": "#d62728",
    "floor": "#7f7f7f",
    "nexus-web": "#1f77b4",
    "tokio-websockets": "#2ca02c",
    "sockudo-ws": "#9467bd",
    "fastwebsockets": "#8c564b",
    "yawc": "#e377c2",
    "wtx": "#17becf",
    "web-socket": "#ff7f0e",
    "tungstenite": "#bcbd22",
}
SOCKLESS, FLOOR = "sockless", "floor"
PANEL, GAP, HEIGHT = 360, 70, 440
LEFT, TOP, BOTTOM, LEGEND = 80, 64, 64, 140
UNITS = {"MiB": 1 << 20, "KiB": 1 << 10, "B": 1}


def byte_count(count):
    unit = next(unit for unit in UNITS if count >= UNITS[unit])
    return f"{count // UNITS[unit]} {unit}"


def format_number(value):
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


def text(x, y, content, anchor="start", size=12, colour="black", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"{extra}>{content}</text>'


def spans(lines):
    """Returns the range of both axes as logarithms. That of the second has whole powers of ten."""
    points = [point for line in lines for point in line]
    x, y = ([math.log10(point[axis]) for point in points] for axis in (0, 1))
    return (min(x), max(x)), (math.floor(min(y)), math.ceil(max(y)))


def curves(title, panels, x_title, y_title):
    """Draws curves. `panels` has the points of each peer by the title of the panel. All panels have
    the same axes."""
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
            shapes.append(text(left - 6, y + 4, format_number(10**power), anchor="end"))
        # Powers of sixteen have short labels that do not overlap.
        for tick in (16**power for power in range(6)):
            if x_low - 0.01 <= math.log10(tick) <= x_high + 0.01:
                x, _ = place(tick, 10**y_low)
                shapes.append(f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="#eee"/>')
                shapes.append(text(x, bottom + 18, byte_count(tick), anchor="middle"))
        shapes.append(text(left + PANEL / 2, bottom + 42, f"{x_title} (logarithmic)", anchor="middle"))
        # The curve of `sockless` is drawn last, above the others.
        for peer in sorted(series, key=lambda peer: peer == SOCKLESS):
            points = [place(*point) for point in sorted(series[peer])]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            width, dashes = (3 if peer == SOCKLESS else 1.5), (' stroke-dasharray="5 3"' if peer == FLOOR else "")
            shapes.append(
                f'<polyline points="{path}" fill="none" stroke="{COLOURS[peer]}" stroke-width="{width}"{dashes}/>'
            )
            shapes += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="{COLOURS[peer]}"/>' for x, y in points]
    middle = (TOP + bottom) / 2
    rotated = f' transform="rotate(-90 20 {middle:.1f})"'
    shapes.append(text(20, middle, f"{y_title} (logarithmic)", anchor="middle", extra=rotated))
    right = LEFT + len(panels) * (PANEL + GAP) - GAP
    peers = [peer for peer in COLOURS if any(peer in series for series in panels.values())]
    for at, peer in enumerate(peers):
        y = TOP + 12 + 20 * at
        dashes = ' stroke-dasharray="5 3"' if peer == FLOOR else ""
        width = 3 if peer == SOCKLESS else 1.5
        shapes.append(
            f'<path d="M{right + 12} {y - 4}h18" stroke="{COLOURS[peer]}" stroke-width="{width}"{dashes}/>'
        )
        shapes.append(text(right + 34, y, peer))
    return svg(right + LEGEND + 10, HEIGHT, title, shapes)


def bars(title, rows, x_title):
    """Draws bars. `rows` has names and values. The axis is logarithmic."""
    label, row, top = 200, 26, 50
    low = math.floor(math.log10(min(value for _, value in rows)))
    high = math.ceil(math.log10(max(value for _, value in rows)))
    width, bottom = 480, top + row * len(rows)
    shapes = []
    for power in range(low, high + 1):
        x = label + (power - low) / (high - low) * width
        shapes.append(f'<path d="M{x:.1f} {top - 6}V{bottom}" stroke="#ddd"/>')
        shapes.append(text(x, bottom + 18, format_number(10**power), anchor="middle"))
    for at, (name, value) in enumerate(rows):
        y, length = top + at * row, (math.log10(value) - low) / (high - low) * width
        colour = next(colour for peer, colour in COLOURS.items() if name.startswith(peer))
        shapes.append(f'<rect x="{label}" y="{y}" width="{length:.1f}" height="{row - 8}" fill="{colour}"/>')
        shapes.append(text(label - 8, y + 13, name, anchor="end"))
        shapes.append(text(label + length + 6, y + 13, format_number(value)))
    shapes.append(text(label + width / 2, bottom + 42, f"{x_title} (logarithmic)", anchor="middle"))
    return svg(label + width + 80, bottom + 56, title, shapes)
