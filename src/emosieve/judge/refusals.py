"""Why a rule, or the message of one, is refused: one phrase a reason, and the place that is meant."""

import difflib
from collections.abc import Iterable
from typing import Final

from emosieve.errors import RuleError
from emosieve.text import Message, Phrase

_AT: Final = Phrase("column {column}: {problem}", "第 {column} 列：{problem}")

# The text as a whole

EMPTY = Phrase(
    "it is empty; write a comparison, as confidence < 0.6", "内容为空；请写一个比较，例如 confidence < 0.6"
)
TOO_LONG = Phrase(
    "it has {length} characters; write at most {limit}",
    "共 {length} 个字符；最多 {limit} 个",
)
TOO_MANY = Phrase(
    "it has more than {limit} parts; write several rules instead",
    "组成部分超过 {limit} 个；请拆成几条规则",
)
TOO_DEEP = Phrase(
    "it is nested deeper than {limit} levels; write several rules instead",
    "嵌套超过 {limit} 层；请拆成几条规则",
)

# Characters and words

ONE_LINE = Phrase("write the rule on one line", "规则请写在一行内")
BLANK = Phrase("write an ordinary space here", "此处请用半角空格")
INSTEAD = Phrase("write {instead} instead of {found}", "请把 {found} 写成 {instead}")
PERCENT = Phrase("write a share instead of percent: 0.6 for 60 %", "请写比例，不要写百分数：60% 写成 0.6")
NO_MEANING = Phrase("{found} has no meaning in a rule", "规则里不能用 {found}")
ONLY_QUOTED = Phrase(
    "{found} may stand within quotes alone; the fields have English names",
    "{found} 只能出现在引号里；字段名是英文",
)
NOT_CLOSED = Phrase("this {found} is never closed", "这个 {found} 没有配对")
NOT_OPENED = Phrase("this {found} closes nothing", "这个 {found} 前面没有配对")
UNPRINTABLE = Phrase("{found} cannot be shown; leave it out", "{found} 无法显示；请删去")
NOT_A_NUMBER = Phrase("write numbers as 0.6, 16000 or 1e-3", "数字请写成 0.6、16000 或 1e-3 这样")
COMMA_MISSING = Phrase("a comma is missing before this text", "这段文本前面少了逗号")
PREFIX = Phrase("a text begins with its quote; leave {found} out", "文本应以引号开头；请删去 {found}")
FOREIGN_WORD = Phrase(
    "{found} is no word of rules; there are and, or, not, in, min, max, abs",
    "规则里没有 {found} 这个词；可用的有 and、or、not、in、min、max、abs",
)
FOREIGN = Phrase(
    "rules know no {found}; they have comparisons, and, or, not, in, + - * /, min, max, abs",
    "规则里没有 {found}；可用的有比较、and、or、not、in、+ - * /、min、max、abs",
)
UNREADABLE = Phrase(
    "something is missing or too much here; a rule reads as confidence < 0.6 and gap < 0.1",
    "此处多了或少了内容；规则的写法如 confidence < 0.6 and gap < 0.1",
)

# Names

NO_FIELD = Phrase(
    "there is no field {name}; the README lists them all", "没有字段 {name}；README 列出了全部字段"
)
MISSPELT_FIELD = Phrase(
    "there is no field {name}; did you mean {close}?", "没有字段 {name}；是否想写 {close}？"
)
NO_FUNCTION = Phrase(
    "there is no function {name}; there are min, max, abs", "没有函数 {name}；可用的有 min、max、abs"
)
CALL_IT = Phrase(
    "{name} is a function: write its values in parentheses", "{name} 是函数：请在括号里写上它的值"
)
ONE_VALUE = Phrase("{name} takes one value", "{name} 只能有一个值")
SEVERAL_VALUES = Phrase("{name} takes two values or more", "{name} 至少要有两个值")

# Kinds

