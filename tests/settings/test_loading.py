"""Where settings come from, which source wins, and what each wrong setting is answered with."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emosieve.errors import SetupError
from emosieve.settings import Loaded, Settings, load
from emosieve.settings.keys import setting_fields, variable_of
from emosieve.settings.loading import flatten, written_language
from emosieve.settings.refusals import wrong_value

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


NO_SETTING = "not a setting; emosieve config schema lists them all"
OWN_RULES = "write each rule of your own below [[rules.custom]], in double brackets, with name and when"
OWN_RULES_LIST = (
    "rules of your own, [[rules.custom]] in a file, are a list of tables with name and when here: "
)
RULE_IN_JSON = '[{"name": "close_call", "when": "gap < 0.1"}]'


class Sources:
    """A settings file and an environment that a test fills."""

    def __init__(self, folder: Path, environment: pytest.MonkeyPatch) -> None:
        self.path = folder / "emosieve.toml"
        self.environment = environment

    def file(self, *lines: str) -> None:
        """Write the settings file."""
        self.path.write_text("\n".join(lines), encoding="utf-8")

    def variables(self, **values: str) -> None:
        """Set variables, named without their EMOSIEVE_."""
        for name, value in values.items():
            self.environment.setenv(f"EMOSIEVE_{name}", value)

    def load(self, *overrides: str, profile: str | None = None, root: str | None = None) -> Loaded:
        """Load what stands there, with the file if one was written."""
        config = str(self.path) if self.path.exists() else None
        return load(config=config, profile=profile, overrides=overrides, root=root)

    def refusal(self, *overrides: str, profile: str | None = None) -> str:
        """The words with which the settings are refused."""
        with pytest.raises(SetupError) as error:
            self.load(*overrides, profile=profile)
        return str(error.value)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    """No file and no variables yet."""
    return Sources(tmp_path, monkeypatch)


def origin(loaded: Loaded, key: str) -> tuple[Any, str]:
    """The value of a key and where it came from, as `config show` has them."""
    return next((value, source) for name, value, source in loaded.rows() if name == key)


# Sources and their ranks


def test_without_any_source_everything_is_default(sources: Sources) -> None:
    """Nothing given gives the defaults, each from `default`."""
    loaded = sources.load()
    assert Settings() == loaded.settings
    assert {"default"} == {source for _, _, source in loaded.rows()}


def test_rows_have_every_key_once(sources: Sources) -> None:
    """`config show` misses no key and repeats none."""
    expected = [key for key, _ in flatten(Settings().model_dump())]
    assert expected == [key for key, _, _ in sources.load().rows()]


def test_the_file_beats_the_defaults(sources: Sources) -> None:
    """A value of the file is taken and named by the file."""
    sources.file("[settle]", "quiet_seconds = 3")
    assert origin(sources.load(), "settle.quiet_seconds") == (3.0, "emosieve.toml")


def test_the_environment_beats_the_file(sources: Sources) -> None:
    """A variable beats the file."""
    sources.file("[settle]", "quiet_seconds = 3")
    sources.variables(SETTLE__QUIET_SECONDS="4")
    assert origin(sources.load(), "settle.quiet_seconds") == (4.0, "environment")


def test_the_command_line_beats_the_environment(sources: Sources) -> None:
    """--set beats file and variable."""
    sources.file("[settle]", "quiet_seconds = 3")
    sources.variables(SETTLE__QUIET_SECONDS="4")
    assert origin(sources.load("settle.quiet_seconds=5"), "settle.quiet_seconds") == (5.0, "command line")


def test_sources_are_merged_key_by_key(sources: Sources) -> None:
    """Three keys of one table can come from three sources."""
    sources.file("[rules]", "min_confidence = 0.1", "min_gap = 0.1", "min_top = 0.1")
    sources.variables(RULES__MIN_GAP="0.2", RULES__MIN_TOP="0.2")
    loaded = sources.load("rules.min_top=0.3")
    expected = [(0.1, "emosieve.toml"), (0.2, "environment"), (0.3, "command line"), ("reject", "default")]
    keys = ["rules.min_confidence", "rules.min_gap", "rules.min_top", "rules.actions.ambiguous"]
    assert expected == [origin(loaded, key) for key in keys]


def test_the_root_of_the_command_line_wins(sources: Sources) -> None:
    """The root as an argument beats the one in the file."""
    sources.file('root = "/from/file"')
    assert origin(sources.load(root="/from/argument"), "root") == ("/from/argument", "command line")


def test_the_variable_names_the_file(sources: Sources) -> None:
    """EMOSIEVE_CONFIG names the file where --config does not."""
    sources.file('language = "en"')
    sources.variables(CONFIG=str(sources.path))
    assert load().settings.language == "en"


def test_the_option_beats_the_variable(sources: Sources) -> None:
    """--config is read instead of the file that EMOSIEVE_CONFIG names."""
    sources.file('language = "en"')
    sources.variables(CONFIG="/nowhere/emosieve.toml")
    assert sources.load().settings.language == "en"


def test_an_empty_variable_names_no_file(sources: Sources) -> None:
    """EMOSIEVE_CONFIG without a value is as if it were not set."""
    sources.variables(CONFIG="")
    assert Settings() == load().settings


def test_a_list_is_json_in_the_environment(sources: Sources) -> None:
    """A list in a variable is written as JSON."""
    sources.variables(SETTLE__REQUIRE='["result.json", "embedding.npy"]')
    assert sources.load().settings.settle.require == ("result.json", "embedding.npy")


def test_a_table_may_be_json_in_the_environment(sources: Sources) -> None:
    """A whole table in a variable is written as JSON, and merged with the rest."""
    sources.variables(RULES__ACTIONS='{"ambiguous": "flag"}')
    actions = sources.load().settings.rules.actions
    assert (actions["ambiguous"], actions["low_confidence"]) == ("flag", "reject")


@pytest.mark.parametrize(
    ("override", "key", "expected"),
    [
        ("settle.quiet_seconds=1.5", "settle.quiet_seconds", 1.5),
        ('log.level="debug"', "log.level", "debug"),
        ("log.level=debug", "log.level", "debug"),
        ("root=/data/my outputs", "root", "/data/my outputs"),
        ('settle.require=["a", "b"]', "settle.require", ["a", "b"]),
        (" settle.quiet_seconds = 1.5 ", "settle.quiet_seconds", 1.5),
        ("root=/a=b", "root", "/a=b"),
        ("rules={min_gap = 0.1}", "rules.min_gap", 0.1),
        ("rules.actions.ambiguous=flag", "rules.actions.ambiguous", "flag"),
    ],
)
def test_an_override_is_toml_or_else_text(sources: Sources, override: str, key: str, expected: Any) -> None:
    """--set reads its value as TOML, and as plain text where it is none."""
    assert (expected, "command line") == origin(sources.load(override), key)


def test_of_two_overrides_the_later_wins(sources: Sources) -> None:
    """The same key twice on the command line has the last value."""
    assert sources.load("rules.min_gap=0.1", "rules.min_gap=0.2").settings.rules.min_gap == 0.2


# Profiles


@pytest.mark.parametrize(
    ("name", "expected"),
    [("customer_service", 0.7), ("psych_screening", 0.5), ("social_robot", 0.6), ("default", 0.6)],
)
def test_a_shipped_profile_changes_the_confidence(sources: Sources, name: str, expected: float) -> None:
    """The mission's profiles set their main confidence and nothing else."""
    rules = sources.load(profile=name).settings.rule_set
    assert (expected, 0.05, 0.3, name) == (
        rules.limits.min_confidence,
        rules.limits.min_gap,
        rules.limits.min_top,
        rules.profile,
    )


