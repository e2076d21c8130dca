"""Small things, lamps, plants and screens. Each function makes one, different for every `chance`."""

from __future__ import annotations

from itertools import pairwise

from vstkit.chance import Chance
from vstkit.synth.model import BLACK, BRIGHT, PORCELAIN, STEEL, Model, between, darker, glazed, model, wood
from vstkit.synth.shapes import Material, Part, box, disc, leaf, panel, rod, soft, turned

GREENS = ((0.22, 0.42, 0.18), (0.30, 0.50, 0.24), (0.18, 0.36, 0.22), (0.36, 0.52, 0.22))
SHADES = ((0.96, 0.90, 0.78), (0.95, 0.93, 0.90), (0.90, 0.80, 0.62))
PAPER = Material((0.90, 0.88, 0.82))


def _shade(low: float, high: float, wide: float, narrow: float, chance: Chance) -> list[Part]:
    """An open lampshade, shining."""
    cloth = Material(chance.choice(SHADES), "fabric", glow=0.9)
    return [
        turned([(wide, low), (narrow, high), (narrow - 0.004, high), (wide - 0.004, low), (wide, low)], cloth, 32),
        turned(
            [(0, low + 0.06), (0.03, low + 0.07), (0.03, low + 0.11), (0, low + 0.13)], cloth._replace(glow=3.0), 12
        ),
    ]


def table_lamp(chance: Chance) -> Model:
    """A turned base and a shade."""
    base, high, r = glazed(chance), between(chance, 0.20, 0.30), between(chance, 0.055, 0.08)
    profile = [
        (0, 0),
        (r, 0),
        (r, 0.015),
        (r * 0.5, 0.03),
        (r, high * 0.4),
        (r * 0.8, high * 0.65),
        (0.015, high * 0.85),
    ]
    parts = [turned([*profile, (0.012, high + 0.08), (0, high + 0.08)], base)]
    wide = between(chance, 0.11, 0.15)
    return model("table lamp", parts + _shade(high, high + between(chance, 0.15, 0.2), wide, wide * 0.7, chance))


def floor_lamp(chance: Chance) -> Model:
    """A round foot, a long pole and a shade."""
    metal, high, wide = chance.choice((BLACK, STEEL)), between(chance, 1.3, 1.5), between(chance, 0.17, 0.23)
    parts = [turned([(0, 0), (0.15, 0), (0.15, 0.012), (0.03, 0.03), (0, 0.03)], metal)]
    parts.append(rod((0, 0, 0.02), (0, 0, high + 0.1), 0.013, metal))
    return model("floor lamp", parts + _shade(high, high + between(chance, 0.2, 0.28), wide, wide * 0.72, chance))


def ceiling_lamp(chance: Chance) -> Model:
    """A round bowl of glass under a ring."""
    r = between(chance, 0.2, 0.26)
    glass = Material((1.0, 0.96, 0.88), glow=2.5)
    bowl = turned([(0, 0), (r * 0.5, 0.012), (r * 0.85, 0.045), (r, 0.085), (0, 0.085)], glass, 32)
    return model("ceiling lamp", [bowl, disc(r + 0.02, 0.085, 0.11, STEEL)])


def monitor(chance: Chance) -> Model:
    """A screen that is on, on a neck and a foot."""
    wide = between(chance, 0.5, 0.64)
    high, low = wide * 9 / 16, between(chance, 0.1, 0.15)
    parts = [box((0.028, wide, high), (0, 0, low + high / 2), BLACK)]
    parts.append(panel(wide - 0.022, high - 0.028, (0.0145, 0, low + high / 2 + 0.004), _screen(chance)))
    parts += [
        box((0.03, 0.06, low + 0.1), (-0.028, 0, (low + 0.1) / 2), BLACK),
        box((0.18, 0.24, 0.012), (-0.02, 0, 0.006), BLACK),
    ]
    return model("monitor", parts, front=True)


