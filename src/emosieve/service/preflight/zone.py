"""In which time zone log and report date things, and whether that is the one that was written."""

from datetime import datetime

from emosieve.service.preflight.lines import Line
from emosieve.settings import Settings
from emosieve.settings.zones import problem_of_local_zone
from emosieve.text import Phrase

_ZONE = Phrase("zone {name} ({offset})", "时区 {name}（{offset}）")


def about_zone(settings: Settings) -> Line:
    """The zone that is in force; a warning where the machine takes another than ``TZ`` says."""
    if settings.timezone == "local" and (problem := problem_of_local_zone()):
        return Line("warning", "clock", *problem)
    now = datetime.now(settings.zone).astimezone(settings.zone)
    name = str(now.tzinfo) if settings.zone is None else settings.timezone
    return Line("ok", "clock", _ZONE(name=name, offset=now.isoformat()[-len("+00:00") :]))
