"""Optimal one-to-one matching, in plain Python: a reward needs a few rows, and importing scipy for them takes 0.4 s."""

from __future__ import annotations

import math
from collections.abc import Sequence


def best_matching(gains: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Pairs (row, column) of a matrix (n, m) with the greatest sum, min(n, m) of them, by ascending row.

    Each row and column is in one pair at most. Gains are finite. Exact, in O(min(n, m)^2 max(n, m)), by shortest
    augmenting paths (Jonker and Volgenant 1987; Crouse 2016 for matrices that are not square).
    """
    if not gains or not gains[0]:
        return []
    if len(gains) > len(gains[0]):
        return sorted((row, column) for column, row in best_matching(list(zip(*gains, strict=True))))
    row_of = _assign(gains)
    return sorted((row, column) for column, row in enumerate(row_of) if row >= 0)


def _assign(gains: Sequence[Sequence[float]]) -> list[int]:
    """The row of each column, -1 for none; there are as many columns as rows or more."""
    width = len(gains[0])
    row_of, row_price, column_price = [-1] * width, [0.0] * len(gains), [0.0] * width
    for start in range(len(gains)):
        distance, before = [math.inf] * width, [-1] * width  # of the shortest path to each column, and its last row
        ahead, reached = list(range(width)), []
        row, length = start, 0.0
        while True:
            price, along, nearest = row_price[row], gains[row], math.inf
            for column in ahead:
                through = length - along[column] - price - column_price[column]
                if through < distance[column]:
                    distance[column], before[column] = through, row
                # Among equals a free column ends the search.
                if distance[column] < nearest or (distance[column] == nearest and row_of[column] < 0):
                    nearest, end = distance[column], column
            length = nearest
            ahead.remove(end)
            if row_of[end] < 0:
                break
            reached.append(end)
            row = row_of[end]
        row_price[start] += length
        for column in reached:
            slack = length - distance[column]
            column_price[column] -= slack
            row_price[row_of[column]] += slack
        _turn(row_of, before, end, start)
    return row_of


def _turn(row_of: list[int], before: list[int], end: int, start: int) -> None:
    """Give each column on the path that ends at the column `end` to the row that it was reached from."""
    columns = {row: column for column, row in enumerate(row_of) if row >= 0}
    while True:
        row = before[end]
        row_of[end] = row
        if row == start:
            return
        end = columns[row]