def television(chance: Chance) -> Model:
    """A wide, thin screen on two feet."""
    wide = between(chance, 0.9, 1.25)
    high = wide * 9 / 16
    parts = [box((0.04, wide, high), (0, 0, 0.06 + high / 2), BLACK)]
    parts.append(
        panel(wide - 0.02, high - 0.024, (0.0205, 0, 0.06 + high / 2), Material((1.0, 1.0, 1.0), "film", 0.3, 0.55))
    )
    for s in (1, -1):
        parts += [
            box((0.22, 0.025, 0.012), (0, s * wide * 0.32, 0.006), BLACK),
            box((0.02, 0.025, 0.06), (0, s * wide * 0.32, 0.035), BLACK),
        ]
    return model("television", parts, front=True)


def _screen(chance: Chance) -> Material:
    return Material((1.0, 1.0, 1.0), chance.choice(("windows", "code")), gloss=0.3, glow=0.6)


def laptop(chance: Chance) -> Model:
    """An open laptop: keys on its base, the lid leaning back."""
    shell, wide, deep = (
        Material((0.55, 0.56, 0.58), gloss=0.3),
        between(chance, 0.31, 0.36),
        between(chance, 0.21, 0.24),
    )
    parts = [box((deep, wide, 0.016), (0, 0, 0.008), shell)]
    keys = panel(wide - 0.04, deep * 0.5, (0, 0, 0), Material((1.0, 1.0, 1.0), "keys")).turned(yaw=-90)
    parts.append(keys.moved(-deep * 0.16, 0, 0.0165))
    lid = [box((0.008, wide, deep), (0, 0, deep / 2), shell)]
    lid.append(panel(wide - 0.02, deep - 0.025, (0.0045, 0, deep / 2), _screen(chance)))
    parts += [part.turned(yaw=-18).moved(-deep / 2, 0, 0.016) for part in lid]
    return model("laptop", parts, front=True)


def keyboard(chance: Chance) -> Model:
    """A flat board with rows of keys."""
    wide = between(chance, 0.36, 0.44)
    parts = [box((0.14, wide, 0.02), (0, 0, 0.01), BLACK)]
    keys = panel(wide - 0.012, 0.128, (0, 0, 0), Material((1.0, 1.0, 1.0), "keys")).turned(yaw=-90)
    return model("keyboard", [*parts, keys.moved(0, 0, 0.0205)], front=True)


def plant(chance: Chance, big: bool = False) -> Model:
    """Leaves that grow out of a pot, on a table or, `big`, on the floor."""
    size = between(chance, 0.85, 1.2) if big else between(chance, 0.22, 0.34)
    r, high = size * 0.17, size * 0.30
    pot = chance.choice((Material((0.66, 0.36, 0.24)), PORCELAIN, Material((0.35, 0.36, 0.38), gloss=0.2)))
    inside = (0, high * 0.9)
    profile = [
        (0, 0),
        (r * 0.72, 0),
        (r, high * 0.86),
        (r * 1.08, high * 0.88),
        (r * 1.08, high),
        (r * 0.95, high),
        (r * 0.92, high * 0.9),
    ]
    parts = [turned([*profile, inside], pot), disc(r * 0.9, high * 0.89, high * 0.905, Material((0.20, 0.14, 0.10)))]
    green = Material(chance.choice(GREENS), gloss=0.15)
    for i in range(15 + chance.below(8)):
        heading, stem = 137.5 * i, size * between(chance, 0.1, 0.45)
        start = (0.0, 0.0, high * 0.9 + (stem if big else stem * 0.25))
        if big and i % 3 == 0:
            parts.append(rod((0, 0, high * 0.85), start, size * 0.008, darker(green, 0.7), sides=6))
        length, rise = size * between(chance, 0.25, 0.42), between(chance, 0.6, 2.0)
        parts.append(
            leaf(
                start,
                heading,
                length,
                rise,
                length * between(chance, 0.28, 0.42),
                darker(green, between(chance, 0.8, 1.25)),
            )
        )
    return model("plant", parts)


def floor_plant(chance: Chance) -> Model:
    """A plant as high as a person's hip."""
    return plant(chance, big=True)


