"""Why settings are refused: one phrase a reason, and pydantic's own reasons turned into such phrases."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from emosieve.errors import RuleError
from emosieve.text import Message, Phrase, escape, listed

OWN_RULES_KEY = "rules.custom"


class Refused(ValueError):  # noqa: N818 - raised by validators, who refuse a value
    """A value that a validator will not have, and why; pydantic carries it to whoever asked."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


# Sources

_ORIGINS: Mapping[str, Phrase] = MappingProxyType(
    {
        "default": Phrase("default", "默认值"),
        "environment": Phrase("environment", "环境变量"),
        "command line": Phrase("command line", "命令行"),
    },
)
_PROFILE_ORIGIN = Phrase("profile {name}", "预设 {name}")
_FILE_ORIGIN = Phrase("{name}", "{name}")

NO_FILE = Phrase(
    "{path}: there is no such settings file; check --config or {variable}",
    "{path}：没有这个配置文件；请检查 --config 或环境变量 {variable}",
)
NOT_TOML = Phrase(
    "{path}: is not TOML: {cause}; correct it there",
    "{path}：TOML 语法有误：{cause}；请改正该处",
)
NOT_UTF8 = Phrase(
    "{path}: is not UTF-8 text; save it as UTF-8",
    "{path}：不是 UTF-8 文本；请另存为 UTF-8",
)
NOT_UTF8_BUT_16 = Phrase(
    "{path}: is UTF-16 text, which some editors call Unicode; save it as UTF-8",
    "{path}：是 UTF-16 文本（有些编辑器称为 Unicode）；请另存为 UTF-8",
)
UNREADABLE = Phrase(
    "{path}: cannot be read: {cause}; allow this user to read it",
    "{path}：无法读取：{cause}；请给当前用户读取权限",
)
NOT_JSON = Phrase(
    "environment: {variable}: is not JSON: {cause}; write it as {example}",
    "环境变量：{variable}：JSON 语法有误：{cause}；请写成 {example} 这样",
)
_FILES_EXAMPLE = '["result.json"]'
_KEYS_EXAMPLE = '["emotion_probs"]'
_RESULT_KEYS = "results."
_PATTERNS_EXAMPLE = '["input: (.+)"]'
_PATTERNS_KEY = "source.patterns"
_RULES_EXAMPLE = '[{"name": "close_call", "when": "gap < 0.1"}]'
_RULES_IN_TOML = '[{name = "close_call", when = "gap < 0.1"}]'
_TABLE_EXAMPLE = '{"KEY": VALUE}'
NO_EQUALS = Phrase(
    "--set {override}: write --set section.key=value, as --set rules.min_gap=0.1",
    "--set {override}：请写成 --set section.key=value，例如 --set rules.min_gap=0.1",
)
BELOW_A_VALUE = Phrase(
    "--set {override}: {parent} is given as a value already; give either that or the keys below it",
    "--set {override}：{parent} 已经直接赋了值；请只保留其中一种写法",
)

# Keys and profiles

_UNKNOWN = Phrase(
    "{origin}: {key} is not a setting; emosieve config schema lists them all",
    "{origin}：没有 {key} 这项配置；emosieve config schema 可列出全部配置",
)
_MISSPELT = Phrase(
    "{origin}: {key} is not a setting; did you mean {close}?",
    "{origin}：没有 {key} 这项配置；是否想写 {close}？",
)
_NO_PROFILE = Phrase(
    "there is no profile {name!r}; choose among {known}",
    "没有名为 {name!r} 的预设；可选：{known}",
)
_MISSPELT_PROFILE = Phrase(
    "there is no profile {name!r} (there are {known}); did you mean {close}?",
    "没有名为 {name!r} 的预设（现有 {known}）；是否想写 {close}？",
)

_REPLACED_RULE = Phrase(
    "{origin}: {key}: there is no rule {name}, since {winner} gives another list of rules.custom, and lists "
    "replace lists; write the rule there as well, or take {key} out",
    "{origin}：{key}：没有规则 {name}：rules.custom 以{winner}的列表为准，列表会整个替换；"
    "请把该规则也写到那里，或去掉 {key}",
)