def test_the_number_of_a_profile_is_named_by_it(sources: Sources) -> None:
    """`config show` says that a number came from the profile."""
    loaded = sources.load(profile="customer_service")
    assert origin(loaded, "rules.min_confidence") == (0.7, "profile customer_service")
    assert origin(loaded, "rules.min_gap") == (0.05, "default")


def test_a_profile_chosen_on_the_command_line_beats_the_file(sources: Sources) -> None:
    """--profile beats the numbers of the file."""
    sources.file("[rules]", "min_confidence = 0.9")
    assert sources.load(profile="customer_service").settings.rules.min_confidence == 0.7


def test_a_profile_chosen_on_the_command_line_beats_the_environment(sources: Sources) -> None:
    """--profile beats the numbers of the environment."""
    sources.variables(RULES__MIN_CONFIDENCE="0.9")
    assert sources.load(profile="customer_service").settings.rules.min_confidence == 0.7


def test_an_override_beats_the_profile_beside_it(sources: Sources) -> None:
    """Within the command line an explicit key beats the profile."""
    loaded = sources.load("rules.min_confidence=0.8", profile="customer_service")
    assert origin(loaded, "rules.min_confidence") == (0.8, "command line")


def test_a_profile_chosen_in_the_file_gives_way_to_the_file(sources: Sources) -> None:
    """Within the file an explicit key beats the profile."""
    sources.file('profile = "customer_service"', "[rules]", "min_confidence = 0.9")
    assert origin(sources.load(), "rules.min_confidence") == (0.9, "emosieve.toml")


def test_a_profile_chosen_in_the_file_gives_way_to_the_environment(sources: Sources) -> None:
    """A higher source's number beats a profile that the file chose."""
    sources.file('profile = "customer_service"')
    sources.variables(RULES__MIN_CONFIDENCE="0.8")
    assert origin(sources.load(), "rules.min_confidence") == (0.8, "environment")


def test_a_profile_chosen_in_the_environment_beats_the_file(sources: Sources) -> None:
    """EMOSIEVE_PROFILE ranks as the environment does."""
    sources.file("[rules]", "min_confidence = 0.9")
    sources.variables(PROFILE="customer_service")
    assert origin(sources.load(), "rules.min_confidence") == (0.7, "profile customer_service")


def test_only_the_chosen_profile_counts(sources: Sources) -> None:
    """A profile chosen higher up leaves nothing of one chosen lower down."""
    sources.file('profile = "own"', "[profiles.own]", "min_gap = 0.2")
    limits = sources.load(profile="customer_service").settings.rule_set.limits
    assert (limits.min_confidence, limits.min_gap) == (0.7, 0.05)


