"""The header of a wav: every format that can be measured, and none that lies can hurt."""

import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emosieve.errors import BadAudio
from emosieve.judge.wav import CHUNK_LIMIT, Kind, WavHeader, read_header
from wavs import FLOAT, PCM, WIDTHS, chunk, extensible, form, reader, riff

SOUND = bytes(range(240))
START = 44


def header_of(data: bytes) -> WavHeader:
    """The header of a whole file in memory."""
    return read_header(reader(data), len(data))


def refusal(data: bytes) -> str:
    """Why a file cannot be measured."""
    with pytest.raises(BadAudio) as caught:
        header_of(data)
    return str(caught.value)


@pytest.mark.parametrize(("tag", "bits"), WIDTHS)
@pytest.mark.parametrize(("channels", "rate"), [(1, 8_000), (2, 44_100), (6, 192_000)])
def test_every_plain_format_is_read(tag: int, bits: int, channels: int, rate: int) -> None:
    """PCM of 8 to 32 bits and float of 32 and 64, of any rate and channel count."""
    header = header_of(riff(form(tag, channels, rate, bits), chunk(b"data", SOUND)))

    kind: Kind = "float" if tag == FLOAT else "integer"
    length = 240 // (channels * bits // 8) * (channels * bits // 8)
    assert WavHeader(kind, bits // 8, channels, rate, START, length) == header
    assert length / (rate * channels * bits / 8) == header.duration_seconds


@pytest.mark.parametrize(
    ("tag", "bits", "valid"), [(PCM, 16, 16), (PCM, 24, 20), (PCM, 32, 24), (FLOAT, 32, 32)]
)
def test_an_extensible_format_is_read(tag: int, bits: int, valid: int) -> None:
    """The tag stands in the GUID, and the container's width counts, not the valid bits."""
    header = header_of(riff(extensible(tag, 2, 48_000, bits, valid), chunk(b"data", SOUND)))

    assert WavHeader("float" if tag == FLOAT else "integer", bits // 8, 2, 48_000, 68, 240) == header


def test_odd_bits_take_whole_bytes() -> None:
    """Twelve bits stand in two bytes, as the format demands."""
    assert 2 == header_of(riff(form(PCM, 1, 8_000, 12), chunk(b"data", SOUND))).width


def test_other_chunks_are_skipped() -> None:
    """What stands before, between and after is skipped, with the padding of odd lengths."""
    data = riff(
        chunk(b"JUNK", b"odd"), form(), chunk(b"LIST", b"data"), chunk(b"fact", b"12345"), chunk(b"data", SOUND),
        chunk(b"LIST", b"after"),
    )  # fmt: skip

    header = header_of(data)

    assert SOUND == data[header.start : header.start + header.length]


def test_a_long_file_tells_its_sizes_in_64_bits() -> None:
    """RF64 gives the data's length in a chunk of its own."""
    sizes = chunk(b"ds64", struct.pack("<QQQI", 1000, 240, 120, 0))
    data = riff(sizes, form(), chunk(b"data", SOUND, 0xFFFFFFFF), b"after it", magic=b"RF64", size=0xFFFFFFFF)

    header = header_of(data)

    assert SOUND == data[header.start : header.start + header.length]


@pytest.mark.parametrize("declared", [0, 0xFFFFFFFF, 0x7FFFFFFF, 241])
@pytest.mark.parametrize("whole", [0, 36, 0xFFFFFFFF])
def test_a_length_that_was_never_filled_in_is_what_is_there(declared: int, whole: int) -> None:
    """Placeholders of writers, and lengths beyond the file's end, mean all that is there."""
    assert 240 == header_of(riff(form(), chunk(b"data", SOUND, declared), size=whole)).length


def test_a_closed_file_without_sound_has_none() -> None:
    """A data chunk of length 0 is empty where the file's own length is right, whatever follows it."""
    assert 0 == header_of(riff(form(), chunk(b"data", b""), chunk(b"LIST", bytes(50)))).length


def test_a_last_sample_that_is_cut_does_not_count() -> None:
    """Only whole samples of all channels count."""
    assert 236 == header_of(riff(form(channels=2), chunk(b"data", SOUND[:239]))).length


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"RIFF\0\0\0\0WAV", "is not a wav: it starts with b'RIFF\\x00\\x00\\x00\\x00WAV'"),
        (b"RIFX\0\0\0\0WAVE", "is not a wav: it starts with b'RIFX\\x00\\x00\\x00\\x00WAVE'"),
        (b"RIFF\0\0\0\0AVI ", "is not a wav: it starts with b'RIFF\\x00\\x00\\x00\\x00AVI '"),
        (riff(), "ends after 12 bytes, before its sound"),
        (riff(form()), "ends after 36 bytes, before its sound"),
        (riff(form())[:30], "has a format (fmt) of 10 bytes; 16 is the least"),
        (riff(chunk(b"data", SOUND)), "has no format (fmt) before its sound"),
        (riff(form(6, bits=8), chunk(b"data", SOUND)), "is compressed (A-law); only PCM and float can be measured"),
        (riff(form(7, bits=8), chunk(b"data", SOUND)), "is compressed (mu-law); only PCM and float can be measured"),
        (riff(form(2, bits=4)), "is compressed (Microsoft ADPCM); only PCM and float can be measured"),
        (riff(form(0xABC)), "is compressed (format 0x0abc); only PCM and float can be measured"),
        (riff(form(0xFFFE)), "has an extensible format without a known sub-format"),
        (riff(extensible(7, 1, 8000, 8, 8)), "is compressed (mu-law); only PCM and float can be measured"),
        (
            riff(extensible(1, 1, 8000, 8, 8).replace(b"\xaa", b"\xbb")),
            "has an extensible format without a known sub-format",
        ),
        (riff(form(bits=0)), "has samples of 0 bits; PCM of 8 to 32 and float of 32 or 64 can be measured"),
        (riff(form(bits=64)), "has samples of 64 bits; PCM of 8 to 32 and float of 32 or 64 can be measured"),
        (riff(form(FLOAT)), "has samples of 16 bits; PCM of 8 to 32 and float of 32 or 64 can be measured"),
        (riff(form(channels=0)), "says it has 0 channels; 1 to 64 can be measured"),
        (riff(form(channels=65)), "says it has 65 channels; 1 to 64 can be measured"),
        (riff(form(rate=0)), "says it has 0 samples a second; 1000 to 768000 can be measured"),
        (riff(form(rate=10**9)), "says it has 1000000000 samples a second; 1000 to 768000 can be measured"),
        (
            riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, 8000, 32000, 3, 16))),
            "contradicts itself: 2 channels of 16 bits take 4 bytes, not 3",
        ),
        (riff(*[chunk(b"JUNK", b"")] * (CHUNK_LIMIT + 1)), "has more than 1000 chunks before its sound"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_says_why(data: bytes, reason: str) -> None:
    """Each file that is not a wav, or not one that can be measured, has a reason in plain words."""
    assert reason == refusal(data)


@given(
    channels=st.integers(1, 8),
    width=st.integers(1, 4),
    rate=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000]),
    count=st.integers(0, 300),
)
def test_the_standard_library_reads_the_same(channels: int, width: int, rate: int, count: int) -> None:
    """What ``wave`` writes, ``wave`` and this reader read alike."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(bytes(channels * width * count))
    data = buffer.getvalue()

    header = header_of(data)

    with wave.open(io.BytesIO(data)) as same:
        expected = (same.getnchannels(), same.getsampwidth(), same.getframerate(), same.getnframes())
    assert expected == (header.channels, header.width, header.sample_rate, header.length // header.step)


@given(st.integers(0, START + 240))
def test_a_wav_that_is_cut_anywhere_has_what_is_there(kept: int) -> None:
    """Cut within the header it is refused; cut within the sound it is as long as what is left."""
    data = riff(form(), chunk(b"data", SOUND))[:kept]

    if kept < START:
        assert refusal(data)
    else:
        assert (kept - START) // 2 * 2 == header_of(data).length


chunks = st.builds(
    chunk,
    st.sampled_from([b"fmt ", b"data", b"ds64", b"LIST", b"\0\0\0\0"]),
    st.binary(max_size=48) | st.just(form()[8:]),
    st.none() | st.integers(0, 0xFFFFFFFF),
)


@given(
    st.builds(riff, chunks, chunks, chunks, size=st.none() | st.integers(0, 0xFFFFFFFF))
    | st.binary(max_size=120).map(lambda rest: b"RF64\0\0\0\0WAVE" + rest)
)
def test_no_header_asks_for_more_than_a_header(data: bytes) -> None:
    """Whatever the bytes say: a header within the file or a reason, and never a large read."""
    asked: list[int] = []

    def read(count: int, offset: int) -> bytes:
        asked.append(count)
        return data[offset : offset + count]

    try:
        header: WavHeader | None = read_header(read, len(data))
    except BadAudio:
        header = None

    assert header is None or header.length == 0 or header.start + header.length <= len(data)
    assert max(asked) <= 40


@pytest.mark.parametrize(("whole", "length"), [(0x7FFFF024, 3 << 30), (44 + (3 << 30) - 8, 0x7FFFF000)])
def test_a_stream_of_more_than_two_gib_goes_on_to_its_end(whole: int, length: int) -> None:
    """SoX's own number for an unknown length is not where the sound ends, unless the file was closed."""
    head = riff(form(), chunk(b"data", b"", 0x7FFFF000), size=whole)

    assert length == read_header(reader(head), len(head) + (3 << 30)).length
