r"""The letter that a model's answer to a multiple-choice question names, by named and versioned rule sets.

Scorers differ by 20 to 40 points on the same text, by how they read it. So a score has to say which rules made it:
`RULES` holds our own, "strict", and those of other scorers, restated in `published` from what their code does.

"strict" reads what a careful reader would, and nothing else: where a text names two options, or none, it is unparsed.
It never guesses. It looks for these, in this order, in the text after the reasoning: the last <answer> or \boxed{}; the
last statement ("the answer is B", "option B is correct", "so C", "答案是B"); a label that the text begins or ends with
("B", "(B) left", "B. left"); the one option that is named, or else whose text is stated, in the text, in its
conclusion ("Therefore, ...") or in a first sentence that claims something. Markdown, LaTeX fonts and full-width forms
do not matter; a lower-case letter counts where it stands alone or is stated as the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from vstkit.errors import UsageError
from vstkit.scoring import published
from vstkit.scoring.wording import WHOLE, container, cut, plain, split_thought, stated

__all__ = ["RULES", "Rule", "letter", "split_thought", "strict"]

Options = Mapping[str, str]


class Rule(NamedTuple):
    """A rule set: what it does, and of which date or commit it is."""

    read: Callable[[str, Options], str]
    version: str


def letter(text: str, options: Options, rules: str = "strict") -> str:
    """The letter that a text answers with, by a rule set; "" where that finds none.

    `options` maps capital letters to texts, which may be "". Some published rules return what is no option ("*",
    "THE"): they compare that with the truth, and so it is wrong. Of texts longer than 65,536 characters the middle is
    not looked at, and by our own rules of answers longer than 8,192. Never raises for any text, and takes
    linear time. Raises UsageError for unknown rules.
    """
    if rules not in RULES:
        raise UsageError(f"rules: expected one of {', '.join(RULES)}, got {rules}")
    return RULES[rules].read(cut(text, WHOLE), options)


def strict(text: str, options: Options) -> str:
    """Our own rules, as the module's docstring tells them."""
    answer = cut(split_thought(text)[1])
    content = container(answer)
    if content is not None and (found := _whole(plain(content).strip(), options)):
        return found
    return _whole(plain(answer).strip(), options)


def _whole(text: str, options: Options) -> str:
    declared = _declared(text, options)
    if declared is not None or not text:
        return declared or ""
    if found := _labelled(text, options):
        return found
    if _REFUSED.search(text):
        return stated(text, {name: option for name, option in options.items() if _REFUSED.search(option)})
    sentences = [sentence for sentence in _SENTENCE.split(text) if sentence.strip()]
    claims = [sentence for sentence in sentences[:-4:-1] if _CONCLUDES.match(sentence)]
    if not _DESCRIBES.search(sentences[0]) and len(set(_LABELS.findall(text))) < 2:
        claims.append(sentences[0])
    return next(filter(None, (_claimed(part, options) for part in (text, *claims))), "")


def _claimed(text: str, options: Options) -> str:
    """The one option that a text names, or whose text it states: that one, where the name stands in its text."""
    name, said = _only(text, options), stated(text, options)
    return said if said and (not name or re.search(rf"\b{name}\b", options[said])) else name


_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")
_CONCLUDES = re.compile(
    r"\s*(?:so|therefore|thus|hence|overall|consequently|based on|given|in (?:conclusion|summary))\b", re.IGNORECASE
)
_DESCRIBES = re.compile(
    r"\b(?:shows?|depicts?|contains?|features?|displays?|let's|to (?:determine|find|answer|solve))\b", re.IGNORECASE
)
_REFUSED = re.compile(
    r"(?:cannot|can't|can not|could not|couldn't|not) (?:be |reliably |accurately )?"
    r"(?:determin|tell|say|answer|identif|see|possible|enough|clear|sure|certain|provided|visible)"
    r"|unable to|impossible to|none of the|neither of|i'm sorry|i am sorry|don't know|do not know|insufficient"
    r"|no (?:correct|valid|suitable) (?:option|answer|choice)",
    re.IGNORECASE,
)

