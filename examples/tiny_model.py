"""Make a tiny random vision-language model with the real Qwen2.5-VL or Qwen3-VL architecture, offline.

    python examples/tiny_model.py OUT [--arch qwen2_5_vl|qwen3_vl] [--seed 0] [--hidden 192] [--layers 3]

OUT becomes a model folder as on the Hugging Face hub: config, weights, a byte-level BPE tokenizer trained on
the sentences below, a chat template in Qwen's format, and the image rule. About 1.7 million parameters: enough
to learn the boxes of one room by heart on one CPU core. The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

# Qwen's: a number is split digit by digit, a word keeps the space before it.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# In the order of Qwen2.5-VL's own added tokens.
CONTROL = """
endoftext im_start im_end object_ref_start object_ref_end box_start box_end quad_start quad_end vision_start
vision_end vision_pad image_pad video_pad
"""
TEMPLATE = """\
{%- for message in messages %}
{%- if loop.first and message.role != 'system' %}
{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.content is string %}
{{- message.content }}
{%- else %}
{%- for part in message.content %}
{%- if part.type == 'image' %}
{{- '<|vision_start|><|image_pad|><|vision_end|>' }}
{%- elif part.type == 'video' %}
{{- '<|vision_start|><|video_pad|><|vision_end|>' }}
{%- elif part.type == 'text' %}
{{- part.text }}
{%- endif %}
{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
LABELS = """
chair table sofa bed lamp desk door window shelf cabinet sink stove oven fridge toilet mirror pillow monitor
keyboard laptop book box bottle cup bowl plate vase plant picture clock printer stool bench counter dresser
curtain television backpack bin kettle microwave dishwasher knife spoon fork jar basket rug ladder cart
"""
SENTENCES = [
    "system user assistant. You are a helpful assistant.",
    "These are the camera parameters of the image. Here are the detailed camera parameters for the image.",
    "Camera intrinsic parameters: horizontal fov, hfov=69.16, and vertical fov, vfov=53.17. Image width=959 and "
    "height=696. We do not consider distortion parameters here. Lens distortion is not considered.",
    "Camera coordinate: the X-axis points rightward, the Y-axis points downward, and the Z-axis points forward. "
    "X-axis points right, Y-axis points down. The origin point is the camera location. We take the camera "
    "coordinate system of the first image as the world coordinate system.",
    "3D bounding box format: [x_center, y_center, z_center, x_size, y_size, z_size, pitch, yaw, roll]\n"
    "* x_center, y_center, z_center: the center of the object in the camera coordinate, in meters. z_center is "
    "the depth of the object in space.\n* x_size, y_size, z_size: the dimensions of the object along the (XYZ) "
    "axes, in meters, when the rotation angles are zero.\n* pitch, yaw, roll: Euler angles representing rotations "
    "around the X, Y, and Z axes, respectively. Each angle is normalized to the range of (-1, 1) and is "
    "multiplied by 180 to convert it into degrees.\n",
    'Output a json list where each entry contains the object name in "label" and its 3D bounding box in "bbox_3d".',
    "Which object is nearest to the camera? Which of these objects is closer to the camera, and which is the "
    "farthest? Rank the objects by depth. Answer with the letter of the option.",
    "What is the distance between the centers of the two objects, in meters? How many are visible?",
    "The object at the red point, the green box, the blue circle, the pink arrow. point-A point-B point-C point-D",
    "A. B. C. D. yes no left right front behind above below near far before after",
    "<think>\n\n</think>\n\n<answer>\n</answer>",
]


def sentences() -> list[str]:
    """What the tokenizer learns its words from."""
    boxes = [
        f"Detect the 3D bounding boxes of {label}.\n"
        f'```json\n[\n  {{"bbox_3d": [-0.{i}, 1.2{i}, 3.5, 0.6, 0.4, 1.1, 0.0, -0.5, 0.25], "label": "{label}"}},\n'
        f'  {{"bbox_3d": [0.1, 0.2, 1.{i}, 0.3, 0.4, 0.5, 0.1, 0.2, 0.3], "label": "{label}"}}\n]\n```'
        f"The {label} is nearer than the other {label}. [{label}, {label}]: {label}-A"
        for i, label in enumerate(LABELS.split())
    ]
    return SENTENCES * 20 + boxes


def tokenizer(vocabulary: int = 1024) -> Any:
    """A `tokenizers.Tokenizer` with at most `vocabulary` entries, laid out as Qwen's."""
    control = [f"<|{name}|>" for name in CONTROL.split()]
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(control),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(sentences(), trainer)
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return made


def model(tokens: Any, arch: str, hidden: int, layers: int) -> Any:
    """The network, randomly initialised, with `hidden` channels in 4 heads and a vision tower of 2 blocks."""
    ids = {name: tokens.token_to_id(f"<|{name}|>") for name in ("endoftext", "im_end")}
    head = hidden // 4
    rest = head // 2 // 3
    text: dict[str, Any] = {
        "vocab_size": -(-tokens.get_vocab_size() // 64) * 64,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 131072,
        "bos_token_id": ids["endoftext"],
        "eos_token_id": ids["im_end"],
        "pad_token_id": ids["endoftext"],
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1_000_000.0,
            "mrope_section": [head // 2 - 2 * rest, rest, rest],
        },
    }
    vision = {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "out_hidden_size": hidden}
    if arch == "qwen2_5_vl":
        config_class, model_class = transformers.Qwen2_5_VLConfig, transformers.Qwen2_5_VLForConditionalGeneration
        vision |= {"fullatt_block_indexes": [1], "window_size": 112}
    else:
        config_class, model_class = transformers.Qwen3VLConfig, transformers.Qwen3VLForConditionalGeneration
        text |= {"head_dim": head}
        text["rope_parameters"]["mrope_interleaved"] = True
        vision |= {"deepstack_visual_indexes": [0], "num_position_embeddings": 256, "patch_size": 16}
    config = config_class(
        text_config=text,
        vision_config=vision,
        tie_word_embeddings=False,
        image_token_id=tokens.token_to_id("<|image_pad|>"),
        video_token_id=tokens.token_to_id("<|video_pad|>"),
        vision_start_token_id=tokens.token_to_id("<|vision_start|>"),
        vision_end_token_id=tokens.token_to_id("<|vision_end|>"),
    )
    made = model_class(config)
    made.generation_config = transformers.GenerationConfig(
        bos_token_id=ids["endoftext"],
        eos_token_id=[ids["im_end"], ids["endoftext"]],
        pad_token_id=ids["endoftext"],
    )
    return made


def build(
    out: Path,
    arch: str = "qwen2_5_vl",
    seed: int = 0,
    hidden: int = 192,
    layers: int = 3,
    max_pixels: int = 28 * 28 * 100,
) -> int:
    """Write the model folder `out` and return the number of parameters."""
    out.mkdir(parents=True, exist_ok=True)
    tokens = tokenizer()
    torch.manual_seed(seed)
    made = model(tokens, arch, hidden, layers)
    made.save_pretrained(out)
    tokens.save(str(out / "tokenizer.json"))
    (out / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "Qwen2Tokenizer",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "model_max_length": 131072,
            "clean_up_tokenization_spaces": False,
        },
    )
    rule: dict[str, Any] = {"image_processor_type": "Qwen2VLImageProcessor", "merge_size": 2, "temporal_patch_size": 2}
    if arch == "qwen2_5_vl":
        rule |= {
            "processor_class": "Qwen2_5_VLProcessor",
            "patch_size": 14,
            "min_pixels": 4 * 28 * 28,
            "max_pixels": max_pixels,
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
        }
    else:
        rule |= {
            "processor_class": "Qwen3VLProcessor",
            "patch_size": 16,
            "size": {"shortest_edge": 4 * 32 * 32, "longest_edge": max_pixels},
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
        }
    write_json(out / "preprocessor_config.json", rule)
    return sum(parameter.numel() for parameter in made.parameters())


def quiet() -> None:
    """Keep transformers from drawing bars, and deepspeed, which it imports, from saying that there is no GPU."""
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    transformers.utils.logging.disable_progress_bar()


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--arch", choices=["qwen2_5_vl", "qwen3_vl"], default="qwen2_5_vl")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", type=int, default=192, help="channels, a multiple of 8 [192]")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument(
        "--max-pixels", type=int, default=28 * 28 * 100, help="largest area of an image, in pixels [78400]"
    )
    options = parser.parse_args()
    quiet()
    count = build(**vars(options))
    print(f"{options.out}: {options.arch}, {count:,} parameters")


if __name__ == "__main__":
    main()