# Values that validators refuse

NO_NUMBER = Phrase("a number is meant, not true or false", "应为数字，不能是 true 或 false")
TASK_GLOB = Phrase(
    "write a pattern for single directory names, as outputs_*",
    "请写单个目录名的通配模式，例如 outputs_*",
)
GIVE_UP_BEFORE_QUIET = Phrase(
    "settle.give_up_seconds must be more than settle.quiet_seconds ({seconds:g})",
    "settle.give_up_seconds 必须大于 settle.quiet_seconds（{seconds:g}）",
)
NOTHING_REQUIRED = Phrase(
    'name at least one file, as ["result.json"]',
    '至少写一个文件名，例如 ["result.json"]',
)
REQUIRED_PATH = Phrase("{name!r} must be the plain name of a file", "{name!r} 应为单个文件名，不能带路径")
RESULT_KEY = Phrase(
    "write each key as it stands in result.json, as emotion_probs; at most {most} printable characters",
    "请逐个写 result.json 里的键名，例如 emotion_probs；必须可显示，最多 {most} 个字符",
)
RESULT_KEY_TWICE = Phrase(
    "results.emotion_keys, confidence_keys and score_keys name {key!r} twice; a key has one meaning",
    "results 的 emotion_keys、confidence_keys、score_keys 中有两处写了 {key!r}；一个键只能有一种含义",
)
NAME_PATTERN = Phrase(
    "{pattern!r} must be a pattern for the plain name of a file, as *.part",
    "{pattern!r} 应为单个文件名的通配模式，例如 *.part",
)
PATTERN_OF_NEEDED = Phrase(
    "{pattern!r} matches {name}, which is a file of the task itself",
    "{pattern!r} 会匹配到任务自己的文件 {name}",
)
NO_PATTERN = Phrase(
    "{pattern} is no regular expression: {cause}; correct it",
    "{pattern} 不是有效的正则表达式：{cause}；请改正",
)
ONE_GROUP = Phrase(
    "{pattern} has {count} groups; put exactly one pair of parentheses around the part that is meant, and write"
    " (?:…) for any other",
    "{pattern} 有 {count} 个分组；请只用一对圆括号括住要取的部分，其他括号写成 (?:…)",
)
MANY_PATTERNS = Phrase("has more than {limit} patterns", "表达式超过 {limit} 个")
DETOUR = Phrase("write {path!r} instead", "请改写为 {path!r}")
DESTINATION = Phrase(
    "write a single folder name under the root, or an absolute path elsewhere",
    "请写输出目录下的单个目录名，或输出目录之外的绝对路径",
)
OWN_NAME = Phrase("this name is emosieve's own; write another", "这个名字由 emosieve 自己使用；请换一个")
SAME_FOLDER = Phrase(
    "filing.{first} and filing.{second} are both {folder!r}; write two different folders",
    "filing.{first} 与 filing.{second} 都是 {folder!r}；请写两个不同的目录",
)
RULE_NAME = Phrase(
    "write small letters, digits and _, as too_much_other",
    "请用小写字母、数字和下划线，例如 too_much_other",
)
BUILT_IN_NAME = Phrase(
    "{name} is a built-in rule; give yours another name, or change that one under [rules] and [rules.actions]",
    "{name} 是内置规则；请换个名字，或在 [rules] 和 [rules.actions] 中修改内置规则",
)
LONG_NAME = Phrase(
    "has {length} characters; write at most {limit}",
    "共 {length} 个字符；最多 {limit} 个",
)
SAME_RULE = Phrase("two rules are named {name}; rename one", "有两条规则都叫 {name}；请改名")
_WRONG_RULE = Phrase("{problem}\n{text}\n{carets}", "{problem}\n{text}\n{carets}")
LISTEN = Phrase(
    'write address:port, as 127.0.0.1:9464 or [::1]:9464, or "" for no metrics',
    '请写 地址:端口，例如 127.0.0.1:9464 或 [::1]:9464；不需要指标时写 ""',
)

