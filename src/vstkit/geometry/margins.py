"""When a difference is clear."""

from __future__ import annotations


def clear_gap(nearer: float, farther: float, min_gap: float, min_ratio: float) -> bool:
    """The one margin rule for every comparison of lengths: by `min_gap` metres and by `min_ratio` of the nearer."""
    return farther - nearer >= max(min_gap, min_ratio * nearer)
