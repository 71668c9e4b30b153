"""``emosieve explain``: why a task stands where it stands, and what it waits for."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from emosieve.commands.options import Config, Profile, Set, load_settings
from emosieve.commands.output import KINDS, Json, columns, echo_json, hanging, moment, span, styled
from emosieve.text import Language, Message, Phrase, escape, finding_words, number, waiting_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from emosieve.judge.ruleset import Observation
    from emosieve.service.explanation import Explanation, Row

STATES: Final = {
    "normal": Phrase("normal", "正常"),
    "low_quality": Phrase("low_quality", "低质量"),
    "quarantined": Phrase("quarantined", "已隔离"),
    "unlogged": Phrase("{verdict}, unlogged", "{verdict}，无记录"),
    "pending": Phrase("pending", "等待中"),
    "left_alone": Phrase("left alone", "不处理"),
    "gone": Phrase("{verdict}, gone", "{verdict}，已不在原处"),
}
OUTCOMES: Final = {
    "fired": Phrase("fired", "命中"),
    "passed": Phrase("passed", "通过"),
    "not_evaluated": Phrase("not evaluated", "未评估"),
}
ACTIONS: Final = {"reject": Phrase("reject", "剔除"), "flag": Phrase("flag", "标记")}
HEADS: Final = {
    "rule": Phrase("rule", "规则"),
    "outcome": Phrase("outcome", "结果"),
    "observed": Phrase("observed", "观测值"),
    "limit": Phrase("limit", "界限"),
    "action": Phrase("action", "动作"),
    "today": Phrase("today", "当前"),
}
HEADLINE: Final = Phrase("{task}: ", "{task}：")
SEMICOLON: Final = Phrase("; ", "；")
NUMBERS: Final = Phrase(
    "{emotion}  confidence {confidence}  top1 {top1}  top2 {top2}  gap {gap}",
    "{emotion}  置信度 {confidence}  Top1 {top1}  Top2 {top2}  差距 {gap}",
)
WAITS: Final = Phrase("waits: {why}; still for {age}", "等待原因：{why}；已静止 {age}")
ENDS: Final = {
    "settled": Phrase(
        "it is whole: the next look of watch or sweep files it", "已完整：watch 或 sweep 下次检查时归档"
    ),
    "quiet": Phrase("it is looked at again in {rest}", "{rest}后再次检查"),
    "no_result": Phrase(
        "without a result in {rest} it counts as overdue, and stays where it is",
        "{rest}后仍无结果则算超时，留在原处",
    ),
    "malformed": Phrase("if it stays so it goes to quarantine in {rest}", "若不再变化，{rest}后移入隔离目录"),
    "overdue": Phrase(
        "it stays until a result comes; delete it if none will",
        "会一直留在原处，直到结果出现；确定不会有结果时可手动删除",
    ),
    "retried": Phrase("emosieve tries again by itself", "emosieve 会自动重试"),
    "odd": Phrase(
        "if it stays so it is judged as it is in {rest}, and flagged",
        "若不再变化，{rest}后按现状判定并加标记",
    ),
}
NOTES: Final = {
    "by": Phrase(
        "Decided with profile {profile}, rules {digest}.", "判定时使用预设 {profile}，规则指纹 {digest}。"
    ),
    "same": Phrase(
        "Today's rules ({profile}, {digest}) decide the same.",
        "按当前规则（{profile}，{digest}）判定相同。",
    ),
    "differs": Phrase(
        "Today's rules ({profile}, {digest}) would decide otherwise: {verdict}.",
        "按当前规则（{profile}，{digest}）判定会不同：{verdict}。",
    ),
    "would": Phrase(
        "Today's rules ({profile}, {digest}) say {verdict}.",
        "按当前规则（{profile}，{digest}）判定为：{verdict}。",
    ),
    "by_hand": Phrase(
        "A person decided last; reclassify leaves it alone unless asked.",
        "最后一次由人工决定；重新判定默认不会改动它。",
    ),
    "changed": Phrase(
        "result.json is not the one that was decided about: it was changed since.",
        "result.json 在判定之后被改动过。",
    ),
    "not_moved": Phrase(
        "It is decided, but could not be moved yet: {reason}", "已判定，但尚未移动成功：{reason}"
    ),
    "reason": Phrase("because {reason}", "原因：{reason}"),
    "foreign": Phrase("Why cannot be said: {reason}", "无法说明原因：{reason}"),
    "moved_by_hand": Phrase(
        "It is not there any more: somebody moved or deleted it.", "它已不在原处：有人移动或删除了它。"
    ),
}
NEXT: Final = {
    "differs": Phrase(
        "next: emosieve reclassify --dry-run{profile} {root}",
        "下一步：emosieve reclassify --dry-run{profile} {root}",
    ),
    "unlogged": Phrase(
        "next: emosieve reclassify --unlogged --dry-run {root}",
        "下一步：emosieve reclassify --unlogged --dry-run {root}",
    ),
    "low_quality": Phrase("to overrule it: emosieve restore {path}", "如需改判：emosieve restore {path}"),
    "normal": Phrase("to overrule it: emosieve restore {path}", "如需改判：emosieve restore {path}"),
    "quarantined": Phrase(
        "when its result is mended: emosieve restore {path}", "修好结果文件后：emosieve restore {path}"
    ),
}


def explain(
    *,
    path: Annotated[
        str, typer.Argument(help="A task, wherever it stands; or its name, with --set root=FOLDER.")
    ],
    json: Json = False,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Say why a task was decided as it was, or what it waits for, rule by rule.

    The old path of a task that was filed since will do, and so will a file in it.

    Example: emosieve explain outputs/low_quality/outputs_20240104_223000
    """
    from emosieve.service.explanation import explain as explain_task  # noqa: PLC0415 - needed here alone
    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - the same

    settings = load_settings(config, profile, overrides).settings
    configure_logs(settings.log)
    explanation = explain_task(path, settings)
    if json:
        echo_json(_document(explanation))
    else:
        typer.echo("\n".join(_lines(explanation, settings.language)))


