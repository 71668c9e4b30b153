"""Time zones: which are known here, which was meant, and what the C library makes of ``TZ``."""

import difflib
import importlib.util
import os
import re
import time
import zoneinfo
from collections.abc import Mapping, MutableMapping
from typing import Final

from emosieve.text import Message, Phrase

_NO_DATA: Final = Phrase(
    "there is no time zone data on this machine, so {name!r} is not known; install it (pip install tzdata, "
    "or the system's package tzdata), or write UTC",
    "本机没有时区数据，无法识别 {name!r}；请安装（pip install tzdata，或系统软件包 tzdata），或改用 UTC",
)
_UNKNOWN: Final = Phrase(
    "{name!r} is no time zone known here; write local, UTC or a name such as Asia/Shanghai",
    "本机没有时区 {name!r}；请写 local、UTC，或 Asia/Shanghai 这样的名字",
)
_MISSPELT: Final = Phrase(
    "{name!r} is no time zone known here; did you mean {close}?",
    "本机没有时区 {name!r}；是否想写 {close}？",
)
_UNKNOWN_TZ: Final = Phrase("zone UTC; TZ={name!r} is unknown", "时区 UTC；无法识别 TZ={name!r}")
_WRITE_TZ: Final = Phrase(
    "write TZ={close}, without quotes, or the setting timezone",
    "请写 TZ={close}（不加引号），或使用配置项 timezone",
)
_DANGLING: Final = Phrase(
    "zone UTC; {path} leads to {target}, which is missing", "时区 UTC；{path} 指向的 {target} 不存在"
)
_INSTALL: Final = Phrase(
    "install the system's package tzdata, or use the setting timezone",
    "请安装系统软件包 tzdata，或使用配置项 timezone",
)
LOCAL_ZONE: Final = "/etc/localtime"
_DIRECTORIES: Final = ("/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/share/zoneinfo", "/etc/zoneinfo")
"""Where C libraries look for zones by name."""
_MAGIC: Final = b"TZif"
_OFFSET: Final = r"[+-]?\d{1,3}(:\d{1,2}){0,2}"
_NAME: Final = r"([A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)"
_RULE: Final = rf"(J?\d{{1,3}}|M\d{{1,2}}\.\d\.\d)(/{_OFFSET})?"
_POSIX: Final = re.compile(rf"{_NAME}{_OFFSET}({_NAME}({_OFFSET})?(,{_RULE},{_RULE})?)?", re.ASCII)
"""A zone in its own words, as ``CST-8`` or ``CET-1CEST,M3.5.0,M10.5.0/3``."""
_UTC: Final = re.compile(r"(Etc/)?(UTC|UCT|GMT|Universal|Zulu|Greenwich)0?")
"""What is taken for UTC without any data, and rightly."""
_FIXED: Final = re.compile(r"(UTC|GMT)?([+-])0?(\d{1,2})(:?00)?", re.ASCII | re.IGNORECASE)


def is_known(name: str) -> bool:
    """Whether a name is a time zone of the data that this machine or the package tzdata has."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def unknown(name: str) -> Message:
    """Why a name is refused, with the zone that was probably meant."""
    known = zoneinfo.available_timezones()
    if not known:
        return _NO_DATA(name=name)
    close = _close_to(name, known)
    return _MISSPELT(name=name, close=close) if close else _UNKNOWN(name=name)


def _close_to(name: str, known: set[str]) -> str | None:
    meant = name.strip("\"' ").removeprefix("TZ=").strip("\"' ").removeprefix(":")
    meant = meant.rpartition("/zoneinfo/")[2]
    if fixed := _FIXED.fullmatch(meant):
        # POSIX counts westwards: Etc/GMT-8 is eight hours ahead of UTC.
        close = f"Etc/GMT{'-' if fixed[2] == '+' else '+'}{int(fixed[3])}"
        return close if close in known else None
    by_small_letters = {one.lower(): one for one in [*sorted(known), "UTC", "local"]}
    near = difflib.get_close_matches(meant.lower().replace(" ", "_"), by_small_letters, n=1, cutoff=0.8)
    return by_small_letters[near[0]] if near else None


def settle_local_zone(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let the C library know the zone that ``TZ`` names, as far as it can; it takes what it does not know for UTC.

    An empty ``TZ`` counts as unset. A name of which the system has no data, as a small image, but the
    package tzdata has, becomes the path of that file.

    Args:
        environment: the process's own; a change is in force at once.
    """
    written = environment.get("TZ")
    if written is None:
        return
    if not written.strip():
        del environment["TZ"]
    elif not _is_taken(written, environment) and (path := _packaged(written.removeprefix(":"))):
        environment["TZ"] = path
    time.tzset()


def _packaged(name: str) -> str | None:
    """The path of a zone in the package tzdata, if that is installed and has it."""
    package = importlib.util.find_spec("tzdata")
    if package is None or package.origin is None:
        return None
    path = os.path.join(os.path.dirname(package.origin), "zoneinfo", name)
    return path if ".." not in name and _is_zone_file(path) else None


def problem_of_local_zone(environment: Mapping[str, str] = os.environ) -> tuple[Message, Message] | None:
    """Why the machine's own zone is UTC although another one is written, and what to do; ``None`` if all is well."""
    written = environment.get("TZ", "")
    if written and not _is_taken(written, environment):
        close = _close_to(written, zoneinfo.available_timezones())
        hint = _WRITE_TZ(close=close if close and close != "local" else "Asia/Shanghai")
        return _UNKNOWN_TZ(name=written), hint
    if not written and os.path.islink(LOCAL_ZONE) and not os.path.exists(LOCAL_ZONE):
        return _DANGLING(path=LOCAL_ZONE, target=os.readlink(LOCAL_ZONE)), _INSTALL()
    return None


def _is_taken(written: str, environment: Mapping[str, str]) -> bool:
    """Whether the C library takes a value of ``TZ`` for what it says."""
    name = written.removeprefix(":")
    directories = (environment.get("TZDIR") or _DIRECTORIES[0], *_DIRECTORIES[1:])
    paths = [name] if os.path.isabs(name) else [f"{directory}/{name}" for directory in directories]
    return bool(_POSIX.fullmatch(name) or _UTC.fullmatch(name) or any(map(_is_zone_file, paths)))


def _is_zone_file(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):
        return False
