"""The files of deploy/docker, as the linter and the schema read them that know what must not pass."""

import re
from pathlib import Path

import pytest

from containers import COMPOSE, DOCKERFILE, ENV_EXAMPLE, Refused, validate

LOCKS = sorted(DOCKERFILE.parent.glob("*.lock"))
HADOLINT = ["hadolint", "--failure-threshold=warning"]
COMPOSE_SPEC = ["check-jsonschema", "--builtin-schema=vendor.compose-spec"]


@pytest.mark.parametrize(
    ("path", "command", "right", "wrong"),
    [
        (DOCKERFILE, HADOLINT, "WORKDIR /build", "WORKDIR build"),
        (DOCKERFILE, HADOLINT, "# hadolint ignore=DL3002\n", ""),
        (COMPOSE, COMPOSE_SPEC, "read_only:", "readonly:"),
        (COMPOSE, COMPOSE_SPEC, "services:", "service:"),
    ],
    ids=["hadolint-path", "hadolint-root", "compose-key", "compose-section"],
)
def test_it_is_read_without_complaint(
    tmp_path: Path, path: Path, command: list[str], right: str, wrong: str
) -> None:
    """The file passes; with one word of it wrong it would not."""
    validate(command, path)

    broken = tmp_path / path.name
    text = path.read_text(encoding="utf-8")
    assert right in text
    broken.write_text(text.replace(right, wrong), encoding="utf-8")
    with pytest.raises(Refused):
        validate(command, broken)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_all_by_hash_and_names_no_index(path: Path) -> None:
    """What the image is made of is known to the byte, wherever it comes from."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    requirements = [line for line in lines if not line.startswith(" ")]

    assert requirements
    assert [] == [line for line in requirements if not re.fullmatch(r"[\w.-]+==[\w.]+ \\", line)]
    assert [] == [line for line in lines if line.startswith(" ") and "--hash=sha256:" not in line]


def test_the_example_names_every_variable() -> None:
    """With the default of compose, commented out; only the folder has none, and must be written."""
    asked = re.findall(r"\$\{(\w+)(?::-([^}]*))?", COMPOSE.read_text(encoding="utf-8"))
    given = re.findall(r"^(#?)(\w+)=(.*)$", ENV_EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)

    assert dict(asked) | {"OUTPUTS": "/root/Emotion2Vec-plus-Large-webui/outputs"} == {
        name: value for _, name, value in given
    }
    assert [("", "OUTPUTS")] == [(off, name) for off, name, _ in given if not off]
