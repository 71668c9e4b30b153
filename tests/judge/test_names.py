"""What emotions and rules are called in Chinese."""

import pytest

from emosieve.judge.labels import CLASSES, class_of
from emosieve.judge.names import EMOTIONS, RULES, emotion_word, with_key
from emosieve.judge.rules import DEFAULT_ACTIONS


def test_every_class_and_every_rule_has_a_word_of_its_own() -> None:
    """No class and no built-in rule is left in English, and no two share a word."""
    assert (list(CLASSES), list(DEFAULT_ACTIONS)) == (list(EMOTIONS), list(RULES))
    words = [*EMOTIONS.values(), *RULES.values()]
    assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize(("name", "word"), EMOTIONS.items())
def test_the_word_of_a_class_means_it(name: str, word: str) -> None:
    """What is shown can be typed."""
    assert name == class_of(word)


def test_a_name_is_said_in_the_language() -> None:
    """Chinese has the word, with the name to type beside it where that is asked for; English has the name alone."""
    assert ("愤怒", "angry") == (emotion_word("angry", "zh"), emotion_word("angry", "en"))
    assert ("愤怒 angry", "angry") == (with_key("angry", "zh"), with_key("angry", "en"))
    assert ("置信度低 low_confidence", "low_confidence") == tuple(
        with_key("low_confidence", one) for one in ("zh", "en")
    )
    assert ("bored", "my_rule") == (emotion_word("bored", "zh"), with_key("my_rule", "zh"))
