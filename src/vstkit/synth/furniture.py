"""Furniture that stands on the floor. Each function makes one piece, different for every `chance`."""

from __future__ import annotations

from vstkit.chance import Chance
from vstkit.synth.model import BLACK, STEEL, Model, Surface, between, darker, fabric, model, wood
from vstkit.synth.shapes import Material, box, disc, rod, soft
from vstkit.synth.storage import drawers, legs

LINEN = Material((0.92, 0.91, 0.88), "fabric")


def chair(chance: Chance) -> Model:
    """A dining chair: a seat, four legs, two posts and a back of slats, bars or one board."""
    frame = wood(chance)
    seat, wide, deep = between(chance, 0.44, 0.48), between(chance, 0.42, 0.48), between(chance, 0.41, 0.46)
    top, leg = between(chance, 0.82, 1.0), between(chance, 0.032, 0.042)
    x, y = (deep - leg) / 2, (wide - leg) / 2
    parts = legs(x, y, seat - 0.025, leg, frame)
    parts.append(box((deep, wide, 0.03), (0, 0, seat - 0.015), frame))
    if chance.below(2):
        parts.append(soft((deep - 0.05, wide - 0.06, 0.05), (0.02, 0, seat + 0.015), 0.025, fabric(chance)))
    parts += [box((leg * 0.8, leg, top - seat), (-x, s * y, (top + seat) / 2), frame) for s in (1, -1)]
    style = chance.below(3)
    rail = (0.022, wide - 2 * leg, 0.07)
    if style == 0:
        levels = 3
        parts += [box(rail, (-x, 0, seat + (top - seat) * (0.40 + 0.26 * i)), frame) for i in range(levels)]
    elif style == 1:
        parts += [box(rail, (-x, 0, z), frame) for z in (seat + 0.12, top - 0.035)]
        parts += [
            rod((-x, wide * (i - 2) / 7, seat + 0.12), (-x, wide * (i - 2) / 7, top - 0.06), 0.009, frame)
            for i in range(5)
        ]
    else:
        height = (top - seat) * 0.6
        parts.append(box((0.022, wide - 2 * leg, height), (-x, 0, top - height / 2 - 0.01), frame))
    for s in (1, -1):
        parts.append(box((deep - 2 * leg, leg * 0.5, leg * 0.8), (0, s * y, seat * 0.42), frame))
    return model("chair", parts, front=True)


def office_chair(chance: Chance) -> Model:
    """A swivel chair: a star of five feet on castors, a column, a padded seat and back, armrests."""
    cloth, seat = fabric(chance), between(chance, 0.46, 0.52)
    parts = []
    for i in range(5):
        spoke = rod((0, 0, 0.10), (0.29, 0, 0.065), 0.024, BLACK, 0.016)
        castor = soft((0.05, 0.035, 0.055), (0.285, 0, 0.0275), 0.024, BLACK)
        parts += [spoke.turned(roll=72 * i + 36), castor.turned(roll=72 * i + 36)]
    parts.append(rod((0, 0, 0.08), (0, 0, seat - 0.06), 0.028, STEEL, sides=12))
    parts.append(soft((0.48, 0.50, 0.085), (0.01, 0, seat - 0.0425), 0.04, cloth))
    tall = between(chance, 0.5, 0.66)
    back = soft((0.07, 0.46, tall), (0, 0, tall / 2), 0.035, cloth).turned(yaw=-8).moved(-0.23, 0, seat + 0.08)
    parts += [back, box((0.03, 0.07, 0.26), (-0.235, 0, seat + 0.06), BLACK)]
    for s in (1, -1):
        parts.append(soft((0.25, 0.06, 0.03), (0, s * 0.285, seat + 0.2), 0.014, BLACK))
        parts.append(box((0.045, 0.02, 0.24), (-0.03, s * 0.285, seat + 0.08), BLACK))
        parts.append(box((0.05, 0.12, 0.02), (-0.03, s * 0.235, seat - 0.04), BLACK))
    return model("office chair", parts, front=True)