def _lines(one: "Explanation", language: Language) -> "Iterator[str]":
    verdict = STATES[one.verdict]() if one.verdict else "-"
    state = STATES.get(one.state, STATES.get(one.verdict or "", STATES["pending"]))(verdict=verdict)
    yield styled(HEADLINE(task=one.task).text(language), bold=True) + styled(
        state.text(language), one.verdict, bold=True
    )
    because = [finding_words(finding, language) for finding in _findings(one)]
    if because:
        yield from hanging("", SEMICOLON().text(language).join(because))
    yield escape(one.path, len(one.path))
    if one.evidence is not None:
        yield from ("", _numbers(one, language))
    if one.rows:
        yield from ("", *_table(one, language))
    if one.history:
        yield from ("", *_history(one, language))
    yield ""
    for message in _notes(one, language):
        yield from hanging("", message.text(language))
    step = _next(one)
    if step is not None:
        yield step.text(language)


def _numbers(one: "Explanation", language: Language) -> str:
    assert one.evidence is not None  # noqa: S101 - asked for by the caller
    result = one.evidence.result
    figures = {key: number(getattr(result, key)) for key in ("confidence", "top1", "top2", "gap")}
    return NUMBERS(emotion=result.emotion or "-", **figures).text(language)


def _table(one: "Explanation", language: Language) -> "Iterator[str]":
    """Every rule; with what today's rules see beside it where the decision was taken by others."""
    others = one.decision is not None and one.decision.get("rules_digest") != one.rules.digest
    heads = [
        "rule",
        "outcome",
        "observed",
        "limit",
        "action",
        *(["today", "limit", "action"] if others else []),
    ]
    rows = [[HEADS[head]().text(language) for head in heads]]
    for row in one.rows:
        seen = row.then or row.today
        action = row.action if row.then else row.today_action
        cells = [escape(row.rule), *_cells(seen, action, language)]
        if others:
            cells += [
                cell for place, cell in enumerate(_cells(row.today, row.today_action, language)) if place != 1
            ]
        rows.append(cells)
    right = {2, 3, 6} if others else {2, 3}
    head, *body = columns(rows, right)
    yield styled(head, bold=True)
    for row, line in zip(one.rows, body, strict=True):
        seen = row.then or row.today
        fired = seen is not None and seen.outcome == "fired"
        yield styled(line, "low_quality") if fired else styled(line, dim=True)


def _cells(seen: "Observation | None", action: str | None, language: Language) -> list[str]:
    if seen is None:
        return ["-", "", "", ""]
    outcome = OUTCOMES[seen.outcome]().text(language)
    shown = ACTIONS[action]().text(language) if action else ""
    return [outcome, _figure(seen.observed), "" if seen.limit is None else f"{seen.limit:g}", shown]


def _figure(observed: Any) -> str:
    """A share with three digits; a count of bytes or files as it is."""
    if observed is None:
        return ""
    return number(observed) if isinstance(observed, float) else str(observed)


