"""Whether a rename takes the standing tasks to their folders. Nothing is renamed to find out."""

import os
from collections.abc import Iterator

from emosieve.service.preflight.lines import Line
from emosieve.service.preflight.site import Site, nearest
from emosieve.text import Phrase
from emosieve.watch.filesystem import file_system_of, lower_layers, project_of

_NAMES_SHOWN = 3

_LOWER = Phrase(
    "{count} standing tasks lie in a lower layer of the overlay at {mount}, from which no rename takes them: "
    "each is copied, then removed ({names})",
    "现有任务中有 {count} 个位于 {mount} 处 overlay 的下层，无法直接改名：每个都要先复制、再删除（{names}）",
)
_LAYERS_UNSEEN = Phrase(
    "{mount} is {type}, and its layers cannot be seen from here: a task that stands in a lower one "
    "is copied, then removed",
    "{mount} 是 {type}，在此处看不到它的各层：位于下层的任务都要先复制、再删除",
)
_BRANCHES = Phrase(
    "{mount} is {type}, made of several disks: a task that lies on another one than its folder, or on several, "
    "is copied, then removed",
    "{mount} 是 {type}，由多块磁盘组成：与目标目录不在同一磁盘、或分布在多块磁盘上的任务都要先复制、再删除",
)
_FUSE = Phrase(
    "{mount} is {type}, and only a try tells whether it can rename a task: where it cannot, "
    "each task is copied, then removed",
    "{mount} 是 {type}，能否对任务改名只有实际操作才知道：若不能，每个任务都要先复制、再删除",
)
_PROJECT = Phrase(
    "{folder} belongs to project {project} of a disk quota, and {count} standing tasks do not, so no rename "
    "takes them there: each is copied, then removed ({names})",
    "{folder} 属于磁盘配额项目 {project}，而现有任务中有 {count} 个不属于该项目，无法直接改名："
    "每个都要先复制、再删除（{names}）",
)
_SLOWER = Phrase(
    "that takes longer and needs room for one task more; nothing is lost by it",
    "这样更慢，并且需要多一个任务的空间；不会丢失任何内容",
)
_ONE_PROJECT = Phrase(
    "give tasks and folders one project to have them renamed (lsattr -pd, chattr -p)",
    "让任务和目录属于同一个项目即可直接改名（lsattr -pd、chattr -p）",
)


def about_renames(site: Site) -> Iterator[Line]:
    """Warn of standing tasks that must be copied on the root's own mount, or may have to be."""
    yield from _about_layers(site)
    yield from _about_projects(site)


def _about_layers(site: Site) -> Iterator[Line]:
    file_system = file_system_of(site.root)
    kind, mount = file_system.type, file_system.mount_point
    if kind == "overlay":
        lower = lower_layers(site.root)
        if lower is None and site.tasks:
            yield Line("warning", "moves", _LAYERS_UNSEEN(type=kind, mount=mount), _SLOWER())
        found = [
            name for name in site.tasks if any(os.path.isdir(f"{layer}/{name}") for layer in lower or ())
        ]
        if found:
            message = _LOWER(count=len(found), mount=mount, names=_names(found))
            yield Line("warning", "moves", message, _SLOWER())
    elif kind == "fuse" or kind.startswith("fuse."):
        words = {"fuse.fuse-overlayfs": _LAYERS_UNSEEN, "fuse.mergerfs": _BRANCHES}.get(kind, _FUSE)
        yield Line("warning", "moves", words(type=kind, mount=mount), _SLOWER())


def _about_projects(site: Site) -> Iterator[Line]:
    """A folder that hands its project on takes nothing by rename that is of another one."""
    told: set[str] = set()
    for path in site.destinations.values():
        folder = nearest(path)
        project = project_of(folder)
        if folder in told or project is None or not project.is_inherited or not _is_beside(folder, site.root):
            continue
        told.add(folder)
        found = [name for name in site.tasks if _is_of_another(f"{site.root}/{name}", project.number)]
        if found:
            message = _PROJECT(folder=folder, project=project.number, count=len(found), names=_names(found))
            yield Line("warning", "moves", message, _ONE_PROJECT())


def _is_of_another(path: str, number: int) -> bool:
    project = project_of(path)
    return project is not None and project.number != number


def _is_beside(folder: str, root: str) -> bool:
    """Whether both lie on one file system: of others another line tells."""
    return os.path.isdir(folder) and os.stat(folder).st_dev == os.stat(root).st_dev


def _names(names: list[str]) -> str:
    return ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")
