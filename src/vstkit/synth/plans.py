"""What stands in a living room, a bedroom, a study and a dining room, and where."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vstkit.chance import Chance
from vstkit.synth import furniture, storage, things
from vstkit.synth.model import Model, between
from vstkit.synth.rooms import Placed, Room
from vstkit.synth.shell import empty_room, rug

Make = Callable[[Chance], Model]

ON_TABLES: tuple[Make, ...] = (things.cup, things.bowl, things.plate, things.bottle, things.vase)
ON_CABINETS: tuple[Make, ...] = (things.table_lamp, things.plant, things.vase, things.book, things.bowl, things.carton)
ON_FLOORS: tuple[Make, ...] = (
    *(things.floor_plant, things.floor_lamp, furniture.stool, things.carton, things.trash_can),
    *(storage.bookshelf, storage.cabinet, furniture.armchair),
)


def furnished(chance: Chance) -> Room:
    """A room of one of four kinds with all that is in it."""
    room = empty_room(chance)
    chance.choice((living_room, bedroom, study, dining_room))(room)
    for make in chance.sample(ON_FLOORS, 2 + chance.below(3)):
        made = make(chance)
        room.anywhere(made) if make in (furniture.stool, things.carton) else room.against(made)
    for _ in range(1 + chance.below(3)):
        room.hang(things.picture(chance), between(chance, 1.25, 1.5))
    if chance.below(3) == 0:
        room.hang(things.clock(chance), between(chance, 1.7, 1.9))
    return room


def living_room(room: Room) -> None:
    """A sofa before a coffee table, a television across, a seat or two beside."""
    chance = room.chance
    sofa = room.against(furniture.sofa(chance))
    table = furniture.coffee_table(chance)
    if sofa:
        ahead = float(sofa.model.size[0] + table.size[0]) / 2 + between(chance, 0.3, 0.45)
        low = room.near(sofa, table, ahead, between(chance, -0.2, 0.2))
        _lay(room, rug(chance, 1.6, 2.3), low)
        _strew(room, low, (*ON_TABLES, things.book, things.book), 2 + chance.below(4))
        across = (_wall_behind(room, sofa) + 2) % 4
        stand = room.against(storage.tv_stand(chance), (across,)) or room.against(storage.tv_stand(chance))
        room.on(stand, things.television(chance), turn=0, spot=(-0.02, 0.0))
        _strew(room, stand, (things.plant, things.vase, things.book), 1)
        seat, side = furniture.armchair(chance), chance.choice((1, -1))
        room.near(
            low, seat, 0.1, side * (float(table.size[1] + seat.size[0]) / 2 + 0.4), -90 * side + chance.below(31) - 15
        )
        room.beside(sofa, things.floor_lamp(chance), -side, 0.1)
        room.beside(sofa, things.floor_plant(chance), side, 0.12)
    _strew(room, room.against(storage.cabinet(chance)), ON_CABINETS, 2 + chance.below(3))
    room.against(storage.bookshelf(chance))


def bedroom(room: Room) -> None:
    """A bed between nightstands, a wardrobe, a dresser."""
    chance = room.chance
    bed = room.against(furniture.bed(chance))
    stand_seed, lamp_seed = chance.below(1000), chance.below(1000)
    for side in (1, -1):  # a pair is made alike
        stand = room.beside(bed, storage.nightstand(Chance(stand_seed)), side, between(chance, 0.04, 0.12))
        room.on(stand, things.table_lamp(Chance(lamp_seed)))
        _strew(room, stand, (things.cup, things.book, things.bottle), 1)
    if bed:
        _lay(room, rug(chance, 1.5, 2.2), bed)
    room.against(storage.wardrobe(chance))
    _strew(room, room.against(storage.dresser(chance)), ON_CABINETS, 2 + chance.below(3))
    room.against(furniture.chair(chance))


def study(room: Room) -> None:
    """A desk with a screen and a chair, shelves, a second seat."""
    chance = room.chance
    for _ in range(1 + chance.below(2)):
        desk = room.against(furniture.desk(chance))
        if desk is None:
            continue
        back, y = -float(desk.model.size[0]) / 2, between(chance, -0.15, 0.3)
        if chance.below(3):
            room.on(desk, things.monitor(chance), turn=0, spot=(back + 0.2, y))
            room.on(desk, things.keyboard(chance), turn=0, spot=(back + 0.45, y))
        else:
            room.on(desk, things.laptop(chance), turn=0, spot=(0.0, y))
        _strew(
            room, desk, (things.cup, things.book, things.table_lamp, things.plant, things.bottle), 2 + chance.below(3)
        )
        chair = furniture.office_chair(chance)
        ahead = float(desk.model.size[0] + chair.size[0]) / 2 + between(chance, 0.1, 0.3)
        room.near(desk, chair, ahead, y, 180 + chance.below(51) - 25)
        room.beside(desk, things.trash_can(chance), chance.choice((1, -1)), 0.06)
    for _ in range(1 + chance.below(2)):
        room.against(storage.bookshelf(chance))
    _strew(room, room.against(storage.cabinet(chance)), ON_CABINETS, 2 + chance.below(3))


def dining_room(room: Room) -> None:
    """A table in the middle with chairs around it, a cabinet."""
    chance = room.chance
    made, seed = furniture.table(chance), chance.below(1000)
    x, y = room.wide / 2 + between(chance, -0.4, 0.4), room.deep / 2 + between(chance, -0.3, 0.3)
    table = room.stand(made, x, y, chance.choice((0, 90)))
    if table:
        deep, wide = (float(v) for v in made.size[:2])
        chair = furniture.chair(Chance(seed))  # all of a set
        out = float(chair.size[0]) / 2 + 0.04
        seats = [(-deep / 2, y, 0) for y in (-wide / 4, wide / 4)] + [(deep / 2, y, 180) for y in (-wide / 4, wide / 4)]
        if wide < 1.3:
            seats = [(-deep / 2, 0.0, 0), (deep / 2, 0.0, 180)]
        seats += [(0.0, -wide / 2, 90), (0.0, wide / 2, -90)]
        for sx, sy, turn in chance.sample(seats, 3 + chance.below(len(seats) - 2)):
            away = out + between(chance, 0, 0.25)
            dx, dy = {0: (-away, 0), 180: (away, 0), 90: (0, -away), -90: (0, away)}[turn]
            room.near(table, chair, sx + dx, sy + dy, turn + chance.below(17) - 8)
        _lay(room, rug(chance, deep + 1.2, wide + 1.2), table)
        _strew(room, table, ON_TABLES, 4 + chance.below(5))
    for _ in range(1 + chance.below(2)):
        _strew(room, room.against(storage.cabinet(chance)), ON_CABINETS, 2 + chance.below(3))


def _strew(room: Room, anchor: Placed | None, makes: Sequence[Make], count: int) -> None:
    for _ in range(count if anchor else 0):
        room.on(anchor, room.chance.choice(makes)(room.chance))


def _lay(room: Room, made: Model, under: Placed | None) -> None:
    """A rug in the middle under something, now and then."""
    if under and room.chance.below(3):
        room.spread(made, *under.position[:2], under.heading)


def _wall_behind(room: Room, placed: Placed) -> int:
    return next(i for i in range(4) if room.wall(i)[2] % 360 == placed.heading % 360)