def cup(chance: Chance) -> Model:
    """A mug with its handle."""
    glaze, r, high = glazed(chance), between(chance, 0.036, 0.043), between(chance, 0.085, 0.105)
    walls = [(0, 0), (r * 0.9, 0), (r, 0.012), (r, high), (r - 0.004, high), (r - 0.004, 0.01), (0, 0.01)]
    parts = [turned(walls, glaze), disc(r - 0.004, high * 0.78, high * 0.8, Material((0.22, 0.13, 0.08), gloss=0.3))]
    bow = [
        (r - 0.004, high * 0.78),
        (r + 0.02, high * 0.78),
        (r + 0.03, high * 0.6),
        (r + 0.028, high * 0.38),
        (r - 0.004, high * 0.25),
    ]
    for (x0, z0), (x1, z1) in pairwise(bow):
        parts.append(rod((0, x0, z0), (0, x1, z1), 0.0055, glaze))
    return model("cup", parts)


def bowl(chance: Chance) -> Model:
    """A bowl, often with fruit."""
    glaze, r = glazed(chance), between(chance, 0.09, 0.15)
    high = r * between(chance, 0.5, 0.62)
    outside = [(0, 0), (r * 0.45, 0), (r * 0.48, 0.008), (r * 0.8, high * 0.4), (r, high)]
    parts = [turned([*outside, (r - 0.006, high), (r * 0.76, high * 0.45), (r * 0.4, 0.016), (0, 0.014)], glaze, 32)]
    skin = Material(chance.choice(((0.80, 0.18, 0.12), (0.92, 0.52, 0.10), (0.50, 0.66, 0.18))), gloss=0.25)
    for i in range(chance.below(5)):
        fruit = soft((0.074, 0.074, 0.07), (r * 0.42, 0, high * 0.35 + 0.045), 0.037, skin)
        parts.append(fruit.turned(roll=90 * i + 20))
    return model("bowl", parts)


def plate(chance: Chance) -> Model:
    """A flat plate with a rim."""
    r = between(chance, 0.11, 0.135)
    profile = [(0, 0), (r * 0.6, 0), (r, 0.018), (r, 0.021), (r * 0.64, 0.006), (0, 0.005)]
    return model("plate", [turned(profile, glazed(chance), 32)])


def vase(chance: Chance) -> Model:
    """A belly and a neck, with a few stalks."""
    glaze, high, r = glazed(chance), between(chance, 0.18, 0.3), between(chance, 0.05, 0.075)
    low = [
        (0, 0),
        (r * 0.6, 0),
        (r * 0.95, high * 0.25),
        (r, high * 0.42),
        (r * 0.8, high * 0.65),
        (r * 0.4, high * 0.85),
    ]
    parts = [turned([*low, (r * 0.5, high), (r * 0.44, high), (r * 0.3, high * 0.8), (0, high * 0.7)], glaze)]
    bloom = Material(chance.choice(BRIGHT))
    for i in range(3 + chance.below(4)):
        lean, tall = between(chance, 0.02, 0.09), high + between(chance, 0.08, 0.2)
        stalk = rod((0, 0, high * 0.75), (lean, 0, tall), 0.0025, Material(GREENS[0]), sides=5)
        head = soft((0.05, 0.05, 0.04), (lean, 0, tall), 0.02, bloom, 1)
        parts += [part.turned(roll=137.5 * i) for part in (stalk, head)]
    return model("vase", parts)


def bottle(chance: Chance) -> Model:
    """A bottle with a label and a cap."""
    glass = Material(chance.choice(((0.10, 0.26, 0.14), (0.30, 0.16, 0.07), (0.55, 0.70, 0.78))), gloss=0.7)
    r, high = between(chance, 0.033, 0.04), between(chance, 0.24, 0.31)
    body = [(0, 0), (r, 0), (r, high * 0.6), (r * 0.8, high * 0.7), (r * 0.36, high * 0.8), (r * 0.36, high * 0.95)]
    parts = [turned([*body, (0, high * 0.95)], glass), disc(r * 0.42, high * 0.95, high, STEEL, 16)]
    parts.append(turned([(r + 0.0005, high * 0.18), (r + 0.0005, high * 0.45)], Material(chance.choice(BRIGHT))))
    return model("bottle", parts)


