"""The manifest, by the schemas of the API without a cluster, and by what the schemas do not know."""

from pathlib import Path
from typing import Any

import pytest

from containers import COMPOSE, KUBERNETES, OUTPUTS, Refused, validate
from process import run

STRICT = ["kubernetes-validate", "--strict"]
NATIVE_SIDECARS = "1.29"
"""The version from which on a sidecar is more than an init container that never ends."""


def replaced(path: Path, right: str, wrong: str) -> Path:
    """The manifest with one thing wrong."""
    text = KUBERNETES.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    return path


def documents(path: Path = KUBERNETES) -> list[Any]:
    """All objects of a manifest."""
    return [*pytest.importorskip("yaml").safe_load_all(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    "version", [[], [f"--kubernetes-version={NATIVE_SIDECARS}"]], ids=["newest", "oldest"]
)
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("restartPolicy:", "restartPolicies:"),
        ("enableServiceLinks:", "enableServiceLink:"),
        ("livenessProbe:", "liveness:"),
        ("{drop: [ALL]}", "{dropped: [ALL]}"),
        ("seccompProfile:", "seccomp:"),
        ("medium: Memory", "medium: [Memory]"),
        ("storage: 20Gi", "storage: [20]"),
        ("targetPort:", "targetPorts:"),
    ],
)
def test_the_api_takes_it(tmp_path: Path, version: list[str], right: str, wrong: str) -> None:
    """Every field is known and of its kind; one that is not would be refused."""
    validate([*STRICT, *version], KUBERNETES)

    with pytest.raises(Refused):
        validate([*STRICT, *version], replaced(tmp_path / "broken.yaml", right, wrong))


def assert_beside_the_webui(path: Path) -> None:
    """A hardened native sidecar on the WebUI's own volume, asked by ``emosieve health`` for its life alone."""
    claim, service, deployment = documents(path)
    pod = deployment["spec"]["template"]["spec"]
    (sidecar,), (webui,) = pod["initContainers"], pod["containers"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in sidecar["volumeMounts"]}
    security = sidecar["securityContext"]
    assert (False, "Always") == (pod["enableServiceLinks"], sidecar["restartPolicy"])
    assert mounts[str(OUTPUTS)] == next(one["name"] for one in webui["volumeMounts"])
    assert claim["metadata"]["name"] == volumes[mounts[str(OUTPUTS)]]["persistentVolumeClaim"]["claimName"]
    assert "emptyDir" in volumes[mounts["/run/emosieve"]]
    assert ["emosieve", "health", "--alive"] == sidecar["livenessProbe"]["exec"]["command"]
    (port,), (served,) = sidecar["ports"], service["spec"]["ports"]
    environment = {one["name"]: one["value"] for one in sidecar["env"]}
    assert f"0.0.0.0:{port['containerPort']}" == environment["EMOSIEVE_METRICS__LISTEN"]
    assert (port["name"], port["containerPort"]) == (served["targetPort"], served["port"])
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert ("None", environment["TZ"]) == (service["spec"]["clusterIP"], webui["env"][0]["value"])
    built = pytest.importorskip("yaml").safe_load(COMPOSE.read_text(encoding="utf-8"))
    image = built["services"]["emosieve"]["image"]
    assert (image, "IfNotPresent") == (sidecar["image"], sidecar["imagePullPolicy"])
    assert f"docker build -f deploy/docker/Dockerfile -t {image} ." in path.read_text(encoding="utf-8")
    assert {"startupProbe", "readinessProbe"}.isdisjoint(sidecar)
    assert (True, False) == (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"])
    assert (["ALL"], "RuntimeDefault") == (
        security["capabilities"]["drop"],
        security["seccompProfile"]["type"],
    )
    assert {"requests", "limits"} == sidecar["resources"].keys()
    assert ("Recreate", 1) == (deployment["spec"]["strategy"]["type"], deployment["spec"]["replicas"])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("enableServiceLinks: false", "enableServiceLinks: true"),
        ("          restartPolicy: Always", "          restartPolicy: Never"),
        ("[emosieve, health, --alive]", "[emosieve, health]"),
        ("image: emosieve  #", "image: emosieve:0.1.0  #"),
        ("imagePullPolicy: IfNotPresent", "imagePullPolicy: Always"),
        ('"0.0.0.0:9464"', '"127.0.0.1:9464"'),
        ("targetPort: metrics", "targetPort: page"),
        ("containerPort: 9464", "containerPort: 9465"),
        ("clusterIP: None", "clusterIP: 10.0.0.7"),
        ("selector: {app.kubernetes.io/name: emotion2vec}", "selector: {app.kubernetes.io/name: another}"),
        ("value: *timezone", "value: UTC"),
        ("livenessProbe:", "startupProbe:"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        ("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"),
        ("type: RuntimeDefault", "type: Unconfined"),
        ("claimName: emotion2vec-outputs", "claimName: another"),
        ("replicas: 1", "replicas: 2"),
    ],
)
def test_emosieve_stands_beside_the_webui(tmp_path: Path, right: str, wrong: str) -> None:
    """What no schema asks for is there, and missing it would be noticed."""
    assert_beside_the_webui(KUBERNETES)

    with pytest.raises((AssertionError, KeyError)):
        assert_beside_the_webui(replaced(tmp_path / "broken.yaml", right, wrong))


def ended_with_its_settings(path: Path) -> int:
    """How ``emosieve config show`` ends in the environment that a manifest gives."""
    *_, deployment = documents(path)
    (sidecar,) = deployment["spec"]["template"]["spec"]["initContainers"]
    return run("config", "show", **{one["name"]: one["value"] for one in sidecar["env"]}).returncode


def test_its_variables_are_settings(tmp_path: Path) -> None:
    """Emosieve refuses a name that it does not know."""
    assert 0 == ended_with_its_settings(KUBERNETES)
    assert 2 == ended_with_its_settings(replaced(tmp_path / "broken.yaml", "LOG__FORMAT", "LOG__FORM"))
