"""Texts that somebody might give for a rule: sense, nonsense, and sense with something broken in it."""

import math
import random
from collections.abc import Mapping

from emosieve.judge.fields import FIELDS, Value

RULES = (
    'scores.unknown > 0.4 or (top1 in ("other", "unknown") and confidence < 0.8)',
    "speech_seconds < 0.5 and snr_db < 8",
    "not (0.1 < gap <= 0.2) and entropy >= 0.9",
    "abs(confidence - top1_score) > 0.02 or emotion != top1",
    "max(scores.happy, scores.sad) - min(scores.angry, 0.5) * 2 / frames.count == 0.25",
    "speech_seconds / duration_seconds < 0.2 and channels not in [1, 2]",
    'granularity == "整句" and -rms_dbfs > 1e1',
)
_WORDS = [
    *FIELDS,
    *(
        "and",
        "or",
        "not",
        "in",
        "min",
        "max",
        "abs",
        "True",
        "None",
        "lambda",
        "if",
        "else",
        "for",
        "is",
        "await",
    ),
    *("0", "1", "0.5", "1e999", "1e308", ".5", "5.", "1_0", "0x1F", "0777", "1j", "9" * 320, "-0.0"),
    *(
        "<",
        "<=",
        ">",
        ">=",
        "==",
        "!=",
        "+",
        "-",
        "*",
        "/",
        "//",
        "**",
        "%",
        "=",
        ":=",
        "->",
        "@",
        "|",
        "&",
        "~",
    ),
    *("(", ")", "[", "]", "{", "}", ",", ".", ";", ":", "#", "\\", "\n", "\t", " ", "\x00", "\r", "`", "$"),
    *('"', "'", '"other"', "'happy'", '""', '"""', 'f"{gap}"', 'b"x"', '"a\\n"', '"开心"'),
    *("confidence.__class__", "__import__('os')", "().__class__", "gap.real", "scores['sad']", "(gap := 1)"),
    *(
        "（",
        "）",
        "，",
        "“",
        "≥",
        "＜",
        "置信度",
        "ｇａｐ",
        "\u3000",
        "\ud800",
        "\u2028",
        "\u202e",
        "𝐠𝐚𝐩",
        "é",
    ),
]
_SIGNS = "".join(sorted({character for rule in RULES for character in rule})) + "[]{}\\\n#:=%\x00"


def random_text(chance: random.Random) -> str:
    """One text: of the grammar, words in any order, a rule with something changed, or any characters at all."""
    kind = chance.random()
    if kind < 0.2:
        return _condition(chance, chance.randint(0, 4))
    if kind < 0.4:
        return chance.choice(["", " "]).join(chance.choices(_WORDS, k=chance.randint(0, 25)))
    if kind < 0.65:
        return _broken(chance.choice(RULES), chance)
    if kind < 0.9:
        words = chance.choice(RULES).split(" ")
        for _ in range(chance.randint(1, 4)):
            words[chance.randrange(len(words))] = chance.choice(chance.choice(RULES).split(" ") + _WORDS)
        return " ".join(words)
    if kind < 0.95:
        return chance.choice(_WORDS) * chance.randint(1, 600)
    return "".join(chr(chance.randrange(0x11_0000)) for _ in range(chance.randint(0, 40)))


def _broken(rule: str, chance: random.Random) -> str:
    for _ in range(chance.choice([1, 1, 2, 3, 6])):
        place = chance.randrange(len(rule) + 1)
        match chance.randrange(4):
            case 0:
                rule = rule[:place] + chance.choice(_SIGNS) + rule[place:]
            case 1:
                rule = rule[:place] + rule[place + 1 :]
            case 2:
                rule = rule[:place] + chance.choice(_WORDS) + rule[place:]
            case _:
                rule = rule[:place] + rule[place : place + 12] * 2 + rule[place:]
    return rule


def _condition(chance: random.Random, depth: int) -> str:
    match chance.randrange(5) if depth else chance.randrange(3):
        case 0 | 1:
            sides = [_number(chance, depth) for _ in range(chance.choice([2, 2, 2, 3]))]
            return f" {chance.choice(['<', '<=', '>', '>=', '==', '!='])} ".join(sides)
        case 2:
            texts = ", ".join(
                chance.choices(['"sad"', '"other"', "'开心'", '"x"', "1"], weights=[9, 9, 1, 1, 1], k=2)
            )
            return f"{chance.choice(['top1', 'top2', 'granularity'])} {chance.choice(['in', 'not in'])} ({texts})"
        case 3:
            return f"not ({_condition(chance, depth - 1)})"
        case _:
            joint = chance.choice([" and ", " or "])
            return f"({_condition(chance, depth - 1)}{joint}{_condition(chance, depth - 1)})"


def _number(chance: random.Random, depth: int) -> str:
    match chance.randrange(8) if depth else chance.randrange(5):
        case 0 | 1 | 2:
            return chance.choice([name for name, field in FIELDS.items() if field.kind == "number"])
        case 3 | 4:
            return chance.choice(["0", "1", "0.5", "12", "1e-9", "1e308", "min_snr"])
        case 5:
            return f"-{_number(chance, depth - 1)}"
        case 6:
            return f"({_number(chance, depth - 1)} {chance.choice('+-*/')} {_number(chance, depth - 1)})"
        case _:
            return (
                f"{chance.choice(['min', 'max'])}({_number(chance, depth - 1)}, {_number(chance, depth - 1)})"
            )


def random_values(chance: random.Random) -> Mapping[str, Value]:
    """A value for most fields: ordinary ones, extreme ones, and some that are no number at all."""
    extremes = [0.0, -0.0, 1.0, 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan, 2**63, 0, None]
    values: dict[str, Value] = {}
    for name, field in FIELDS.items():
        if field.kind == "text":
            values[name] = chance.choice([*field.texts, "", "x", None])
        elif chance.random() < 0.8:
            values[name] = chance.random() * chance.choice([1, 1, 1, 10, 1e6])
        else:
            values[name] = chance.choice(extremes)
    return values