_IS = r"(?:\s{0,3}(?:is|was|would be|should be|must be|will be|=|->|:)(?:\s?:)?(?![a-z])|\s{0,3}\n)"
_FIRM = re.compile(
    rf"(?<![a-z])(?:answer|option|choice|solution)(?: (?:here|letter|to (?:the|this) question))?{_IS}"
    r"|(?<![a-z])i(?: would| will|'d|'ll)? (?:choose|select|pick|go with|say|think|believe|guess)"
    r"(?: that| it's| it is)?(?![a-z])"
    r"|(?<![a-z])(?:correct|right|best) (?:one|answer|option|choice)(?![a-z])|(?<![a-z])(?:is|be):(?=\s)"
    r"|答案(?:应该|应)?[是为选]?|故选|应选|我选|选择?|정답은|답은|답:|答えは|正解は",
    re.IGNORECASE,
)
_LOOSE = re.compile(
    r"(?<![a-z])(?:so|therefore|thus|hence|it is|it's|that is|must be|should be|would be)(?![a-z]),?|所以|因此",
    re.IGNORECASE,
)
_PRAISED = re.compile(
    r"(?<![\w'])([A-Z])[)\]]?\.? ?"
    r"(?:(?:is|seems|looks|appears|would be|must be|should be)"
    r"(?: (?:to be|most likely|likely|clearly|therefore|thus|indeed))? "
    r"(?:(?:the )?(?:correct|right|best|true|answer)"
    r"|(?:the |a )?(?:more|most) (?:appropriate|similar|likely|accurate|suitable))"
    r"|(?:选项)?是?(?:正确|对的))",
    re.ASCII,
)
_NAMED = re.compile(
    r"[\s\"'(\[{<:\-]{0,12}+(?:(?:option|choice|letter|answer|is|选项|是|为)(?![a-z])[\s\"'(\[{:]{0,6}+){0,2}"
    r"([A-Za-z])(?![A-Za-z0-9_']|-[A-Za-z])",
    re.IGNORECASE,
)
_OPTION = re.compile(r"option|choice|选项", re.IGNORECASE)
_CLOSING = re.compile(r"[ \t]{0,2}(?:[\"')\]}>.,;:!?\-]|\s*+$|\n|[^\x00-\x7f])")
_REASON = re.compile(r" (?:because|since|as|is|or|and|due|given|based|for|but|from)(?![a-z])")
_OTHER = re.compile(
    r"[\s)\]}\"'.]{0,3}(?:(?:and/or|or|或者?|还是|/)\s{0,2}(?:option |choice )?[(\[]?([A-Z])(?![\w'])"
    r"|(?:,\s{0,2})?(?:and|,|&|和|与)\s{0,2}(?:option |choice )?[(\[]?([A-Z])(?![\w'])(?!\)?\s[a-z]))"
)
_NOTHING = re.compile(
    r"[\s:\"'(]{0,6}(?:none|neither|unknown|unclear|undetermined|cannot|can't|n/a|impossible"
    r"|not (?:clear|determin|possible|given|provided|visible|available|known))",
    re.IGNORECASE,
)
_MOST = 50  # statements that are read, from the last


def _declared(text: str, options: Options) -> str | None:
    """What the last statement of an answer names: "" where it names two options or none; None without a statement."""
    statements = [(found.end(), kind) for kind in (_FIRM, _LOOSE) for found in kind.finditer(text)]
    statements += [(found.start(1), _PRAISED) for found in _PRAISED.finditer(text)]
    for at, kind in sorted(statements, key=lambda statement: statement[0], reverse=True)[:_MOST]:
        name, end = _named(text, at, options)
        if name and (kind is not _LOOSE or _CLOSING.match(text, end) or _OPTION.search(text, at, end)):
            return "" if _another(text, end, name, options) else name
        if kind is _FIRM and not name:
            if _NOTHING.match(text, at):
                said = _SENTENCE.split(text[at : at + 300])[0]
                return stated(said, options)
            if found := stated(_SENTENCE.split(text[at : at + 300].lstrip())[0], options):
                return found
    return None


def _named(text: str, at: int, options: Options) -> tuple[str, int]:
    """The option letter that a text goes on with at a place, and where that ends; "" where it does not."""
    found = _NAMED.match(text, at)
    if not found or found[1].upper() not in options:
        return "", at
    name, end = found[1], found.end()
    before = text[max(0, found.start(1) - 8) : found.start(1)].rstrip(" \"'([")
    article = name.islower() or name == "I" or (name == "A" and (not before or before[-1] in ".:!?\n"))
    if article and not _CLOSING.match(text, end) and not (name.isupper() and _REASON.match(text, end)):
        option = options[name.upper()]
        follows = option and text[end:].lstrip().lower().startswith(option.lower())
        return (name, end) if name.isupper() and follows else ("", at)  # else an article, or a pronoun
    return name.upper(), end


