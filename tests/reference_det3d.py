"""The protocol of `vstkit.scoring.det3d` once more, a loop for every step: slow, plain Python, for tests and benchmark.

Per question and IoU threshold as pycocotools does it; nothing is shared with the library but the function that
measures the IoU, which is an argument.
"""

from __future__ import annotations

import math
import sys

THRESHOLDS = [0.05 + i * ((0.5 - 0.05) / 9) for i in range(9)] + [0.5]
RANGES = {"": (0, 1e5), "near": (0, 10), "med": (10, 35), "far": (35, 1e5)}
EPSILON = sys.float_info.epsilon


def evaluate(questions, iou, ties="file"):
    """The 13 numbers and the nine of precision, recall and F1; no ranges without truth."""
    groups = _join(questions)
    for group in groups:
        pairs = [(p, t) for p in group["predicted"] for t in group["truth"]]
        values = [float(v) for v in iou([p for p, _ in pairs], [t for _, t in pairs])] if pairs else []
        width = len(group["truth"])
        group["iou"] = [values[i * width : (i + 1) * width] for i in range(len(group["predicted"]))]
    result = {}
    for name, limits in RANGES.items():
        table = {t: _per_category(groups, t, limits, 100, ties) for t in THRESHOLDS}
        result["AP" + name] = _mean([ap for row in table.values() for ap, _ in row])
        result["AR" + (name or "100")] = _mean([recall for row in table.values() for _, recall in row])
        if not name:
            for label, i in (("15", 2), ("25", 4), ("50", 9)):
                result["AP" + label] = _mean([ap for ap, _ in table[THRESHOLDS[i]]])
    for limit in (1, 10):
        rows = [_per_category(groups, t, RANGES[""], limit, ties) for t in THRESHOLDS]
        result[f"AR{limit}"] = _mean([recall for row in rows for _, recall in row])
    for label, i in (("15", 2), ("25", 4), ("50", 9)):
        result |= _pooled(groups, label, THRESHOLDS[i])
    return result


def _join(questions):
    groups = {}
    for question in questions:
        key = (question["image"], question["category"])
        group = groups.setdefault(key, {"category": key[1], "truth": [], "ignored": [], "predicted": [], "scores": []})
        for box in question["truth"]:
            group["truth"].append([float(v) for v in box])
            group["ignored"].append(_ignored(group["truth"][-1], question.get("camera"), question.get("height")))
        boxes = [[float(v) for v in box] for box in question["predicted"]]
        scores = question.get("scores")
        group["predicted"] += boxes
        group["scores"] += [1.0] * len(boxes) if scores is None else [float(s) for s in scores]
    return list(groups.values())


def _ignored(box, camera, height):
    if min(box[3:6]) <= 0 or box[2] > 1e8:
        return True
    if camera is None or height is None:
        return False
    rows = [camera[1] * y / z for _, y, z in _corners(box)]
    return max(rows) - min(rows) <= 0 or max(rows) - min(rows) >= 10.5 * height


def _corners(box):
    for sx in (-0.5, 0.5):
        for sy in (-0.5, 0.5):
            for sz in (-0.5, 0.5):
                x, y, z = sx * box[3], sy * box[4], sz * box[5]
                pitch, yaw, roll = (math.radians(angle) for angle in box[6:9])
                y, z = y * math.cos(pitch) - z * math.sin(pitch), y * math.sin(pitch) + z * math.cos(pitch)
                x, z = x * math.cos(yaw) + z * math.sin(yaw), -x * math.sin(yaw) + z * math.cos(yaw)
                x, y = x * math.cos(roll) - y * math.sin(roll), x * math.sin(roll) + y * math.cos(roll)
                yield x + box[0], y + box[1], z + box[2]


