"""Attention for packed sequences: causal within each sample, none between samples, and no mask in memory."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

SEGMENTED = "seg_sdpa"  # "flash" in the name would make transformers look for a kernel


def register() -> str:
    """Make `segmented` known to transformers and return the name to load or set on a model.

    No mask function is registered with it, on purpose: transformers then builds no L x L mask.
    """
    from transformers import AttentionInterface

    AttentionInterface.register(SEGMENTED, segmented)
    return SEGMENTED


def segmented(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    position_ids: Any = None,
    **_: Any,
) -> tuple[Any, None]:
    """transformers' attention signature: query (1, heads, L, d), key and value (1, groups, L, d) to (1, L, heads, d).

    `position_ids` (1, L) is the text row: a sample starts wherever it is 0. The vision tower asks with
    `is_causal` false, one image or window at a time, and is answered in full. Raises ValueError without a text row:
    samples would see each other in silence.
    """
    from torch import cat
    from torch.nn.functional import scaled_dot_product_attention

    options = {"scale": scaling, "dropout_p": dropout, "enable_gqa": query.shape[1] != key.shape[1]}
    if is_causal is False:
        attended = scaled_dot_product_attention(query, key, value, **options)
    elif position_ids is None or key.shape[2] != query.shape[2]:
        raise ValueError("expected position_ids of shape (4, 1, L), the first row from 0 in every sample, and no cache")
    else:
        lengths = segment_lengths(position_ids)
        parts = zip(query.split(lengths, 2), key.split(lengths, 2), value.split(lengths, 2), strict=True)
        attended = cat([scaled_dot_product_attention(*part, is_causal=True, **options) for part in parts], 2)
    return attended.transpose(1, 2).contiguous(), None


def segment_lengths(position_ids: Any) -> list[int]:
    """Tokens of each sample, from a text row (1, L)."""
    # Remembered on the tensor, which every layer is given: reading it back stalls a GPU.
    lengths: list[int] | None = getattr(position_ids, "segment_lengths", None)
    if lengths is None:
        row = position_ids.reshape(-1)
        starts = [*(row == 0).nonzero().reshape(-1).tolist(), row.numel()]
        lengths = [end - start for start, end in pairwise(starts)]
        position_ids.segment_lengths = lengths
    return lengths
