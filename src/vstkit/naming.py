"""What names of objects mean: which are of no thing, which fit several things, which may mean the same one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from vstkit.evidence import Seen

# Labels of surfaces and of leftovers in the public sets; a scene marks its own with `stuff`.
STUFF = frozenset(
    {
        "wall",
        "floor",
        "ceiling",
        "room",
        "shelter",
        "roof",
        "ground",
        "background",
        "object",
        "objects",
        "unknown",
        "remove",
        "split",
        "otherfurniture",
        "otherstructure",
        "otherprop",
        "misc",
        "void",
    }
)

# Words of which people use either for one thing, or that annotators confuse.
ALIKE = (
    {"sofa", "couch", "settee", "loveseat", "futon"},
    {"chair", "armchair", "seat", "stool", "bench", "ottoman", "pouf", "recliner", "sofa", "couch"},
    {"tv", "television", "monitor", "screen", "display", "projector"},
    {"computer", "laptop", "notebook", "pc", "tower", "tablet"},
    {"bin", "trash", "garbage", "wastebasket", "trashcan", "recycling", "basket", "bucket"},
    {"fridge", "refrigerator", "freezer", "minifridge"},
    {"rug", "carpet", "mat", "doormat"},
    {"cabinet", "cupboard", "wardrobe", "closet", "dresser", "drawer", "nightstand", "sideboard", "chest"},
    {"shelf", "bookshelf", "bookcase", "rack", "stand", "cabinet"},
    {"table", "desk", "counter", "countertop", "nightstand", "island", "workbench"},
    {"lamp", "light", "chandelier", "lantern", "candle"},
    {"picture", "painting", "poster", "photo", "photograph", "frame", "artwork", "whiteboard", "board", "mirror"},
    {"cup", "mug", "glass", "tumbler", "beaker", "goblet"},
    {"bowl", "dish", "plate", "saucer", "tray"},
    {"pot", "pan", "saucepan", "wok", "casserole", "kettle", "teapot", "skillet"},
    {"plant", "flower", "tree", "vase", "flowerpot", "planter", "pot"},
    {"curtain", "blind", "drape", "shade", "window"},
    {"pillow", "cushion"},
    {"blanket", "towel", "cloth", "sheet", "quilt", "napkin", "bedding", "clothes", "clothing"},
    {"bag", "backpack", "handbag", "purse", "suitcase", "luggage"},
    {"bottle", "jar", "can", "flask", "canister", "container", "vase", "dispenser"},
    {"box", "container", "carton", "case", "crate", "bin", "basket", "package"},
    {"clock", "watch", "thermostat"},
    {"bed", "mattress", "bunk", "crib", "cot"},
    {"sink", "basin", "washbasin", "bathtub", "tub"},
    {"toilet", "wc", "bidet"},
    {"book", "magazine", "notebook", "paper", "folder", "binder"},
    {"shoe", "boot", "slipper", "sneaker"},
    {"heater", "radiator", "fireplace"},
    {"fork", "knife", "spoon", "utensil", "cutlery", "spatula", "ladle", "scissors"},
    {"oven", "stove", "cooktop", "range", "microwave", "hob"},
    {"faucet", "tap"},
    {"toy", "doll", "ball", "figurine", "sculpture", "statue", "ornament", "decoration"},
    {"phone", "telephone", "smartphone"},
    {"door", "gate", "doorframe", "cabinet", "cupboard", "wardrobe", "closet"},
    {"ladder", "stairs", "stair", "staircase"},
)


def distinct_names(candidates: Iterable[Seen], present: Iterable[Seen]) -> list[Seen]:
    """The candidates that their bare label names: no other object in view, well seen or not, fits.

    `table` is within `coffee table`, and the other way round: one could be taken for the other.
    """
    labels = [words_of(s.object.label) for s in present if s.state != "hidden"]
    times = Counter(labels)
    holding = Counter(part for words in labels for part in _parts(words))
    named = []
    for seen in candidates:
        words = words_of(seen.object.label)
        fitting = holding[words] + sum(times[part] for part in _parts(words) if part != words)
        if fitting == 1:
            named.append(seen)
    return named


@lru_cache(maxsize=4096)
def is_a(name: str, kind: str) -> bool:
    """Whether a name says that its thing is of a kind: the last words of `desk lamps` are `lamp`, in any number."""
    words, last = words_of(name), words_of(kind)
    return words[-len(last) :] == last


@lru_cache(maxsize=4096)
def alike(a: str, b: str) -> bool:
    """Whether two names could be said of one thing: they share a word, or have words that are used for each other."""
    first, second = set(words_of(a)), set(words_of(b))
    return bool(first & second) or any(first & group and second & group for group in _GROUPS)


@lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """The stems of a name's words: of shelf and shelves, box and boxes, stove and stoves the same."""
    return tuple(_stem(word) for word in re.findall(r"[\w'-]+", name.lower()))


def _stem(word: str) -> str:
    if word.endswith("s") and not word.endswith(("ss", "us")):
        word = word[:-1]
    word = word.removesuffix("e")
    return word[:-1] + {"v": "f", "y": "i"}.get(word[-1], word[-1]) if word else word


def _parts(words: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Every run of words in a name, the whole one too."""
    return {words[i:j] for i in range(len(words)) for j in range(i + 1, len(words) + 1)}


_GROUPS = [{_stem(word) for word in group} for group in ALIKE]
