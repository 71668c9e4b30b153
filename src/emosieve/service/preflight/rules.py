"""What the settings say, where they come from, and what they cannot do."""

import sys
from collections.abc import Iterator, Mapping

from emosieve.judge.audio import has_numpy
from emosieve.judge.redundancy import Redundancy, redundancies
from emosieve.judge.rules import Limits
from emosieve.judge.ruleset import RuleSet
from emosieve.service.preflight.lines import Line
from emosieve.service.preflight.zone import about_zone
from emosieve.settings import Loaded
from emosieve.settings.loading import flatten
from emosieve.text import Message, Phrase, exact_number, listed

_KEYS = {
    "low_confidence": "rules.min_confidence",
    "ambiguous": "rules.min_gap",
    "no_dominant_emotion": "rules.min_top",
}
_DEFAULT_LIMITS = Limits()

_VALID = Phrase("valid; from {sources}", "有效；来源：{sources}")
_ALL_DEFAULTS = Phrase("valid; all defaults", "有效；全部为默认值")
_SOURCES = {
    "environment": Phrase("environment", "环境变量"),
    "command line": Phrase("command line", "命令行"),
}
_FILE = Phrase("{source}", "{source}")
_PROFILE_OF = Phrase("profile {name}", "预设 {name}")

_PROFILE_KEEPS = Phrase("{name}: all that it says is in force", "{name}：其设置均已生效")
_OVERRULED = Phrase(
    "{name} ({chooser}) says {key} = {wanted}, but {winner} says {value}, and that is in force",
    "预设 {name}（来源：{chooser}）规定 {key} = {wanted}，但另有明确设置 {value}（来源：{winner}），后者生效",
)
_CHOOSE = Phrase(
    "take {key} out ({winner}) if the profile is meant; if not, all is well",
    "如果想用预设的数值，请去掉 {key}（来源：{winner}）；否则无需处理",
)

_ALL_DECIDE = Phrase("each rule that rejects can decide alone", "每条剔除规则都能单独剔除结果")
_NONE_REJECTS = Phrase("none of the three rules rejects", "三条规则都不剔除")
_IN_FORCE = Phrase(
    "{rejects} reject ({rejecting}), {flags} flag, {own} of all are your own; emosieve explain --rules lists them",
    "{rejects} 条剔除（{rejecting}），{flags} 条标记，自定义共 {own} 条；emosieve explain --rules 可列出全部规则",
)
_NONE = Phrase("none", "无")
_LISTENS = Phrase("the samples are measured, for {rules}", "会测量音频采样点，用于 {rules}")
_DEAF = Phrase(
    "numpy is not installed, so these rules are not evaluated: {rules}",
    "没有安装 numpy，以下规则不会被评估：{rules}",
)
_GET_NUMPY = Phrase(
    "{python} -m pip install 'emosieve[audio]', or switch these rules off under [rules.actions]",
    "{python} -m pip install 'emosieve[audio]'，或在 [rules.actions] 中关闭这些规则",
)
_IS_OFF = Phrase("{rule} is switched off by {key} = 0", "{rule} 已由 {key} = 0 关闭")
_NEVER_FIRES = Phrase(
    "{rule} never fires: of nine scores that sum to 1 none is below {key} = {limit}",
    "{rule} 永远不会命中：九个得分之和为 1 时，不会低于 {key} = {limit}",
)
_NEVER_ALONE = Phrase(
    "{rule} never decides alone: {other} fires wherever it does",
    "{rule} 不会单独剔除结果：凡它命中，{other} 也一定命中",
)
_RAISE = Phrase(
    "raise {key} above {border}, or leave the rule as it is", "请将 {key} 调到 {border} 以上，或维持现状"
)
_LOWER = Phrase(
    "lower {other_key} below {border} if {rule} is to decide, or let {other} only flag",
    "如果要让 {rule} 能单独剔除，请将 {other_key} 调到 {border} 以下，或将 {other} 改为只标记",
)


def about_settings(loaded: Loaded) -> Iterator[Line]:
    """Where the settings come from, and what of them has no effect."""
    yield _sources(loaded.origins)
    yield from _about_profile(loaded)
    yield about_zone(loaded.settings)
    rules = loaded.settings.rule_set
    yield from (_in_force(rules), *about_rules(rules))
    if rules.depth == "samples":
        yield _about_audio(rules)


