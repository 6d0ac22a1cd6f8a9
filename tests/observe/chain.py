"""A localnet on a file system of its own, a load on it, and the Prometheus that watches it. For tests/observe/run."""

import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from files import PROMETHEUS

FACTOR = 15
"""Intervals, windows and every `for:` are divided by this; bounds are not."""

PATIENCE = 30
"""Seconds, for what should take one."""


def get(url, timeout=2):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode()


def eventually(what, check, seconds=PATIENCE):
    """Waits until `check` gives something true, and returns it."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            last = check()
            if last:
                return last
        except OSError as error:
            last = error
        time.sleep(0.1)
    raise SystemExit(f"waited {seconds} s for {what}: {last}")


def shorten(text):
    """A rules or configuration file with every duration divided."""

    def divided(found):
        number, unit = int(found.group(2)), {"s": 1, "m": 60, "h": 3600}[found.group(3)]
        seconds = number * unit / FACTOR
        assert seconds == int(seconds), f"{found.group(0)}: not a multiple of {FACTOR} s"
        return f"{found.group(1)}{int(seconds)}s"

    text = re.sub(r"(\bfor: )(\d+)([smh])\b", divided, text)
    text = re.sub(r"(\boffset )(\d+)([smh])\b", divided, text)
    text = re.sub(r"(\[)(\d+)([smh])(?=\])", divided, text)
    return re.sub(r"(_interval: )(\d+)([smh])\b", divided, text)


class Chain:
    """Four validators and a listener; node i serves HTTP on 8700 + i."""

    def __init__(self, binary, there):
        self.binary, self.dir, self.logs = binary, there / "net", there
        # Everything that a node writes is here: what fills it harms nodes and nothing else.
        self.dir.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g,mode=755", "observe", self.dir], check=True)
        environment = os.environ | {
            "THALWEG__MEMPOOL__BYTES_MAX": "200000",
            "THALWEG__STORAGE__FREE_BYTES_MIN": str(16 << 20),
        }
        self.environment = environment
        self.net = subprocess.Popen(
            [
                binary,
                "localnet",
                "--dir",
                self.dir / "chain",
                "--validators",
                "4",
                "--listeners",
                "1",
                "--json",
                "--checkpoint-interval",
                "16",
            ],
            stdout=subprocess.PIPE,
            stderr=open(there / "localnet.log", "w"),
            env=environment,
            text=True,
        )
        line = self.net.stdout.readline()
        if not line:
            raise SystemExit("localnet: " + (there / "localnet.log").read_text())
        nodes = json.loads(line)["nodes"]
        self.urls = [node["http"] for node in nodes]
        self.dirs = [pathlib.Path(node["dir"]) for node in nodes]
        self.pids = [node["pid"] for node in nodes]
        self.own = {}
        # A node's number is not its index among the validators.
        status = [json.loads(get(f"{url}/v1/status")) for url in self.urls]
        self.validator = [None if one["node"] is None else str(one["node"]) for one in status]

    def signal(self, node, number):
        os.kill(self.pids[node], number)

    def kill(self, node):
        self.signal(node, signal.SIGKILL)
        if node in self.own:
            self.own.pop(node).wait()
        eventually(f"node {node} to be gone", lambda: not self.answers(node))

    def answers(self, node):
        try:
            return bool(get(f"{self.urls[node]}/healthz", timeout=1))
        except OSError:
            return False

    def start(self, node, *flags, environment=None, before=()):
        log = open(self.logs / f"again{node}.log", "a")
        process = subprocess.Popen(
            [*before, self.binary, "start", "--config", self.dirs[node] / "node.toml", *flags],
            stdout=log,
            stderr=log,
            env=self.environment | (environment or {}),
        )
        self.own[node], self.pids[node] = process, process.pid
        eventually(f"node {node} to answer", lambda: self.answers(node))

    def restart(self, node, *flags, **more):
        self.kill(node)
        self.start(node, *flags, **more)

    def stop(self):
        for process in self.own.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        self.net.send_signal(signal.SIGINT)
        for process in [*self.own.values(), self.net]:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


class Load:
    """Writes to the nodes in turn, with little patience, until stopped."""

    def __init__(self, chain):
        self.chain, self.stopped = chain, threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(at,), daemon=True) for at in range(3)]
        for thread in self.threads:
            thread.start()

    def run(self, at):
        count = at
        while not self.stopped.is_set():
            count += 3
            # Who is harmed is node 3, and node 2 as well at times: clients have better addresses.
            url = f"{self.chain.urls[count // 3 % 2]}/v1/kv/key{count % 1000}?timeout_ms=1000"
            try:
                urllib.request.urlopen(urllib.request.Request(url, data=b"x" * 100, method="PUT"), timeout=2).read()
            except OSError:
                pass
            self.stopped.wait(0.05)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


class Prometheus:
    """The real one, with the project's own configuration at another address and pace."""

    def __init__(self, there, nodes):
        self.url = "http://127.0.0.1:9090"
        text = shorten((PROMETHEUS / "prometheus.yaml").read_text()).replace(
            "scrape_timeout: 10s", "scrape_timeout: 1s"
        )
        for number, node in enumerate(nodes):
            name = f"validator{number}" if number < len(nodes) - 1 else "listener0"
            address = urllib.parse.urlparse(node).netloc
            assert f'"{name}:8700"' in text, f"prometheus.yaml has no target {name}"
            text = text.replace(f'"{name}:8700"', f'"{address}"').replace(f"node: {name}", f"node: node{number}")
        (there / "prometheus.yaml").write_text(text)
        (there / "alerts.yaml").write_text(shorten((PROMETHEUS / "alerts.yaml").read_text()))
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={there / 'prometheus.yaml'}",
                f"--storage.tsdb.path={there / 'tsdb'}",
                "--web.listen-address=127.0.0.1:9090",
            ],
            stdout=subprocess.DEVNULL,
            stderr=open(there / "prometheus.log", "w"),
        )
        eventually("Prometheus", lambda: get(f"{self.url}/-/ready"))

    def ask(self, path, **query):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            answer = json.loads(get(url, timeout=10))
        except urllib.error.HTTPError as error:
            answer = json.loads(error.read())
        if answer["status"] != "success":
            raise ValueError(answer["error"])
        return answer["data"]

    def query(self, expression):
        """The samples of an expression now that are numbers."""
        result = self.ask("query", query=expression)["result"]
        return [sample for sample in result if sample["value"][1] != "NaN"]

    def rules(self):
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def firing(self):
        """Alerts that fire, each as its name and labels."""
        return [alert["labels"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"]

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
