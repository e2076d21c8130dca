"""The protocols of `vstkit.scoring.det3d` once more, a loop for every step: slow, plain Python, for tests and bench.

Per question and IoU threshold as pycocotools does it; nothing is shared with the library but the function that
measures the IoU, which is an argument. Numbers over all orders are means over orders that are really taken.
"""

from __future__ import annotations

import itertools
import math
import statistics
import sys

THRESHOLDS = [0.05 + i * ((0.5 - 0.05) / 9) for i in range(9)] + [0.5]
RANGES = {"": (0, 1e5), "near": (0, 10), "med": (10, 35), "far": (35, 1e5)}
EPSILON = sys.float_info.epsilon


def evaluate(questions, iou, protocol="vst"):
    """The 13 numbers and the nine of precision, recall and F1; no ranges without truth."""
    groups = _join(questions, protocol)
    for group in groups:
        pairs = [(p, t) for p in group["predicted"] for t in group["truth"]]
        values = [float(v) for v in iou([p for p, _ in pairs], [t for _, t in pairs])] if pairs else []
        width = len(group["truth"])
        group["iou"] = [values[i * width : (i + 1) * width] for i in range(len(group["predicted"]))]
    result = {}
    for name, limits in RANGES.items():
        table = {t: _per_category(groups, t, limits, 100) for t in THRESHOLDS}
        result["AP" + name] = _mean([ap for row in table.values() for ap, _ in row])
        result["AR" + (name or "100")] = _mean([recall for row in table.values() for _, recall in row])
        if not name:
            for label, i in (("15", 2), ("25", 4), ("50", 9)):
                result["AP" + label] = _mean([ap for ap, _ in table[THRESHOLDS[i]]])
    for limit in (1, 10):
        rows = [_per_category(groups, t, RANGES[""], limit) for t in THRESHOLDS]
        result[f"AR{limit}"] = _mean([recall for row in rows for _, recall in row])
    for label, i in (("15", 2), ("25", 4), ("50", 9)):
        result |= _pooled(groups, label, THRESHOLDS[i])
    return result


def mean_over_all_orders(questions, iou):
    """The mean of the 13 numbers over every order of the questions, with every order of the boxes of each."""
    rows = []
    for order in itertools.permutations(questions):
        orders = [itertools.permutations(range(len(question["predicted"]))) for question in order]
        for chosen in itertools.product(*orders):
            turned = []
            for question, places in zip(order, chosen, strict=True):
                scores = question.get("scores")
                turned.append(
                    question
                    | {
                        "predicted": [question["predicted"][i] for i in places],
                        "scores": None if scores is None else [scores[i] for i in places],
                    }
                )
            rows.append(evaluate(turned, iou))
    return {
        name: None if value is None else statistics.fmean(row[name] for row in rows) for name, value in rows[0].items()
    }


def _join(questions, protocol):
    groups = {}
    for question in questions:
        key = (question["image"], question["category"])
        group = groups.setdefault(
            key,
            {
                "category": key[1],
                "truth": [],
                "ignored": [],
                "predicted": [],
                "scores": [],
                "near": False,
                "2d": ([], []),
            },
        )
        group["near"] |= question.get("proximity", False)
        camera, size = question.get("camera"), question.get("size")
        flags = question.get("ignored")
        for i, given in enumerate(question["truth"]):
            box = [float(v) for v in given]
            group["truth"].append(box)
            rule = {"vst": _ignored_by_vst, "omni3d": _ignored_by_omni3d}[protocol]
            group["ignored"].append(rule(box, camera, size) if flags is None else flags[i])
        boxes = [[float(v) for v in box] for box in question["predicted"]]
        scores = question.get("scores")
        group["predicted"] += boxes
        group["scores"] += [1.0] * len(boxes) if scores is None else [float(s) for s in scores]
        for place, field in enumerate(("truth", "predicted")):
            given = question.get(field + "_2d")
            if group["near"]:
                group["2d"][place].extend(
                    [_shown(box, camera, size) for box in question[field]] if given is None else given
                )
    return list(groups.values())


def _ignored_by_vst(box, camera, size):
    if min(box[3:6]) <= 0 or box[2] > 1e8:
        return True
    if camera is None or size is None:
        return False
    rows = [camera[1] * y / z for _, y, z in _corners(box)]
    return max(rows) - min(rows) <= 0 or max(rows) - min(rows) >= 10.5 * size[1]


