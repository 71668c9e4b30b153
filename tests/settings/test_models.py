"""The models: defaults, ranges, frozen and strict at every level, JSON Schema."""

import re
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest
from pydantic import BaseModel, ValidationError

from emosieve.judge.keys import OwnKeys
from emosieve.judge.rules import DEFAULT_ACTIONS, Limits
from emosieve.patterns import IGNORE, TEMPORARY
from emosieve.settings import Settings
from emosieve.settings.rules import SHIPPED_PROFILES, CustomRule


def sections(model: BaseModel) -> Iterator[BaseModel]:
    """A model and every table in it."""
    yield model
    for name in type(model).model_fields:
        value = getattr(model, name)
        for child in value.values() if isinstance(value, dict) else [value]:
            if isinstance(child, BaseModel):
                yield from sections(child)


OWN = CustomRule(name="mine", when="snr_db < 5")
EVERY_SECTION = [*sections(Settings()), OWN]
NAMES = [type(section).__name__ for section in EVERY_SECTION]


def complaint(**values: Any) -> str:
    """Why the models refuse these values."""
    with pytest.raises(ValidationError) as refusal:
        Settings(**values)
    (problem,) = refusal.value.errors()
    return problem["msg"].removeprefix("Value error, ")


def test_the_defaults_are_those_of_the_contract() -> None:
    """Without any source the settings are the published defaults."""
    expected = {
        "root": None,
        "profile": "default",
        "language": "zh",
        "timezone": "local",
        "watch": {"mode": "auto", "rescan_seconds": 30.0, "task_glob": "outputs_*"},
        "settle": {
            "quiet_seconds": 2.0,
            "give_up_seconds": 600.0,
            "require": ("result.json",),
            "reused_quiet_seconds": 30.0,
            "ignore": IGNORE,
            "temporary": TEMPORARY,
        },
        "results": {"emotion_keys": (), "confidence_keys": (), "score_keys": ()},
        "source": {"patterns": (), "group": ""},
        "rules": {
            "min_confidence": 0.6,
            "min_gap": 0.05,
            "min_top": 0.3,
            "min_duration": 1.0,
            "max_silence": 0.8,
            "min_snr": 10.0,
            "max_clipping": 0.02,
            "actions": dict(DEFAULT_ACTIONS),
            "custom": (),
        },
        "profiles": {name: one.model_dump() for name, one in SHIPPED_PROFILES.items()},
        "filing": {"normal": "normal", "low_quality": "low_quality", "quarantine": "quarantine"},
        "decisions": {"rotate_bytes": 100_000_000, "sync": "batch"},
        "report": {"rotate_bytes": 20_000_000, "keep": 0},
        "log": {"format": "auto", "level": "info"},
        "metrics": {"listen": ""},
    }
    assert expected == Settings().model_dump()


def test_the_default_rules_are_the_rule_sets_own() -> None:
    """Limits and actions of the settings are those that the rules have without settings."""
    rules = Settings().rule_set
    assert (Limits(), dict(DEFAULT_ACTIONS), "default") == (rules.limits, dict(rules.actions), rules.profile)


def test_keys_of_results_reach_their_reader() -> None:
    """Each list of keys has its own meaning there."""
    given = {"emotion_keys": ["a"], "confidence_keys": ["b"], "score_keys": ["c", "d"]}
    assert OwnKeys(("a",), ("b",), ("c", "d")) == Settings(results=given).results.own_keys


@pytest.mark.parametrize("key", ["", " ", "x" * 65, "a\nb"])
def test_a_key_of_results_is_one_that_can_be_shown(key: str) -> None:
    """Empty, endless and unprintable keys are refused."""
    assert "at most 64 printable characters" in complaint(results={"score_keys": [key]})
    assert ("x" * 64,) == Settings(results={"score_keys": ["x" * 64]}).results.score_keys


def test_a_key_of_results_has_one_meaning() -> None:
    """The same key for the emotion and for the scores is a mistake."""
    words = "results.emotion_keys, confidence_keys and score_keys name 'a' twice; a key has one meaning"
    assert words == complaint(results={"emotion_keys": ["a"], "score_keys": ["b", "a"]})


