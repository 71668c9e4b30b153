"""``emosieve explain``: why a task stands where it stands, and what it waits for."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emosieve.commands.explain_words import (
    ACTIONS,
    AUDIO,
    ENDS,
    FLAGGED,
    FRAMES,
    HEADLINE,
    HEADS,
    MEASURES,
    NEXT,
    NOTES,
    NUMBERS,
    OUTCOMES,
    PATH_OR_RULES,
    PROBLEM,
    SEMICOLON,
    SOURCE,
    STATES,
    WAITS,
)
from emosieve.commands.in_force import PLACES, RULES, settings_on
from emosieve.commands.options import Config, Profile, Set, load_settings, retyped
from emosieve.commands.output import KINDS, Json, columns, echo_json, hanging, moment, span, styled
from emosieve.commands.rules_in_force import differences, show_rules
from emosieve.errors import SetupError
from emosieve.judge.names import with_key
from emosieve.text import Language, Message, escape, exact_number, number, telling_digits, waiting_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from emosieve.judge.ruleset import Evidence, Observation
    from emosieve.record.outcomes import Row
    from emosieve.service.explanation import Explanation


def explain(
    *,
    path: Annotated[
        str | None, typer.Argument(help="A task, wherever it stands; or its name, with --set root=FOLDER.")
    ] = None,
    rules: Annotated[
        bool,
        typer.Option("--rules", help="Show every rule in force, with its limits and action, and no task."),
    ] = False,
    json: Json = False,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """Say why a task was decided as it was, or what it waits for, rule by rule.

    The old path of a task that was filed since will do, and so will a file in it.
    --rules explains the rules themselves.

    Example: emosieve explain outputs/low_quality/outputs_20240104_223000
    """
    from emosieve.service.explanation import explain as explain_task  # noqa: PLC0415 - needed here alone
    from emosieve.service.explanation import root_for  # noqa: PLC0415 - the same
    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - the same

    if rules is (path is not None):
        raise SetupError(PATH_OR_RULES())
    loaded = load_settings(config, profile, overrides)
    settings = loaded.settings
    configure_logs(settings.log)
    if path is None:
        show_rules(loaded, json=json)
        return
    root = root_for(path, settings)
    explanation = explain_task(path, settings_on(root, loaded, (*RULES, *PLACES, "settle")), root)
    if json:
        echo_json(_document(explanation))
    else:
        typer.echo("\n".join(_lines(explanation, settings.language, retyped(config, profile, overrides))))


def _lines(one: "Explanation", language: Language, options: str) -> "Iterator[str]":
    verdict = STATES[one.verdict]() if one.verdict else "-"
    state = STATES.get(one.state, STATES.get(one.verdict or "", STATES["pending"]))(verdict=verdict)
    yield styled(HEADLINE(task=one.task).text(language), bold=True) + styled(
        state.text(language), one.verdict, bold=True
    )
    semicolon = SEMICOLON().text(language)
    rejects, flags = _findings(one, language)
    if rejects:
        yield from hanging("", semicolon.join(rejects))
    if flags:
        yield from hanging("", FLAGGED(flags=semicolon.join(flags)).text(language))
    yield escape(one.path, len(one.path))
    if one.source is not None:
        yield SOURCE(source=one.source).text(language)
    if one.evidence is not None:
        yield from ("", *_numbers(one.evidence, language))
    if one.rows:
        yield from ("", *_table(one, language))
    if one.history:
        yield from ("", *_history(one, language))
    yield ""
    for message in _notes(one, language):
        yield from hanging("", message.text(language))
    step = _next(one, options)
    if step is not None:
        yield step.text(language)


def _numbers(evidence: "Evidence", language: Language) -> "Iterator[str]":
    result, values = evidence.result, evidence.values
    figures = {key: number(getattr(result, key)) for key in ("confidence", "top1", "top2", "gap")}
    yield NUMBERS(emotion=with_key(result.emotion or "-", language), **figures).text(language)
    if result.frames:
        share = f"{result.frames.agreement:.0%}"
        yield FRAMES(count=result.frames.count, agreement=share).text(language)
    if values["audio_problem"] is not None:
        yield from hanging("", PROBLEM(problem=values["audio_problem"]).text(language))
    if values["duration_seconds"] is not None:
        yield AUDIO(**{name: _measured(values[name], digits) for name, digits in MEASURES.items()}).text(
            language
        )


def _measured(value: Any, digits: str) -> str:
    return "-" if value is None else format(value, digits)


def _table(one: "Explanation", language: Language) -> "Iterator[str]":
    """Every rule; with what today's rules see beside it where the decision was taken by others."""
    others = one.decision is not None and one.decision.get("rules_digest") != one.rules.digest
    heads = [
        "rule",
        "outcome",
        "observed",
        "limit",
        "action",
        *(["today", "limit now"] if others else []),
    ]
    rows = [[HEADS[head]().text(language) for head in heads]]
    for row in one.rows:
        seen = row.then or row.today
        action = row.action if row.then else row.today_action
        # Seven columns leave room for the name alone.
        name = row.rule if others else with_key(row.rule, language)
        cells = [escape(name), *_cells(seen, action, language)]
        if others:
            cells += _cells_now(row, language)
        rows.append(cells)
    right = {2, 3, 6} if others else {2, 3}
    head, *body = columns(rows, right)
    yield styled(head, bold=True)
    for row, line in zip(one.rows, body, strict=True):
        seen = row.then or row.today
        if seen is None or seen.outcome != "fired":
            yield styled(line, dim=True)
            continue
        yield styled(line, "low_quality")
        if seen.reasons and (len(seen.reasons) > 1 or row.rule not in _built_in()):
            yield from hanging("  ", ", ".join(escape(str(reason)) for reason in seen.reasons))


