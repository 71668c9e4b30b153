import shutil
import struct
import subprocess
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emosieve.commands.simulated_webui import npy_bytes, write_wav
from emosieve.judge.wav import read_header
from emosieve.watch.lengths import HEAD_BYTES, declared_length
from wavs import reader


def _riff(size: int, form: bytes = b"WAVE", magic: bytes = b"RIFF") -> bytes:
    return struct.pack("<4sI4s", magic, size, form) + bytes(32)


def _long(size: int, magic: bytes = b"RF64") -> bytes:
    return struct.pack("<4sI4s4sIQQ", magic, 0xFFFFFFFF, b"WAVE", b"ds64", 28, size, size) + bytes(12)


def _npy(header: str, version: int = 1) -> bytes:
    text = header.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text


@pytest.mark.parametrize("name", ["processed_audio.wav", "PROCESSED.WAV"])
def test_a_finished_wav_is_as_long_as_it_says(tmp_path: Path, name: str) -> None:
    """A closed wav declares exactly its own size, whatever the case of its name."""
    path = tmp_path / name
    write_wav(str(path), 0.1)
    assert path.stat().st_size == declared_length(name, path.read_bytes()[:HEAD_BYTES])


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(_riff(0), id="0"),
        pytest.param(_riff(8), id="8"),
        pytest.param(_riff(0xFFFFFFFF), id="0xFFFFFFFF"),
        pytest.param(_riff(1000, form=b"AVI "), id="another RIFF"),
        pytest.param(_riff(0x7FFFF024), id="SoX and espeak"),
        pytest.param(_riff(0x7FFFF020), id="SoX, 24 bits"),
        pytest.param(_riff(0x7FFFFFFF), id="opusdec"),
        pytest.param(_riff(0x80000023), id="lame"),
        pytest.param(_riff(0x80000024), id="arecord"),
        pytest.param(_riff(0xFFFFFFFF - 8), id="four GiB"),
        pytest.param(_riff(0x7FFFFFFF + 0x2001), id="the last of them"),
        pytest.param(_riff(1000, magic=b"RF64"), id="RF64 without sizes"),
        pytest.param(_long(0), id="RF64 in a pipe"),
        pytest.param(_long(2**64 - 1), id="RF64 without an end"),
        pytest.param(_riff(1000)[:11], id="too short"),
        pytest.param(b"ID3\x04 an mp3 in disguise", id="no header"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_wav_without_a_true_size_has_no_length(head: bytes) -> None:
    """The sizes that writers leave until they close, and all that is not RIFF/WAVE, declare nothing."""
    assert declared_length("a.wav", head) is None


def test_the_riff_size_counts_what_follows_its_first_eight_bytes() -> None:
    """A RIFF size of n declares n + 8 bytes, and any size beside the placeholders counts."""
    sizes = (1, 1000, 0x7FFFFFFF - 0x2000, 0x7FFFFFFF + 0x2002, 0xFFFFFFFF - 0x2000)
    assert [size + 8 for size in sizes] == [declared_length("a.wav", _riff(size)) for size in sizes]


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
@pytest.mark.parametrize("size", [1000, 6_000_000_000])
def test_a_long_wav_tells_its_size_in_64_bits(magic: bytes, size: int) -> None:
    """One that is cut off is found as a short one is."""
    assert size + 8 == declared_length("a.wav", _long(size, magic))


@pytest.mark.parametrize("bits", ["16", "24"])
def test_what_sox_writes_into_a_pipe_has_no_length(bits: str) -> None:
    """And what it writes into a file has."""
    sox = shutil.which("sox")
    if sox is None:
        pytest.skip("no sox here")
    make = [sox, "-q", "-R", "-n", "-r", "16000", "-b", bits, "-c", "1", "-t", "wav"]
    with subprocess.Popen([*make, "-", "synth", "0.1", "sine", "440"], stdout=subprocess.PIPE) as process:
        piped = process.communicate()[0]

    assert None is declared_length("a.wav", piped[:HEAD_BYTES])
    assert 1600 == read_header(reader(piped), len(piped)).length // (int(bits) // 8)


def test_a_finished_npy_is_as_long_as_it_says() -> None:
    """An embedding as numpy saves it declares exactly its own size, by its first bytes alone."""
    data = npy_bytes()
    assert len(data) == declared_length("Embedding.NPY", data[:HEAD_BYTES])


@pytest.mark.parametrize(
    ("descr", "shape", "size"),
    [
        ("<f4", "(1024,)", 4096),
        ("|u1", "(3, 5)", 15),
        (">f8", "()", 8),
        ("f2", "(0,)", 0),
        ("<U3", "(2,)", 24),
        ("|S3", "(2,)", 6),
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_npy_declares_header_and_elements(descr: str, shape: str, size: int, version: int) -> None:
    """Element width times shape plus the header, in every version of the format; U is four bytes wide."""
    head = _npy(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n", version)
    assert len(head) + size == declared_length("a.npy", head)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x93NUMPY\x01\x00\x76", id="cut in the fixed part"),
        pytest.param(npy_bytes()[:60], id="cut in the header"),
        pytest.param(b"PK\x03\x04" + bytes(60), id="an npz"),
        pytest.param(_npy("{'descr': [('a', '<f4')], 'shape': (1,)}"), id="structured"),
        pytest.param(_npy("{'descr': '|O', 'shape': (1,)}"), id="objects"),
        pytest.param(_npy("{'descr': '<M8[ns]', 'shape': (1,)}"), id="dates"),
        pytest.param(_npy("{'descr': '<f4', 'shape': 7}"), id="shape no tuple"),
        pytest.param(_npy("{'descr': '<f4', 'shape': (1e999,)}"), id="infinite shape"),
        pytest.param(_npy("{'descr': '<f4'}"), id="no shape"),
        pytest.param(_npy("['descr']"), id="no dictionary"),
        pytest.param(_npy("__import__('os')"), id="code"),
        pytest.param(_npy("(" * 3000), id="deep"),
        pytest.param(_npy("{'descr': \x00}"), id="null byte"),
    ],
)
def test_an_npy_whose_header_does_not_tell_has_no_length(head: bytes) -> None:
    """A header that is cut, foreign, hostile or of variable width declares nothing, and nothing fails."""
    assert declared_length("a.npy", head) is None


@pytest.mark.parametrize("descr", ["\\d", "0x1for", "1if", "\\N{x}"])
def test_a_header_is_not_read_as_a_program(descr: str) -> None:
    """Python warns of escapes that it does not know, in the log, at every look."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert None is declared_length("a.npy", _npy(f"{{'descr': '{descr}', 'shape': ({descr},)}}"))
        assert None is declared_length("a.npy", _npy(f"{{'descr': '<f4', 'shape': ({descr},)}}"))


def test_numbers_of_python_2_are_understood() -> None:
    """numpy wrote them with an L in those days."""
    head = _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 5L), }\n")
    assert len(head) + 60 == declared_length("a.npy", head)


def test_other_files_declare_nothing() -> None:
    """Only wav and npy are asked."""
    assert declared_length("result.json", _riff(1000)) is None


@given(st.sampled_from([b"", b"RIFF", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00"]), st.binary(max_size=80))
def test_no_bytes_make_it_fail(start: bytes, rest: bytes) -> None:
    """Whatever stands at the start of a file, the answer is a number or none."""
    for name in ("a.wav", "a.npy"):
        assert isinstance(declared_length(name, start + rest), int | None)


@pytest.mark.parametrize("side", ["10" + "0" * 30, "9" * 200])
def test_a_length_beyond_any_file_is_not_believed(side: str) -> None:
    """An npy header that declares more bytes than any disk has tells nothing."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({side},), }}".encode()
    assert declared_length("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header) is None