def test_a_key_of_results_may_be_named_again_in_its_own_list() -> None:
    """The same key twice with one meaning is no contradiction."""
    assert ("a", "a") == Settings(results={"score_keys": ["a", "a"]}).results.score_keys


def test_the_rule_set_has_what_is_set() -> None:
    """Limits, actions and profile name go from the settings into the rules."""
    given = {"min_confidence": 0.1, "min_gap": 0.2, "min_top": 0.3, "actions": {"ambiguous": "flag"}}
    rules = Settings(profile="social_robot", rules=given).rule_set
    assert (Limits(0.1, 0.2, 0.3), "flag", "social_robot") == (
        rules.limits,
        rules.actions["ambiguous"],
        rules.profile,
    )


def test_every_kind_of_section_is_tried() -> None:
    """The walk below reaches each table of the settings."""
    expected = {"Settings", "Watch", "Settle", "Results", "Rules", "Profile", "Filing", "Decisions"}
    assert expected | {"Report", "Log", "Metrics", "CustomRule", "Source"} == set(NAMES)


@pytest.mark.parametrize("section", EVERY_SECTION, ids=NAMES)
def test_every_section_is_frozen(section: BaseModel) -> None:
    """No key of any table can be set after loading."""
    for name in type(section).model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, name, None)


@pytest.mark.parametrize("section", EVERY_SECTION, ids=NAMES)
def test_every_section_refuses_unknown_keys(section: BaseModel) -> None:
    """A key that a table does not know is refused by the table itself."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        type(section)(nonsense=1)


def test_nothing_is_read_behind_the_loaders_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model alone takes no value from the environment."""
    monkeypatch.setenv("EMOSIEVE_LANGUAGE", "en")
    assert Settings().language == "zh"


@pytest.mark.parametrize("key", ["min_confidence", "min_gap", "min_top"])
@pytest.mark.parametrize("share", [-0.01, 1.01, 60, float("nan"), float("inf"), True, "high"])
def test_a_limit_is_a_share(key: str, share: Any) -> None:
    """Limits of rules and profiles go from 0 to 1 and are numbers."""
    assert complaint(rules={key: share}) == complaint(profiles={"own": {key: share}})


@pytest.mark.parametrize("share", [0, 0.0, 0.5, 1, 1.0])
def test_a_share_may_be_nothing_or_all(share: float) -> None:
    """Both ends of the range are allowed."""
    assert share == Settings(rules={"min_confidence": share}).rules.min_confidence


@pytest.mark.parametrize(
    ("section", "key"),
    [("watch", "rescan_seconds"), ("settle", "quiet_seconds"), ("settle", "give_up_seconds")],
)
@pytest.mark.parametrize("seconds", [0, -1, 604_801, float("nan"), True, "soon"])
def test_seconds_are_more_than_none_and_at_most_a_week(section: str, key: str, seconds: Any) -> None:
    """Times are positive, finite and no longer than a week."""
    assert complaint(**{section: {key: seconds}})


@pytest.mark.parametrize("section", ["decisions", "report"])
@pytest.mark.parametrize("size", [0, 4095, -1, 5000.5, True])
def test_rotation_needs_room(section: str, size: Any) -> None:
    """Files are rotated at whole bytes, at least 4096."""
    assert complaint(**{section: {"rotate_bytes": size}})


@pytest.mark.parametrize("keep", [-1, 1.5, True])
def test_reports_to_keep_are_counted(keep: Any) -> None:
    """How many reports to keep is a whole number, 0 or more."""
    assert complaint(report={"keep": keep})


def test_a_boolean_is_no_number() -> None:
    """True for a number is refused in words."""
    assert complaint(report={"keep": True}) == "a number is meant, not true or false"