NUMBER_ALONE = Phrase(
    "{text} is a number; compare it with something, as {text} < 1",
    "{text} 是数字；请与某个值比较，例如 {text} < 1",
)
TEXT_ALONE = Phrase(
    '{text} is a text; compare it with something, as top1 == "other"',
    '{text} 是文本；请与某个值比较，例如 top1 == "other"',
)
CONDITION_INSIDE = Phrase(
    "a number or a text is meant here, not a comparison; join comparisons with and, or",
    "此处应为数字或文本，不能是比较；多个比较请用 and、or 连接",
)
LIST_ALONE = Phrase(
    'a list stands only after in, as top1 in ("other", "unknown")',
    '列表只能写在 in 后面，例如 top1 in ("other", "unknown")',
)
LIST_NEEDED = Phrase(
    'after in comes a list of texts or numbers, as ("other", "unknown") or ["other"]',
    'in 后面应为文本或数字的列表，例如 ("other", "unknown") 或 ["other"]',
)
CHAINED_IN = Phrase(
    "in stands in a comparison of its own; join them with and", "in 须单独成为一个比较；请用 and 连接"
)
NUMBER_NEEDED = Phrase("{text} is a text; a number is meant here", "{text} 是文本；此处应为数字")
MIXED = Phrase(
    "{number} is a number and {text} a text, which are never the same; numbers stand without quotes",
    "{number} 是数字，{text} 是文本，两者无法比较；数字不要加引号",
)
SCORE_MEANT = Phrase(
    '{name} is a label, as "happy"; its score is {name}_score',
    '{name} 是类别名，如 "happy"；它的得分是 {name}_score',
)
TEXT_ORDER = Phrase(
    "texts compare by ==, != and in alone, not by {operator}", "文本只能用 ==、!=、in 比较，不能用 {operator}"
)
PLACEHOLDER = Phrase(
    "{field} is never {text}: it is the model's placeholder for no class, which is left out",
    "{field} 不会是 {text}：它是模型的占位标签，不算类别",
)
MISSPELT_TEXT = Phrase(
    "{field} is never {text}; did you mean {close}?", "{field} 不会是 {text}；是否想写 {close}？"
)
OUT_OF_RANGE = Phrase(
    "{field} lies {range}; a comparison with {number} always comes out the same",
    "{field} 的范围是 {range}；与 {number} 比较，结果永远相同",
)
AT_BORDER = Phrase(
    "{field} lies {range}; {field} {operator} {number} always comes out the same",
    "{field} 的范围是 {range}；{field} {operator} {number} 的结果永远相同",
)
BETWEEN = Phrase("between {lowest:g} and {highest:g}", "{lowest:g} 到 {highest:g}")
FROM = Phrase("at {lowest:g} or above", "不小于 {lowest:g}")
CONSTANT = Phrase(
    "this looks at no field, so it always comes out the same",
    "这里没有用到任何字段，结果永远相同",
)
SAME_SIDES = Phrase("both sides are {text}, so it always comes out the same", "两边都是 {text}，结果永远相同")
NO_VALUE = Phrase(
    "this has no value: it divides by zero or is too large", "这里算不出值：除数为零，或数值过大"
)

# Messages

BRACE = Phrase(
    "write {example} for a field's value, and {{{{ or }}}} for a brace",
    "字段的值写成 {example}，花括号本身写成 {{{{ 或 }}}}",
)
FORMAT = Phrase(
    "write the digits after the point as {number}, or percent as {percent}",
    "小数位数请写成 {number}，百分数请写成 {percent}",
)
NO_DIGITS = Phrase("{name} is a text; write it without digits", "{name} 是文本；不能指定小数位数")


def unprintable(character: str) -> Message:
    """A character that nobody can see, told by its number in Unicode."""
    return UNPRINTABLE(found=f"\\u{ord(character):04x}")


def refusal(problem: Message, text: str, start: int, end: int) -> RuleError:
    """The error over some characters of a text, with a line of carets under them."""
    column = start + 1
    return RuleError(_AT(column=column, problem=problem), text, column, end - start)


def unknown_field(name: str, known: Iterable[str]) -> Message:
    """A name that is no field, with the one that was probably meant."""
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return MISSPELT_FIELD(name=name, close=close[0]) if close else NO_FIELD(name=name)