# Values that pydantic refuses

_WHOLE_NUMBER = Phrase("must be a whole number", "必须是整数")
_NUMBER = Phrase("must be a number", "必须是数字")
_BOOLEAN = Phrase("must be true or false", "必须是 true 或 false")
_TABLE = Phrase(
    "is a table; write [{key}] and its keys below it",
    "是一张表；请写 [{key}]，各项写在它下面",
)
_OWN_RULES = Phrase(
    "write each rule of your own below [[rules.custom]], in double brackets, with name and when",
    "每条自定义规则请写在 [[rules.custom]] 下（双层方括号），包括 name 和 when",
)
_OWN_RULES_LIST = Phrase(
    "rules of your own, [[rules.custom]] in a file, are a list of tables with name and when here: {example}",
    "自定义规则（配置文件里的 [[rules.custom]]）在此应为列表，每条都有 name 和 when：{example}",
)
_WORDS: Mapping[str, Phrase] = MappingProxyType(
    {
        "greater_than": Phrase("must be greater than {gt:g}", "必须大于 {gt:g}"),
        "greater_than_equal": Phrase("must be greater than or equal to {ge:g}", "不能小于 {ge:g}"),
        "less_than": Phrase("must be less than {lt:g}", "必须小于 {lt:g}"),
        "less_than_equal": Phrase("must be less than or equal to {le:g}", "不能大于 {le:g}"),
        "finite_number": Phrase("must be a finite number", "必须是有限的数"),
        "int_parsing": _WHOLE_NUMBER,
        "int_from_float": _WHOLE_NUMBER,
        "int_type": _WHOLE_NUMBER,
        "float_parsing": _NUMBER,
        "float_type": _NUMBER,
        "bool_parsing": _BOOLEAN,
        "bool_type": _BOOLEAN,
        "string_type": Phrase("must be text, in quotes", "必须是文本，请加引号"),
        "literal_error": Phrase("must be {choices}", "只能是 {choices}"),
        "tuple_type": Phrase('must be a list, as ["result.json"]', '必须是列表，例如 ["result.json"]'),
        "model_type": _TABLE,
        "dict_type": _TABLE,
        "missing": Phrase(
            "is missing; every rule of your own needs it", "缺少这一项；每条自定义规则都必须有"
        ),
        "too_long": Phrase("has more than {max_length} rules", "规则超过 {max_length} 条"),
    },
)
"""By the type of pydantic's error, whose context gives the values."""
_LIST = Phrase("must be a list, as {example}", "必须是列表，例如 {example}")
_CHOICES = Phrase("{others} or {last}", "{others} 或 {last}")
_OTHER = Phrase("{message}", "{message}")
_PERCENT = Phrase(
    "this is a share between 0 and 1, not percent; write {share:g}",
    "应为 0 到 1 之间的比例，不是百分数；请写 {share:g}",
)
_VALUE = Phrase("{origin}: {key} = {value}: {problem}", "{origin}：{key} = {value}：{problem}")
_KEY = Phrase("{origin}: {key}: {problem}", "{origin}：{key}：{problem}")
_SHARES = frozenset({"min_confidence", "min_gap", "min_top", "max_silence", "max_clipping"})
"""Keys whose value people write in percent."""


def origin_words(origin: str) -> Message:
    """Where a value came from, for people."""
    if origin in _ORIGINS:
        return _ORIGINS[origin]()
    name = origin.removeprefix("profile ")
    return (_FILE_ORIGIN if name == origin else _PROFILE_ORIGIN)(name=name)


def unknown_key(origin: str, key: str, close: str | None) -> Message:
    """Refuse a key that is no setting; ``close`` is the one that was probably meant."""
    words = {"origin": origin_words(origin), "key": escape(key)}
    return _MISSPELT(**words, close=close) if close else _UNKNOWN(**words)