def test_giving_up_comes_after_quiet() -> None:
    """A task cannot be given up before it could have settled."""
    expected = "settle.give_up_seconds must be more than settle.quiet_seconds (5)"
    assert expected == complaint(settle={"quiet_seconds": 5, "give_up_seconds": 5})


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/result.json"])
def test_a_required_file_is_a_plain_name(name: str) -> None:
    """A required file stands in the task itself."""
    assert f"{name!r} must be the plain name of a file" == complaint(settle={"require": [name]})


@pytest.mark.parametrize("key", ["ignore", "temporary"])
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", "'' must be a pattern for the plain name of a file, as *.part"),
        ("a/*", "'a/*' must be a pattern for the plain name of a file, as *.part"),
        ("*.JSON", "'*.JSON' matches result.json, which is a file of the task itself"),
        ("*_frame.*", "'*_frame.*' matches result_frame.json, which is a file of the task itself"),
        ("processed*", "'processed*' matches processed_audio.wav, which is a file of the task itself"),
        ("*.npy", "'*.npy' matches embedding.npy, which is a file of the task itself"),
        ("*.log", "'*.log' matches process.log, which is a file of the task itself"),
    ],
)
def test_a_pattern_is_of_other_programs_files(key: str, pattern: str, expected: str) -> None:
    """What the WebUI writes, or what is required, is neither ignored nor taken for a transfer."""
    assert expected == complaint(settle={"require": ["process.log"], key: [pattern]})


def test_no_pattern_need_be_given() -> None:
    """An empty list ignores nothing, and waits for no transfer."""
    settle = Settings(settle={"ignore": [], "temporary": []}).settle
    assert ((), ()) == (settle.ignore, settle.temporary)


def test_at_least_one_file_is_required() -> None:
    """A task is never whole without any file."""
    assert complaint(settle={"require": []}) == 'name at least one file, as ["result.json"]'


@pytest.mark.parametrize("glob", ["", "a/outputs_*", "/"])
def test_the_task_glob_is_for_names_under_the_root(glob: str) -> None:
    """A pattern that no directory name can match is refused."""
    assert complaint(watch={"task_glob": glob}) == "write a pattern for single directory names, as outputs_*"


@pytest.mark.parametrize("folder", ["../x", "a/b", "x/", "", ".", "..", ".hidden", "a\nb", "a\u202eb"])
def test_a_destination_is_a_single_name_or_absolute(folder: str) -> None:
    """A relative path, a hidden or an unprintable name is no destination."""
    expected = "write a single folder name under the root, or an absolute path elsewhere"
    assert expected == complaint(filing={"normal": folder})


@pytest.mark.parametrize(
    ("folder", "instead"), [("/data/../x", "/x"), ("/data/x/", "/data/x"), ("/data//x", "/data/x")]
)
def test_an_absolute_destination_is_written_plainly(folder: str, instead: str) -> None:
    """An absolute path with detours is refused with the plain one."""
    assert f"write {instead!r} instead" == complaint(filing={"quarantine": folder})


def test_an_absolute_destination_is_allowed() -> None:
    """A destination may stand elsewhere."""
    assert Settings(filing={"normal": "/data/normal"}).filing.normal == "/data/normal"


@pytest.mark.parametrize("name", ["decisions.jsonl", "quality_report.txt", "reviews.jsonl"])
def test_a_destination_is_none_of_our_files(name: str) -> None:
    """The names of emosieve's own files are taken."""
    assert complaint(filing={"low_quality": name}) == "this name is emosieve's own; write another"


@pytest.mark.parametrize(
    ("filing", "expected"),
    [
        (
            {"normal": "same", "low_quality": "same"},
            "filing.normal and filing.low_quality are both 'same'; write two different folders",
        ),
        (
            {"quarantine": "normal"},
            "filing.normal and filing.quarantine are both 'normal'; write two different folders",
        ),
    ],
)
def test_two_destinations_are_never_the_same(filing: dict[str, str], expected: str) -> None:
    """The same folder for two verdicts is refused by both keys."""
    assert expected == complaint(filing=filing)


