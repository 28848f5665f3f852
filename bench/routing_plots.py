"""Draws what happened over time as plain SVG: success of each policy, and the shares that ours gave."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.routing_simulation import BIN_SECONDS, Result

WIDTH: Final = 900
HEIGHT: Final = 300
LEFT: Final = 50
BOTTOM: Final = 30
COLOURS: Final = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
SMOOTH: Final = 3
"""Minutes that are averaged."""


def plots(folder: Path, world: str, runs: Mapping[str, Result], ours: str) -> None:
    """Writes two files for a world."""
    success = {policy: smooth([bin_[:2] for bin_ in run.bins]) for policy, run in runs.items()}
    text = chart(f"{world}: payments paid, %", success, 100.0)
    (folder / f"routing_{world}_success.svg").write_text(text)
    bins = runs[ours].bins
    shares = {
        f"gateway {index + 1}": smooth([(sum(bin_[2]), bin_[2][index]) for bin_ in bins])
        for index in range(len(bins[0][2]))
    }
    text = chart(f"{world}: shares that {ours} gave, %", shares, 100.0)
    (folder / f"routing_{world}_shares.svg").write_text(text)


def smooth(pairs: Sequence[tuple[float, float]]) -> list[float]:
    """Per cent over a few minutes each."""
    parts = []
    for index in range(len(pairs)):
        near = pairs[max(0, index - SMOOTH + 1) : index + 1]
        parts.append(
            100.0 * sum(part for _, part in near) / max(1.0, sum(all_ for all_, _ in near))
        )
    return parts


def chart(title: str, lines: Mapping[str, Sequence[float]], top: float) -> str:
    """A line chart; x is hours."""
    count = max(len(values) for values in lines.values())
    wide, high = WIDTH - LEFT - 140, HEIGHT - 2 * BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        "<style>text {font: 12px sans-serif}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18">{title}</text>',
    ]
    for percent in range(0, 101, 20):
        y = BOTTOM + high * (1 - percent / top)
        parts.append(
            f'<path d="M{LEFT} {y:.0f}h{wide}" stroke="#dddddd"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{percent}</text>'
        )
    for half in range(int(count * BIN_SECONDS / 1800) + 1):
        x = LEFT + wide * half * 1800 / (count * BIN_SECONDS)
        parts.append(f'<text x="{x:.0f}" y="{HEIGHT - 8}">{half / 2:g} h</text>')
    for number, (name, values) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(
            f"{LEFT + wide * index / count:.1f},{BOTTOM + high * (1 - value / top):.1f}"
            for index, value in enumerate(values[:-1])
        )
        y = BOTTOM + 12 + 18 * number
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
            f'<text x="{WIDTH - 130}" y="{y}" fill="{colour}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"
