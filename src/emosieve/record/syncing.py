"""Bytes and names forced to the disk, so that a power cut leaves them."""

import os


def sync_path(path: str) -> None:
    """Force a file's bytes, or a directory's names, to the disk; a symlink is not followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_data(descriptor: int) -> None:
    """Force the bytes of an open file to the disk."""
    sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync
    sync(descriptor)