@pytest.mark.parametrize(
    "values",
    [
        {"language": "fr"},
        {"watch": {"mode": "events"}},
        {"rules": {"actions": {"ambiguous": "drop"}}},
        {"decisions": {"sync": "sometimes"}},
        {"log": {"format": "xml"}},
        {"log": {"level": "loud"}},
    ],
)
def test_a_choice_names_its_choices(values: dict[str, Any]) -> None:
    """Another word than the known ones is refused with the known ones."""
    assert "' or '" in complaint(**values)


@pytest.mark.parametrize("name", ["Asia/Nowhere", "", "../etc/passwd", "Asia", "/etc/localtime"])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    """A time zone that is not known here is refused with what to write."""
    expected = f"{name!r} is no time zone known here; write local, UTC or a name such as Asia/Shanghai"
    assert expected == complaint(timezone=name)


def test_the_local_time_zone_is_the_machines() -> None:
    """`local` leaves the offset to the machine at each moment."""
    assert Settings().zone is None


def test_utc_needs_no_time_zone_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTC works where the machine has no time zone data."""

    def nothing_known(name: str) -> NoReturn:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", nothing_known)
    assert Settings(timezone="UTC").zone is UTC
    assert "no time zone known here" in complaint(timezone="Asia/Shanghai")


def test_a_named_time_zone_is_that_zone() -> None:
    """A name gives the zone's own offset."""
    zone = Settings(timezone="Asia/Shanghai").zone
    assert timedelta(hours=8) == datetime(2024, 1, 4, tzinfo=zone).utcoffset()


def test_the_shipped_profiles_have_the_missions_numbers() -> None:
    """Each scene has the confidence that the mission gives it; what else a profile changes are actions and audio."""
    confidences = {name: one.min_confidence for name, one in SHIPPED_PROFILES.items()}
    assert {"customer_service": 0.7, "psych_screening": 0.5, "social_robot": 0.6} == confidences
    assert {(None, None)} == {(one.min_gap, one.min_top) for one in SHIPPED_PROFILES.values()}


def test_settings_do_not_share_their_profiles() -> None:
    """What somebody does to one settings' profiles reaches neither the shipped ones nor others."""
    Settings().profiles.clear()
    assert (len(SHIPPED_PROFILES), Settings().profiles) == (3, SHIPPED_PROFILES)


LISTENS = {
    "": None,
    "127.0.0.1:9464": ("127.0.0.1", 9464),
    "0.0.0.0:1": ("0.0.0.0", 1),  # noqa: S104 - allowed, and told of
    "[::1]:65535": ("::1", 65535),
    "[::ffff:127.0.0.1]:9464": ("::ffff:127.0.0.1", 9464),
    "localhost:9464": ("localhost", 9464),
    "metrics-1.example.org:9464": ("metrics-1.example.org", 9464),
}
NO_LISTENS = [
    "9464",
    ":9464",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "127.0.0.1:-1",
    "127.0.0.1:http",
    "127.0.0.256:9464",
    "127.0.0:9464",
    "::1:9464",
    "[::1]",
    "[::1:9464",
    "[fe80::1::2]:9464",
    "[localhost]:9464",
    "http://127.0.0.1:9464",
    "127.0.0.1:9464/metrics",
    " 127.0.0.1:9464",
    "127.0.0.1:9464\n",
    "127.0.0.1:٩٤٦٤",
    "host name:9464",
]


@pytest.mark.parametrize(("listen", "address"), LISTENS.items())
def test_metrics_listen_on_an_address_and_a_port(listen: str, address: tuple[str, int] | None) -> None:
    """A name or an IPv4 address is plain, an IPv6 address stands in brackets; nothing is off."""
    assert address == Settings(metrics={"listen": listen}).metrics.address


@pytest.mark.parametrize("listen", NO_LISTENS)
def test_anything_else_is_no_address(listen: str) -> None:
    """What could not be listened on is refused with what to write."""
    expected = 'write address:port, as 127.0.0.1:9464 or [::1]:9464, or "" for no metrics'
    assert expected == complaint(metrics={"listen": listen})


# JSON Schema


