"""``emosieve sweep``: the whole inbox once."""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emosieve.commands.options import Config, Profile, Root, Set, load_settings, required_root
from emosieve.commands.output import Json, columns, echo_json, hanging, styled
from emosieve.text import Language, Phrase, escape, waiting_words

if TYPE_CHECKING:
    from emosieve.service.sweep import Swept

_LEFT_SHOWN = 10

_FILED = Phrase("tasks filed: {count}, in {seconds:.1f} s", "已归档 {count} 个任务，用时 {seconds:.1f} 秒")
_WOULD_FILE = Phrase(
    "tasks that would be filed: {count}, in {seconds:.1f} s (dry run: nothing was written)",
    "将归档 {count} 个任务，用时 {seconds:.1f} 秒（试运行，未写入任何内容）",
)
_LABELS = {
    "normal": Phrase("normal", "正常"),
    "low_quality": Phrase("low_quality", "低质量"),
    "quarantined": Phrase("quarantined", "已隔离"),
    "joined": Phrase("joined", "已并入"),
}
_JOINED = Phrase("late files went to the filed task of their name", "迟到的文件已放进同名的已归档任务")
_STOPPED = Phrase(
    "stopped before the end; {count} tasks still stand in the inbox, run it again to file them",
    "已提前停止；还有 {count} 个任务留在原处，重新执行即可归档",
)
_RATE = Phrase("rejection rate: {rate:.1%}", "剔除率：{rate:.1%}")
_REPORT = Phrase("report: {path}", "质量报告：{path}")
_LEFT = Phrase("still standing: {count}", "仍在原处的任务：{count} 个")
_LEFT_MORE = Phrase("  … and {count} more", "  … 另有 {count} 个")
_MALFORMED = Phrase(
    "a result that stays unreadable for {seconds:g} s is quarantined by the next sweep or watch",
    "结果文件持续 {seconds:g} 秒无法解析的任务，会在下次 sweep 或 watch 时移入隔离目录",
)


def sweep(
    *,
    root: Root = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")
    ] = False,
    wait: Annotated[
        float | None,
        typer.Option(
            "--wait",
            metavar="SECONDS",
            min=0,
            help="At most so long for tasks written just now; else quiet time + 3.",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            max=64,
            help="Processes that judge; worth it where audio is measured.",
        ),
    ] = 1,
    json: Json = False,
    config: Config = None,
    profile: Profile = None,
    overrides: Set = None,
) -> None:
    """File the whole inbox once, oldest first, and exit.

    Example: python batch_process.py && emosieve sweep outputs
    """
    from rich.console import Console  # noqa: PLC0415 - rich is slow to import
    from rich.progress import Progress  # noqa: PLC0415 - the same

    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - needed here alone
    from emosieve.service.preflight import about_settings, heed  # noqa: PLC0415 - the same
    from emosieve.service.sweep import sweep as sweep_root  # noqa: PLC0415 - the same

    loaded = load_settings(config, profile, overrides, root)
    path = required_root(loaded)
    settings = loaded.settings
    terminal = sys.stderr is not None and sys.stderr.isatty()  # None where it was closed before the start
    has_bar = terminal and not dry_run
    # On a terminal the bar tells of progress; a line per decision would only hide what matters.
    level = "warning" if has_bar and settings.log.level == "info" else settings.log.level
    with Progress(console=Console(stderr=True), transient=True, disable=not has_bar) as bar:
        # The bar takes stderr in hand while it stands, so that a line of the log does not tear it.
        configure_logs(settings.log.model_copy(update={"level": level}), terminal=terminal)
        heed(about_settings(loaded))
        row = bar.add_task("sweep", total=None)
        swept = sweep_root(
            path,
            settings,
            wait=wait,
            dry_run=dry_run,
            workers=workers,
            progress=lambda done, total: bar.update(row, completed=done, total=total),
        )
    if json:
        echo_json(_document(swept))
    else:
        typer.echo("\n".join([*_summary(swept, settings.language), *_left(swept, settings.language)]))
    if swept.stopped_by is not None:
        standing = swept.flow.settling.pending_count
        typer.echo(f"emosieve: {_STOPPED(count=standing).text(settings.language)}", err=True)
        raise typer.Exit(128 + swept.stopped_by)
    if swept.left or swept.flow.counts.failed:
        raise typer.Exit(1)


def _document(swept: "Swept") -> dict[str, Any]:
    tally, rate = swept.tally, swept.tally.rejection_rate
    left = [
        {"task": one.name, "reason": one.reason, "message": waiting_words(one.reason, one.message, "en")}
        for one in swept.left
    ]
    return {
        "schema": 1,
        "root": swept.root,
        "dry_run": swept.dry_run,
        "seconds": round(swept.seconds, 3),
        "normal": tally.normal,
        "low_quality": tally.low_quality,
        "quarantined": tally.quarantined,
        "rejection_rate": None if rate is None else round(rate, 6),
        "joined": swept.joined,
        "failed": swept.flow.counts.failed,
        "stopped": swept.stopped_by is not None,
        "report": _report(swept),
        "left": left,
    }


def _summary(swept: "Swept", language: Language) -> Iterator[str]:
    tally, folders = swept.tally, swept.flow.intake.folders
    counts = {"normal": tally.normal, "low_quality": tally.low_quality}
    if tally.quarantined:
        counts["quarantined"] = tally.quarantined
    rows = [
        (_LABELS[verdict]().text(language), str(count), escape(path, len(path)))
        for verdict, count in counts.items()
        for path in (folders.path(folders.by_verdict[verdict]),)
    ]
    if swept.joined:
        rows.append((_LABELS["joined"]().text(language), str(swept.joined), _JOINED().text(language)))
    headline = _WOULD_FILE if swept.dry_run else _FILED
    yield headline(count=tally.total, seconds=swept.seconds).text(language)
    for line, (label, *_), verdict in zip(columns(rows, right={1}), rows, [*counts, "joined"], strict=False):
        yield f"  {styled(label, verdict)}{line.removeprefix(label)}"
    if tally.rejection_rate is not None:
        yield _RATE(rate=tally.rejection_rate).text(language)
    if report := _report(swept):
        yield _REPORT(path=report).text(language)


def _report(swept: "Swept") -> str | None:
    """Path of the report; a dry run writes none."""
    from emosieve.record.report import REPORT_NAME  # noqa: PLC0415 - needed here alone

    report = f"{swept.root}/{REPORT_NAME}"
    return report if not swept.dry_run and os.path.lexists(report) else None


def _left(swept: "Swept", language: Language) -> Iterator[str]:
    if not swept.left:
        return
    yield _LEFT(count=len(swept.left)).text(language)
    for one in swept.left[:_LEFT_SHOWN]:
        yield from hanging(f"  {escape(one.name)}  ", waiting_words(one.reason, one.message, language))
    if len(swept.left) > _LEFT_SHOWN:
        yield _LEFT_MORE(count=len(swept.left) - _LEFT_SHOWN).text(language)
    if any(one.reason == "malformed" for one in swept.left):
        yield _MALFORMED(seconds=swept.flow.settling.policy.give_up_seconds).text(language)
