"""How much arithmetic a step takes, and how much a device could have done: model FLOP/s utilisation (MFU).

Counted are the multiplications and additions that the model asks for (Chowdhery et al. 2022, PaLM, appendix B), not
those that gradient checkpointing does again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from vstkit.training.parts import part_of

# Dense bfloat16 FLOP/s of one device, by a part of its name; from the makers' data sheets.
PEAKS = {
    "B200": 2250e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "H200": 989e12,
    "H800": 989e12,
    "H20": 148e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
    "MI300X": 1307e12,
}


def peak(device: str) -> float | None:
    """FLOP/s of a device by its name, if known."""
    return next((value for name, value in PEAKS.items() if name in device), None)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What a model costs: parameters that multiply every token of the text (`text`), every predicted one (`head`),
    every patch (`vision`, after `embed`) and every visual token (`merger`), and widths and depths of its attention."""

    text: int
    head: int
    embed: int
    vision: int
    merger: int
    layers: int
    width: int  # heads x head dimension
    vision_width: int
    full: int  # blocks of the vision tower that attend over a whole picture
    windowed: int
    window: int  # patches of a window, where blocks attend within one
    merge: int
    times: dict[str, int]  # a part's passes through its weights: 3 where it learns, 2 where gradients only pass, or 1

    @classmethod
    def of(cls, model: Any, learning: Collection[str], adapted: bool = False) -> Arithmetic:
        """Of a model whose parts `learning` learn, or have adapters that do."""
        sizes = {"llm": 0, "embed": 0, "vision": 0, "merger": 0}
        for name, parameter in model.named_parameters():
            shape = getattr(parameter, "ds_shape", parameter.shape)
            apart = any(word in name for word in ("embed_tokens", "pos_embed", "lm_head", "lora_"))
            if len(shape) > 1 and not apart:
                sizes["embed" if "patch_embed" in name else part_of(name)] += math.prod(shape)
        text, eye = model.config.text_config, model.config.vision_config
        full = getattr(eye, "fullatt_block_indexes", None)
        before = bool({"vision", "merger"} & set(learning))
        own = 1 if adapted else 2
        return cls(
            text=sizes["llm"],
            head=text.vocab_size * text.hidden_size,
            embed=sizes["embed"],
            vision=sizes["vision"],
            merger=sizes["merger"],
            layers=text.num_hidden_layers,
            width=text.num_attention_heads
            * (getattr(text, "head_dim", 0) or text.hidden_size // text.num_attention_heads),
            vision_width=eye.hidden_size,
            full=eye.depth if full is None else len(full),
            windowed=0 if full is None else eye.depth - len(full),
            window=0 if full is None else (eye.window_size // eye.patch_size) ** 2,
            merge=eye.spatial_merge_size,
            times={
                "llm": 2 + (own - 1) if "llm" in learning else 1 + before,
                "merger": 2 + (own - 1) if "merger" in learning else 1 + ("vision" in learning),
                "vision": 2 + (own - 1) if "vision" in learning else 1,
            },
        )

    def pack(self, lengths: Sequence[int], targets: int, grids: Sequence[Sequence[int]]) -> float:
        """FLOPs of one pack: tokens of its samples, its trained tokens, the patches (t, h, w) of its pictures."""
        tokens = sum(lengths)
        # Causal attention looks at half of all pairs, twice: for the weights and for the values.
        seen = 2 * self.layers * self.width * sum(length**2 for length in lengths)
        text = 2 * self.text * tokens + 2 * self.head * targets + seen
        frames = [(t, h * w) for t, h, w in grids]
        patches = sum(t * p for t, p in frames)
        whole = 4 * self.vision_width * self.full * sum(t * p * p for t, p in frames)
        near = 4 * self.vision_width * self.windowed * sum(t * p * min(p, self.window) for t, p in frames)
        vision = 2 * self.vision * patches + whole + near
        merger = 2 * self.merger * patches / self.merge**2
        embed = 2 * self.embed * patches * min(self.times["vision"], 2)  # pixels need no gradient
        return self.times["llm"] * text + self.times["vision"] * vision + self.times["merger"] * merger + embed
