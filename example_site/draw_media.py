"""Draws every picture of the example site, the same way every time: `python example_site/draw_media.py`.

Only shapes and a seeded random generator: no fonts and no photographs, so nothing here belongs to anybody else.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

from drawing import (
    BRICK,
    INK,
    LEAF,
    MOSS,
    MUSTARD,
    PAPER,
    PLUM,
    RUST,
    SEA,
    TEAL,
    Canvas,
    around,
    bicycle_at,
    house,
    steam,
)
from PIL import Image, ImageFilter
from PIL.ExifTags import GPS, IFD, Base

MEDIA = Path(__file__).parent / "cms" / "media"


def bicycle() -> Image.Image:
    canvas = Canvas(1200, 675, "#f7d9b0", "#fbeedb")
    canvas.disc(930, 170, 78, "#f4b860")
    canvas.hills(420, 40, "#b9cfae", 4)
    canvas.hills(480, 30, "#93b38a", 9)
    canvas.box(0, 560, 1200, 115, "#c9a77c")
    canvas.box(0, 560, 1200, 6, "#b08d63")
    bicycle_at(canvas, 560, 462, 158, TEAL)
    return canvas.finished()


def soup_pot() -> Image.Image:
    canvas = Canvas(1200, 675, "#f3e3cf")
    for column in range(0, 1200, 100):
        for row in range(0, 470, 94):
            canvas.box(
                column + 3, row + 3, 94, 88, "#f8ecdc" if (column // 100 + row // 94) % 2 else "#efdcc4", round_px=6
            )
    canvas.box(0, 500, 1200, 175, "#8a5a3c")
    canvas.box(0, 500, 1200, 12, "#a06c4a")
    steam(canvas, 600, 200, 150, "#ffffff")
    canvas.box(330, 290, 70, 30, INK, round_px=15)
    canvas.box(800, 290, 70, 30, INK, round_px=15)
    canvas.box(380, 235, 440, 275, BRICK, round_px=46)
    canvas.box(380, 235, 440, 60, "#c9674e", round_px=20)
    canvas.oval(600, 240, 220, 34, "#8d3d2b")
    canvas.oval(600, 244, 196, 24, MUSTARD)
    for x, y, colour in ((520, 240, LEAF), (575, 250, RUST), (640, 238, LEAF), (690, 248, "#f3d98b"), (610, 256, MOSS)):
        canvas.oval(x, y, 17, 7, colour)
    canvas.line([(740, 232), (850, 70)], "#a06c4a", 16)
    return canvas.finished()


def canal() -> Image.Image:
    canvas = Canvas(1200, 800, "#34497a", "#f2a66f")
    canvas.disc(760, 395, 62, "#ffe1a6")
    canvas.hills(410, 26, "#4d4a6b", 3)
    canvas.shape([(0, 800), (0, 470), (470, 425), (730, 425), (1200, 470), (1200, 800)], "#39405f")
    canvas.shape([(150, 800), (560, 426), (700, 426), (1010, 800)], "#d58f6e")
    draw = Random(7)
    for step in range(120):
        y = 430 + step * 3.1
        half = 60 + (y - 426) * 0.9
        x = 625 + draw.uniform(-half, half) * 0.9
        canvas.line(
            [(x, y), (x + draw.uniform(10, 60) * (y - 380) / 200, y)], draw.choice(["#f0b98c", "#a46b67", "#6f5673"]), 2
        )
    for number in range(7):
        x, base = 1010 - number * 52, 560 - number * 19
        canvas.line([(x, base), (x, base - 190 + number * 20)], "#2b2c45", 9 - number)
        canvas.oval(x, base - 200 + number * 22, 44 - number * 4, 84 - number * 8, "#2f3a52")
    return canvas.finished().filter(ImageFilter.GaussianBlur(0.4))


def market() -> Image.Image:
    canvas = Canvas(1200, 675, "#bfe0e4", "#f5f2e6")
    canvas.box(0, 540, 1200, 135, "#d8c7a8")
    draw = Random(12)
    for stall, (x, colour) in enumerate(((70, BRICK), (455, MOSS), (840, MUSTARD))):
        canvas.line([(x + 12, 250), (x + 12, 560)], "#7b5a3e", 12)
        canvas.line([(x + 278, 250), (x + 278, 560)], "#7b5a3e", 12)
        for stripe in range(6):
            tone = colour if stripe % 2 == 0 else PAPER
            left = x - 15 + stripe * 53
            canvas.box(left, 170, 53, 90, tone)
            canvas.disc(left + 26.5, 260, 26.5, tone)
        canvas.box(x - 8, 430, 306, 120, "#a87b51", round_px=6)
        for crate in range(3):
            canvas.box(x + 4 + crate * 98, 400, 86, 60, "#c99a66", round_px=4)
            fruit = (RUST, LEAF, BRICK, MUSTARD, PLUM)[(stall * 2 + crate) % 5]
            for _ in range(16):
                canvas.disc(x + 16 + crate * 98 + draw.uniform(0, 62), 396 + draw.uniform(-14, 12), 12, fruit)
    return canvas.finished()


def gears() -> Image.Image:
    canvas = Canvas(1200, 675, "#20303a")
    for x, y, radius, teeth, colour in (
        (390, 350, 190, 30, MUSTARD),
        (735, 300, 130, 21, "#d9dfe2"),
        (980, 430, 112, 18, RUST),
        (150, 110, 96, 16, TEAL),
        (1080, 110, 80, 13, "#8fa6ad"),
    ):
        for tooth in range(teeth):
            angle = tooth * math.tau / teeth
            width = math.tau / teeth * 0.27
            canvas.shape(
                [
                    around(x, y, radius, angle - width),
                    around(x, y, radius * 1.11, angle - width * 0.55),
                    around(x, y, radius * 1.11, angle + width * 0.55),
                    around(x, y, radius, angle + width),
                ],
                colour,
            )
        canvas.disc(x, y, radius * 1.01, colour)
        for hole in range(5):
            canvas.disc(*around(x, y, radius * 0.62, hole * math.tau / 5 + 0.3), radius * 0.22, "#20303a")
        canvas.disc(x, y, radius * 0.15, "#20303a")
    return canvas.finished()


def bread() -> Image.Image:
    canvas = Canvas(1200, 675, "#e9ddc8", "#f7f0e3")
    canvas.box(120, 470, 960, 70, "#9b6b43", round_px=24)
    canvas.box(120, 520, 960, 24, "#7f5535", round_px=12)
    canvas.oval(600, 470, 330, 28, "#8a6040")
    canvas.oval(600, 360, 345, 150, "#8f5426")
    canvas.oval(600, 346, 332, 136, "#c17f3e")
    canvas.oval(590, 326, 290, 104, "#d2934f")
    for number in range(4):
        x = 420 + number * 120
        canvas.line([(x, 410), (x + 28, 330), (x + 80, 262)], "#f2d6a2", 24)
        canvas.line([(x + 8, 412), (x + 36, 334), (x + 88, 266)], "#a96a30", 5)
    draw = Random(3)
    for _ in range(240):
        canvas.disc(draw.uniform(150, 1050), draw.uniform(452, 500), draw.uniform(0.8, 2.4), PAPER)
    return canvas.finished()


def terminal() -> Image.Image:
    canvas = Canvas(1200, 675, "#7c8fb0", "#c9b6c6")
    canvas.box(150, 90, 900, 500, "#141a28", round_px=22)
    canvas.box(150, 90, 900, 56, "#26304a", round_px=22)
    canvas.box(150, 122, 900, 24, "#26304a")
    for number, colour in enumerate(("#e0655a", "#e5b64c", "#69ad6b")):
        canvas.disc(190 + number * 34, 118, 10, colour)
    draw = Random(21)
    tones = ("#8fbfc0", "#e3b34c", "#d98243", "#a8c99a", "#c7cfde", "#c79ac9")
    indents = (0, 1, 1, 2, 2, 1, 0, 0, 1, 2, 1, 0)
    for row, indent in enumerate(indents):
        x, y = 196 + indent * 44, 180 + row * 33
        for _ in range(draw.randint(2, 5)):
            length = draw.uniform(34, 150)
            canvas.box(x, y, length, 14, draw.choice(tones), round_px=7)
            x += length + 16
    canvas.box(196, 180 + len(indents) * 33, 14, 22, "#f6efe2")
    return canvas.finished()


def tea() -> Image.Image:
    canvas = Canvas(1000, 750, "#d6e4d9", "#f3f4ea")
    canvas.box(0, 560, 1000, 190, "#b98f65")
    canvas.box(0, 560, 1000, 8, "#a27a52")
    canvas.ring(330, 410, 100, TEAL, 30)
    canvas.shape([(560, 430), (720, 330), (740, 352), (585, 500)], TEAL)
    canvas.oval(450, 430, 185, 150, TEAL)
    canvas.oval(430, 400, 130, 90, "#4f9599")
    canvas.oval(450, 296, 96, 26, "#34696d")
    canvas.disc(450, 262, 20, MUSTARD)
    canvas.ring(905, 520, 34, PAPER, 13)
    canvas.shape([(735, 470), (915, 470), (880, 590), (770, 590)], PAPER)
    canvas.oval(825, 470, 90, 18, "#e4dac8")
    canvas.oval(825, 472, 78, 13, "#b8672f")
    canvas.oval(825, 600, 118, 14, "#e9e0cf")
    steam(canvas, 825, 440, 110, "#ffffff")
    return canvas.finished()


def garden() -> Image.Image:
    canvas = Canvas(1200, 675, "#cfe6ef", "#eef6ea")
    canvas.disc(180, 120, 56, "#f7d774")
    canvas.hills(300, 26, "#a8c7a0", 15)
    draw = Random(5)
    for row in range(5):
        y = 350 + row * 66
        canvas.box(0, y, 1200, 66, "#8b6446" if row % 2 == 0 else "#7c583d")
        for number in range(14 - row):
            x = 50 + number * (1150 / (13 - row)) + draw.uniform(-8, 8)
            size = 20 + row * 7
            tone = (LEAF, MOSS, "#8db36b", "#5d8a70", "#9bbd57")[row]
            for leaf in range(7):
                tip = around(x, y + 28, size * draw.uniform(0.85, 1.25), math.pi + (leaf + 0.5) * math.pi / 7)
                canvas.line([(x, y + 34), tip], tone, size / 4.2)
    return canvas.finished()


def winter() -> Image.Image:
    canvas = Canvas(1200, 675, "#33415f", "#a9b6cc")
    canvas.hills(350, 40, "#8d9cb7", 8)
    for number, x in enumerate(range(60, 1140, 150)):
        high = 130 + (number * 53) % 90
        wall = ("#7d4f4a", "#55607d", "#6b6a58", "#74566f")[number % 4]
        house(canvas, x, 520, 110, high, wall, "#eef2f8", "#ffd98a")
    canvas.hills(530, 16, "#e8eef6", 30)
    canvas.hills(600, 18, "#f7f9fc", 31)
    draw = Random(77)
    for _ in range(330):
        canvas.disc(draw.uniform(0, 1200), draw.uniform(0, 675), draw.uniform(1, 3.6), "#ffffff")
    return canvas.finished()


def clock_tower() -> Image.Image:
    canvas = Canvas(900, 1100, "#f2c48d", "#fae8cf")
    for x, high, wall in ((20, 300, "#c98a6b"), (170, 360, "#dba980"), (600, 330, "#b97c64"), (740, 270, "#d9a27c")):
        house(canvas, x, 980, 140, high, wall, "#8d4a3a", "#fbe6b8")
    canvas.box(355, 300, 190, 680, "#e7d3b4")
    canvas.box(335, 280, 230, 34, "#c9ae86", round_px=6)
    canvas.shape([(345, 280), (450, 70), (555, 280)], "#6e4436")
    canvas.line([(450, 70), (450, 20)], INK, 5)
    canvas.disc(450, 410, 76, "#fffaf0")
    canvas.ring(450, 410, 76, INK, 7)
    for hour in range(12):
        angle = hour * math.tau / 12
        canvas.line([around(450, 410, 58, angle), around(450, 410, 66, angle)], INK, 4)
    canvas.line([(450, 410), around(450, 410, 38, math.radians(-60))], INK, 7)
    canvas.line([(450, 410), around(450, 410, 56, math.radians(30))], INK, 4)
    canvas.box(410, 820, 80, 160, "#6e4436", round_px=36)
    canvas.box(0, 976, 900, 124, "#b99f7d")
    bicycle_at(canvas, 690, 1010, 62, BRICK)
    return canvas.finished()


def chart() -> Image.Image:
    canvas = Canvas(1000, 560, PAPER)
    for line in range(6):
        y = 480 - line * 80
        canvas.line([(80, y), (960, y)], "#e4dccb" if line else INK, 2)
    for month, repairs in enumerate((9, 11, 18, 26, 31, 38, 36, 33, 29, 21, 14, 8)):
        high = repairs * 10
        canvas.box(98 + month * 72, 480 - high, 48, high, RUST if repairs == 38 else TEAL, round_px=5)
    return canvas.finished()


def night_ride() -> Image.Image:
    canvas = Canvas(1200, 675, "#0e1730", "#33456f")
    draw = Random(42)
    for _ in range(260):
        canvas.disc(draw.uniform(0, 1200), draw.uniform(0, 430), draw.uniform(0.6, 2.2), "#f7f3df")
    canvas.disc(985, 130, 58, "#f5e9c6")
    canvas.disc(962, 118, 52, "#16213f")
    canvas.hills(440, 44, "#1a2644", 2)
    canvas.hills(520, 26, "#121b33", 6)
    canvas.box(0, 600, 1200, 75, "#0b1226")
    canvas.shape([(655, 455), (1060, 596), (740, 606), (655, 461)], "#3d4666")
    canvas.oval(900, 602, 165, 9, "#59648c")
    bicycle_at(canvas, 560, 540, 92, "#d98243", "#6d7aa6")
    canvas.disc(655, 458, 10, "#ffe9a8")
    return canvas.finished()


def wheel() -> Image.Image:
    canvas = Canvas(800, 800, "#efe7d7")
    canvas.ring(400, 400, 350, INK, 34)
    canvas.ring(400, 400, 312, "#a9b2b8", 20)
    spokes = 36
    for number in range(spokes):
        side, pair = number % 2, (number // 2) % 2
        turn = math.radians(58 if pair else -58)
        colour = (BRICK, TEAL)[side] if pair else ("#cf8a78", "#7fb0b2")[side]
        angle = number * math.tau / spokes
        canvas.line([around(400, 400, 44, angle + turn), around(400, 400, 302, angle)], colour, 4)
    canvas.disc(400, 400, 54, "#c8cdd0")
    canvas.disc(400, 400, 22, INK)
    return canvas.finished()


def route_map() -> Image.Image:
    canvas = Canvas(1200, 675, "#e6ecd8")
    canvas.hills(520, 60, "#d3dfbf", 18)
    river = [(x, 250 + 70 * math.sin(x / 170) + x * 0.12) for x in range(-20, 1240, 20)]
    canvas.line(river, SEA, 46)
    for x, y, wide, high in ((120, 420, 140, 90), (430, 110, 170, 110), (840, 150, 120, 130), (900, 480, 190, 100)):
        canvas.box(x, y, wide, high, "#c5d6a6", round_px=30)
    for street in (
        [(0, 120), (500, 330), (1200, 300)],
        [(300, 0), (360, 675)],
        [(720, 0), (800, 675)],
        [(0, 560), (1200, 520)],
    ):
        canvas.line(street, "#fffdf6", 14)
    route = [(140, 545), (352, 540), (340, 260), (500, 330), (740, 322), (790, 520), (1040, 516), (1080, 330)]
    canvas.line(route, BRICK, 9)
    for x, y in route:
        canvas.disc(x, y, 13, PAPER)
        canvas.ring(x, y, 13, BRICK, 5)
    return canvas.finished()


def oranges() -> Image.Image:
    canvas = Canvas(1200, 675, "#f3ead2")
    for row in range(4):
        for column in range(7):
            x, y = 110 + column * 180 - (row % 2) * 90, 95 + row * 165
            canvas.disc(x, y, 68, "#e98a2e")
            canvas.disc(x, y, 58, "#fdf0d6")
            for segment in range(8):
                start = segment * math.tau / 8 + row
                arc = [around(x, y, 52, start + 0.06 + part * (math.tau / 8 - 0.12) / 6) for part in range(7)]
                canvas.shape([around(x, y, 8, start + math.tau / 16), *arc], "#f2a446")
    return canvas.finished()


def emblem(size_px: int) -> Image.Image:
    """A ladle and a spanner, crossed."""
    canvas = Canvas(480, 480, TEAL)
    canvas.line([(128, 124), (330, 340)], PAPER, 30)
    canvas.disc(116, 114, 52, PAPER)
    canvas.shape([(122, 120), (30, 74), (76, 28)], TEAL)
    canvas.disc(344, 352, 40, PAPER)
    canvas.disc(344, 352, 17, TEAL)
    canvas.line([(352, 110), (176, 300)], MUSTARD, 24)
    canvas.disc(146, 336, 64, MUSTARD)
    canvas.oval(146, 322, 48, 30, "#b98a2e")
    return canvas.finished().resize((size_px, size_px), Image.Resampling.LANCZOS)


def exif_of_the_canal() -> Image.Exif:
    """A place and a camera, as a telephone writes them: a published copy must not carry the place."""
    exif = Image.Exif()
    exif[Base.Make] = "Ladle & Spanner"
    exif[Base.Model] = "draw_media.py"
    exif.get_ifd(IFD.GPSInfo).update(
        {
            GPS.GPSVersionID: b"\x02\x03\x00\x00",
            GPS.GPSLatitudeRef: "N",
            GPS.GPSLatitude: (0.0, 0.0, 0.0),
            GPS.GPSLongitudeRef: "W",
            GPS.GPSLongitude: (30.0, 0.0, 0.0),
        }
    )
    return exif


PICTURES: dict[str, Callable[[], Image.Image]] = {
    "bicycle.png": bicycle,
    "bread.png": bread,
    "canal.jpg": canal,
    "chart.png": chart,
    "clock-tower.png": clock_tower,
    "favicon.png": lambda: emblem(64),
    "garden.webp": garden,
    "gears.png": gears,
    "logo.png": lambda: emblem(480),
    "market.webp": market,
    "night-ride.webp": night_ride,
    "oranges.png": oranges,
    "route-map.png": route_map,
    "soup-pot.png": soup_pot,
    "tea.png": tea,
    "terminal.png": terminal,
    "wheel.png": wheel,
    "winter.jpg": winter,
}


def write(folder: Path) -> None:
    """Draw every picture into `folder`, which must exist."""
    for name, draw in PICTURES.items():
        picture, path = draw(), folder / name
        if path.suffix == ".jpg":
            exif = exif_of_the_canal() if name == "canal.jpg" else Image.Exif()
            picture.save(path, quality=82, optimize=True, progressive=True, exif=exif)
        elif path.suffix == ".webp":
            picture.save(path, quality=80, method=6)
        else:
            palette = picture.quantize(colors=128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            palette.save(path, optimize=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else MEDIA)