def test_the_option_beats_an_override_of_the_profile(sources: Sources) -> None:
    """--profile beats --set profile=."""
    loaded = sources.load("profile=psych_screening", profile="customer_service")
    assert loaded.settings.profile == "customer_service"


def test_a_profile_of_ones_own_is_chosen_by_name(sources: Sources) -> None:
    """A profile of the file can set all three numbers, and is chosen from anywhere."""
    sources.file("[profiles.own]", "min_confidence = 0.1", "min_gap = 0.2", "min_top = 0.4")
    limits = sources.load(profile="own").settings.rule_set.limits
    assert (limits.min_confidence, limits.min_gap, limits.min_top) == (0.1, 0.2, 0.4)


def test_a_profile_of_the_environment_is_chosen_by_name(sources: Sources) -> None:
    """A profile can be made in the environment alone."""
    sources.variables(PROFILES__OWN__MIN_TOP="0.4", PROFILE="own")
    assert origin(sources.load(), "rules.min_top") == (0.4, "profile own")


def test_a_shipped_profile_can_be_changed(sources: Sources) -> None:
    """What the file says of a shipped profile is merged into it."""
    sources.file("[profiles.customer_service]", "min_gap = 0.2")
    limits = sources.load(profile="customer_service").settings.rule_set.limits
    assert (limits.min_confidence, limits.min_gap) == (0.7, 0.2)


def test_a_profile_called_default_ranks_lowest(sources: Sources) -> None:
    """A profile named default is in force when none is chosen, under every explicit key."""
    sources.file("[rules]", "min_gap = 0.1", "[profiles.default]", "min_gap = 0.2", "min_top = 0.4")
    limits = sources.load().settings.rule_set.limits
    assert (limits.min_gap, limits.min_top) == (0.1, 0.4)


def test_the_other_profiles_stay_beside_ones_own(sources: Sources) -> None:
    """A profile of one's own does not push the shipped ones out."""
    sources.file("[profiles.own]", "min_gap = 0.2")
    expected = {"customer_service", "psych_screening", "social_robot", "own"}
    assert expected == set(sources.load().settings.profiles)


