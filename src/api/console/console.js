// The console: puts together what the node says of itself. All that it asks is its own node.

import { at, draw, make, number, read, right, row, say, short, span } from "./dom.js";
import { follow } from "./feed.js";
import { showGrid } from "./grid.js";
import { browse } from "./kv.js";
import { forgetTree, showTree } from "./tree.js";

const HEIGHTS = 32;
const EVENTS = 8;
const RATE_SECONDS = 60;

const state = { validators: [], lines: [], chosen: null, height: 0, commits: [], commands: 0 };

/// Runs something again and again, one run after the other; hidden pages rest.
function every(ms, what) {
  async function run() {
    if (!document.hidden) await what().catch(() => {});
    setTimeout(run, ms);
  }
  run();
}

function tile(id, name, value, unit = "") {
  let box = at(id);
  if (!box) at("tiles").append((box = make("div", { id }, make("dt", {}, name), make("dd"))));
  const dd = box.querySelector("dd");
  const text = `${value} ${unit}`;
  if (dd.dataset.text === text) return box;
  dd.dataset.text = text;
  dd.replaceChildren(String(value), ...(unit ? [make("small", {}, ` ${unit}`)] : []));
  return box;
}

// --- health ---

async function health() {
  const box = at("health");
  try {
    const [diagnosis, status, ready] = await Promise.all([
      read("/v1/doctor"),
      read("/v1/status"),
      fetch("/readyz"),
    ]);
    const why = ready.ok ? null : (await ready.json()).detail;
    const findings = diagnosis.findings;
    const kind = !ready.ok ? "bad" : findings.length ? "warn" : "good";
    box.className = `card ${kind}`;
    say(
      at("health-words"),
      kind === "good"
        ? "All is well"
        : kind === "warn"
          ? "It works, but something is wrong"
          : `Not ready: ${why}`,
    );
    const reached = diagnosis.validators.filter(one => one.is_self || one.is_connected).length;
    const last = diagnosis.last_executed_ms_ago;
    const decided =
      last === null ? "nothing was decided since it started" : `the last block came ${span(last)} ago`;
    say(
      at("health-more"),
      `${reached} of ${diagnosis.validators.length} validators are in reach; ${decided}.`,
    );
    list(
      "findings",
      findings.map(text => make("li", {}, text)),
    );
    list(
      "advice",
      diagnosis.advice?.length
        ? [
            make("p", {}, "What to try"),
            make("ul", {}, ...diagnosis.advice.map(text => make("li", {}, text))),
          ]
        : [],
    );
    const waiting = diagnosis.mempool_commands;
    const [bytes, most] = [number(diagnosis.mempool_bytes), number(diagnosis.mempool_bytes_max)];
    const who = waiting === 1 ? "One command waits" : `${number(waiting)} commands wait`;
    say(at("mempool-words"), waiting ? `${who}, ${bytes} of ${most} bytes` : "No command waits");
    at("mempool").value = diagnosis.mempool_bytes / Math.max(1, diagnosis.mempool_bytes_max);
    at("queues").replaceChildren(
      ...diagnosis.queues.map(queue =>
        row(queue.actor, right(number(queue.depth)), right(number(queue.depth_max))),
      ),
    );
    const role = status.node === null ? status.role : `${status.role} ${status.node}`;
    say(at("chain"), `${status.chain} · ${status.protocol} · ${status.application} · ${role}`);
    say(at("version"), `version ${status.version}, chain ${short(status.chain_id)}`);
    height(status.height, status.syncing ? `of ${number(status.target_height)}` : "");
    tile(
      "tile-peers",
      "Validators in reach",
      reached,
      `of ${diagnosis.validators.length}, ${status.peers} peers`,
    );
    tile("tile-mempool", "Waiting commands", number(waiting));
    state.validators = diagnosis.validators;
  } catch {
    box.className = "card bad";
    say(at("health-words"), "The node does not answer");
    say(at("health-more"), "It has stopped, or the network between it and this browser is cut.");
    list("findings", []);
    list("advice", []);
  }
}

/// Replaces what is in a list only when it says something else.
function list(id, nodes) {
  const text = nodes.map(node => node.textContent).join("\n");
  if (at(id).dataset.text === text) return;
  at(id).dataset.text = text;
  at(id).replaceChildren(...nodes);
}