def _ignored_by_omni3d(box, camera, size):
    if min(box[3:6]) <= 0 or box[2] > 1e8 or any(z <= 0 for _, _, z in _corners(box)):
        return True
    if camera is None or size is None:
        return False
    x0, y0, x1, y1 = _shown(box, camera, size)
    u0, v0, u1, v1 = _projected(box, camera)
    height = y1 - y0
    truncation = 1 - (x1 - x0) * height / ((u1 - u0) * (v1 - v0))
    return height <= 0.0625 * size[1] or height >= 1.5 * size[1] or truncation >= 0.33333333


def _projected(box, camera):
    fx, fy, cx, cy = camera
    seen = [(fx * x / z + cx, fy * y / z + cy) for x, y, z in _corners(box) if z > 0]
    us, vs = [u for u, _ in seen], [v for _, v in seen]
    return (min(us), min(vs), max(us), max(vs)) if seen else (math.inf, math.inf, -math.inf, -math.inf)


def _shown(box, camera, size):
    x0, y0, x1, y1 = _projected(box, camera)
    width, height = size
    return [min(max(x0, 0), width), min(max(y0, 0), height), min(max(x1, 0), width), min(max(y1, 0), height)]


def _iou_2d(a, b):
    width, height = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    shared = max(width, 0) * max(height, 0)
    union = sum(max(r[2] - r[0], 0) * max(r[3] - r[1], 0) for r in (a, b)) - shared
    return shared / union if union > 0 else 0


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


def _near(group, i, j):
    return not group["near"] or _iou_2d(group["2d"][1][i], group["2d"][0][j]) > 0.3


def _best_first(group):
    best = [
        max((v for j, v in enumerate(row) if _near(group, i, j)), default=0.0) for i, row in enumerate(group["iou"])
    ]
    # An IoU under the lowest threshold can match nothing, so it does not count as an overlap.
    best = [value if value >= THRESHOLDS[0] else 0.0 for value in best]
    return sorted(range(len(best)), key=lambda i: (-best[i], group["predicted"][i][::-1]))


def _match(group, order, threshold, limits):
    """Per prediction in `order`: "right", "wrong" or None; and how many truths count."""
    low, high = limits
    ignored = [
        flag or box[2] < low or box[2] > high for flag, box in zip(group["ignored"], group["truth"], strict=True)
    ]
    truths = [j for j, flag in enumerate(ignored) if not flag] + [j for j, flag in enumerate(ignored) if flag]
    taken, verdicts = set(), []
    for i in order:
        best, match = min(threshold, 1 - 1e-10), None
        for j in truths:
            if not _near(group, i, j) or j in taken:
                continue
            if match is not None and not ignored[match] and ignored[j]:
                break
            if group["iou"][i][j] >= best:
                best, match = group["iou"][i][j], j
        depth = group["predicted"][i][2]
        if match is None:
            outside = math.isfinite(depth) and (depth < low or depth > high)
            far = bool(truths) and not any(_near(group, i, j) for j in truths)
            verdicts.append(None if outside or far else "wrong")
        else:
            taken.add(match)
            verdicts.append(None if ignored[match] else "right")
    return verdicts, ignored.count(False)


def _per_category(groups, threshold, limits, limit):
    """[(AP, last recall)] of the categories that have truth."""
    rows = []
    for category in dict.fromkeys(group["category"] for group in groups):
        positives, found = 0, []
        for group in (g for g in groups if g["category"] == category):
            order = sorted(range(len(group["scores"])), key=lambda i: -group["scores"][i])[:limit]
            verdicts, count = _match(group, order, threshold, limits)
            positives += count
            found += [(group["scores"][i], verdict) for i, verdict in zip(order, verdicts, strict=True)]
        if positives:
            found.sort(key=lambda entry: -entry[0])
            rows.append(_curve([verdict for _, verdict in found], positives))
    return rows


def _curve(verdicts, positives):
    steps, tp, fp = [], 0, 0
    for verdict in verdicts:
        tp += verdict == "right"
        fp += verdict == "wrong"
        steps.append((tp, fp))
    envelope = [tp / (fp + tp + EPSILON) for tp, fp in steps]
    for k in range(len(envelope) - 2, -1, -1):
        envelope[k] = max(envelope[k], envelope[k + 1])
    total = 0.0
    for r in range(101):
        recall = 1.0 if r == 100 else r * 0.01
        total += next((envelope[k] for k, (tp, _) in enumerate(steps) if tp / positives >= recall), 0.0)
    return total / 101, tp / positives


def _pooled(groups, label, threshold):
    right = wrong = positives = 0
    for group in groups:
        verdicts, count = _match(group, _best_first(group), threshold, RANGES[""])
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
