"""Who is at work: this emosieve, and perhaps another one on the same root."""

import os
import platform
import pwd
from collections.abc import Iterator, Mapping

from emosieve import __version__
from emosieve.record.files import STATE_DIRECTORY
from emosieve.record.locking import is_contained, myself, read_holder, standing_holder
from emosieve.service.preflight.lines import Line
from emosieve.service.preflight.site import Site, may
from emosieve.text import Phrase, listed

_PROGRAM = Phrase(
    "{version}, Python {python}, as {user} (uid {uid}){where}",
    "{version}，Python {python}，以 {user}（uid {uid}）身份运行{where}",
)
_IN_CONTAINER = Phrase(", in a container", "，在容器中")
_ON_MACHINE = Phrase(", not in a container", "，不在容器中")

_USER_WISHED = Phrase(
    "{wishes} set in the environment, but this process is {ids}: emosieve changes neither user nor umask by itself",
    "环境变量中设置了 {wishes}，但本进程是 {ids}：emosieve 不会自行切换用户或 umask",
)
_START_AS = Phrase(
    'start it so: user: "{uid}:{gid}" in compose (WEBUI_USER={uid}:{gid} with deploy/docker/compose.yaml), '
    "docker run --user {uid}:{gid}, runAsUser in Kubernetes, User= and UMask= in a unit, umask in a shell; "
    "or take {names} out",
    '请这样启动：compose 中写 user: "{uid}:{gid}"（使用 deploy/docker/compose.yaml 时设 WEBUI_USER={uid}:{gid}）、'
    "docker run --user {uid}:{gid}、Kubernetes 中写 runAsUser、单元中写 User= 和 UMask=、shell 中用 umask；"
    "或去掉 {names}",
)

_FREE = Phrase("no emosieve is at work on this root", "目前没有 emosieve 在此输出目录上运行")
_WORKS = Phrase(
    "emosieve is at work on this root ({holder}); check does not disturb it",
    "emosieve 正在此输出目录上运行（{holder}）；check 不会干扰它",
)
_HIDDEN = Phrase(
    "whether an emosieve is at work on this root cannot be seen by uid {uid}: {path} is closed to it",
    "uid {uid} 无法得知 emosieve 是否正在此输出目录上运行：无权进入 {path}",
)
_MAY_WORK = Phrase(
    "emosieve was at work on this root ({holder}); whether it still is cannot be seen from here",
    "emosieve 曾在此输出目录上运行（{holder}）；从这里无法得知它是否仍在运行",
)


def about_program() -> Line:
    """Which emosieve runs as whom."""
    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)  # a container's uid need not have a name
    where = (_IN_CONTAINER if is_contained() else _ON_MACHINE)()
    values = {"version": __version__, "python": platform.python_version(), "user": user, "uid": uid}
    return Line("ok", "emosieve", _PROGRAM(**values, where=where))


def about_wishes(environment: Mapping[str, str]) -> Iterator[Line]:
    """Refuse the variables by which other images are told their user and umask, where they say something else.

    Args:
        environment: of this process.
    """
    mask = os.umask(0o077)
    os.umask(mask)
    real = {"PUID": str(os.geteuid()), "PGID": str(os.getegid()), "UMASK": f"{mask:03o}"}
    wished = {name: environment[name].strip() for name in real if environment.get(name, "").strip()}
    others = {name: value for name, value in wished.items() if not _is_same(name, value, real[name])}
    if others:
        wishes = listed([f"{name}={value}" for name, value in others.items()])
        ids = listed([f"{name.removeprefix('P').lower()} {real[name]}" for name in others])
        asked = real | wished
        hint = _START_AS(uid=asked["PUID"], gid=asked["PGID"], names=listed([*others]))
        yield Line("error", "permission", _USER_WISHED(wishes=wishes, ids=ids), hint)


def _is_same(name: str, wished: str, real: str) -> bool:
    if name == "UMASK":
        return wished.lstrip("0") == real.lstrip("0")
    return wished == real


def about_intake(site: Site) -> Line:
    """Whether an emosieve is at work here already: read from the lock's record and the kernel's table of locks."""
    path = f"{site.root}/{STATE_DIRECTORY}"
    if os.path.isdir(path) and not may(path, os.X_OK):
        return Line("ok", "intake", _HIDDEN(uid=os.geteuid(), path=path))
    record, here = read_holder(site.root), myself()
    holder = standing_holder(site.root, record)
    if holder is not None:
        return Line("ok", "intake", _WORKS(holder=holder.words))
    if record is not None and (record.host, record.container) != (here.host, here.container):
        return Line("ok", "intake", _MAY_WORK(holder=record.words))
    return Line("ok", "intake", _FREE())
