"""The audio of a settled task, looked at as deep as the rules in force ask for."""

import errno
import os
import stat
from functools import partial

from emosieve.errors import BadAudio
from emosieve.judge.audio import Audio, AudioMeasures, Depth, Steps, finish, measuring
from emosieve.text import escape
from emosieve.watch.identity import READ_DIRECTORY
from emosieve.watch.survey import AUDIO_NAME, FileStat, Survey, open_file


def listen(path: str, survey: Survey, depth: Depth | None) -> Audio | None:
    """Measure the audio of a task in one go, see ``listening``."""
    return finish(listening(path, survey, depth))


def listening(path: str, survey: Survey, depth: Depth | None) -> Steps[Audio | None]:
    """Measure the audio of a task.

    Args:
        path: of the task.
        survey: what stands in it; the wav must still be so.
        depth: how much of it the rules ask for.

    Returns:
        ``None`` where no rule asks.

    Raises:
        FileNotFoundError: the wav changed since the survey; look again.
        OSError: it cannot be read.
    """
    if depth is None:
        return None
    wavs, wav = wavs_of(survey), wav_of(survey)
    if depth == "files" or wav is None:
        return Audio(len(wavs))
    try:
        return Audio(len(wavs), (yield from _measure(path, wav, depth)))
    except BadAudio as error:
        return Audio(len(wavs), unreadable=f"{escape(wav.name)} {error}")


def wavs_of(survey: Survey) -> list[FileStat]:
    """Everything of the task that is called a wav, but for directories."""
    return [
        file
        for file in survey.own_files
        if file.name.lower().endswith(".wav") and not stat.S_ISDIR(file.mode)
    ]


def wav_of(survey: Survey) -> FileStat | None:
    """The wav that the result is about."""
    wavs = wavs_of(survey)
    return next((file for file in wavs if file.name == AUDIO_NAME), wavs[0] if wavs else None)


def _measure(path: str, wav: FileStat, depth: Depth) -> Steps[AudioMeasures]:
    if not wav.is_regular:
        raise BadAudio("is no plain file")
    directory = os.open(path, READ_DIRECTORY)
    try:
        descriptor = open_file(directory, wav, must=False)
    finally:
        os.close(directory)
    if descriptor is None:
        raise BadAudio("may not be read by emosieve's user")
    try:
        status = os.fstat(descriptor)
        if (status.st_ino, status.st_size, status.st_mtime_ns) != (wav.inode, wav.size, wav.mtime_ns):
            raise FileNotFoundError(errno.ESTALE, "changed since it was looked at", wav.name)
        return (yield from measuring(partial(os.pread, descriptor), wav.size, depth))
    finally:
        os.close(descriptor)