# Wrong settings: the file


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["langauge = 'en'"], "langauge is not a setting; did you mean language?"),
        (["[setle]", "quiet_seconds = 1"], "setle is not a setting; did you mean settle?"),
        (
            ["[settle]", "quite_seconds = 1"],
            "settle.quite_seconds is not a setting; did you mean settle.quiet_seconds?",
        ),
        (
            ["[rules.actions]", "ambigous = 'flag'"],
            "rules.actions.ambigous is not a setting; did you mean rules.actions.ambiguous?",
        ),
        (
            ["[rules.action]", "ambiguous = 'flag'"],
            "rules.action is not a setting; did you mean rules.actions?",
        ),
        (
            ["[profiles.own]", "min_confidnce = 0.5"],
            "profiles.own.min_confidnce is not a setting; did you mean profiles.own.min_confidence?",
        ),
        (
            ["[profiles.own.min_gap]", "value = 1"],
            "profiles.own.min_gap.value is not a setting; did you mean profiles.own.min_gap?",
        ),
        (["quiet_seconds = 1"], "quiet_seconds is not a setting; did you mean settle.quiet_seconds?"),
        (["zzz = 1"], "zzz is not a setting; emosieve config schema lists them all"),
        (['"a\\u001bb" = 1'], "a\\u001bb is not a setting; emosieve config schema lists them all"),
        (["[watch.mode]", "x = 1"], "watch.mode.x is not a setting; did you mean watch.mode?"),
        (["[report]", "zzz = 1"], f"report.zzz is {NO_SETTING}"),
        (
            ["[report]", "rotat_bytes = 1"],
            "report.rotat_bytes is not a setting; did you mean report.rotate_bytes?",
        ),
        (["[profiles.own]", "custom = 1"], f"profiles.own.custom is {NO_SETTING}"),
        (["[profiles.own]", "rules = 1"], f"profiles.own.rules is {NO_SETTING}"),
        (
            ["[[rules.custom]]", 'name = "a"', 'when = "gap < 0.1"', "severity = 1"],
            f"rules.custom.0.severity is {NO_SETTING}",
        ),
        (
            ["[[rules.custom]]", 'name = "a"', 'when = "gap < 0.1"', 'mesage = "x"'],
            "rules.custom.0.mesage is not a setting; did you mean rules.custom.0.message?",
        ),
    ],
)
def test_a_typing_error_in_the_file_is_named(sources: Sources, lines: list[str], expected: str) -> None:
    """An unknown key at any level is refused in one line with the file and the nearest key."""
    sources.file(*lines)
    assert f"emosieve.toml: {expected}" == sources.refusal()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["[rules]", "min_confidence = 60"],
            "rules.min_confidence = 60: this is a share between 0 and 1, not percent; write 0.6",
        ),
        (
            ["[rules]", "min_gap = 5"],
            "rules.min_gap = 5: this is a share between 0 and 1, not percent; write 0.05",
        ),
        (["[rules]", "min_top = 600"], "rules.min_top = 600: must be less than or equal to 1"),
        (["[rules]", "min_top = -1"], "rules.min_top = -1: must be greater than or equal to 0"),
        (["[rules]", "min_top = true"], "rules.min_top = True: a number is meant, not true or false"),
        (["[rules]", "min_top = nan"], "rules.min_top = nan: must be a finite number"),
        (
            ["[profiles.own]", "min_confidence = 60"],
            "profiles.own.min_confidence = 60: this is a share between 0 and 1, not percent; write 0.6",
        ),
        (
            ["profile = 'own'", "[profiles.own]", "min_confidence = 60"],
            "profiles.own.min_confidence = 60: this is a share between 0 and 1, not percent; write 0.6",
        ),
        (
            ["[filing]", 'normal = "../x"'],
            "filing.normal = ../x: write a single folder name under the root, or an absolute path elsewhere",
        ),
        (["[settle]", "quiet_seconds = 0"], "settle.quiet_seconds = 0: must be greater than 0"),
        (
            ["[settle]", "quiet_seconds = 9e9"],
            "settle.quiet_seconds = 9000000000.0: must be less than or equal to 604800",
        ),
        (
            ["[settle]", "require = []"],
            'settle.require = []: name at least one file, as ["result.json"]',
        ),
        (
            ["[settle]", 'require = "result.json"'],
            'settle.require = result.json: must be a list, as ["result.json"]',
        ),
        (
            ["[settle]", "require = ['a/b']"],
            "settle.require = ['a/b']: 'a/b' must be the plain name of a file",
        ),
        (
            ["[results]", 'score_keys = "vector"'],
            'results.score_keys = vector: must be a list, as ["emotion_probs"]',
        ),
        (
            ["[results]", 'emotion_keys = [" "]'],
            (
                "results.emotion_keys = [' ']: write each key as it stands in result.json, as emotion_probs; "
                "at most 64 printable characters"
            ),
        ),
        (["[settle]", "require = [5]"], "settle.require.0 = 5: must be text, in quotes"),
        (['language = "fr"'], "language = fr: must be 'zh' or 'en'"),
        (
            ["[rules.actions]", 'ambiguous = "drop"'],
            "rules.actions.ambiguous = drop: must be 'reject', 'flag' or 'off'",
        ),
        (
            ["[rules.actions]", "audio_missing = 'drop'"],
            "rules.actions.audio_missing = drop: must be 'reject', 'flag', 'off' or 'auto'",
        ),
        (
            ["[profiles.own.actions]", "noisy = 'auto'"],
            "profiles.own.actions.noisy = auto: must be 'reject', 'flag' or 'off'",
        ),
        (
            ['profile = "own"', "[profiles.own.actions]", "noisy = 'auto'"],
            "profiles.own.actions.noisy = auto: must be 'reject', 'flag' or 'off'",
        ),
        (["[rules.custom]", 'name = "a"', 'when = "gap < 0.1"'], f"rules.custom: {OWN_RULES}"),
        (
            ["[rules.custom]", 'name = "a"', 'when = "gap < 0.1"', "[rules.actions]", "a = 'off'"],
            f"rules.custom: {OWN_RULES}",
        ),
        (["[rules]", 'custom = ["gap < 0.1"]'], f"rules.custom.0 = gap < 0.1: {OWN_RULES}"),
        (["[rules]", 'custom = "gap < 0.1"'], f"rules.custom = gap < 0.1: {OWN_RULES}"),
        (
            ["[[rules.custom]]", f"name = '{'a' * 64}'", 'when = "gap < 0.1"'],
            f"rules.custom.0.name = {'a' * 64}: has 64 characters; write at most 63",
        ),
        (
            ['timezone = "Asia/Shanghi"'],
            (
                "timezone = Asia/Shanghi: 'Asia/Shanghi' is no time zone known here; "
                "did you mean Asia/Shanghai?"
            ),
        ),
        (["rules = 5"], "rules = 5: is a table; write [rules] and its keys below it"),
        (
            ["[rules]", "actions = 'flag'"],
            "rules.actions = flag: is a table; write [rules.actions] and its keys below it",
        ),
        (["profiles = 5"], "profiles = 5: is a table; write [profiles] and its keys below it"),
        (
            ["[profiles]", "own = 5"],
            "profiles.own = 5: is a table; write [profiles.own] and its keys below it",
        ),
        (
            ["profile = 'own'", "[profiles]", "own = 5"],
            "profiles.own = 5: is a table; write [profiles.own] and its keys below it",
        ),
        (["profile = 5"], "profile = 5: must be text, in quotes"),
        (
            ["[log]", 'level = "\\u001b[2J"'],
            "log.level = \\u001b[2J: must be 'debug', 'info', 'warning' or 'error'",
        ),
    ],
)
def test_a_wrong_value_in_the_file_is_named(sources: Sources, lines: list[str], expected: str) -> None:
    """A refused value is answered in one line with file, key, value and what to write instead."""
    sources.file(*lines)
    assert f"emosieve.toml: {expected}" == sources.refusal()


