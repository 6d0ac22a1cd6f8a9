// Reads and writes keys, and shows why the answer must be believed: the certificate of the block that wrote the value.

import { at, make, number, read, short } from "./dom.js";

const answer = (...lines) =>
  at("kv-answer").replaceChildren(
    ...lines.map(line => (typeof line === "string" ? make("p", {}, line) : line)),
  );

/// The votes of a certificate, whatever the protocol: each list of ballots that is in it.
function votes(certificate) {
  const found = [];
  (function look(name, value) {
    if (Array.isArray(value) && value.length && value[0]?.signature !== undefined) found.push([name, value]);
    else if (value && typeof value === "object")
      Object.entries(value).forEach(([key, inner]) => look(key, inner));
  })("votes", certificate);
  return found;
}

async function certify(height, command) {
  const proof = await read(`/v1/blocks/${height}/certificate`);
  const lists = votes(proof.certificate);
  const voters = [...new Set(lists.flatMap(([, list]) => list.map(vote => vote.voter)))].sort(
    (a, b) => a - b,
  );
  const heading = make("h3", {}, `Certificate of block ${number(height)}`);
  const facts = make(
    "p",
    {},
    `Validators ${voters.join(", ")} signed that it is decided. Payload `,
    make("code", {}, short(proof.payload_root)),
    ", state ",
    make("code", {}, short(proof.header?.state_root)),
    ...(command ? [", command ", make("code", {}, short(command))] : []),
    ".",
  );
  const link = make(
    "a",
    { href: `/v1/blocks/${height}/certificate`, download: `certificate-${height}.json` },
    "save it",
  );
  const check = make(
    "p",
    { class: "note" },
    "Check it without this node: ",
    link,
    ", then ",
    make("code", {}, `thalweg verify --genesis genesis.json certificate-${height}.json`),
  );
  const whole = make(
    "details",
    {},
    make("summary", {}, "The whole certificate"),
    make("pre", { tabindex: "0" }, JSON.stringify(proof, null, 1)),
  );
  at("kv-proof").replaceChildren(heading, facts, check, whole);
}

async function look(key) {
  const reply = await fetch(`/v1/kv/${encodeURIComponent(key)}`);
  if (!reply.ok && reply.status !== 404) throw new Error((await reply.json()).detail);
  const height = reply.headers.get("thalweg-height");
  const value = reply.ok ? await reply.text() : null;
  const origin = await read(`/v1/origin/${encodeURIComponent(key)}`);
  const seen =
    value === null
      ? make("p", { class: "value" }, "There is no value under this key.")
      : make("p", { class: "value" }, make("code", {}, value));
  const as = height ? `As of height ${number(height)}. ` : "";
  if (origin.height === null) {
    const words = value === null ? "No block deleted it" : "No block wrote it";
    answer(
      seen,
      `${as}${words} from ${number(origin.searched_from)} to ${number(origin.searched_to)}, the last ones.`,
    );
    return at("kv-proof").replaceChildren();
  }
  answer(seen, `${as}Block ${number(origin.height)} ${value === null ? "deleted" : "wrote"} it.`);
  await certify(origin.height, origin.command);
}

async function change(key, method, body) {
  const reply = await fetch(`/v1/kv/${encodeURIComponent(key)}`, { method, body });
  const said = await reply.json();
  if (!reply.ok) throw new Error(said.detail ?? said.title);
  const done = method === "PUT" ? "Written" : "Deleted";
  answer(
    `${done} at height ${number(said.height)}, decided by a quorum and durable here.`,
  );
  await certify(said.height, said.id);
}

export function browse() {
  at("kv").addEventListener("submit", async event => {
    event.preventDefault();
    const [key, value, what] = [at("kv-key").value, at("kv-value").value, event.submitter?.value ?? "read"];
    answer("Waiting for the node…");
    at("kv-proof").replaceChildren();
    try {
      if (what === "read") await look(key);
      else if (what === "write") await change(key, "PUT", value);
      else await change(key, "DELETE");
    } catch (error) {
      answer(make("p", { class: "error" }, error.message));
    }
  });
}
