"""Tags in texts and parts of messages, each made of the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstkit.errors import DataError
from vstkit.tags import LLAVA, PLAIN, VST, Tags, placed, read, written

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<>|"), min_size=1)
PARTS = st.lists(
    st.one_of(st.sampled_from([{"type": "image"}, {"type": "video"}]), TEXTS.map(lambda t: {"type": "text", "text": t}))
)


def merged(parts: list[dict[str, str]], strip: bool) -> list[dict[str, str]]:
    """Texts beside each other are one; with pictures among them, loose ones have no white space around."""
    made: list[dict[str, str]] = []
    for part in parts:
        if part["type"] == "text" and made and made[-1]["type"] == "text":
            made[-1] = {"type": "text", "text": made[-1]["text"] + part["text"]}
        else:
            made.append(dict(part))
    if strip and any(part["type"] != "text" for part in made):
        made = [{**p, "text": p["text"].strip()} if p["type"] == "text" else p for p in made]
        made = [part for part in made if part.get("text") != ""]
    return made or [{"type": "text", "text": ""}]


@given(PARTS)
@pytest.mark.parametrize("tags", [PLAIN, LLAVA, VST])
def test_what_is_written_is_read(tags: Tags, parts: list[dict[str, str]]) -> None:
    assert read(written(parts, tags), tags) == merged(parts, tags.loose)


def test_as_their_own_files_have_it() -> None:
    image, text = {"type": "image"}, {"type": "text", "text": "What?"}
    assert written([image, text], LLAVA) == "<image>\nWhat?"
    assert written([image, image, text], LLAVA) == "<image>\n<image>\nWhat?"
    assert written([text, image], LLAVA) == "What?\n<image>"
    assert written([image, image, text], VST) == "<|image_pad|><|image_pad|>What?"
    assert written([image, {"type": "text", "text": "\n "}, text], PLAIN) == "<image>\n What?"
    assert read("<image>\nA<image> B", PLAIN) == [
        image, {"type": "text", "text": "\nA"}, image, {"type": "text", "text": " B"},
    ]  # fmt: skip
    assert written("Just text", VST) == "Just text"


@pytest.mark.parametrize(("tags", "text"), [(PLAIN, "an <image> tag"), (LLAVA, "<video>"), (VST, "a<|video_pad|>b")])
def test_a_text_may_hold_no_tag(tags: Tags, text: str) -> None:
    with pytest.raises(DataError, match=r"content\[1\]\.text: expected plain text, got <"):
        written([{"type": "image"}, {"type": "text", "text": text}], tags)


def test_placed() -> None:
    messages = [{"role": "user", "content": [{"type": "image"}] * 2}, {"role": "assistant", "content": "image"}]
    assert (placed(messages, "image"), placed(messages, "video")) == (2, 0)