def _order(group, ties):
    best = [max(row, default=0.0) for row in group["iou"]]
    # An IoU under the lowest threshold can match nothing, so it does not count as an overlap.
    best = [value if value >= THRESHOLDS[0] else 0.0 for value in best]
    number = range(len(group["scores"]))
    if ties == "file":
        return sorted(number, key=lambda i: -group["scores"][i])
    return sorted(number, key=lambda i: (-group["scores"][i], -best[i], group["predicted"][i][::-1]))


def _match(group, order, threshold, limits):
    """Per prediction in `order`: "right", "wrong" or None."""
    low, high = limits
    ignored = [
        flag or box[2] < low or box[2] > high for flag, box in zip(group["ignored"], group["truth"], strict=True)
    ]
    truths = [j for j, flag in enumerate(ignored) if not flag] + [j for j, flag in enumerate(ignored) if flag]
    taken, verdicts = set(), []
    for i in order:
        best, match = min(threshold, 1 - 1e-10), None
        for j in truths:
            if j in taken:
                continue
            if match is not None and not ignored[match] and ignored[j]:
                break
            if group["iou"][i][j] >= best:
                best, match = group["iou"][i][j], j
        depth = group["predicted"][i][2]
        if match is None:
            outside = math.isfinite(depth) and (depth < low or depth > high)
            verdicts.append(None if outside else "wrong")
        else:
            taken.add(match)
            verdicts.append(None if ignored[match] else "right")
    return verdicts, ignored.count(False)


def _per_category(groups, threshold, limits, limit, ties):
    """[(AP, last recall)] of the categories that have truth."""
    rows = []
    for category in dict.fromkeys(group["category"] for group in groups):
        positives, found = 0, []
        for group in (g for g in groups if g["category"] == category):
            order = _order(group, ties)
            if ties == "file":
                order = order[:limit]
            verdicts, count = _match(group, order, threshold, limits)
            positives += count
            for i, verdict in zip(order, verdicts, strict=True):
                score = group["scores"][i]
                before = sum(s > score for s in group["scores"])
                chance = min(max((limit - before) / group["scores"].count(score), 0), 1) if ties == "average" else 1
                found.append((score, verdict, chance))
        if positives:
            found.sort(key=lambda entry: -entry[0])
            rows.append(_curve(found, positives, ties))
    return rows


def _curve(found, positives, ties):
    steps, tp, fp = [], 0, 0
    for i, (score, verdict, chance) in enumerate(found):
        start = steps[-1][2:] if steps else (0, 0)
        tp += chance * (verdict == "right")
        fp += chance * (verdict == "wrong")
        if ties == "file" or i + 1 == len(found) or found[i + 1][0] != score:
            steps.append((*start, round(tp, 9), round(fp, 9)))
    total = 0.0
    for r in range(101):
        recall = 1.0 if r == 100 else r * 0.01
        best = 0.0
        for k, (tp0, fp0, tp1, fp1) in enumerate(steps):
            if tp1 / positives >= recall:
                best = max(tp / (fp + tp + EPSILON) for *_, tp, fp in steps[k:])
                if tp1 > tp0 and fp1 > fp0:
                    part = (recall * positives - tp0) / (tp1 - tp0)
                    best = max(best, recall * positives / (recall * positives + fp0 + part * (fp1 - fp0) + EPSILON))
                break
        total += best
    return total / 101, tp / positives


def _pooled(groups, label, threshold):
    right = wrong = positives = 0
    for group in groups:
        order = _order(group | {"scores": [1.0] * len(group["scores"])}, "average")
        verdicts, count = _match(group, order, threshold, RANGES[""])
        right, wrong = right + verdicts.count("right"), wrong + verdicts.count("wrong")
        positives += count
    if not positives:
        return dict.fromkeys((f"precision@{label}", f"recall@{label}", f"F1@{label}"))
    return {
        f"precision@{label}": right / (right + wrong) if right + wrong else 0.0,
        f"recall@{label}": right / positives,
        f"F1@{label}": 2 * right / (right + wrong + positives),
    }


def _mean(values):
    return sum(values) / len(values) if values else None