def test_two_destinations_the_same_are_refused(sources: Sources) -> None:
    """Two verdicts cannot go to one folder; the line names both keys."""
    sources.file("[filing]", 'normal = "sorted"', 'low_quality = "sorted"')
    expected = "filing.normal and filing.low_quality are both 'sorted'; write two different folders"
    assert expected == sources.refusal()


def test_quiet_beyond_giving_up_is_refused(sources: Sources) -> None:
    """A quiet time longer than the patience is refused by both keys."""
    expected = "settle.give_up_seconds must be more than settle.quiet_seconds (700)"
    assert expected == sources.refusal("settle.quiet_seconds=700")


def test_several_wrong_values_have_a_line_each(sources: Sources) -> None:
    """Everything that is wrong is said at once, each in its own line and from its own source."""
    sources.file("[rules]", "min_gap = 5")
    expected = {
        "emosieve.toml: rules.min_gap = 5: this is a share between 0 and 1, not percent; write 0.05",
        "command line: language = fr: must be 'zh' or 'en'",
    }
    assert expected == set(sources.refusal("language=fr").splitlines())


def test_a_missing_file_is_refused(sources: Sources) -> None:
    """A settings file that is not there is an error, never ignored."""
    with pytest.raises(SetupError) as error:
        load(config="/nowhere/emosieve.toml")
    expected = "/nowhere/emosieve.toml: there is no such settings file; check --config or EMOSIEVE_CONFIG"
    assert expected == str(error.value)
    sources.variables(CONFIG="/nowhere/emosieve.toml")
    assert expected == sources.refusal()


def test_a_folder_is_no_settings_file(sources: Sources) -> None:
    """A directory for the file is refused as a missing file is."""
    sources.variables(CONFIG=str(sources.path.parent))
    assert "there is no such settings file" in sources.refusal()


def test_a_file_that_is_not_toml_is_refused(sources: Sources) -> None:
    """A syntax error is refused with the file, line and column."""
    sources.file("[rules]", "min_gap = ", "min_top = 0.3")
    assert (
        f"{sources.path}: is not TOML: Invalid value (at line 2, column 11); correct it there"
        == sources.refusal()
    )


def test_a_byte_order_mark_in_front_of_the_file_is_passed_over(sources: Sources) -> None:
    """A file that an editor of Windows saved as UTF-8 is read, and so is the language at its top."""
    sources.path.write_bytes(b"\xef\xbb\xbf" + b'language = "en"\r\n[rules]\r\nmin_gap = 0.1\r\n')
    settings = sources.load().settings
    assert ("en", 0.1) == (settings.language, settings.rules.min_gap)
    assert "en" == written_language(str(sources.path))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_in_utf16_is_refused_by_that_name(sources: Sources, encoding: str, mark: str) -> None:
    """What Windows calls Unicode is named, with its byte-order mark and without."""
    sources.path.write_bytes(f'{mark}language = "en"\n'.encode(encoding))
    assert (
        f"{sources.path}: is UTF-16 text, which some editors call Unicode; save it as UTF-8"
        == sources.refusal()
    )


def test_a_file_that_is_not_utf8_is_refused(sources: Sources) -> None:
    """A file in another encoding is refused with what to do."""
    sources.path.write_bytes('root = "输出"'.encode("gbk"))
    assert f"{sources.path}: is not UTF-8 text; save it as UTF-8" == sources.refusal()


def test_a_file_that_cannot_be_read_is_refused(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the system will not open is refused with the system's reason."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    sources.file("")
    monkeypatch.setattr("emosieve.settings.loading.open", refuse, raising=False)
    assert (
        f"{sources.path}: cannot be read: Permission denied; allow this user to read it" == sources.refusal()
    )


@pytest.mark.parametrize("beside", ["", 'noisy = "reject"'])
@pytest.mark.parametrize("table", ["rules.actions", "profiles.mine.actions"])
def test_an_unknown_rule_is_refused_once_with_all_below_it(sources: Sources, table: str, beside: str) -> None:
    """Keys below an action of a rule that there is not are part of that one mistake."""
    sources.file(f"[{table}]\n{beside}\n[{table}.nois]\nx = 1\ny = 2\n")
    expected = f"emosieve.toml: {table}.nois is not a setting; did you mean {table}.noisy?"
    assert sources.refusal() == expected


# Wrong settings: the environment


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SETTLE__QUITE_SECONDS", "; did you mean EMOSIEVE_SETTLE__QUIET_SECONDS?"),
        ("SETTLE_QUIET_SECONDS", "; did you mean EMOSIEVE_SETTLE__QUIET_SECONDS?"),
        ("LANGAUGE", "; did you mean EMOSIEVE_LANGUAGE?"),
        ("RULES__ACTIONS__AMBIGOUS", "; did you mean EMOSIEVE_RULES__ACTIONS__AMBIGUOUS?"),
        ("ROOT__X", "; did you mean EMOSIEVE_ROOT?"),
        ("CONFIGURATION", ""),
        ("XYZ", ""),
    ],
)
def test_an_unknown_variable_is_refused(sources: Sources, name: str, expected: str) -> None:
    """A variable that is no setting is refused in one line with the nearest one, if any is near."""
    sources.variables(**{name: "1"})
    assert sources.refusal().startswith(f"environment: EMOSIEVE_{name} is not a setting")
    assert expected in sources.refusal()
    assert "\n" not in sources.refusal()