def _built_in() -> "Collection[str]":
    from emosieve.judge.rules import DEFAULT_ACTIONS  # noqa: PLC0415 - needed here alone

    return DEFAULT_ACTIONS


def _cells_now(row: "Row", language: Language) -> list[str]:
    """What today's rules make of it: the outcome, with the action where it fires, and the limit."""
    outcome, _, limit, action = _cells(row.today, row.today_action, language)
    fires = row.today is not None and row.today.outcome == "fired"
    return [f"{outcome}: {action}" if fires else outcome, limit]


def _cells(seen: "Observation | None", action: str | None, language: Language) -> list[str]:
    if seen is None:
        return ["-", "", "", ""]
    outcome = OUTCOMES[seen.outcome]().text(language)
    shown = ACTIONS[action]().text(language) if action else ""
    return [outcome, _figure(seen.observed, seen.limit), _limit(seen.limit), shown]


def _figure(observed: Any, limit: Any) -> str:
    """A share with three digits, or as many as tell it from the limit; a count of bytes, or a text, as it is."""
    from emosieve.judge.conditions import numbers_in  # noqa: PLC0415 - needed here alone

    if observed is None:
        return ""
    if not isinstance(observed, float):
        return escape(str(observed))
    return number(observed, telling_digits(observed, *numbers_in(limit)))


def _limit(limit: Any) -> str:
    """A number as short as it is, a text, or the members of a list."""
    match limit:
        case None:
            return ""
        case int() | float():
            return exact_number(limit)
        case str():
            return escape(limit)
        case _:
            return ", ".join(map(_limit, limit))


def _findings(one: "Explanation", language: Language) -> tuple[list[str], list[str]]:
    """Why it was rejected, and what was flagged; where nothing was decided yet, what today's rules say."""
    from emosieve.judge.rules import finding_words  # noqa: PLC0415 - needed here alone

    if one.is_by_hand:
        return [], []
    found: Sequence[Mapping[str, Any]] = (
        [finding.as_dict() for finding in one.today.findings] if one.today else []
    )
    if one.decision is not None:
        found = one.decision["findings"]
    words = [(finding["action"], finding_words(finding, language)) for finding in found]
    rejects = [text for action, text in words if action == "reject"]
    return rejects, [text for action, text in words if action != "reject"]


def _history(one: "Explanation", language: Language) -> list[str]:
    from emosieve.record.lineage import place_of  # noqa: PLC0415 - needed here alone

    rows = []
    for event in one.history:
        kind = KINDS.get(event["event"])
        place = escape(str(place_of(event)))
        rows.append(
            [moment(str(event.get("time")), None), kind().text(language) if kind else "-", f"→ {place}"]
        )
    return columns(rows)


def _notes(one: "Explanation", language: Language) -> "Iterator[Message]":
    if one.waiting is not None:
        yield from _waiting(one, language)
        if not one.is_watched:
            yield NOTES["unwatched"]()
    elif one.state == "gone":
        yield NOTES["moved_by_hand"]()
    yield from _unknown(one)
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
        yield NOTES[key](rules=differences(one.rules), digest=one.rules.digest, verdict=verdict)
    if one.is_by_hand:
        yield NOTES["by_hand"]()


def _unknown(one: "Explanation") -> "Iterator[Message]":
    """What could not be evaluated, and whether a verdict may hang on it."""
    seen = [row.then or row.today for row in one.rows]
    lacking = dict.fromkeys(name for observation in seen if observation for name in observation.missing)
    if lacking:
        yield NOTES["lacking"](fields=", ".join(lacking))
    if one.undecided and not one.differs:
        yield NOTES["undecided"]()


def _kind_of_reason(one: "Explanation") -> str:
    if one.state in {"filed", "gone"}:
        return "foreign"
    if one.state == "pending":
        return "not_moved" if one.history else "hidden"
    return "reason"


def _next(one: "Explanation", options: str) -> Message | None:
    """What to type, if anything is to be done; never wrapped, so that it can be copied."""
    step = NEXT.get(_step(one))
    return step(root=one.root, path=one.path, options=options) if step else None


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
        "source": one.source,
        "state": one.state,
        "verdict": one.verdict,
        "by_hand": one.is_by_hand,
        "reason": str(one.reason) if one.reason else None,
        **{key: getattr(result, key, None) for key in numbers},
        "scores": dict(result.scores) if result else {},
        "frames": asdict(result.frames) if result and result.frames else None,
        "measured": dict(one.evidence.measured) if one.evidence else {},
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
            "watched": one.is_watched,
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
        fields = ("outcome", "observed", "limit", "message", "missing")
        because = [str(reason) for reason in observation.reasons]
        return {**{key: getattr(observation, key) for key in fields}, "because": because, "action": action}

    return {"rule": row.rule, "then": seen(row.then, row.action), "today": seen(row.today, row.today_action)}