def stool(chance: Chance) -> Model:
    """A round seat on four spread legs."""
    frame, height, radius = wood(chance), between(chance, 0.44, 0.66), between(chance, 0.16, 0.19)
    inner = radius * 0.6
    parts = [disc(radius, height - 0.035, height, frame), *legs(inner, inner, height - 0.02, 0.035, frame, 0.04)]
    parts += [rod((-inner, s * inner, height * 0.35), (inner, s * inner, height * 0.35), 0.009, frame) for s in (1, -1)]
    return model("stool", parts)


def _seat_of_cushions(label: str, chance: Chance, seats: int, each: float, cloth: Material, feet: Material) -> Model:
    arm, deep, seat = between(chance, 0.13, 0.22), between(chance, 0.82, 0.95), between(chance, 0.40, 0.45)
    top, low = between(chance, 0.76, 0.9), between(chance, 0.07, 0.14)
    wide, high = seats * each + 2 * arm, between(chance, 0.56, 0.64)
    parts = legs(deep / 2 - 0.07, wide / 2 - 0.07, low + 0.02, 0.05, feet)
    parts.append(soft((deep - 0.06, wide - 0.04, seat - 0.13 - low), (0, 0, (low + seat - 0.13) / 2), 0.025, cloth))
    parts.append(
        soft(
            (0.20, wide - 2 * arm + 0.04, top - low - 0.06), (-deep / 2 + 0.10, 0, (top + low) / 2 - 0.03), 0.06, cloth
        )
    )
    parts += [
        soft((deep, arm, high - low), (0, s * (wide - arm) / 2, (high + low) / 2), min(0.06, arm / 2), cloth)
        for s in (1, -1)
    ]
    front = deep / 2 - 0.01
    for i in range(seats):
        y = (i - (seats - 1) / 2) * each
        parts.append(soft((deep - 0.2, each - 0.008, 0.17), (front - (deep - 0.2) / 2, y, seat - 0.07), 0.05, cloth))
        back = soft((0.17, each - 0.02, top - seat + 0.06), (0, 0, 0), 0.07, darker(cloth, 1.04)).turned(yaw=-10)
        parts.append(back.moved(-deep / 2 + 0.265, y, (top + seat) / 2 + 0.03))
    for i in range(chance.below(3) if seats > 1 else 0):
        pillow = soft((0.13, 0.42, 0.42), (0, 0, 0), 0.065, fabric(chance)).turned(yaw=-22)
        side = (-1) ** i * (seats * each / 2 - 0.26)
        parts.append(pillow.moved(-deep / 2 + 0.47, side, seat + 0.215))
    return model(label, parts, front=True)


def sofa(chance: Chance) -> Model:
    """A sofa of two or three seats: base, arms, back, cushions, now and then loose pillows."""
    return _seat_of_cushions("sofa", chance, 2 + chance.below(2), between(chance, 0.56, 0.68), fabric(chance), BLACK)


def armchair(chance: Chance) -> Model:
    """A sofa for one."""
    return _seat_of_cushions("armchair", chance, 1, between(chance, 0.54, 0.62), fabric(chance), wood(chance))


def table(chance: Chance) -> Model:
    """A dining table, square-legged, or round on one foot."""
    top, height = wood(chance), between(chance, 0.72, 0.77)
    if chance.below(4) == 0:
        radius = between(chance, 0.5, 0.62)
        parts = [disc(radius, height - 0.03, height, top, 48), disc(0.045, 0.02, height - 0.03, top, 16)]
        parts += [disc(radius * 0.5, 0, 0.025, top)]
        return model("table", parts, [Surface((0, 0, height), (radius * 1.2, radius * 1.2))])
    deep, wide, leg = between(chance, 0.75, 0.95), between(chance, 1.2, 1.9), between(chance, 0.055, 0.08)
    parts = [box((deep, wide, 0.035), (0, 0, height - 0.0175), top)]
    parts += legs(deep / 2 - leg / 2 - 0.02, wide / 2 - leg / 2 - 0.02, height - 0.035, leg, top)
    for s in (1, -1):
        parts.append(box((0.02, wide - 0.2, 0.08), (s * (deep / 2 - 0.05), 0, height - 0.075), top))
        parts.append(box((deep - 0.2, 0.02, 0.08), (0, s * (wide / 2 - 0.05), height - 0.075), top))
    return model("table", parts, [Surface((0, 0, height), (deep - 0.06, wide - 0.06))])


