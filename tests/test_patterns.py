"""Which names are other programs', and which are a recognition's own."""

import pytest

from emosieve.patterns import IGNORE, TEMPORARY, matcher

is_ignored, is_temporary = matcher(IGNORE), matcher(TEMPORARY)


@pytest.mark.parametrize(
    "name",
    [
        "processed_audio.wav",
        "result.json",
        "result_frame.json",
        "embedding.npy",
        "processed_audio.npy",
        "process.log",
        "call.wav",
        "frames/0.bin",
        "20240104.223000.wav",
        "notes.backup2.txt",
        "archive.tar.gz",
    ],
)
def test_what_a_recognition_writes_is_its_own(name: str) -> None:
    """No default takes it for litter, or for a file of a transfer at work."""
    assert not is_ignored(name)
    assert not is_temporary(name)


@pytest.mark.parametrize(
    "name",
    [
        "._call.wav",
        "._processed_audio.wav",
        ".DS_Store",
        ".AppleDouble",
        ".AppleDouble/processed_audio.wav",
        "deep/.AppleDouble/processed_audio.wav",
        "Thumbs.db",
        "THUMBS.DB",
        "desktop.ini",
        "@eaDir",
        "@eaDir/processed_audio.wav@SynoEAStream",
        "result.json@SynoResource",
        ".@__thumb/a.jpg",
    ],
)
def test_litter_is_ignored(name: str) -> None:
    """Of macOS, Windows, Synology and QNAP, in any case and at any depth."""
    assert is_ignored(name)


@pytest.mark.parametrize(
    "name",
    [
        ".processed_audio.wav.a1B2c3",
        ".syncthing.processed_audio.wav.tmp",
        "~syncthing~processed_audio.wav.tmp",
        "processed_audio.wav.part",
        "processed_audio.wav.PART",
        "processed_audio.wav.filepart",
        "processed_audio.wav.crdownload",
        "processed_audio.wav.1a2b3c4d.partial",
        "processed_audio.wav_.gstmp",
        ".processed_audio.wav.swp",
        ".processed_audio.wav.~1a2b",
        ".in.processed_audio.wav.",
        "result.json.tmp",
        "result.json~",
        "processed_audio.wav.~tmp~",
        "processed_audio.wav.!sync",
        "more/processed_audio.wav.part",
    ],
)
def test_a_transfer_is_known_by_its_names(name: str) -> None:
    """Of rsync, Syncthing, browsers, WinSCP, rclone, Google clients, Nextcloud, lftp and editors."""
    assert is_temporary(name)
    assert not is_ignored(name)


def test_no_pattern_matches_nothing() -> None:
    """An empty list switches either off."""
    assert not matcher(())("")
    assert not matcher(())("a.part")
