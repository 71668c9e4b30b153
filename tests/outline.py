"""What of a README is the same in every language."""

import re
from dataclasses import dataclass

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_TO_THE_OTHER = re.compile(r"English|简体中文|\]\(README[\w.-]*\)")
_OWN_WORDS = re.compile(r"[\u4e00-\u9fff]+|\b[A-Z]+\b|path/to")
"""What stands in code and is still in each language's words: FILE and 文件, /path/to and /路径."""
_OF_ONE_LANGUAGE = re.compile(r" *# .*| *(export )?EMOSIEVE_LANGUAGE=en|(?<=/\^)\w+")
"""In a command: what it is for, the choice of English, and the head of a column."""


@dataclass(frozen=True, slots=True)
class Part:
    """A paragraph, list, table or code block without its words; a code block has a ``kind`` and commands."""

    kind: str
    lines: int
    commands: tuple[str, ...]
    names: frozenset[str]
    numbers: frozenset[str]
    links: tuple[str, ...]


def outline(text: str) -> list[Part]:
    """The parts of a README in their order; the kind of a heading is its ``#`` signs."""
    blocks: list[Part] = []

    def set_aside(block: re.Match[str]) -> str:
        blocks.append(_code(block[1], block[2]))
        return f"\0{len(blocks) - 1}"

    rest = _FENCED.sub(set_aside, _TO_THE_OTHER.sub("", text).strip())
    parts = re.split(r"\n{2,}|\n(?=\0)", rest)
    return [blocks[int(part[1:])] if part.startswith("\0") else _prose(part) for part in parts]


def _prose(part: str) -> Part:
    return Part(
        kind="#" * (len(part) - len(part.lstrip("#"))),
        lines=part.count("\n") + 1,
        commands=(),
        names=frozenset(_OWN_WORDS.sub("…", name) for name in re.findall(r"`([^`]+)`", part)),
        numbers=frozenset(re.findall(r"\d+(?:[.,]\d+)*", re.sub(r"`[^`]+`|\]\([^)]+\)", " ", part))),
        links=tuple(re.findall(r"\]\(([^)]+)\)", part)),
    )


def _code(kind: str, text: str) -> Part:
    """Of a session its commands alone, of a drawing nothing, of everything else each line."""
    lines = [line for line in text.splitlines() if kind != "text" and (kind != "console" or line[:2] == "$ ")]
    commands = [_OWN_WORDS.sub("…", _OF_ONE_LANGUAGE.sub("", line)) for line in lines]
    return Part(
        kind,
        lines=0,
        commands=tuple(command for command in commands if command),
        names=frozenset(),
        numbers=frozenset(),
        links=(),
    )