def test_a_variable_in_small_letters_is_checked_too(sources: Sources) -> None:
    """Variables are read in either case, so a typing error in small letters is refused as well."""
    sources.environment.setenv("emosieve_log__levl", "info")
    assert sources.refusal() == "environment: log.levl is not a setting; did you mean log.level?"


@pytest.mark.parametrize(
    "name",
    ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8000_TCP", "PORT_8000_TCP_ADDR"],
)
def test_the_variables_of_kubernetes_are_ignored(sources: Sources, name: str) -> None:
    """What Kubernetes injects for a service named emosieve is nobody's typing error."""
    sources.variables(**{name: "tcp://10.0.0.1:8000"})
    assert Settings() == sources.load().settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("METRICS_SERVICE_HOST", "10.0.0.1"),
        ("WEBUI_SERVICE_PORT", "7860"),
        ("WEBUI_SERVICE_PORT_HTTP_WEB", "7860"),
        ("WEBUI_PORT", "tcp://10.0.0.1:7860"),
        ("WEBUI_PORT", "udp://[fd00::1]:7860"),
        ("WEBUI_PORT_7860_TCP", "tcp://10.0.0.1:7860"),
        ("WEBUI_PORT_7860_TCP_PROTO", "tcp"),
        ("WEBUI_PORT_7860_UDP_PORT", "7860"),
        ("WEBUI_PORT_7860_SCTP_ADDR", "10.0.0.1"),
        ("METRICS__A_SERVICE_HOST", "10.0.0.1"),
    ],
)
def test_the_variables_of_a_service_whose_name_begins_alike_are_ignored(
    sources: Sources, name: str, value: str
) -> None:
    """Kubernetes injects as much for emosieve-metrics and emosieve-webui, and for a name with two dashes."""
    sources.variables(**{name: value})
    assert Settings() == sources.load().settings


@pytest.mark.parametrize("name", ["METRICS_PORT", "METRICS__PORT", "METRICS_HOST", "METRICS_SERVICE"])
def test_a_typing_error_is_not_taken_for_a_service(sources: Sources, name: str) -> None:
    """A variable that looks only partly like one of Kubernetes is refused."""
    sources.variables(**{name: "9464"})
    assert "is not a setting" in sources.refusal()


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_variable_sets_nothing(sources: Sources, value: str) -> None:
    """Compose renders an unset ${VAR:-} as an empty text, which counts as unset for every key."""
    sources.file('root = "/outputs"', "[metrics]", 'listen = "127.0.0.1:9464"')
    expected = sources.load()
    for key, _ in setting_fields(Settings):
        sources.environment.setenv(variable_of(key.split(".")), value)
    assert expected == sources.load()


@pytest.mark.parametrize("name", ["QUITE_SECONDS", "CONFIG", "RULES__ACTIONS__AMBIGOUS"])
def test_an_empty_variable_is_no_typing_error(sources: Sources, name: str) -> None:
    """Nor does an empty variable matter that is no setting."""
    sources.variables(**{name: ""})
    assert Settings() == sources.load().settings


def test_variables_of_others_are_ignored(sources: Sources) -> None:
    """A variable without the prefix is none of our business."""
    sources.environment.setenv("SETTLE__QUITE_SECONDS", "1")
    sources.environment.setenv("LANGUAGE", "en_GB")
    assert Settings() == sources.load().settings


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "RULES__MIN_CONFIDENCE",
            "60",
            "rules.min_confidence = 60: this is a share between 0 and 1, not percent; write 0.6",
        ),
        (
            "RULES__MIN_CONFIDENCE",
            "high",
            "rules.min_confidence = high: must be a number",
        ),
        ("LOG__LEVEL", "LOUD", "log.level = LOUD: must be 'debug', 'info', 'warning' or 'error'"),
        ("RULES", "5", "rules = 5: is a table; write [rules] and its keys below it"),
        ("RULES", '{"min_gep": 1}', "rules.min_gep is not a setting; did you mean rules.min_gap?"),
        (
            "RULES__CUSTOM",
            '{"name": "a", "when": "gap < 0.1"}',
            f"rules.custom: {OWN_RULES_LIST}{RULE_IN_JSON}",
        ),
        (
            "FILING__NORMAL",
            "../x",
            "filing.normal = ../x: write a single folder name under the root, or an absolute path elsewhere",
        ),
    ],
)
def test_a_wrong_value_in_the_environment_is_named(
    sources: Sources, name: str, value: str, expected: str
) -> None:
    """A refused value of a variable is answered with its key and what to write instead."""
    sources.variables(**{name: value})
    assert f"environment: {expected}" == sources.refusal()


