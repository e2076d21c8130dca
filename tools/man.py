"""Write the manual pages: `python tools/man.py`, or check that they are up to date with `--check`.

NAME, SYNOPSIS and OPTIONS of a command's page come from its parser, every other section from its module's docstring.
vstkit(1) and vstkit-records(5) come from man/source/*.txt, which are written like those docstrings: capital headings,
text indented by four, examples by eight.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vstkit.cli import COMMANDS, SUMMARIES, load, module_of

MAN = Path(__file__).resolve().parent.parent / "man"
HEADING = re.compile(r"[A-Z][A-Z ]+")
TERM = re.compile(r"    (\S.*?) {2,}(\S.*)")  # "    name  what it is", a list of definitions


def escape(text: str) -> str:
    """Text that roff prints as it stands."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    text = text.replace("^", r"\(ha").replace("~", r"\(ti")
    return re.sub(r"^\.", r"\\&.", text)


def body(text: str) -> Iterator[str]:
    """Sections of a docstring as roff."""
    example = listed = pending = False  # pending: a blank line, which begins a paragraph if text follows
    for line in text.splitlines():
        if not line.strip():
            pending = True
            continue
        indent = len(line) - len(line.lstrip())
        if example and indent < 8:
            yield from (".RE", ".fi")
            example, pending = False, True
        if indent == 0 and HEADING.fullmatch(line):
            yield f".SH {line}"
            listed = pending = False
            continue
        if indent >= 8:
            if not example:
                yield from (".PP", ".nf", ".RS 4")
            elif pending:
                yield ""
            example, pending = True, False
            yield escape(line[8:])
        elif term := TERM.fullmatch(line):
            yield from (".TP", rf"\fB{escape(term[1])}\fP", escape(term[2]))
            listed, pending = True, False
        else:
            if pending and not listed:
                yield ".PP"
            elif pending:
                yield ".PP"
                listed = False
            pending = False
            yield escape(line.strip())
    if example:
        yield from (".RE", ".fi")


def options(command: Any) -> Iterator[str]:
    """One entry for each argument and option, as the parser has it."""
    for parameter in sorted(command.params, key=lambda p: p.param_type_name != "argument"):
        if parameter.param_type_name == "argument":
            yield from (".TP", rf"\fI{escape(parameter.metavar)}\fP", escape(parameter.help))
            continue
        names = ", ".join(rf"\fB{escape(name)}\fP" for name in [*parameter.opts, *parameter.secondary_opts])
        takes_value = not (parameter.is_flag or parameter.count)
        choices = "|".join(getattr(parameter.type, "choices", []))
        value = rf" \fI{escape(parameter.metavar or choices or parameter.name.upper())}\fP" if takes_value else ""
        text = parameter.help
        if parameter.required:
            text += " [required]"
        elif takes_value and parameter.default not in (None, ""):
            text += f" [default: {parameter.default}]"
        if parameter.envvar:
            text += f" [environment: {parameter.envvar}]"
        yield from (".TP", names + value, escape(text))


def head(name: str, section: int, summary: str) -> list[str]:
    """Title and NAME. The date is the newest release's, so that the same source is the same page."""
    newest = re.search(r"^## (\S+) - (\S+)", (MAN.parent / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest, "CHANGELOG.md: expected a heading '## VERSION - DATE'"
    title = rf'.TH {escape(name.upper())} {section} "{newest[2]}" "vstkit {newest[1]}" "vstkit manual"'
    return [title, ".SH NAME", rf"{escape(name)} \- {escape(summary.rstrip('.'))}"]


def command_page(name: str) -> str:
    """The page of one command."""
    summary, _, rest = (module_of(name).__doc__ or "").partition("\n")
    command = load(name)
    arguments = " ".join(p.metavar for p in command.params if p.param_type_name == "argument")
    synopsis = rf"\fBvstkit {escape(name)}\fP [\fIOPTIONS\fP] \fI{escape(arguments)}\fP".rstrip()
    description, split, after = rest.partition("\nEXAMPLES\n")
    lines = [*head(f"vstkit-{name}", 1, summary), ".SH SYNOPSIS", synopsis, *body(description)]
    lines += [".SH OPTIONS", *options(command), ".SH EXIT STATUS", "As in", r"\fBvstkit\fP(1)."]
    return "\n".join([*lines, *body(split + after)]) + "\n"


def source_page(path: Path, section: int) -> str:
    """A page from man/source; a line `{commands}` becomes the list of commands."""
    summary, _, rest = path.read_text(encoding="utf-8").partition("\n")
    listed = "\n".join(
        f"    {group}:\n\n" + "\n".join(f"    vstkit-{name}(1)  {text}" for name, text in commands.items()) + "\n"
        for group, commands in COMMANDS.items()
    )
    return "\n".join([*head(path.stem, section, summary), *body(rest.replace("    {commands}", listed))]) + "\n"


def pages() -> dict[str, str]:
    """Every page by its file name."""
    made = {f"vstkit-{name}.1": command_page(name) for name in SUMMARIES}
    made["vstkit.1"] = source_page(MAN / "source" / "vstkit.txt", 1)
    made["vstkit-records.5"] = source_page(MAN / "source" / "vstkit-records.txt", 5)
    return made


def main() -> int:
    """Write or check; 1 when a page is not as it would be written."""
    wanted = pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in MAN.glob("*.[15]")}
    stale = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    for name in stale:
        if "--check" in sys.argv:
            print(f"man/{name} is out of date: run python tools/man.py", file=sys.stderr)
        elif name in wanted:
            (MAN / name).write_text(wanted[name], encoding="utf-8")
        else:
            (MAN / name).unlink()
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
