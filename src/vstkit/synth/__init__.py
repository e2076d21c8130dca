"""Scenes made from nothing: furnished rooms, their light, and pictures of them.

    shapes -> model -> furniture, storage, things -> rooms, shell, plans -> walk, soup, render -> scenes

`scenes` makes records; each of the others knows only those to its left.
"""

from vstkit.synth.scenes import scene, size_of, units

__all__ = ["scene", "size_of", "units"]