def replaced_rule(origin: str, key: str, name: str, winner: str) -> Message:
    """Refuse an action of a rule whose list another source replaced."""
    return _REPLACED_RULE(
        origin=origin_words(origin), key=escape(key), name=escape(name), winner=origin_words(winner)
    )


def not_json(variable: str, key: str, cause: str, *, is_table: bool) -> Message:
    """Refuse a variable whose value should be JSON, with one that is."""
    others = _RULES_EXAMPLE if key == OWN_RULES_KEY else _TABLE_EXAMPLE if is_table else _FILES_EXAMPLE
    example = _example_of_list(key) or others
    return NOT_JSON(variable=variable, cause=cause, example=example)


def expected(choices: Sequence[str]) -> str:
    """Choices as pydantic tells them."""
    *others, last = [f"'{choice}'" for choice in choices]
    return f"{', '.join(others)} or {last}"


def unknown_profile(name: str, known: list[str], close: str | None) -> Message:
    """Refuse a profile that nobody defined."""
    words = {"name": name, "known": listed(known)}
    return _MISSPELT_PROFILE(**words, close=close) if close else _NO_PROFILE(**words)


def dotted(problem: ErrorDetails) -> str:
    """The key whose value pydantic refuses."""
    return ".".join(str(part) for part in problem["loc"])


def wrong_value(problem: ErrorDetails, origin: str) -> Message:
    """One line for one refused value: which key, from where, and what to write instead."""
    reason = _reason(problem, origin)
    value, key = problem["input"], dotted(problem)
    where = {"origin": origin_words(origin), "key": key}
    if problem["type"] == "value_error" and isinstance(value, dict | BaseModel):
        return reason  # two keys that do not go together; it names both
    if key.startswith(OWN_RULES_KEY) and not isinstance(value, str | int | float):
        return _KEY(**where, problem=reason)  # a whole table says no more than its place
    if reason.phrase is _WRONG_RULE:
        return _KEY(**where, problem=reason)  # which shows the value itself
    return _VALUE(origin=origin_words(origin), key=dotted(problem), value=escape(str(value)), problem=reason)


def wrong_rule(error: RuleError) -> Message:
    """Why a rule or its message is refused, with the place that is meant under its text."""
    problem, *place = error.args
    if not place:
        return error.message
    text, carets = place
    return _WRONG_RULE(problem=problem, text=text, carets=carets)


def _example_of_list(key: str) -> str | None:
    if key.startswith(_RESULT_KEYS):
        return _KEYS_EXAMPLE
    return _PATTERNS_EXAMPLE if key == _PATTERNS_KEY else None


def _reason(problem: ErrorDetails, origin: str) -> Message:
    key, kind, context = dotted(problem), problem["type"], problem.get("ctx", {})
    if isinstance(refused := context.get("error"), Refused):
        return refused.message
    if kind == "less_than_equal" and _is_percent(key, problem["input"]):
        return _PERCENT(share=float(problem["input"]) / 100)
    if kind == "literal_error":
        others, _, last = context["expected"].rpartition(" or ")
        return _WORDS[kind](choices=_CHOICES(others=listed(others.split(", ")), last=last))
    if kind in {"tuple_type", "model_type"} and key.startswith(OWN_RULES_KEY):
        return _own_rules(origin)
    if kind == "tuple_type" and (example := _example_of_list(key)):
        return _LIST(example=example)
    phrase = _WORDS.get(kind)
    return phrase(key=key, **context) if phrase else _OTHER(message=problem["msg"])


def _own_rules(origin: str) -> Message:
    """How rules of somebody's own are written in a source."""
    examples = {"environment": _RULES_EXAMPLE, "command line": _RULES_IN_TOML}
    return _OWN_RULES_LIST(example=examples[origin]) if origin in examples else _OWN_RULES()


def _is_percent(key: str, value: Any) -> bool:
    return key.rpartition(".")[2] in _SHARES and 1 < float(value) <= 100  # noqa: PLR2004 - per cent