@pytest.mark.parametrize(
    ("name", "value", "example"),
    [
        ("SETTLE__REQUIRE", "result.json", '["result.json"]'),
        ("RESULTS__SCORE_KEYS", "vector", '["emotion_probs"]'),
        ("RULES__CUSTOM", "gap < 0.1", RULE_IN_JSON),
        ("RULES__CUSTOM", "[{name: x}]", RULE_IN_JSON),
        ("RULES", "min_gap=1", '{"KEY": VALUE}'),
        ("settle__require", "result.json", '["result.json"]'),
    ],
)
def test_what_is_not_json_is_refused(sources: Sources, name: str, value: str, example: str) -> None:
    """A list or table in a variable that is no JSON is answered with the variable and an example of its kind."""
    sources.variables(**{"LOG__LEVEL": "info", name: value})
    assert sources.refusal().startswith(f"environment: EMOSIEVE_{name}: is not JSON: Expecting ")
    assert sources.refusal().endswith(f"; write it as {example}")


# Wrong settings: the command line


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "settle.quite_seconds=1",
            "settle.quite_seconds is not a setting; did you mean settle.quiet_seconds?",
        ),
        ("setle.quiet_seconds=1", "setle is not a setting; did you mean settle?"),
        ("min_gap=0.1", "min_gap is not a setting; did you mean rules.min_gap?"),
        ("rules.min_gap.x=1", "rules.min_gap.x is not a setting; did you mean rules.min_gap?"),
        (
            "rules.min_confidence=60",
            "rules.min_confidence = 60: this is a share between 0 and 1, not percent; write 0.6",
        ),
        (
            "filing.normal=../x",
            "filing.normal = ../x: write a single folder name under the root, or an absolute path elsewhere",
        ),
        ("profiles=6", "profiles = 6: is a table; write [profiles] and its keys below it"),
        ("profiles.own=6", "profiles.own = 6: is a table; write [profiles.own] and its keys below it"),
        ("root=5", "root = 5: must be text, in quotes"),
        (
            "rules.custom=gap < 0.1",
            f'rules.custom = gap < 0.1: {OWN_RULES_LIST}[{{name = "close_call", when = "gap < 0.1"}}]',
        ),
        (
            'rules.custom={name = "a"}',
            f'rules.custom: {OWN_RULES_LIST}[{{name = "close_call", when = "gap < 0.1"}}]',
        ),
        (
            "settle.quiet_seconds=",
            "settle.quiet_seconds = : must be a number",
        ),
    ],
)
def test_a_wrong_override_is_named(sources: Sources, override: str, expected: str) -> None:
    """A wrong --set is answered in one line with its key and what to write instead."""
    assert f"command line: {expected}" == sources.refusal(override)


@pytest.mark.parametrize("override", ["rules.min_gap", "", "=0.1", " =0.1", "rules"])
def test_an_override_that_is_none_is_refused(sources: Sources, override: str) -> None:
    """--set without a key or without a value is answered with its form."""
    assert f"--set {override}: write --set section.key=value, as --set rules.min_gap=0.1" == sources.refusal(
        override
    )


def test_an_override_below_a_value_is_refused(sources: Sources) -> None:
    """A key below something that an earlier --set made a value is refused."""
    expected = (
        "--set rules.min_gap=0.1: rules is given as a value already; give either that or the keys below it"
    )
    assert expected == sources.refusal("rules=1", "rules.min_gap=0.1")


def test_a_wrong_value_is_blamed_on_the_source_that_gave_it(sources: Sources) -> None:
    """Of several sources the one whose value is in force is named."""
    sources.file("[rules]", "min_gap = 0.1")
    sources.variables(RULES__MIN_GAP="0.2")
    assert sources.refusal("rules.min_gap=7").startswith("command line: rules.min_gap = 7: ")


def test_a_value_for_a_table_is_refused_over_lower_tables(sources: Sources) -> None:
    """A table of the file does not hide that the command line gave a value for it."""
    sources.file("[rules]", "min_gap = 0.1")
    expected = "command line: rules = 1: is a table; write [rules] and its keys below it"
    assert expected == sources.refusal("rules=1")


# Rules that another source replaced


def test_a_list_of_rules_replaces_a_list(sources: Sources) -> None:
    """Rules given in a higher source are all there are; what an action says of the others is refused with why."""
    sources.file("[[rules.custom]]", 'name = "a"', 'when = "gap < 0.1"', "[rules.actions]", 'a = "reject"')
    sources.variables(RULES__CUSTOM=RULE_IN_JSON)
    assert (
        "emosieve.toml: rules.actions.a: there is no rule a, since environment gives another list of "
        "rules.custom, and lists replace lists; write the rule there as well, or take rules.actions.a out"
    ) == sources.refusal()


@pytest.mark.parametrize("custom", ["[]", '[{name = "b", when = "gap < 0.2"}]'])
def test_the_highest_list_of_rules_is_in_force(sources: Sources, custom: str) -> None:
    """An action of a rule that is dropped is refused wherever it stands, and one of the list in force is taken."""
    sources.file("[[rules.custom]]", 'name = "a"', 'when = "gap < 0.1"')
    sources.variables(RULES__ACTIONS__A="off")
    assert sources.load().settings.rule_set.action_of("a") == "off"
    assert "rules.custom, and lists replace lists" in sources.refusal(f"rules.custom={custom}")
    assert sources.refusal(f"rules.custom={custom}").startswith("environment: EMOSIEVE_RULES__ACTIONS__A: ")


# Unknown profiles