def desk(chance: Chance) -> Model:
    """A desk: a top, a side panel, a block of drawers; one sits at its +x side."""
    top, body = wood(chance), wood(chance)
    deep, wide, height = between(chance, 0.6, 0.75), between(chance, 1.15, 1.6), between(chance, 0.72, 0.76)
    parts = [box((deep, wide, 0.03), (0, 0, height - 0.015), top)]
    parts.append(box((deep - 0.06, 0.03, height - 0.03), (0, wide / 2 - 0.035, height / 2 - 0.015), body))
    parts.append(box((0.02, wide - 0.5, 0.3), (-deep / 2 + 0.05, 0.2, height - 0.2), body))
    block, y = 0.4, -wide / 2 + 0.22
    parts.append(box((deep - 0.08, block, height - 0.03), (-0.01, y, height / 2 - 0.015), body))
    parts += drawers(deep / 2 - 0.05, y, block, 0.04, height - 0.04, 3, body)
    return model("desk", parts, [Surface((0, 0, height), (deep - 0.04, wide - 0.04))])


def coffee_table(chance: Chance) -> Model:
    """A low table with a shelf under its top."""
    top = wood(chance)
    deep, wide, height = between(chance, 0.5, 0.65), between(chance, 0.85, 1.2), between(chance, 0.36, 0.45)
    parts = [box((deep, wide, 0.04), (0, 0, height - 0.02), top)]
    parts += legs(deep / 2 - 0.04, wide / 2 - 0.04, height - 0.04, 0.05, top)
    parts.append(box((deep - 0.1, wide - 0.1, 0.02), (0, 0, 0.14), top))
    return model("coffee table", parts, [Surface((0, 0, height), (deep - 0.04, wide - 0.04))])


def bed(chance: Chance) -> Model:
    """A bed: frame, headboard, mattress, blanket and a pillow for each; its front is the foot."""
    frame, cloth = wood(chance), fabric(chance)
    wide, seat = chance.choice((0.95, 1.45, 1.65)), between(chance, 0.46, 0.56)
    long, board = 2.05, between(chance, 0.85, 1.15)
    parts = legs(long / 2 - 0.05, wide / 2 - 0.05, 0.2, 0.07, frame)
    parts.append(box((long, wide + 0.04, 0.16), (0, 0, 0.24), frame))
    parts.append(box((0.06, wide + 0.06, board), (-long / 2 - 0.02, 0, board / 2), frame))
    parts.append(soft((long - 0.06, wide, seat - 0.3), (0, 0, (seat + 0.3) / 2), 0.06, LINEN))
    cover = between(chance, 1.25, 1.5)
    parts.append(soft((cover, wide + 0.06, seat - 0.26), (long / 2 - cover / 2, 0, seat / 2 + 0.16), 0.05, cloth))
    parts.append(soft((0.28, wide + 0.064, 0.05), (long / 2 - cover, 0, seat + 0.02), 0.024, LINEN))
    places = (0.0,) if wide < 1.2 else (-wide / 4, wide / 4)
    for y in places:
        pillow = soft((0.42, 0.62, 0.15), (0, 0, 0), 0.07, LINEN).turned(yaw=-12)
        parts.append(pillow.moved(-long / 2 + 0.28, y, seat + 0.085))
    return model("bed", parts, front=True)
