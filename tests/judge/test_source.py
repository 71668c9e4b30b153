"""Which recording a task is of: names in result files and in the lines of logs."""

from typing import Any

import pytest

from emosieve.judge.result import read_result
from emosieve.judge.source import (
    LINE_LIMIT,
    LINES,
    PATTERNS,
    TooSlow,
    WrongPattern,
    base_name,
    first_group,
    group_count,
    lines_of,
    source_in,
    source_in_lines,
)

SLOW = r"(a|aa)+$"
SCORES = {"happy": 0.9, "sad": 0.1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call_17.wav", "call_17.wav"),
        ("/var/gradio/3f/call 17.mp3", "call 17.mp3"),
        ("C:\\calls\\客户录音.wav", "客户录音.wav"),
        ("calls/2024/", "2024"),
        (" call.wav\n", "call.wav"),
        ("https://host/a/call.wav?token=secret#t", "call.wav"),
        ("a?b#c.wav", "a?b#c.wav"),
        ("x" * 255, "x" * 255),
        ("x" * 256, "x" * 255 + "…"),
        ("a\x1b[31m\u202e.wav", "a\\u001b[31m\\u202e.wav"),
        ("/srv/outputs/processed_audio.wav", None),
        ("Processed_Audio", None),
        ("embedding.npy", None),
        ("result.json", None),
        ("rand_key_Yxq3ZfT0aBcDe", None),
        ("data:audio/wav;base64,UklGRg", None),
        ("x" * 4096 + "/a", None),
        ("..", None),
        ("", None),
        ("/", None),
    ],
)
def test_a_name_is_the_last_part_of_a_path(text: str, expected: str | None) -> None:
    """Paths, passwords and what every task has are left out; what is left is escaped and bounded."""
    assert expected == base_name(text)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"source": "a.wav"}, "a.wav"),
        ({"filename": "a.wav"}, "a.wav"),
        ({"fileName": "a.wav"}, "a.wav"),
        ({"File Name": "a.wav"}, "a.wav"),
        ({"audio-path": "/x/a.wav"}, "a.wav"),
        ({"文件名": "a.wav"}, "a.wav"),
        ({"key": "call_17"}, "call_17"),
        ({"key": "rand_key_Yxq3ZfT0aBcDe"}, None),
        ({"key": "call_17", "source": "a.wav"}, "a.wav"),
        ({"audio_path": "/x/processed_audio.wav", "key": "call_17"}, "call_17"),
        ({"source": None, "file": "a.wav"}, "a.wav"),
        ({"audio": {"path": "/var/gradio/3f/a.wav", "orig_name": "b.wav"}}, "b.wav"),
        ({"audio": {"path": "/var/gradio/3f/a.wav"}}, "a.wav"),
        ({"audio": {}}, None),
        ({"call_id": 17}, "17"),
        ({"call_id": True}, None),
        ({"call_id": 10**20}, None),
        ({"file": ["a.wav"]}, None),
        ({"sources": "a.wav"}, None),
        ({"source": "a.wav", **{str(number): 0 for number in range(256)}}, None),
        ([{"source": "a.wav"}], None),
    ],
)
def test_a_result_file_names_its_recording(document: Any, expected: str | None) -> None:
    """By the first of its keys that tells one; of a key without a name the next one is asked."""
    assert expected == source_in(document)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"emotion":"sad","confidence":0.9,"file":"a.wav"}', "a.wav"),
        (b'[{"key":"a","labels":["sad"],"scores":[0.9]}]', "a"),
        (b'{"emotion":"sad","confidence":0.9}', None),
    ],
)
def test_a_result_has_the_name(data: bytes, expected: str | None) -> None:
    """The reader of results takes the name along in the forms of the WebUI and of FunASR."""
    assert expected == read_result(data).source


def found_in(*lines: str) -> str | None:
    """What the known patterns find in the lines of a log, in their order."""
    return next(filter(None, (source_in_lines(pattern, lines) for pattern in PATTERNS)), None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2024-01-04 22:30:00 [INFO] Input file: call_17.wav", "call_17.wav"),
        ("音频文件：/root/uploads/客户 录音.mp3 (12.3 秒)", "客户 录音.mp3"),
        ("[22:30:00] 处理: C:\\calls\\a b.WAV", "a b.WAV"),
        ("Processing file 'my call.m4a' ...", "my call.m4a"),
        ("加载音频“录音 1.flac”", "录音 1.flac"),
        ("validate /tmp/gradio/3f/call_17.opus ok", "call_17.opus"),
        ("convert call.amr -> outputs/outputs_1/processed_audio.wav", "call.amr"),
        ("output outputs/outputs_1/processed_audio.wav, input call.wav", "call.wav"),
        ("saved processed_audio.wav", None),
        ("file: result.json", None),
        ("a.wave and b.wav.tmp", None),
        ("Inference completed. Confidence: 0.853", None),
    ],
)
def test_the_known_patterns_find_the_recording(line: str, expected: str | None) -> None:
    """Lines as several programs write them; the WebUI's own file is never taken for the recording."""
    assert expected == found_in("started", line)


def test_the_first_line_that_names_one_counts() -> None:
    """The recording is named where the recognition begins."""
    assert found_in("input: a.wav", "input: b.wav") == "a.wav"


def test_a_group_is_where_its_pattern_first_matches() -> None:
    """Without a match, and of an empty group, there is none."""
    assert [first_group(r"agent(\d*)", text) for text in ("agent7_agent8", "x", "agent_")] == [
        "7",
        None,
        None,
    ]


@pytest.mark.parametrize("pattern", ["(", "(?<a", "*", "(" * 400 + ")" * 400 + "["])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    """With a cause in words."""
    with pytest.raises(WrongPattern, match=r"\w"):
        group_count(pattern)


def test_groups_are_counted() -> None:
    """Those that capture alone."""
    assert [group_count(pattern) for pattern in ("a", "(a)", "(?:a)(b)", "(a)(b)")] == [0, 1, 1, 2]


def test_a_pattern_may_not_take_for_ever() -> None:
    """One whose time grows with each character without bound is given up."""
    with pytest.raises(TooSlow, match="a"):
        first_group(SLOW, "a" * 200 + "!")
    with pytest.raises(TooSlow):
        source_in_lines(SLOW, ["a" * 200 + "!"])


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(
    "text", ["a" * LINE_LIMIT, "file:" * 200, '"' * LINE_LIMIT, "input: a.wa" * 90, ".wav" * 250]
)
def test_the_known_patterns_are_quick_over_any_line(pattern: str, text: str) -> None:
    """None of them comes near the bound of time."""
    source_in_lines(pattern, [text[:LINE_LIMIT]] * LINES)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a", ["a"]),
        ("录音\n".encode(), ["录音"]),
        ("录音\n录音".encode()[:-1], ["录音"]),
        ("录音.wav".encode("gb18030"), ["录音.wav"]),
        (b"\xff\n", ["\ufffd"]),
        (b"", []),
        (b"x" * (LINE_LIMIT + 1), ["x" * LINE_LIMIT]),
        (b"a\n" * (LINES + 1), ["a"] * LINES),
    ],
)
def test_a_log_is_read_line_by_line(data: bytes, expected: list[str]) -> None:
    """In UTF-8 or GB 18030, however it ends, and no more of it than is needed."""
    assert expected == lines_of(data)