def tables(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every table of the schema by its name."""
    return {"Settings": schema, **schema["$defs"]}


def test_the_schema_is_strict_at_every_level() -> None:
    """An editor that knows the schema marks an unknown key in any table."""
    schema = tables(Settings.model_json_schema())
    assert {"Settings", "CustomRule", *NAMES} == set(schema)
    assert [name for name, table in schema.items() if table["additionalProperties"] is not False] == []


def test_the_schema_describes_every_key() -> None:
    """Every key has a description, or is a table that has one."""
    schema = tables(Settings.model_json_schema())
    silent = [
        f"{name}.{key}"
        for name, table in schema.items()
        for key, about in table["properties"].items()
        if "description" not in about
        and "description" not in schema.get(about.get("$ref", "").rpartition("/")[2], {})
    ]
    assert silent == []


def test_the_schema_knows_the_ranges() -> None:
    """An editor that knows the schema marks 60 for 0.6, and a time of nothing."""
    schema = tables(Settings.model_json_schema())
    share, seconds = schema["Rules"]["properties"]["min_gap"], schema["Settle"]["properties"]["quiet_seconds"]
    size, keep = (schema["Report"]["properties"][key] for key in ("rotate_bytes", "keep"))
    assert (share["minimum"], share["maximum"]) == (0, 1)
    assert (seconds["exclusiveMinimum"], seconds["maximum"]) == (0, 604_800)
    assert (size["minimum"], keep["minimum"]) == (4096, 0)
    assert schema["Settle"]["properties"]["require"]["minItems"] == 1


def test_the_schema_knows_an_address() -> None:
    """An editor that knows the schema marks an address without a port, and none that is right."""
    pattern = tables(Settings.model_json_schema())["Metrics"]["properties"]["listen"]["pattern"]
    assert [] == [listen for listen in LISTENS if not re.search(pattern, listen)]
    assert [] == [listen for listen in ("9464", ":9464", "::1:9464", "[::1]") if re.search(pattern, listen)]


def test_the_schema_has_the_defaults() -> None:
    """The schema names the default of every table as the models have it."""
    properties = Settings.model_json_schema()["properties"]
    assert Settings().model_dump(mode="json") == {key: about["default"] for key, about in properties.items()}


def test_the_schema_offers_auto_to_one_rule_alone() -> None:
    """An editor offers for each rule what is taken for it: auto for audio_missing, and for no rule of one's own."""
    actions = Settings.model_json_schema()["$defs"]["Rules"]["properties"]["actions"]
    offered = {rule: schema["enum"] for rule, schema in actions["properties"].items()}
    plain = ["reject", "flag", "off"]
    assert {**dict.fromkeys(offered, plain), "audio_missing": [*plain, "auto"]} == offered
    assert plain == actions["additionalProperties"]["enum"]
    assert "auto" in actions["description"]


@pytest.mark.parametrize("pattern", ["(a)", "(?:x)(a)", "(?P<name>a)", "(" + "a" * 498 + ")"])
def test_a_pattern_has_one_group(pattern: str) -> None:
    """As pattern of process.log, and as group of a name; without a group nothing is asked for."""
    source = Settings(source={"patterns": [pattern] * 20, "group": pattern}).source

    assert ((pattern,) * 20, pattern) == (source.patterns, source.group)
    assert Settings(source={"group": ""}).source.group == ""


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"patterns": ["a"]}, "a has 0 groups"),
        ({"patterns": ["(a)", "(a)(b)"]}, "2 groups"),
        ({"patterns": [""]}, "0 groups"),
        ({"patterns": ["(a"]}, "is no regular expression: missing "),
        ({"patterns": ["(a)"] * 21}, "more than 20 patterns"),
        ({"patterns": ["(" + "a" * 499 + ")"]}, "501 characters; write at most 500"),
        ({"group": "(a"}, "is no regular expression: missing "),
        ({"group": "a"}, "a has 0 groups"),
    ],
)
def test_a_pattern_that_will_not_do_is_refused(source: Any, words: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValidationError, match=re.escape(words)):
        Settings(source=source)
