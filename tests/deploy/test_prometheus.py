"""Rules and dashboard against the real Prometheus, which scrapes the real daemon while tasks are filed."""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTask, read_log, result_bytes, standing
from metrics import free_address, scrape
from process import PATIENCE, Watch, until
from troubles import immutable

TOP = Path(__file__).parents[2]
RULES = TOP / "deploy" / "prometheus" / "emosieve.rules.yml"
CONFIG = TOP / "deploy" / "prometheus" / "prometheus.example.yml"
DASHBOARD = TOP / "deploy" / "grafana" / "emosieve.json"
RULES_TEST = Path(__file__).with_name("emosieve.rules.test.yml")
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8"))
METRIC = re.compile(r"\b(?:emosieve|process)_\w+|\bup\b")

pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")), reason="prometheus is not installed"
)


def promtool(*arguments: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    return subprocess.run(
        ["promtool", *map(str, arguments)], input=text, capture_output=True, text=True, check=False
    )


# Files


def test_rules_and_example_are_accepted() -> None:
    """Promtool reads the rules, and the example that names them, as they are shipped."""
    for arguments in (("check", "rules", RULES), ("check", "config", CONFIG)):
        checked = promtool(*arguments)
        assert 0 == checked.returncode, checked.stderr


def test_a_broken_rule_is_not_accepted(tmp_path: Path) -> None:
    """The check would see a parenthesis that is missing."""
    broken = tmp_path / "rules.yml"
    broken.write_text(RULES.read_text(encoding="utf-8").replace("[1d]))", "[1d])"), encoding="utf-8")

    assert 1 == promtool("check", "rules", broken).returncode


def test_each_alert_fires_when_it_must() -> None:
    """In made-up series each alert fires after its time and ends, and is silent where all is well."""
    tested = promtool("test", "rules", RULES_TEST)

    assert 0 == tested.returncode, tested.stdout + tested.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_no_alert_goes_untested(alert: str, tmp_path: Path) -> None:
    """Without any one of the alerts, or with one that always fires, the test of the rules fails."""
    text = RULES.read_text(encoding="utf-8")
    block = re.search(rf" +- alert: {alert}\n.*?(?=\n\n|\Z)", text, re.DOTALL)
    assert block
    always = re.sub(r"expr: (>-\n( {10}.*\n)+|.*\n)", "expr: vector(1)\n", block[0])
    for changed in ("", re.sub(r"for: \d+m", "for: 0m", always)):
        (tmp_path / "rules.yml").write_text(text.replace(block[0], changed), encoding="utf-8")
        test = RULES_TEST.read_text(encoding="utf-8").replace(f"../../{RULES.relative_to(TOP)}", "rules.yml")
        (tmp_path / "test.yml").write_text(test, encoding="utf-8")
        assert 1 == promtool("test", "rules", tmp_path / "test.yml").returncode


def test_the_dashboard_can_be_imported() -> None:
    """It brings no data source of its own, every panel asks the chosen one, and no two panels overlap."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = board["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert (None, "emosieve") == (board["id"], board["uid"])
    assert "datasource" == board["templating"]["list"][0]["type"]
    asked = [one["datasource"]["uid"] for panel in panels for one in (panel, *panel["targets"])]
    assert {"${datasource}"} == set(asked)
    assert len(panels) == len({panel["id"] for panel in panels})
    assert len(cells) == len(set(cells))
    assert 24 > max(x for x, _ in cells)


# The real Prometheus


class Prometheus:
    """A running Prometheus that scrapes one daemon as the example says, only quicker.

    Attributes:
        address: its own.
    """

    def __init__(self, folder: Path, target: str) -> None:
        self.address = free_address()
        rules = re.sub(r"for: \d+m", "for: 0s", RULES.read_text(encoding="utf-8"))
        (folder / RULES.name).write_text(rules, encoding="utf-8")
        config = CONFIG.read_text(encoding="utf-8").replace("127.0.0.1:9464", target)
        config = "global:\n  evaluation_interval: 200ms\n" + config.replace(
            "scrape_interval: 15s", "scrape_interval: 200ms"
        )
        (folder / "prometheus.yml").write_text(config, encoding="utf-8")
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/series",
                    f"--web.listen-address={self.address}",
                ],
                stdout=log,
                stderr=log,
            )
        self._log = folder / "log"

    def end(self) -> None:
        """Stop it."""
        self._process.terminate()
        try:
            self._process.wait(timeout=PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()

    def is_ready(self) -> bool:
        """Whether it answers."""
        assert self._process.poll() is None, self._log.read_text()
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=PATIENCE):
                return True
        except OSError:
            return False

    def ask(self, path: str, **parameters: str) -> Any:
        """What the API answers; an error as it says it.

        Raises:
            ValueError: the API refuses the question.
        """
        asked = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(
                f"http://{self.address}/api/v1/{path}?{asked}", timeout=PATIENCE
            ) as answer:
                document = json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from None
        assert "success" == document["status"]
        return document["data"]

    def query(self, expression: str) -> dict[tuple[str, ...], float]:
        """The values of an instant query by those of their labels, without job, instance, root and name."""
        common = {"job", "instance", "root", "__name__"}
        return {
            tuple(value for label, value in sorted(one["metric"].items()) if label not in common): float(
                one["value"][1]
            )
            for one in self.ask("query", query=expression)["result"]
        }

    def counted(self, name: str) -> dict[tuple[str, ...], float]:
        """The same without what is 0."""
        return {labels: value for labels, value in self.query(name).items() if value}

    @property
    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        alerts = self.ask("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@pytest.fixture
def target() -> str:
    """Where the daemon's metrics are."""
    return free_address()


@pytest.fixture
def prometheus(tmp_path: Path, target: str) -> Iterator[Prometheus]:
    """A Prometheus that scrapes ``target``."""
    folder = tmp_path / "prometheus"
    folder.mkdir()
    running = Prometheus(folder, target)
    try:
        until(running.is_ready)
        yield running
    finally:
        running.end()


@pytest.fixture
def watch(root: Path, target: str) -> Iterator[Watch]:
    """The daemon, whose tasks are given up after a second."""
    settings = {"settle__give_up_seconds": 1.0, "watch__rescan_seconds": 0.5, "metrics__listen": target}
    with Watch(root, **settings) as watch:
        watch.wait_for("watch.ready")
        yield watch


def feed(watch: Watch, root: Path, make_task: MakeTask, prometheus: Prometheus | None = None) -> None:
    """Tasks of every verdict, and one that stays; after a first scrape, if Prometheus is to see the rise."""
    if prometheus is not None:
        watch.wait_until(lambda: prometheus.query("emosieve_build_info"))
    for number, confidence in enumerate([0.9, 0.8, 0.41, 0.52, 0.95, 0.7]):
        make_task(f"outputs_{number}", result_bytes(confidence))
        watch.wait_for("task.filed", task=f"outputs_{number}")
    make_task("outputs_malformed", b"not JSON")
    watch.wait_for("task.quarantined")
    (root / "outputs_without").mkdir()
    watch.wait_for("task.overdue")


def test_what_is_recorded_is_what_was_logged(
    prometheus: Prometheus, watch: Watch, root: Path, make_task: MakeTask
) -> None:
    """Counts, findings, latencies, means and the inbox are as the decision log and the root have them."""
    feed(watch, root, make_task, prometheus)
    log = read_log(root)
    verdicts = Counter(event.get("verdict", "quarantined") for event in log)
    watch.wait_until(lambda: {("overdue",): 1} == prometheus.counted("emosieve_pending"))
    watch.wait_until(lambda: len(log) == prometheus.query("sum(emosieve_tasks_total)").get(()))
    findings = Counter(
        (finding["action"], finding["rule"]) for event in log for finding in event.get("findings", ())
    )
    decided = [event for event in log if event["event"] == "decided"]
    weights = [2 ** (index / 100) for index in range(len(decided))]
    weighed = list(zip(weights, decided, strict=True))

    assert Counter(normal=4, low_quality=2, quarantined=1) == verdicts
    assert {(verdict,): count for verdict, count in verdicts.items()} == prometheus.counted(
        "emosieve_tasks_total"
    )
    assert findings == prometheus.counted("emosieve_findings_total")
    assert findings.total() > 2
    assert {(): len(log)} == prometheus.query("emosieve_latency_seconds_count")
    # None before its quiet time.
    assert 0.2 * len(log) <= prometheus.query("emosieve_latency_seconds_sum")[()]
    confidence = sum(weight * event["confidence"] for weight, event in weighed) / sum(weights)
    rejection = sum(weight for weight, event in weighed if event["verdict"] == "low_quality") / sum(weights)
    assert pytest.approx(confidence) == prometheus.query("emosieve_confidence_ewma_ratio")[()]
    assert pytest.approx(rejection) == prometheus.query("emosieve_rejection_ewma_ratio")[()]
    assert {("watching",): 1} == prometheus.counted("emosieve_state")
    assert {} == prometheus.counted("emosieve_errors_total")
    assert ["outputs_without"] == standing(root)


def test_a_healthy_daemon_raises_no_alert(
    prometheus: Prometheus, watch: Watch, root: Path, make_task: MakeTask
) -> None:
    """With no patience at all, not one of the rules fires while tasks are filed."""
    feed(watch, root, make_task, prometheus)
    until(lambda: prometheus.query('up{job="emosieve"}') == {(): 1})
    evaluated = [group["lastEvaluation"] for group in prometheus.ask("rules")["groups"]]
    until(lambda: evaluated != [group["lastEvaluation"] for group in prometheus.ask("rules")["groups"]])

    assert set() == prometheus.firing
    assert set(ALERTS) == {
        rule["name"] for group in prometheus.ask("rules")["groups"] for rule in group["rules"]
    }


def test_a_destination_that_nobody_may_change_is_told(
    prometheus: Prometheus, watch: Watch, root: Path, make_task: MakeTask
) -> None:
    """The alert says how many tasks are held back and what to do, and ends with its cause; others do not fire."""
    make_task("outputs_1")
    watch.wait_for("task.filed")
    with immutable(root / "normal"):
        make_task("outputs_2")
        make_task("outputs_3")
        watch.wait_until(lambda: {("not_moved",): 2} == prometheus.counted("emosieve_pending"))
        watch.wait_until(lambda: "EmosieveFailing" in prometheus.firing)
        (alert,) = prometheus.ask("alerts")["alerts"]
        assert {("EPERM", "move")} == prometheus.counted("emosieve_errors_total").keys()
    assert "cannot file 2 task(s)" in alert["annotations"]["summary"]
    assert "有 2 个任务无法归档" in alert["annotations"]["summary_zh"]
    assert "emosieve status ROOT" in alert["annotations"]["description"]
    watch.wait_until(lambda: not standing(root))
    watch.wait_until(lambda: not prometheus.firing)


def test_a_root_that_goes_is_told(prometheus: Prometheus, watch: Watch, root: Path) -> None:
    """Nothing can be filed into a root that is not there."""
    root.rename(root.with_name("away"))
    watch.wait_until(lambda: prometheus.firing == {"EmosieveBlocked"})
    root.with_name("away").rename(root)
    watch.wait_until(lambda: not prometheus.firing)


def test_a_daemon_that_ends_is_told(prometheus: Prometheus, watch: Watch) -> None:
    """It is down within one scrape."""
    watch.wait_until(lambda: prometheus.query('up{job="emosieve"}') == {(): 1})
    watch.stop()

    until(lambda: prometheus.firing == {"EmosieveDown"})


# Every expression


def dashboard_queries() -> list[str]:
    """Every expression of the dashboard with its variables as Grafana would fill them in."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    filled = {"$job": "emosieve", "$instance": ".*", "$__rate_interval": "1m", "$__range": "1h"}
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    for variable, value in filled.items():
        queries = [query.replace(variable, value) for query in queries]
    return queries


def label_queries() -> list[tuple[str, str]]:
    """Metric and label of every variable that Grafana fills by them."""
    variables = json.loads(DASHBOARD.read_text(encoding="utf-8"))["templating"]["list"]
    found = [
        re.fullmatch(r"label_values\((.+), (\w+)\)", str(one.get("definition", ""))) for one in variables
    ]
    return [(one[1].replace("$job", "emosieve"), one[2]) for one in found if one]


def test_every_expression_has_an_answer(
    prometheus: Prometheus, watch: Watch, root: Path, make_task: MakeTask, target: str
) -> None:
    """Rules and dashboard ask for nothing that is not scraped, and Prometheus understands each question.

    Those that look at all values find some; those that pick out troubles may find none.
    """
    feed(watch, root, make_task, prometheus)
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    queries = dashboard_queries()
    labels = label_queries()
    names = scrape(target).names | {"up"}
    watch.wait_until(lambda: prometheus.query("sum(rate(emosieve_tasks_total[1m]))").get((), 0) > 0)

    assert (len(ALERTS), 2) == (len(rules), len(labels))
    assert set() == {name for query in queries for name in METRIC.findall(query)} - names
    assert set() == {name for rule in rules for name in METRIC.findall(rule["query"])} - names
    for rule in rules:
        prometheus.ask("query", query=rule["query"])
        assert {"summary", "description", "summary_zh", "description_zh"} == rule["annotations"].keys()
        assert rule["labels"]["severity"] in {"warning", "critical"}
    silent = [query for query in queries if not prometheus.ask("query", query=query)["result"]]
    assert [] == [query for query in silent if not query.endswith("> 0")]
    for metric, label in labels:
        assert prometheus.ask(f"label/{label}/values", **{"match[]": metric})


def test_an_expression_that_asks_wrongly_is_noticed(
    prometheus: Prometheus, watch: Watch, target: str
) -> None:
    """A slip in a name or a parenthesis would be seen by the test above."""
    watch.wait_until(lambda: prometheus.query("emosieve_build_info"))

    assert ["emosieve_task_total"] == METRIC.findall("sum(rate(emosieve_task_total[1m]))")
    assert "emosieve_task_total" not in scrape(target).names
    assert {} == prometheus.query("emosieve_task_total")
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        prometheus.query("sum(emosieve_tasks_total")


def test_the_metrics_keep_the_conventions(watch: Watch, root: Path, make_task: MakeTask, target: str) -> None:
    """Promtool finds no fault with names, types and help; it would with a counter that is not called total."""
    feed(watch, root, make_task)
    text = scrape(target).text
    checked = promtool("check", "metrics", text=text)

    assert (0, "", "") == (checked.returncode, checked.stdout, checked.stderr)
    assert 0 != promtool("check", "metrics", text=text.replace("_tasks_total", "_tasks")).returncode