def _findings(one: "Explanation") -> "list[Mapping[str, Any]]":
    """Why it was rejected; where nothing was decided yet, why today's rules would reject it."""
    if one.is_by_hand:
        return []
    if one.decision is not None:
        return [finding for finding in one.decision["findings"] if finding["action"] == "reject"]
    findings = one.today.findings if one.today else ()
    return [finding.as_dict() for finding in findings if finding.action == "reject"]


def _history(one: "Explanation", language: Language) -> list[str]:
    rows = []
    for event in one.history:
        kind = KINDS.get(event["event"])
        place = escape(str(event.get("to") or event.get("destination")))
        rows.append(
            [moment(str(event.get("time")), None), kind().text(language) if kind else "-", f"→ {place}"]
        )
    return columns(rows)


def _notes(one: "Explanation", language: Language) -> "Iterator[Message]":
    if one.waiting is not None:
        yield from _waiting(one, language)
    elif one.state == "gone":
        yield NOTES["moved_by_hand"]()
    if one.reason:
        yield NOTES[_kind_of_reason(one)](reason=one.reason)
    if one.changed:
        yield NOTES["changed"]()
    if one.decision is not None:
        yield NOTES["by"](
            profile=str(one.decision.get("profile")), digest=str(one.decision.get("rules_digest"))
        )
    if one.today is not None:
        key = "differs" if one.differs else "same" if one.decision else "would"
        verdict = STATES[one.today.name]()
        yield NOTES[key](profile=one.rules.profile, digest=one.rules.digest, verdict=verdict)
    if one.is_by_hand:
        yield NOTES["by_hand"]()


def _kind_of_reason(one: "Explanation") -> str:
    if one.state in {"filed", "gone"}:
        return "foreign"
    return "not_moved" if one.state == "pending" and one.history else "reason"


def _next(one: "Explanation") -> Message | None:
    """What to type, if anything is to be done; never wrapped, so that it can be copied."""
    step = NEXT.get(_step(one))
    profile = "" if one.rules.profile == "default" else f" --profile {one.rules.profile}"
    return step(root=one.root, path=one.path, profile=profile) if step else None


def _step(one: "Explanation") -> str:
    if one.state == "unlogged":
        return "unlogged"
    if one.state == "filed" and one.differs and not one.is_by_hand:
        return "differs"
    return one.verdict or "" if one.state in {"filed", "quarantined"} else ""


def _waiting(one: "Explanation", language: Language) -> "Iterator[Message]":
    waiting = one.waiting
    assert waiting is not None  # noqa: S101 - asked for by the caller
    if waiting.reason != "settled":
        why = waiting_words(waiting.reason, waiting.message, language)
        yield WAITS(why=why, age=span(waiting.age, language))
    ends = {"not_moved": "retried", "blocked": "retried", "unreadable": "retried", "internal": "retried"}
    phrase = ENDS.get(ends.get(waiting.reason, waiting.reason), ENDS["odd"])
    yield phrase(rest=span(waiting.seconds, language))


def _document(one: "Explanation") -> dict[str, Any]:
    result = one.evidence.result if one.evidence else None
    numbers = ("emotion", "confidence", "top1", "top2", "gap")
    waiting, decision = one.waiting, one.decision or {}
    return {
        "schema": 1,
        "task": one.task,
        "path": one.path,
        "root": one.root,
        "state": one.state,
        "verdict": one.verdict,
        "by_hand": one.is_by_hand,
        "reason": str(one.reason) if one.reason else None,
        **{key: getattr(result, key, None) for key in numbers},
        "scores": dict(result.scores) if result else {},
        "decision": {
            key: decision.get(key) for key in ("time", "verdict", "profile", "rules_digest", "result_digest")
        }
        if one.decision
        else None,
        "result_changed": one.changed,
        "today": {
            "verdict": one.today.name if one.today else None,
            "profile": one.rules.profile,
            "rules_digest": one.rules.digest,
            "differs": one.differs,
        },
        "rules": [_row(row) for row in one.rows],
        "waiting": {
            "reason": waiting.reason,
            "message": waiting.message,
            "age_seconds": round(waiting.age, 3),
            "ends_in_seconds": round(waiting.seconds, 3),
        }
        if waiting
        else None,
        "history": [
            {
                key: event[key]
                for key in ("event", "time", "from", "to", "destination", "verdict")
                if key in event
            }
            for event in one.history
        ],
    }


def _row(row: "Row") -> dict[str, Any]:
    def seen(observation: "Observation | None", action: str | None) -> dict[str, Any] | None:
        if observation is None:
            return None
        fields = ("outcome", "observed", "limit", "message")
        return {**{key: getattr(observation, key) for key in fields}, "action": action}

    return {"rule": row.rule, "then": seen(row.then, row.action), "today": seen(row.today, row.today_action)}