def test_an_unknown_profile_is_refused(sources: Sources) -> None:
    """A profile that does not exist is answered with those that do and the nearest."""
    expected = (
        "there is no profile 'custmer_service' (there are default, customer_service, psych_screening, "
        "social_robot); did you mean customer_service?"
    )
    assert expected == sources.refusal(profile="custmer_service")


def test_an_unknown_profile_is_refused_from_any_source(sources: Sources) -> None:
    """The file and the environment cannot choose what does not exist either."""
    sources.file('profile = "nobody"', "[profiles.own]")
    known = "default, customer_service, psych_screening, social_robot, own"
    assert f"there is no profile 'nobody'; choose among {known}" == sources.refusal()
    sources.variables(PROFILE="noone")
    assert "there is no profile 'noone'" in sources.refusal()


# Several mistakes at once


def test_every_mistake_has_its_line(sources: Sources) -> None:
    """Unknown keys and wrong values are told together, so that one correction is enough."""
    sources.file(
        'language = "chinese"', "[rules]", "min_confidence = 70", "min_gapp = 0.1", "[settle]", "root = 1"
    )
    refusal = sources.refusal()
    assert refusal.count("\n") == 3
    assert "rules.min_gapp is not a setting; did you mean rules.min_gap?" in refusal
    assert "settle.root is not a setting; did you mean root?" in refusal
    assert "language = chinese: must be 'zh' or 'en'" in refusal
    assert "write 0.7" in refusal


# Both languages


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "rules.min_confidence=60",
            "rules.min_confidence = 60：应为 0 到 1 之间的比例，不是百分数；请写 0.6",
        ),
        ("rules.min_gap=-1", "rules.min_gap = -1：不能小于 0"),
        ("rules.min_gap=true", "rules.min_gap = True：应为数字，不能是 true 或 false"),
        ("rules.min_gap=high", "rules.min_gap = high：必须是数字"),
        ("settle.quiet_seconds=0", "settle.quiet_seconds = 0：必须大于 0"),
        ("report.keep=1.5", "report.keep = 1.5：必须是整数"),
        ("language=fr", "language = fr：只能是 'zh' 或 'en'"),
        ("log.level=loud", "log.level = loud：只能是 'debug'、'info'、'warning' 或 'error'"),
        ("root=5", "root = 5：必须是文本，请加引号"),
        ("rules=5", "rules = 5：是一张表；请写 [rules]，各项写在它下面"),
        ("results.score_keys=a", 'results.score_keys = a：必须是列表，例如 ["emotion_probs"]'),
        ("settle.require=a", 'settle.require = a：必须是列表，例如 ["result.json"]'),
        (
            "filing.normal=../x",
            "filing.normal = ../x：请写输出目录下的单个目录名，或输出目录之外的绝对路径",
        ),
        ("setle.quiet_seconds=1", "没有 setle 这项配置；是否想写 settle？"),
        ("zzz=1", "没有 zzz 这项配置；emosieve config schema 可列出全部配置"),
    ],
)
def test_a_refusal_is_said_in_chinese(sources: Sources, override: str, expected: str) -> None:
    """The same refusal reads in Chinese, from the name of the source to what to write instead."""
    with pytest.raises(SetupError) as error:
        sources.load(override)
    assert f"命令行：{expected}" == error.value.text("zh")


def test_a_reason_without_words_is_pydantics_own() -> None:
    """A kind of error that has no phrase here is said in pydantic's English in either language."""
    problem: ErrorDetails = {"type": "later", "loc": ("log", "level"), "msg": "Too {late}", "input": "x"}
    words = wrong_value(problem, "profile mine")
    assert ("profile mine: log.level = x: Too {late}", "预设 mine：log.level = x：Too {late}") == (
        words.text("en"),
        words.text("zh"),
    )


def test_every_mistake_has_its_line_in_chinese(sources: Sources) -> None:
    """Several refusals are told together in either language, a line each."""
    sources.file("[rules]", "min_gap = 5", "min_gapp = 0.1")
    with pytest.raises(SetupError) as error:
        sources.load()
    assert [
        "emosieve.toml：没有 rules.min_gapp 这项配置；是否想写 rules.min_gap？",
        "emosieve.toml：rules.min_gap = 5：应为 0 到 1 之间的比例，不是百分数；请写 0.05",
    ] == error.value.text("zh").splitlines()


# The language before there are settings


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ('language = "zh"', "zh"),
        ("  language = 'en' # for now", "en"),
        ('[settle\nlanguage = "zh"', None),
        ('[log]\nlanguage = "zh"', None),
        ('x = \nlanguage = "zh"', "zh"),
        ('language = "fr"', None),
        ("", None),
    ],
)
def test_the_language_is_read_from_a_file_with_mistakes(
    sources: Sources, toml: str, expected: str | None
) -> None:
    """The key at the top of the file counts although the rest cannot be read, and in a table it does not."""
    sources.path.write_text(toml)
    assert expected == written_language(str(sources.path))


def test_a_missing_file_names_no_language(tmp_path: Path) -> None:
    """Neither a missing file nor a directory can say a language."""
    assert (None, None) == (written_language(str(tmp_path / "none")), written_language(str(tmp_path)))
