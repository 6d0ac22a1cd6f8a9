"""Harms that are really done, with the alerts that they must raise and how they are undone. For tests/observe/run."""

import contextlib
import errno
import os
import pathlib
import signal
import subprocess
import threading
import urllib.error
import urllib.request

# Whom a partition cuts off runs in this group: the firewall tells its packets from those of others by that.
GROUP = 65534
LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")

SLOW_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    usleep(300000);
    return real(fd);
}
"""


def node3(chain):
    return {"node": "node3"}


def lost(chain):
    return {"validator": chain.validator[3]}


def nothing(chain):
    return {}


ALL = []
"""(what is done, whether it is among the quick ones, alert -> the labels that it must have, the deed)"""


def harm(what, is_quick=False, **alerts):
    def register(act):
        ALL.append(
            (
                what,
                is_quick,
                {f"Thalweg{name}": labels for name, labels in alerts.items()},
                contextlib.contextmanager(act),
            )
        )
        return act

    return register


@harm("kill -9 of one validator of four", True, NodeDown=node3, ValidatorMissing=lost, QuorumAtRisk=nothing)
def one_killed(chain):
    chain.kill(3)
    yield
    chain.start(3)


@harm(
    "kill -9 of two validators of four, clients go on writing until the mempool is full",
    True,
    QuorumLost=nothing,
    NoDecision=nothing,
    MempoolFull=lambda chain: {"node": "node1"},
)
def two_killed(chain):
    chain.kill(2)
    chain.kill(3)
    refused = 0
    for count in range(400):
        url = f"{chain.urls[1]}/v1/kv/full{count}?wait=accepted"
        try:
            urllib.request.urlopen(urllib.request.Request(url, data=b"x" * 1000, method="PUT"), timeout=2).read()
        except urllib.error.HTTPError as error:
            refused += error.code == 429
    assert refused > 0, "the mempool takes everything"
    yield
    chain.start(2)
    chain.start(3)


def free_bytes(path):
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize


@harm("the disk of all nodes is filled up to 15 MiB", True, DiskNearlyFull=node3)
def disk_filled(chain):
    filler, size = chain.dir / "filler", 0
    with open(filler, "wb") as file:
        while (room := free_bytes(chain.dir) - (15 << 20)) > 0:
            # The nodes take room as well, perhaps what has just been seen: then there is less to fill.
            step = min(room, 4 << 20)
            try:
                os.posix_fallocate(file.fileno(), size, step)
                size += step
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    yield
    filler.unlink()


@harm("one validator's clock is an hour fast", True, ClockSkew=node3)
def clock_wrong(chain):
    paths = [pathlib.Path(folder, "faketime/libfaketimeMT.so.1") for folder in LIBRARIES]
    library = next(path for path in paths if path.exists())
    chain.restart(3, environment={"LD_PRELOAD": str(library), "FAKETIME": "+1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    yield
    chain.restart(3)


@harm("one validator leads with different values for different validators", True, EquivocationSeen=nothing)
def equivocating(chain):
    chain.restart(3, "--lie", "equivocator")
    yield
    chain.restart(3)


@harm("one validator tells of, and signs, a state that nobody has", StateRootDiffers=nothing)
def another_state(chain):
    chain.restart(3, "--lie", "false-checkpoints")
    yield
    chain.restart(3)


@harm("SIGSTOP of one validator", NodeDown=node3, ValidatorMissing=lost)
def one_paused(chain):
    chain.signal(3, signal.SIGSTOP)
    yield
    chain.signal(3, signal.SIGCONT)


@harm(
    "the firewall drops everything between one validator and the others, not HTTP",
    NodeIsolated=node3,
    NodeBehind=node3,
    ValidatorMissing=lost,
)
def cut_off(chain):
    chain.kill(3)
    chain.start(3, before=["setpriv", f"--regid={GROUP}", "--clear-groups"])
    port = 4703
    rules = f"""
        table inet cut {{
            chain out {{
                type filter hook output priority 0
                meta skgid {GROUP} tcp sport != 8703 drop
                tcp dport {port} drop
            }}
        }}"""
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    yield
    subprocess.run(["nft", "delete", "table", "inet", "cut"], check=True)


@harm("each sync of one validator's disk takes 300 ms more", DiskSlow=node3)
def disk_slow(chain):
    library = chain.logs / "slow.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library, "-ldl"], input=SLOW_DISK, text=True, check=True
    )
    chain.restart(3, environment={"LD_PRELOAD": str(library)})
    yield
    chain.restart(3)


@harm("two validators of four are paused for 1.5 of every 2 seconds", DecisionsSlow=nothing)
def stuttering(chain):
    stopped = threading.Event()

    def stutter():
        while not stopped.is_set():
            for number, seconds in ((signal.SIGSTOP, 1.5), (signal.SIGCONT, 0.5)):
                for node in (2, 3):
                    chain.signal(node, number)
                stopped.wait(seconds)
        for node in (2, 3):
            chain.signal(node, signal.SIGCONT)

    thread = threading.Thread(target=stutter, daemon=True)
    thread.start()
    yield
    stopped.set()
    thread.join()