def book(chance: Chance) -> Model:
    """A closed book, lying."""
    cover = Material(chance.choice(BRIGHT), gloss=0.1)
    deep, wide, thick = between(chance, 0.13, 0.17), between(chance, 0.19, 0.25), between(chance, 0.018, 0.045)
    parts = [box((deep, wide, 0.003), (0, 0, z), cover) for z in (0.0015, thick - 0.0015)]
    parts += [box((0.003, wide, thick), (-deep / 2 + 0.0015, 0, thick / 2), cover)]
    parts.append(box((deep - 0.008, wide - 0.008, thick - 0.006), (0, 0, thick / 2), PAPER))
    return model("book", parts)


def picture(chance: Chance) -> Model:
    """A framed painting; its back is the wall's side."""
    high, frame = between(chance, 0.4, 0.7), wood(chance)
    wide = round(high * chance.choice((0.75, 1.0, 1.4)), 3)
    art = Material((1.0, 1.0, 1.0), chance.choice(("landscape", "abstract", "seascape")))
    bar = 0.035
    parts = [box((0.025, wide, bar), (0.0125, 0, z), frame) for z in (bar / 2, high - bar / 2)]
    parts += [box((0.025, bar, high - 2 * bar), (0.0125, s * (wide - bar) / 2, high / 2), frame) for s in (1, -1)]
    parts.append(box((0.008, wide - 0.02, high - 0.02), (0.004, 0, high / 2), PAPER))
    parts.append(panel(wide - 2 * bar, high - 2 * bar, (0.012, 0, high / 2), art))
    return model("picture", parts, front=True)


def clock(chance: Chance) -> Model:
    """A round clock for the wall."""
    r = between(chance, 0.13, 0.18)
    rim, hour, minute = chance.choice((BLACK, STEEL)), 30 * chance.below(12), 30 * chance.below(12)
    face = turned([(0, 0), (r, 0), (r, 0.035), (r - 0.015, 0.035), (r - 0.015, 0.022), (0, 0.022)], rim, 32)
    parts = [face, disc(r - 0.016, 0.02, 0.024, PORCELAIN, 32)]
    parts += [box((0.02, 0.008, 0.002), (r * 0.75, 0, 0.025), BLACK).turned(roll=30 * i) for i in range(12)]
    parts.append(box((r * 0.45, 0.012, 0.002), (r * 0.2, 0, 0.027), BLACK).turned(roll=hour))
    parts.append(box((r * 0.65, 0.008, 0.002), (r * 0.3, 0, 0.029), BLACK).turned(roll=minute))
    return model("clock", [part.turned(yaw=90) for part in parts], front=True)


def trash_can(chance: Chance) -> Model:
    """An open bin."""
    r, high = between(chance, 0.12, 0.15), between(chance, 0.26, 0.34)
    profile = [(0, 0), (r * 0.8, 0), (r, high), (r - 0.006, high), (r * 0.8 - 0.006, 0.01), (0, 0.01)]
    return model("trash can", [turned(profile, chance.choice((STEEL, BLACK, Material((0.55, 0.62, 0.66)))), 32)])


def carton(chance: Chance) -> Model:
    """A cardboard box, taped."""
    deep, wide, high = (between(chance, low, high) for low, high in ((0.28, 0.4), (0.35, 0.55), (0.25, 0.4)))
    board, tape = Material((0.66, 0.50, 0.33), "fabric"), Material((0.78, 0.66, 0.46), gloss=0.3)
    parts = [box((deep, wide, high), (0, 0, high / 2), board), box((0.05, wide, 0.001), (0, 0, high + 0.0005), tape)]
    parts += [box((0.05, 0.001, 0.09), (0, s * (wide / 2 + 0.0005), high - 0.045), tape) for s in (1, -1)]
    return model("box", parts)
