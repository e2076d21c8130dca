"""How other scorers read the letter of an answer, restated from what their code does, faults and all.

Each function takes the text and the options, a mapping from letters to texts, and returns what the scorer compares with
the right letter, in upper case: "" where it finds nothing, and for some rules a thing that is no letter at all. None
takes reasoning away first, unless it says so. Where a scorer then asks a language model, or draws a random letter, the
answer here is "". What is known of each comes from its repository, at the version that `extraction.RULES` names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

Options = Mapping[str, str]


def vsi(text: str, options: Options) -> str:
    """VSI-Bench (thinking-in-space): the first word, cut at a space only, less full stops at its end.

    Faults: `(B)`, `B)`, `**B**`, "B," and an answer after a line break or a leading space are wrong; so is every
    sentence and everything after reasoning.
    """
    return text.partition(" ")[0].rstrip(".").strip().upper()


def mmsi(text: str, options: Options) -> str:
    """MMSI-Bench: within the first ``..``, then the first `..`, the first capital A-D that no word follows.

    Faults: the look-ahead, there to skip "A bike", also drops "B is correct" and "A because", so that another letter
    wins or none; the first of several letters counts, wherever it stands; lower case is not read.
    """
    return _backticked(text, _MMSI)


def vst(text: str, options: Options) -> str:
    """The reward of Visual Spatial Tuning for choices: the rule of MMSI-Bench with A-F. Its faults are the same."""
    return _backticked(text, _VST)


_MMSI, _VST = (re.compile(rf"\b[A-{last}]\b(?!\s[a-zA-Z])") for last in "DF")


def _backticked(text: str, pattern: re.Pattern[str]) -> str:
    for quoted in (re.compile(r"``([^`]*+)``"), re.compile(r"`([^`]*+)`")):
        if found := quoted.search(text):
            text = found[1]
    letter = pattern.search(text)
    return letter[0] if letter else ""


_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_TO_SPACE = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))


def vlmeval(text: str, options: Options) -> str:
    """VLMEvalKit's rules (can_infer) since August 2025, with the phrase rule of June 2026; its judge is not asked.

    The one option letter that is a word of the text, if it first stands among the last five words; else the letter
    after "answer is"; else the one option whose text the answer holds. "Z" stands for a refusal. Faults: an answer
    before its explanation is lost, "(B) left of the chair" included; backticks and tags hide the letter; lower case is
    not read; the article "A" counts; "the answer is below" is B.
    """
    letter = _word_letter(text, options, last=5)
    if not letter and (phrase := _ANSWER_IS.search(text)):
        letter = phrase[1].upper()
    return letter or _held_text(text, options)


def vlmeval_2025_07(text: str, options: Options) -> str:
    """The same before 4 August 2025: the letter may stand anywhere, and there is no phrase rule."""
    return _word_letter(text, options) or _held_text(text, options)


_ANSWER_IS = re.compile(r"answer\s++is\s++\**+([A-D])", re.IGNORECASE)


def _word_letter(text: str, options: Options, last: int | None = None) -> str:
    if "Failed to obtain answer via API" in text:
        return ""
    if any(refusal in text for refusal in _REFUSALS):
        return "Z"
    words = text.translate(_TO_SPACE).split()
    found = [letter for letter in options if letter in words]
    if not found:
        return "Z" if "Z" in words else ""
    late = last is None or words.index(found[0]) > len(words) - last
    return found[0] if len(found) == 1 and late else ""


def _held_text(text: str, options: Options) -> str:
    if len(text) > 2 * sum(map(len, options.values())):
        return ""
    lower = text.lower()
    held = [letter for letter, option in options.items() if option.lower() in lower]
    return held[0] if len(held) == 1 else ""


def lmms_start(text: str, options: Options) -> str:
    """lmms-eval for BLINK and CV-Bench: any first letter, after brackets and spaces.

    Faults: it invents letters: "The answer is B" is T, "Answer: B" is A, "Option B" is O; Markdown gives none.
    """
    found = re.match(r"[(\s]*+([a-z])", text.strip(), re.IGNORECASE)
    return found[1].upper() if found else ""


_PHRASES = (
    *("answer is", "the answer is", "correct answer is", "the correct answer is", "best answer is"),
    *("the best answer is", "correct option is", "the correct option is", "best option is", "the best option is"),
    *("choice is", "the choice is", "correct choice is", "the correct choice is", "my answer is", "my choice is"),
    *("i choose", "i select", "i pick", "옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは"),
)


def lmms(text: str, options: Options) -> str:
    """lmms-eval's shared rule (extract_mcq_answer, until August 2026): the last letter of the surest form.

    Forms, surest first: at the start of the text; at its end; after a phrase such as "answer is"; "(X)"; "X."; "X:";
    "X)"; "X "; and, where there is none, anywhere. Faults: after a phrase any capital counts, also inside words; the
    article at the start of "A chair" is an answer, and so is the last capital of a word ("CNC.").
    """
    if not text.strip():
        return ""
    stripped = text.strip()
    for mark in ",.!?;:'\"":
        stripped = stripped.strip(mark)
    padded = f" {stripped} "
    bare, lower = stripped.strip(), padded.lower()
    found: list[tuple[int, int, str]] = []
    for letter in options:
        forms = enumerate((f"{letter} ", f"{letter})", f"{letter}:", f"{letter}.", f"({letter})"), start=1)
        found += [(form, padded.rfind(written), letter) for form, written in forms if written in padded]
        if bare.startswith(letter) and not bare[1:2].isalpha():
            found.append((8, 0, letter))
        if bare.endswith(letter) and not bare[-2:-1].isalpha():
            found.append((7, 0, letter))
    for phrase in _PHRASES:
        after = lower.find(phrase)
        if after >= 0:
            hits = [(padded.find(letter, after + len(phrase)), letter) for letter in options]
            found += [(6, at, letter) for at, letter in hits if at >= 0]
    if not found:
        found = [(0, padded.rfind(letter), letter) for letter in options if letter in padded]
    return max(found, key=lambda hit: hit[:2])[2] if found else ""


_BEFORE_TAG = [
    re.compile(rf"(?<![A-Za-z])([A-F])\s*+[)\]}}）】]?\s*+</\s*+{tag}\s*+>", re.IGNORECASE)
    for tag in ("answer", "think")
]
_THINK = [re.compile(rf"<\s*+{slash}think\s*+>", re.IGNORECASE) for slash in (r"/\s*+", "")]
_TAGGED = re.compile(r"<\s*+answer\b[^<>]*+>\s*+([A-J])", re.IGNORECASE)
_TAG_END = re.compile(r"<\s*+/\s*+answer\s*+>", re.IGNORECASE)
_PHRASE = re.compile(
    r"(?:final\s*+answer|the\s*+answer\s*+is|answer(?:\s*+is)?|correct\s*+answer|答案|最终答案|结论|所以|因此|我选择?|选择|选)"
    r"\s*+[:：>＝=]?\s*+[(\[{（【]?\s*+([A-F])\s*+[)\]}）】]?(?:\b|[.)、。])",
    re.IGNORECASE,
)
_ENUMERATED = re.compile(r"[*_>\-\s]*+(?:option|选项)\s++[A-J]\s*+[:：]", re.IGNORECASE)
_LONE = re.compile(r"[*_`>（）\[\]【】()]*+\s*+([A-F])\s*+[*_`（）\[\]【】()]*+", re.IGNORECASE)
_LABEL = re.compile(r"([A-F])\s*+[.．:：)\]】、-]\s", re.IGNORECASE)
_TOKEN = re.compile(r"(?<![A-Za-z])([A-F])(?=\s|\s*+[*_`）\]})]*+(?:$|[\s.,:;!?)\]】》」』，。；、：）]))")


def easi(text: str, options: Options) -> str:
    """EASI (can_match_option, April 2026), letters A-F whatever the options are; in its own order:

    <answer>X, a letter before </answer> or </think> near the end, the last six lines from below (a lone letter, "B.
    text", or one distinct capital), a phrase, one distinct capital. Faults: "<think>it is A</think> B" is A; the first
    phrase counts, not the last; <answer>Both</answer> is B; where neither prediction nor truth is read, it is right.
    """
    text = re.sub("[\u200b-\u200d\ufeff]", "", text.strip())
    tagged = _TAGGED.search(text)
    if tagged and _TAG_END.search(text, tagged.end()):
        return tagged[1].upper()
    if found := next((found for tag in _BEFORE_TAG if (found := tag.search(text[-800:]))), None):
        return found[1].upper()
    ends = next((tags for tag in _THINK if (tags := [found.end() for found in tag.finditer(text)])), [0])
    for part in (text[ends[-1] :].strip(), text[-800:]):
        if letter := _from_lines(part.splitlines()[-6:]):
            return letter
    if phrase := _PHRASE.search(text):
        return phrase[1].upper()
    lines = "\n".join(line for line in text.splitlines() if not _ENUMERATED.match(line))
    letters = set(re.findall(r"(?<![A-Za-z])[A-F](?![A-Za-z])", lines))
    return letters.pop() if len(letters) == 1 else ""


def _from_lines(lines: list[str]) -> str:
    for line in map(str.strip, reversed(lines)):
        if not line or _ENUMERATED.match(line):
            continue
        if found := _LONE.fullmatch(line) or _LABEL.match(line):
            return found[1].upper()
        if len(tokens := set(_TOKEN.findall(line))) == 1:
            return str(tokens.pop())
    return ""


def mindcube(text: str, options: Options) -> str:
    """MindCube: the last "X." (A-E) wins over everything, then <Answer>, phrases, the first letter of a low line.

    Faults: "TV set E." and "USA." are answers; the article "A" is one; reasoning is read as well; lower case is not.
    """
    if found := re.findall(r"([A-E])\.", text):
        return str(found[-1])
    _, opened, rest = text.partition("<Answer>")
    if opened and (letter := _last(rest.partition("<")[0], (r"[Mm]y answer is ([A-E])", r"[Tt]he answer is ([A-E])",
                                                            r"\b([A-E])\b"))):  # fmt: skip
        return letter
    patterns = (
        r"(?:^|\n)(?:Answer: )?([A-E])(?:$|\s)", r"[*\"]([A-E])[*\"]", r"\bAnswer:?\s*+([A-E])\b",
        r"[Mm]y answer is ([A-E])", r"answer is ([A-E])",
    )  # fmt: skip
    if letter := _last(text, patterns):
        return letter
    lone = list(re.finditer(r"\b[A-E]\b", text))
    line = text.rfind("\n", 0, lone[-1].start()) if lone else 0
    return next((found[0] for found in lone if found.start() > line), "")


def _last(text: str, patterns: Iterable[str]) -> str:
    """The last letter that the first pattern that occurs at all finds."""
    return next((str(found[-1]) for pattern in patterns if (found := re.findall(pattern, text))), "")


def viewspatial(text: str, options: Options) -> str:
    """ViewSpatial-Bench: the first lone A-D of the last line, in any case.

    Faults: the article "a" is an answer; an answer that is followed by a line break is lost.
    """
    found = re.search(r"\b([A-D])\b", text.rpartition("\n")[2], re.IGNORECASE)
    return found[1].upper() if found else ""


def mmmu(text: str, options: Options) -> str:
    """MMMU: the last "(X)", else the last " X ", else in more than five words the last option text that is held.

    Faults: "B)" , `**B**`, `<answer>B</answer>` and lower case are not read; "(A)" in an explanation wins. The original
    draws a random letter where it finds none (seed 42), which adds points to bad answers.
    """
    for mark in ",.!?;:'":
        text = text.strip(mark)
    padded = f" {text} "
    for form in ("({})", " {} "):
        written = {letter: form.format(letter) for letter in options}
        if found := [letter for letter in options if written[letter] in padded]:
            return max(found, key=lambda letter: padded.rfind(written[letter]))
    lower = padded.lower()
    if len(lower.split()) <= 5:
        return ""
    held = [letter for letter, option in options.items() if option and option.lower() in lower]
    return max(held, key=lambda letter: lower.rfind(options[letter].lower()), default="")


def site(text: str, options: Options) -> str:
    """SITE-Bench: "(X)", else " X ", else "X.", else "X:", ":X" or ": X"; of several the last " X ".

    Faults: the last is looked for as " X " also when the forms are others, and so it is the first option that
    wins then; unparsed is a random letter there, without a seed.
    """
    padded = f" {text.strip()} "
    for forms in (("({})",), (" {} ",), ("{}.",), ("{}:", ":{}", ": {}")):
        if found := [letter for letter in options if any(form.format(letter) in padded for form in forms)]:
            return max(found, key=lambda letter: padded.rfind(f" {letter} "))
    return ""


def cambrian(text: str, options: Options) -> str:
    """CV-Bench (cambrian): the first character after the last "answer is" or "answer:", whatever it is.

    Faults: Markdown and tags leave a `*` or `<`; any sentence gives its first letter.
    """
    lower = text.lower()
    ends = [at + len(phrase) for phrase in ("answer is", "answer:") if (at := lower.rfind(phrase)) >= 0]
    return lower[max(ends, default=0) :].strip().strip("()")[:1].upper()


def mmstar(text: str, options: Options) -> str:
    """MMStar: the first character, or that after "(", "option " or "the answer is ", in any case; nothing else.

    Faults: "Answer: B" is A; "A chair" is A; Markdown and explanations before the answer give none.
    """
    lower = text.lower().strip().replace("\n", " ")
    found = re.match(r"(?:\(|option |the answer is )?+([a-z])", lower)
    letter = found[1].upper() if found else ""
    return letter if letter in options else ""