def _sources(origins: Mapping[str, str]) -> Line:
    named = sorted(set(origins.values()) - {"default"})
    if not named:
        return Line("ok", "settings", _ALL_DEFAULTS())
    return Line("ok", "settings", _VALID(sources=listed([_source(one) for one in named])))


def _source(origin: str) -> Message:
    if origin in _SOURCES:
        return _SOURCES[origin]()
    profile = origin.removeprefix("profile ")
    return _FILE(source=origin) if profile == origin else _PROFILE_OF(name=profile)


def _about_profile(loaded: Loaded) -> Iterator[Line]:
    """Warn of a number of the chosen profile that an explicit key beats."""
    settings, origins = loaded.settings, loaded.origins
    name = settings.profile
    chosen = settings.profiles[name].model_dump(exclude_none=True) if name in settings.profiles else {}
    in_force = dict(flatten(settings.rules.model_dump()))
    numbers = dict(flatten(chosen))
    found = []
    for number, wanted in numbers.items():
        value, key = in_force[number], f"rules.{number}"
        if value != wanted:
            winner = _source(origins[key])
            values = {"name": name, "chooser": _source(origins["profile"]), "winner": winner}
            message = _OVERRULED(**values, key=key, wanted=_shown(wanted), value=_shown(value))
            found.append(Line("warning", "profile", message, _CHOOSE(key=key, winner=winner)))
    if numbers:
        yield from found or [Line("ok", "profile", _PROFILE_KEEPS(name=name))]


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else exact_number(value)


def _in_force(rules: RuleSet) -> Line:
    """Every rule that is not off, by what it does."""
    rejecting = [rule.name for rule in rules.in_force if rule.action == "reject"]
    flags, own = len(rules.in_force) - len(rejecting), sum(rule.is_own for rule in rules.in_force)
    names = listed(rejecting) or _NONE()
    return Line("ok", "actions", _IN_FORCE(rejects=len(rejecting), rejecting=names, flags=flags, own=own))


def _about_audio(rules: RuleSet) -> Line:
    """Whether rules that look at samples can; one that rejects and never fires is worth a warning."""
    listening = [rule for rule in rules.in_force if rule.depth == "samples"]
    names = listed([rule.name for rule in listening])
    if has_numpy():
        return Line("ok", "audio", _LISTENS(rules=names))
    is_missed = any(rule.action == "reject" or rule.is_own for rule in listening)
    return Line(
        "warning" if is_missed else "ok", "audio", _DEAF(rules=names), _GET_NUMPY(python=sys.executable)
    )


def about_rules(rules: RuleSet) -> Iterator[Line]:
    """Which of the three rules changes no verdict.

    With the default limits two of them do not, which is known and harmless: raising min_confidence
    further, as a profile may, takes nothing more away. A warning is due where somebody's own number
    is without effect: a rule that is idle although it is not by default, or one whose own limit
    was changed and does nothing all the same. A limit of 0 can only be meant.
    """
    idle = redundancies(rules)
    for one in idle:
        is_news = (one.rule, one.implied_by) not in _idle_by_default() or one.limit != _default_limit(one)
        yield _idle_line(one, is_news=is_news)
    if not idle:
        rejecting = any(rules.action_of(rule) == "reject" for rule in _KEYS)
        yield Line("ok", "rules", (_ALL_DECIDE if rejecting else _NONE_REJECTS)())


def _idle_by_default() -> set[tuple[str, str | None]]:
    return {(one.rule, one.implied_by) for one in redundancies(RuleSet())}


def _default_limit(one: Redundancy) -> float:
    return float(getattr(_DEFAULT_LIMITS, _KEYS[one.rule].removeprefix("rules.")))


def _idle_line(one: Redundancy, *, is_news: bool) -> Line:
    limit, border = exact_number(one.limit), exact_number(one.border)
    values = {"rule": one.rule, "key": _KEYS[one.rule], "limit": limit, "border": border}
    if one.limit == 0:
        return Line("ok", "rules", _IS_OFF(**values))
    if one.implied_by is None:
        message, hint = _NEVER_FIRES(**values), _RAISE(**values)
    else:
        other = {"other": one.implied_by, "other_key": _KEYS[one.implied_by]}
        message, hint = _NEVER_ALONE(**values, **other), _LOWER(**values, **other)
    return Line("warning", "rules", message, hint) if is_news else Line("ok", "rules", message)
