"""Which names of objects may mean the same thing."""

from __future__ import annotations

import re
from functools import lru_cache

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


@lru_cache(maxsize=4096)
def is_a(name: str, kind: str) -> bool:
    """Whether a name says that its thing is of a kind: the last words of `desk lamps` are `lamp`, in any number."""
    words, last = _words(name), _words(kind)
    return words[-len(last) :] == last


@lru_cache(maxsize=4096)
def alike(a: str, b: str) -> bool:
    """Whether two names could be said of one thing: they share a word, or have words that are used for each other."""
    first, second = set(_words(a)), set(_words(b))
    return bool(first & second) or any(first & group and second & group for group in _GROUPS)


def _words(name: str) -> list[str]:
    return [_one(word) for word in re.findall(r"\w+", name.lower())]


def _one(word: str) -> str:
    """A stem that a word shares with its plural: `shelf` of `shelves`, `knif` of `knife`; it need be no word."""
    for many, one in (("ves", "f"), ("fe", "f"), ("ies", "y"), ("es", ""), ("s", ""), ("e", "")):
        if word.endswith(many) and len(word) > len(many) + 1:
            return word.removesuffix(many) + one
    return word


_GROUPS = [{_one(word) for word in group} for group in ALIKE]