def _another(text: str, end: int, name: str, options: Options) -> bool:
    """Whether another option is named in the same breath as the one that ends here."""
    found = _OTHER.match(text, end)
    other = found and (found[1] or found[2])
    return bool(other and other in options and other != name)


_LABEL = re.compile(
    r"(?:[Oo]ption |[Cc]hoice )?[\"'(\[{<]{0,2}([A-Za-z])"
    r"(?:[\"')\]}>]{1,2}[.:,]?|[.:]|,(?=\s)| -(?=\s)|(?=\s*\Z))(?![\w'])"
)
_LABELS = re.compile(r"^[ \t]{0,4}[(\[]?([A-Z])[)\].:](?![\w'])", re.MULTILINE)
_LAST = re.compile(r"(?:[.!?:)\n]\s{1,4}|\A)[\"'(\[{]{0,2}([A-Za-z])[\"')\]}]{0,2}[.!]?\Z")


def _labelled(text: str, options: Options) -> str:
    """The label that a text begins with, or its last line, or that stands alone at its end."""
    last = _LAST.search(text, max(0, len(text) - 12))
    alone = last[1].upper() if last else ""
    first, final = (_label(line, options) for line in (text.partition("\n")[0], text.rpartition("\n")[2].strip()))
    labels = set(_LABELS.findall(text)) & set(options)
    if first and final and first != final and not alone:
        return ""
    if first and len(labels | {first}) == 1 and (not alone or alone == first):
        return first
    if alone in options:
        return alone
    return final if final and labels <= {final} else ""


def _label(line: str, options: Options) -> str:
    found = _LABEL.match(line)
    name = found[1].upper() if found else ""
    if not found or name not in options or _another(line, found.end(1), name, options):
        return ""
    others = {m[1]: line[m.end() :].lstrip() for m in _BRACKETED.finditer(_SENTENCE.split(line)[0])}
    others = {other: rest for other, rest in others.items() if other in options and other != name}
    listed = any(options[other] and rest.startswith(options[other]) for other, rest in others.items())
    return "" if listed or len(others) > 1 else name


_BRACKETED = re.compile(r"[(\[](?:(?:[Oo]ption|[Cc]hoice) )?([A-Z])[)\]]")
_CAPITAL = re.compile(r"(?<![\w'\-])(?<!not )(?<!n't )([A-Z])(?![\w'\-°º♯♭+=^&]|\. ?[A-Z]\.)", re.ASCII)
_ARTICLE = re.compile(
    r"(?:\A|[.!?:]\s|\n)\s{0,4}A(?= [a-z])(?! (?:is|was|has|and|or|seems|appears|looks)\b)|\bI(?= [a-z]|')"
)


def _only(text: str, options: Options) -> str:
    """The one option that a text names, in brackets or else as a capital that is no article and no pronoun."""
    bracketed = set(_BRACKETED.findall(text))
    names = bracketed or set(_CAPITAL.findall(_ARTICLE.sub(" ", text))) & set(options)
    return names.pop() if len(names) == 1 and names <= set(options) else ""


RULES: dict[str, Rule] = {
    "strict": Rule(strict, "vstkit 1"),
    "vsi": Rule(published.vsi, "thinking-in-space 51e089c"),
    "mmsi": Rule(published.mmsi, "MMSI-Bench 5de2f3d"),
    "vst": Rule(published.vst, "VST spatial_rl e31b5b3"),
    "vlmeval": Rule(published.vlmeval, "VLMEvalKit e8e78f05, 2026-08-18"),
    "vlmeval-2025-07": Rule(published.vlmeval_2025_07, "VLMEvalKit before c3371551, 2025-08-04"),
    "lmms-start": Rule(published.lmms_start, "lmms-eval 75571cfe, 2026-08-06"),
    "lmms": Rule(published.lmms, "lmms-eval 75571cfe, 2026-08-06"),
    "easi": Rule(published.easi, "EASI 0c1a41e, 2026-04-27"),
    "mindcube": Rule(published.mindcube, "MindCube 6d8fd9a"),
    "viewspatial": Rule(published.viewspatial, "ViewSpatial-Bench 2e85a5e"),
    "mmmu": Rule(published.mmmu, "MMMU bb0b95a, no random letters"),
    "cambrian": Rule(published.cambrian, "cambrian CV-Bench"),
    "mmstar": Rule(published.mmstar, "MMStar 88f243a"),
    "site": Rule(published.site, "SITE-Bench 36295bb, no random letters"),
}
