"""Draws lines as plain SVG, for results that are looked at in a browser or a README."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

Line = Sequence[tuple[float, float]]
WIDTH: Final = 900
HEIGHT: Final = 300
LEFT: Final = 60
RIGHT: Final = 150
BOTTOM: Final = 40
COLOURS: Final = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
TICKS: Final = (1, 2, 2.5, 5, 10, 20)
LEAST: Final = 1e-9
"""Less than this is nothing."""


def charts(panels: Sequence[tuple[str, str, Mapping[str, Line]]]) -> str:
    """A picture of several panels below one another; each is a title, what x is, and named lines."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT * len(panels)}">',
        "<style>text {font: 12px sans-serif}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT * len(panels)}" fill="white"/>',
    ]
    for number, (title, across, lines) in enumerate(panels):
        parts.append(f'<g transform="translate(0 {HEIGHT * number})">')
        parts += _panel(title, across, lines)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(title: str, across: str, lines: Mapping[str, Line]) -> list[str]:
    points = [point for line in lines.values() for point in line] or [(0.0, 0.0)]
    step_x, top_x = scale(max(x for x, _ in points))
    step_y, top_y = scale(max(y for _, y in points))
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - 2 * BOTTOM
    parts = [f'<text x="{LEFT}" y="20" font-weight="bold">{escape(title)}</text>']
    for count in range(round(top_y / step_y) + 1):
        y = BOTTOM + high * (1 - count * step_y / top_y)
        parts.append(
            f'<path d="M{LEFT} {y:.0f}h{wide}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{count * step_y:g}</text>'
        )
    for count in range(round(top_x / step_x) + 1):
        x = LEFT + wide * count * step_x / top_x
        label = (
            f'<text x="{x:.0f}" y="{HEIGHT - 22}" text-anchor="middle">{count * step_x:g}</text>'
        )
        parts.append(label)
    parts.append(f'<text x="{LEFT + wide / 2:.0f}" y="{HEIGHT - 5}">{escape(across)}</text>')
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawn = " ".join(
            f"{LEFT + wide * x / top_x:.1f},{BOTTOM + high * (1 - y / top_y):.1f}" for x, y in line
        )
        parts.append(
            f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
            f'<text x="{WIDTH - RIGHT + 10}" y="{BOTTOM + 12 + 18 * number}" fill="{colour}">'
            f"{escape(name)}</text>"
        )
    return parts


def scale(most: float) -> tuple[float, float]:
    """The step between two ticks of an axis, and where it ends: at most six steps reach `most`."""
    if most < LEAST:
        return 1.0, 4.0
    magnitude = 10.0 ** math.floor(math.log10(most / 6))
    step = next(tick * magnitude for tick in TICKS if tick * magnitude * 6 >= most)
    return step, step * math.ceil(most / step)