// --- height and rate ---

function height(value, behind = "") {
  state.height = Math.max(state.height, value);
  tile("tile-height", "Height", number(state.height), behind);
  document.title = `${number(state.height)} · Thalweg`;
}

function rates() {
  const now = Date.now();
  state.commits = state.commits.filter(one => one.at > now - RATE_SECONDS * 1000);
  const recent = state.commits.filter(one => one.at > now - 10_000);
  const box = tile("tile-rate", "Blocks a second", (recent.length / 10).toFixed(1));
  tile(
    "tile-commands",
    "Commands a second",
    (recent.reduce((sum, one) => sum + one.commands, 0) / 10).toFixed(1),
  );
  const counts = Array(30).fill(0);
  for (const one of state.commits) counts[29 - Math.min(29, Math.floor((now - one.at) / 2000))] += 1;
  const most = Math.max(1, ...counts);
  const points = counts.map((count, at) => `${(at * 100) / 29},${23 - (21 * count) / most}`).join(" ");
  box.querySelector("svg")?.remove();
  box.append(
    draw(
      "svg",
      { viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" },
      draw("polyline", { class: "spark", points }),
    ),
  );
}

// --- heights ---

let isAsking = false;

async function heights() {
  if (isAsking || document.hidden) return;
  isAsking = true;
  try {
    state.lines = (await read(`/v1/instances?limit=${HEIGHTS}`)).instances;
    if (at("follow").checked || state.chosen === null) state.chosen = state.lines[0]?.height ?? null;
    choices();
    showGrid(state.lines, state.validators, state.chosen, choose);
    const line = state.lines.find(one => one.height === state.chosen);
    if (state.chosen !== null && (line === undefined || !line.is_decided || shown !== key(line)))
      await tree();
  } finally {
    isAsking = false;
  }
}

let shown = null;
const key = line => `${line.height} ${line.is_decided} ${line.votes.length}`;

async function tree() {
  try {
    showTree(await read(`/v1/instances/${state.chosen}`), state.validators);
    const line = state.lines.find(one => one.height === state.chosen);
    shown = line ? key(line) : null;
  } catch (error) {
    forgetTree(state.chosen, error.message);
  }
}

function choices() {
  const known = state.lines.map(line => line.height);
  if (state.chosen !== null && !known.includes(state.chosen)) known.push(state.chosen);
  const box = at("heights");
  if (document.activeElement === box) return;
  box.replaceChildren(...known.map(one => make("option", { value: one }, number(one))));
  box.value = String(state.chosen);
}

function choose(one) {
  at("follow").checked = false;
  state.chosen = one;
  shown = null;
  choices();
  showGrid(state.lines, state.validators, state.chosen, choose);
  tree();
}

// --- latency ---

/// The upper bound of the bucket in which a part of all observations lies.
function quantile(buckets, part) {
  const all = buckets.at(-1)?.[1] ?? 0;
  if (!all) return null;
  const [bound] = buckets.find(([, count]) => count >= all * part);
  return bound === Infinity ? null : bound * 1000;
}

async function latency() {
  const text = await (await fetch("/metrics")).text();
  const buckets = name =>
    [
      ...text.matchAll(new RegExp(`^thalweg_${name}_bucket\\{(?:[^}]*,)?le="([^"]+)"[^}]*\\} (\\S+)$`, "gm")),
    ].map(([, bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), Number(count)]);
  const named = [
    ["commit_seconds", "submitted … committed"],
    ["decision_seconds", "first message … decided"],
    ["verify_seconds", "signatures checked"],
    ["storage_sync_seconds", "write … on disk"],
  ];
  const rows = named.map(([name, words]) => [words, buckets(name)]).filter(([, found]) => found.length);
  const part = (found, share) => right(span(quantile(found, share)));
  at("latency").replaceChildren(
    ...rows.map(([words, found]) => row(words, part(found, 0.5), part(found, 0.9), part(found, 0.99))),
  );
  const commit = buckets("commit_seconds");
  const decision = quantile(commit, 0.5) === null ? buckets("decision_seconds") : commit;
  tile(
    "tile-latency",
    quantile(commit, 0.5) === null ? "Time to decide" : "Time to commit",
    span(quantile(decision, 0.5)),
    `99 %: ${span(quantile(decision, 0.99))}`,
  );
}

// --- peers, evidence, events ---

async function peers() {
  const found = (await read("/v1/peers?limit=64")).peers;
  const name = peer =>
    peer.validator === null ? `listener ${peer.peer_id.slice(-6)}` : `validator ${peer.validator}`;
  const ways = peer =>
    [peer.has_substream && "substream", peer.is_in_mesh && "gossip mesh"].filter(Boolean).join(", ") ||
    "gossip";
  const clock = ms =>
    ms === null ? "–" : Math.abs(ms) < 50 ? "together" : `${ms > 0 ? "+" : "−"}${span(Math.abs(ms))}`;
  found.sort((a, b) => (a.validator ?? 1e9) - (b.validator ?? 1e9));
  at("peers").replaceChildren(
    ...found.map(peer =>
      row(
        name(peer),
        make("td", {}, ways(peer)),
        right(peer.round_trip_us === null ? "–" : span(peer.round_trip_us / 1000)),
        right(peer.height === null ? "–" : number(peer.height)),
        right(span(peer.last_heard_ms_ago)),
        right(clock(peer.clock_ahead_ms)),
        make("td", {}, peer.agent || "–"),
        make("td", {}, make("code", {}, peer.address)),
      ),
    ),
  );
}

async function evidence() {
  const found = (await read("/v1/evidence")).evidence;
  if (!found.length)
    return list("evidence", [
      make("p", { class: "note" }, "Nobody was caught signing two things that exclude each other."),
    ]);
  list("evidence", [
    make("p", { class: "bad-words" }, `${found.length} ${found.length === 1 ? "proof" : "proofs"}`),
    ...found.map((one, at) =>
      make(
        "details",
        {},
        make("summary", {}, `Proof ${at + 1}`),
        make("pre", { tabindex: "0" }, JSON.stringify(one, null, 1)),
      ),
    ),
  ]);
}

const WORDS = {
  round_timed_out: it => `height ${it.height}: round ${it.round} ran out of time`,
  equivocated: it => `validator ${it.validator} signed two things at height ${it.height}`,
  turn_missed: it => `validator ${it.validator} missed its turn at height ${it.height}`,
  diverged: it => `validator ${it.validator} has another block at height ${it.height}`,
  state_mismatch: it => `height ${it.height}: others have another state`,
  checkpoint_stable: it => `checkpoint ${it.height} is stable`,
  peer_up: it => `${it.validator === null ? "a peer" : `validator ${it.validator}`} is connected`,
  peer_down: it => `${it.validator === null ? "a peer" : `validator ${it.validator}`} is gone`,
  syncing: it => (it.is_syncing ? `fetching blocks, ${it.executed} of ${it.target}` : "caught up"),
};

function happened(name, it) {
  at("nothing")?.remove();
  const time = new Date().toTimeString().slice(0, 8);
  at("events").prepend(make("li", {}, make("time", {}, time), WORDS[name](it)));
  while (at("events").children.length > EVENTS) at("events").lastChild.remove();
  if (name.startsWith("peer")) health();
}

// --- all together ---

follow({
  block: one => {
    state.commits.push({ at: Date.now(), commands: one.commands });
    height(one.height);
    heights().catch(() => {});
  },
  notice: happened,
  state: (isOpen, wait) => {
    at("feed").className = `pill ${isOpen ? "good" : "bad"}`;
    say(at("feed"), isOpen ? "live" : `no event stream, again in ${span(wait)}`);
  },
});
at("events").append(make("li", { class: "note", id: "nothing" }, "Nothing since this page was opened."));
at("heights").addEventListener("change", event => choose(Number(event.target.value)));
at("follow").addEventListener("change", () => heights().catch(() => {}));
for (const id of ["height", "rate", "commands", "latency", "peers", "mempool"])
  tile(
    `tile-${id}`,
    {
      height: "Height",
      rate: "Blocks a second",
      commands: "Commands a second",
      latency: "Time to commit",
      peers: "Validators in reach",
      mempool: "Waiting commands",
    }[id],
    "–",
  );
browse();
every(1500, health);
every(1000, async () => rates());
every(700, heights);
every(3000, latency);
every(2000, peers);
every(5000, evidence);
