"""What check says of settings, profiles and rules."""

from pathlib import Path

import pytest

from emosieve.service.preflight import Line, about_settings, heed
from emosieve.service.preflight.rules import about_rules
from emosieve.settings import load
from process import Watch


def lines_of(
    subject: str, *overrides: str, config: Path | None = None, profile: str | None = None
) -> list[Line]:
    """The lines about a subject under these settings."""
    loaded = load(config=str(config) if config else None, profile=profile, overrides=overrides)
    return [line for line in about_settings(loaded) if line.subject == subject]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file that chooses a profile and beats one of its numbers."""
    path = tmp_path / "mine.toml"
    path.write_text('profile = "customer_service"\n[rules]\nmin_confidence = 0.65\n', encoding="utf-8")
    return path


class TestSources:
    """Where settings come from."""

    def test_defaults(self) -> None:
        """Nothing given is told as such."""
        assert "valid; all defaults" == str(lines_of("settings")[0].message)

    def test_all_sources_are_named_in_either_language(
        self, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Command line, environment, file, and the profile that the file chose."""
        monkeypatch.setenv("EMOSIEVE_SETTLE__QUIET_SECONDS", "3")
        (line,) = lines_of("settings", "language=en", config=config)

        assert "valid; from command line, environment, mine.toml, profile customer_service" == str(
            line.message
        )
        assert "有效；来源：命令行、环境变量、mine.toml、预设 customer_service" == line.message.text("zh")


class TestProfile:
    """A profile whose numbers are beaten."""

    def test_a_key_beside_the_profile_beats_it(self, config: Path) -> None:
        """Key, both values and both sources are named."""
        (line,) = lines_of("profile", config=config)

        assert "warning" == line.level
        assert (
            "customer_service (mine.toml) says rules.min_confidence = 0.7, but mine.toml says 0.65, "
            "and that is in force" == str(line.message)
        )
        assert (
            "take rules.min_confidence out (mine.toml) if the profile is meant; if not, all is well"
            == str(line.hint)
        )

    def test_a_higher_source_beats_it(self, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A forgotten variable of the environment is named."""
        monkeypatch.setenv("EMOSIEVE_RULES__MIN_CONFIDENCE", "0.4")
        (line,) = lines_of("profile", config=config)

        assert "but environment says 0.4" in str(line.message)
        assert "（来源：环境变量）" in line.message.text("zh")

    def test_a_profile_of_the_command_line_beats_the_file(self, config: Path) -> None:
        """What the profile overrules is no danger."""
        (line,) = lines_of("profile", config=config, profile="psych_screening")

        assert ("ok", "psych_screening: all that it says is in force") == (line.level, str(line.message))

    def test_the_same_value_is_no_contradiction(self) -> None:
        """A key that says what the profile says changes nothing."""
        (line,) = lines_of("profile", "rules.min_confidence=0.7", profile="customer_service")

        assert "ok" == line.level

    def test_without_a_profile_nothing_is_said(self) -> None:
        """The default profile has no numbers."""
        assert [] == lines_of("profile", "rules.min_confidence=0.4")


class TestRules:
    """Rules that cannot decide alone."""

    @pytest.mark.parametrize("profile", ["default", "customer_service", "psych_screening", "social_robot"])
    def test_no_shipped_set_up_greets_with_a_warning(self, profile: str) -> None:
        """That two rules only add reasons under the default limits is told, and no danger."""
        lines = lines_of("rules", profile=profile)

        assert {"ok"} == {line.level for line in lines}
        words = "no_dominant_emotion never decides alone: low_confidence fires wherever it does"
        assert words == str(lines[-1].message)

    def test_a_number_of_ones_own_without_effect_is_a_warning(self) -> None:
        """Whoever raises min_gap and changes no verdict by it should know, and what would."""
        first, second = lines_of("rules", "rules.min_gap=0.1")

        assert ("warning", "ok") == (first.level, second.level)
        words = "ambiguous never decides alone: low_confidence fires wherever it does"
        assert words == str(first.message)
        assert "lower rules.min_confidence below 0.55 if ambiguous is to decide" in str(first.hint)

    def test_a_rule_that_became_idle_is_a_warning(self) -> None:
        """A min_top so high that low_confidence has nothing left to decide is hardly meant."""
        levels = {str(line.message).split()[0]: line.level for line in lines_of("rules", "rules.min_top=0.6")}

        assert "warning" == levels["low_confidence"]

    def test_a_limit_that_nothing_can_undercut_is_a_warning(self) -> None:
        """Of nine scores one is always at least a ninth."""
        (line,) = lines_of("rules", "rules.min_top=0.11", "rules.min_confidence=0.4")

        assert "warning" == line.level
        assert "no_dominant_emotion never fires" in str(line.message)
        assert "raise rules.min_top above 0.111111" in str(line.hint)

    def test_a_limit_of_zero_is_meant(self) -> None:
        """A rule that is switched off is told as such."""
        (line,) = lines_of("rules", "rules.min_top=0", "rules.min_confidence=0.4")

        assert ("ok", "no_dominant_emotion is switched off by rules.min_top = 0") == (
            line.level,
            str(line.message),
        )

    def test_all_rules_are_counted_and_named_in_either_language(self) -> None:
        """Own rules are counted among all, and names stand behind the comma of the language."""
        own = 'rules.custom=[{name = "mine", when = "gap < 0.1", action = "reject"}]'
        (line,) = lines_of("actions", own, "rules.actions.ambiguous=off", "rules.actions.scores_missing=off")

        assert "3 reject (low_confidence, no_dominant_emotion, mine), 15 flag, 1 of all" in str(line.message)
        assert (
            "3 条剔除（low_confidence、no_dominant_emotion、mine），15 条标记，自定义共 1 条；"
            "emosieve explain --rules 可列出全部规则"
        ) == line.message.text("zh")

    def test_where_each_rule_decides_that_is_told(self) -> None:
        """With low_confidence as a mere flag the other two decide; without any that rejects, none does."""
        flags = [
            f"rules.actions.{rule}=flag" for rule in ("low_confidence", "ambiguous", "no_dominant_emotion")
        ]

        assert ["each rule that rejects can decide alone"] == [
            str(one.message) for one in lines_of("rules", flags[0])
        ]
        assert ["none of the three rules rejects"] == [str(one.message) for one in lines_of("rules", *flags)]

    def test_it_is_what_the_rules_say(self) -> None:
        """The lines come from the effective rules, profile and actions included."""
        loaded = load(profile="customer_service")

        assert list(about_rules(loaded.settings.rule_set)) == lines_of("rules", profile="customer_service")


def test_a_start_says_it_too(root: Path, config: Path) -> None:
    """What check warns of in the settings, the daemon's own log has as well, and it starts."""
    with Watch(root, "--config", str(config)) as watch:
        assert "customer_service" in watch.wait_for("check.warning", subject="profile")["message"]
        watch.wait_for("watch.ready")
        watch.stop()


def test_a_shipped_set_up_is_heeded_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    """The default settings give no warning at a start."""
    heed(about_settings(load()))

    assert ("", "") == capsys.readouterr()
