"""Shapes for the example site's pictures: a canvas with smooth edges, and the few things drawn more than once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from PIL import Image, ImageDraw

OVERSAMPLING = 2

Colour = str
Point = tuple[float, float]

INK, CREAM, PAPER = "#22303c", "#f6efe2", "#fffaf0"
BRICK, RUST, MUSTARD, LEAF, MOSS = "#b5523b", "#d98243", "#e3b34c", "#6f9a62", "#47694d"
TEAL, SEA, NIGHT, PLUM, ROSE = "#3f8387", "#8fbfc0", "#1d2a44", "#6b4a6e", "#e6b3a3"


class Canvas:
    """A picture in final pixels, drawn larger and scaled down so that edges are smooth."""

    def __init__(self, width_px: int, height_px: int, top: Colour, bottom: Colour | None = None) -> None:
        self.width, self.height = width_px, height_px
        size = (width_px * OVERSAMPLING, height_px * OVERSAMPLING)
        self.image = Image.new("RGB", size, top)
        if bottom:
            column = Image.new("RGB", (1, size[1]))
            ends = [_rgb(top), _rgb(bottom)]
            for y in range(size[1]):
                part = y / (size[1] - 1)
                column.putpixel((0, y), tuple(round(a + (b - a) * part) for a, b in zip(*ends, strict=True)))
            self.image.paste(column.resize(size))
        self.pen = ImageDraw.Draw(self.image)

    def _at(self, points: Sequence[Point]) -> list[Point]:
        return [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]

    def shape(self, points: Sequence[Point], fill: Colour) -> None:
        self.pen.polygon(self._at(points), fill=fill)

    def line(self, points: Sequence[Point], colour: Colour, width_px: float) -> None:
        self.pen.line(self._at(points), fill=colour, width=round(width_px * OVERSAMPLING), joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, max(0, width_px / 2 - 0.25), colour)

    def disc(self, x: float, y: float, radius: float, fill: Colour) -> None:
        self.pen.ellipse(self._at([(x - radius, y - radius), (x + radius, y + radius)]), fill=fill)

    def oval(self, x: float, y: float, wide: float, high: float, fill: Colour) -> None:
        self.pen.ellipse(self._at([(x - wide, y - high), (x + wide, y + high)]), fill=fill)

    def ring(self, x: float, y: float, radius: float, colour: Colour, width_px: float) -> None:
        box = self._at([(x - radius, y - radius), (x + radius, y + radius)])
        self.pen.ellipse(box, outline=colour, width=round(width_px * OVERSAMPLING))

    def box(self, x: float, y: float, wide: float, high: float, fill: Colour, *, round_px: float = 0) -> None:
        corners = self._at([(x, y), (x + wide, y + high)])
        self.pen.rounded_rectangle(corners, radius=round_px * OVERSAMPLING, fill=fill)

    def hills(self, y: float, swing: float, colour: Colour, seed: int) -> None:
        draw = Random(seed)
        waves = [(draw.uniform(0.6, 2.4), draw.uniform(0, 6.3), draw.uniform(0.3, 1)) for _ in range(3)]
        top = [
            (
                x,
                y
                + swing * sum(size * math.sin(x / self.width * 6.3 * pace + start) for pace, start, size in waves) / 2,
            )
            for x in range(0, self.width + 8, 4)
        ]
        self.shape([(0, self.height), *top, (self.width, self.height)], colour)

    def finished(self) -> Image.Image:
        return self.image.resize((self.width, self.height), Image.Resampling.LANCZOS)


def _rgb(colour: Colour) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def around(x: float, y: float, radius: float, angle: float) -> Point:
    return x + radius * math.cos(angle), y + radius * math.sin(angle)


def wheel_at(canvas: Canvas, x: float, y: float, radius: float, spokes: int, colour: Colour = INK) -> None:
    for number in range(spokes):
        canvas.line([(x, y), around(x, y, radius, number * math.tau / spokes)], "#8c9299", radius / 90)
    canvas.ring(x, y, radius, colour, radius / 14)
    canvas.disc(x, y, radius / 12, colour)


def bicycle_at(canvas: Canvas, x: float, y: float, size: float, frame: Colour, parts: Colour = INK) -> None:
    rear, front = (x - 1.05 * size, y), (x + 1.05 * size, y)
    for hub in (rear, front):
        wheel_at(canvas, *hub, 0.66 * size, 28, parts)
    crank, seat, head = (
        (x - 0.12 * size, y + 0.06 * size),
        (x - 0.42 * size, y - 0.86 * size),
        (x + 0.7 * size, y - 0.9 * size),
    )
    fork = (x + 0.77 * size, y - 0.7 * size)
    tube = size / 13
    for ends in ([rear, crank], [rear, seat], [crank, seat], [seat, head], [crank, fork], [head, fork, front]):
        canvas.line(ends, frame, tube)
    saddle = (x - 0.47 * size, y - 1.02 * size)
    canvas.line([seat, saddle], parts, tube * 0.6)
    canvas.line([(saddle[0] - 0.18 * size, saddle[1]), (saddle[0] + 0.16 * size, saddle[1])], parts, tube * 1.3)
    bar = (x + 0.66 * size, y - 1.06 * size)
    canvas.line([head, bar], parts, tube * 0.6)
    canvas.line(
        [bar, (bar[0] + 0.22 * size, bar[1] - 0.02 * size), (bar[0] + 0.25 * size, bar[1] + 0.16 * size)],
        parts,
        tube * 0.7,
    )
    canvas.ring(*crank, 0.2 * size, parts, tube * 0.6)
    canvas.line([crank, (crank[0] + 0.2 * size, crank[1] + 0.24 * size)], parts, tube * 0.6)
    canvas.line(
        [(crank[0] + 0.12 * size, crank[1] + 0.25 * size), (crank[0] + 0.3 * size, crank[1] + 0.25 * size)], parts, tube
    )


def steam(canvas: Canvas, x: float, y: float, high: float, colour: Colour) -> None:
    for shift in (-1, 0, 1):
        points = [
            (x + shift * high * 0.35 + math.sin(step / 5 + shift) * high * 0.09, y - step * high / 24)
            for step in range(25)
        ]
        canvas.line(points, colour, high / 16)


def house(
    canvas: Canvas, x: float, y: float, wide: float, high: float, wall: Colour, roof: Colour, light: Colour
) -> None:
    canvas.box(x, y - high, wide, high, wall)
    canvas.shape([(x - 6, y - high), (x + wide / 2, y - high - wide * 0.55), (x + wide + 6, y - high)], roof)
    for row in range(int(high // 46)):
        for column in (0.2, 0.6):
            canvas.box(x + wide * column, y - high + 16 + row * 46, wide * 0.2, 22, light, round_px=2)
