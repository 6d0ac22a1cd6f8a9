"""Looks at the files alone: no process is needed to see that a dashboard names a metric that nobody has."""

import json
import pathlib
import re
import subprocess
import tempfile

TREE = pathlib.Path(__file__).resolve().parents[2]
PROMETHEUS = TREE / "deploy/prometheus"
DASHBOARDS = sorted((TREE / "grafana/dashboards").glob("*.json"))
# Metrics of the process and of Prometheus itself.
FOREIGN = re.compile(r"\b(process_[a-z_]+|up|ALERTS)\b(?=\s*[{\[)=]|\s*$)")
UNITS = {"s", "ops", "Bps", "bytes", "none", "short", "percentunit", "bool"}


def table():
    """Names of the code's table, as the page that is generated from it lists them."""
    page = (TREE / "src/docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(thalweg_\w+)` \| (\w+) \|", page, re.M)
    assert rows, "the page of metrics has no table"
    names = set()
    for name, kind in rows:
        names |= {f"{name}_{end}" for end in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


def recorded():
    return set(re.findall(r"^ +- record: (\S+)", (PROMETHEUS / "alerts.yaml").read_text(), re.M))


def unknown(expression, known, records):
    """Names in an expression that nothing feeds."""
    records_named = set(re.findall(r"\b\w+:\w+(?::\w+)?\b", expression))
    bare = re.sub(r"\b\w+:\w+(?::\w+)?\b", "", expression)
    return (set(re.findall(r"\bthalweg_\w+", bare)) - known) | (records_named - records)


def expressions(dashboard):
    """(title, expression) of each target."""
    return [(p["title"], t["expr"]) for p in dashboard["panels"] for t in p.get("targets", [])]


def check_dashboard(path, dashboard, known, records, uids):
    bad = []
    ids, cells = set(), {}
    for panel in dashboard["panels"]:
        name = f"{path.name}: {panel.get('title')!r}"
        if panel["id"] in ids:
            bad.append(f"{name}: its id occurs twice")
        ids.add(panel["id"])
        grid = panel["gridPos"]
        if grid["x"] + grid["w"] > 24 or min(grid.values()) < 0:
            bad.append(f"{name}: outside of the grid")
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                if cells.setdefault((x, y), panel["id"]) != panel["id"]:
                    bad.append(f"{name}: lies over panel {cells[(x, y)]}")
                    break
        if not panel.get("title") or not panel.get("description", "").endswith("."):
            bad.append(f"{name}: no title or no description")
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            bad.append(f"{name}: unit {panel['fieldConfig']['defaults'].get('unit')!r}")
        if not panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps"):
            bad.append(f"{name}: no thresholds")
        if not panel.get("targets"):
            bad.append(f"{name}: asks nothing")
        for target in panel.get("targets", []):
            for stranger in unknown(target["expr"], known, records):
                bad.append(f"{name}: no such metric: {stranger}")
            if not re.search(r"\bthalweg_|:", target["expr"]) and not FOREIGN.search(target["expr"]):
                bad.append(f"{name}: names no metric: {target['expr']}")
            if target["datasource"]["uid"] != "${datasource}" or 'job="$job"' not in target["expr"]:
                bad.append(f"{name}: not of the chosen data source and chain")
        refs = [target["refId"] for target in panel.get("targets", [])]
        if len(set(refs)) != len(refs):
            bad.append(f"{name}: a refId occurs twice")
    links = dashboard["links"] + [link for panel in dashboard["panels"] for link in panel.get("links", [])]
    for link in links:
        uid = re.match(r"/d/([\w-]+)", link["url"])
        if not uid or uid.group(1) not in uids:
            bad.append(f"{path.name}: a link leads nowhere: {link['url']}")
    for uid in uids - {dashboard["uid"]}:
        if not any(link["url"] == f"/d/{uid}" for link in dashboard["links"]):
            bad.append(f"{path.name}: no link to {uid}")
    text = " ".join(expression for _, expression in expressions(dashboard))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query" and not re.search(rf"\${variable['name']}\b", text):
            bad.append(f"{path.name}: the variable {variable['name']} changes nothing")
    named = {variable["name"] for variable in dashboard["templating"]["list"]}
    if not {"datasource", "job", "validator"} <= named or dashboard["schemaVersion"] < 41:
        bad.append(f"{path.name}: variables {sorted(named)}, schema {dashboard['schemaVersion']}")
    return bad


def fragment(heading):
    """The id that rustdoc gives to a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def check_rules(known, records):
    text = (PROMETHEUS / "alerts.yaml").read_text()
    page = (TREE / "src/docs/runbooks.md").read_text()
    sections = {fragment(heading) for heading in re.findall(r"^## (.+)$", page, re.M)}
    bad = [
        f"alerts.yaml: no such metric: {name}"
        for name in unknown(re.sub(r"^ *- record:.*|^ *#.*", "", text, flags=re.M), known, records)
    ]
    # The text of an alert ends where the next one begins.
    for alert in re.split(r"^ +- alert: ", text, flags=re.M)[1:]:
        name = alert.split()[0]
        for part in ("severity: ", "summary: ", "description: ", "runbook_url: "):
            if part not in alert:
                bad.append(f"{name}: no {part}")
        runbook = re.search(r"runbook_url: \S+/runbooks/index\.html#([\w-]+)", alert)
        if not runbook or runbook.group(1) not in sections:
            bad.append(f"{name}: no such runbook: {runbook and runbook.group(1)}")
        if name not in (PROMETHEUS / "alerts.test.yaml").read_text():
            bad.append(f"{name}: no unit test in alerts.test.yaml")
    for link in re.findall(r"\]\(#([\w-]+)\)", page):
        if link not in sections:
            bad.append(f"runbooks.md: a link leads nowhere: #{link}")
    for section in re.split(r"^# ", page, flags=re.M)[2].split("\n## ")[1:]:
        for part in ("**Means.**", "**Look at.**", "**Do.**"):
            if part not in section:
                bad.append(f"runbooks.md: {section.splitlines()[0]}: without {part}")
    return bad


def promtool():
    bad = []
    for arguments in (
        ["check", "config", "prometheus.yaml"],
        ["check", "rules", "alerts.yaml"],
        ["test", "rules", "alerts.test.yaml"],
    ):
        done = subprocess.run(["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True)
        if done.returncode != 0:
            bad.append(f"promtool {' '.join(arguments)}: {done.stdout}{done.stderr}")
    # The unit tests can fail: with every bound out of reach, most must.
    with tempfile.TemporaryDirectory() as there:
        deaf = re.sub(
            r"( (?:>|<|==|<=|>=) (?:bool )?)(-?[0-9.]+)", r"\g<1>-987654", (PROMETHEUS / "alerts.yaml").read_text()
        )
        pathlib.Path(there, "alerts.yaml").write_text(deaf)
        pathlib.Path(there, "alerts.test.yaml").write_text((PROMETHEUS / "alerts.test.yaml").read_text())
        done = subprocess.run(["promtool", "test", "rules", "alerts.test.yaml"], cwd=there, capture_output=True)
        if done.returncode == 0:
            bad.append("promtool: the unit tests pass with bounds that mean nothing")
    return bad


def check():
    """What is wrong with the files."""
    known, records = table(), recorded()
    dashboards = {path: json.loads(path.read_text()) for path in DASHBOARDS}
    uids = {dashboard["uid"] for dashboard in dashboards.values()}
    bad = [] if len(uids) == len(dashboards) == 4 else [f"four dashboards, each with its uid: {sorted(uids)}"]
    for path, dashboard in dashboards.items():
        bad += check_dashboard(path, dashboard, known, records, uids)
    return bad + check_rules(known, records) + promtool()
