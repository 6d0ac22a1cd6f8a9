// The messages of an instance: Streamlette's tree of proposals and solicits, or PBFT's slot with prepares and commits.

import { at, draw, make, number, say, short, span } from "./dom.js";

const [WIDE, HIGH, GAP_X, GAP_Y] = [158, 74, 46, 20];
let known = new Set();
let knownHeight = null;

/// Columns by depth, rows in the order of arrival; a message without its parent here begins a column of its own.
function place(messages) {
  const places = new Map();
  const rows = [];
  for (const message of messages) {
    const parent = places.get(message.parent);
    const column = parent ? parent.column + 1 : 0;
    let line = parent ? parent.line : 0;
    while ((rows[line] ?? -1) >= column) line += 1;
    rows[line] = column;
    places.set(message.id, { column, line });
  }
  return places;
}

function dots(message, validators) {
  const size = Math.min(validators.length, 24);
  const step = Math.min(14, (WIDE - 20) / size);
  const one = (index, voters, kind, y) =>
    draw(
      "circle",
      {
        cx: 12 + step * index,
        cy: y,
        r: Math.min(4.2, step / 2 - 0.6),
        class: `dot${voters.includes(validators[index].index) ? ` yes ${kind}` : ""}`,
      },
      draw("title", {}, `validator ${validators[index].index}`),
    );
  const all = [...Array(size).keys()];
  if (message.kind !== "slot") return all.map(index => one(index, message.votes, "", 58));
  return [
    ...all.map(index => one(index, message.votes, "", 50)),
    ...all.map(index => one(index, message.commits, "commit", 63)),
  ];
}

const mark = message => (message.is_decided ? "decided" : message.is_notarized ? "notarized" : "open");

function words(message) {
  const votes =
    message.kind === "slot"
      ? `${message.votes.length} prepares, ${message.commits.length} commits`
      : `${message.votes.length} ${message.votes.length === 1 ? "vote" : "votes"}`;
  const state = message.is_decided ? "decided" : message.is_notarized ? "notarized" : "not notarized";
  return { votes, state };
}

export function showTree(drawing, validators) {
  const messages = drawing.messages;
  if (knownHeight !== drawing.height) known = new Set(messages.map(message => message.id));
  knownHeight = drawing.height;
  const places = place(messages);
  const columns = Math.max(0, ...[...places.values()].map(spot => spot.column)) + 1;
  const lines = Math.max(0, ...[...places.values()].map(spot => spot.line)) + 1;
  const [width, height] = [columns * (WIDE + GAP_X) + 30, lines * (HIGH + GAP_Y) + 8];
  const picture = draw("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": `${messages.length} messages of height ${drawing.height}, listed below`,
  });
  const spot = id => places.get(id);
  for (const message of messages) {
    const { column, line } = spot(message.id);
    const [x, y] = [30 + column * (WIDE + GAP_X), 4 + line * (HIGH + GAP_Y)];
    const parent = spot(message.parent);
    const from = parent
      ? [30 + parent.column * (WIDE + GAP_X) + WIDE, 4 + parent.line * (HIGH + GAP_Y) + HIGH / 2]
      : [8, y + HIGH / 2];
    const middle = (from[0] + x) / 2;
    picture.append(
      draw("path", {
        class: "edge",
        d: `M${from[0]} ${from[1]}C${middle} ${from[1]} ${middle} ${y + HIGH / 2} ${x} ${y + HIGH / 2}`,
      }),
    );
    if (!parent) picture.append(draw("circle", { cx: 8, cy: y + HIGH / 2, r: 4, class: "dot" }));
    const { votes } = words(message);
    const round = message.kind === "slot" ? "view" : "tick";
    const group = draw(
      "g",
      { class: `${mark(message)}${known.has(message.id) ? "" : " new"}`, transform: `translate(${x} ${y})` },
      draw("title", {}, message.id),
      draw("rect", { class: "box", width: WIDE, height: HIGH, rx: message.kind === "proposal" ? 20 : 7 }),
      draw("text", { x: 12, y: 20, "font-weight": 600 }, `${message.kind} · ${round} ${message.round}`),
      draw("text", { x: 12, y: 37, class: "dim" }, `by ${message.leader} · ${votes}`),
      ...dots(message, validators),
    );
    picture.append(group);
    known.add(message.id);
  }
  at("tree").replaceChildren(
    messages.length ? picture : make("p", { class: "note" }, "Nothing has been proposed yet."),
  );
  at("tree-list").replaceChildren(
    ...messages.map(message => {
      const { votes, state } = words(message);
      const parent = message.parent ? `on ${short(message.parent)}, ` : "";
      return make(
        "li",
        {},
        `${message.kind} of round ${message.round} by validator ${message.leader}, ` +
          `${parent}${votes} (${message.votes.join(", ") || "nobody"}), ${state}: `,
        make("code", {}, short(message.id)),
      );
    }),
  );
  say(at("tree-height"), number(drawing.height));
  const leader = drawing.leader === null ? "" : ` under validator ${drawing.leader}`;
  say(
    at("tree-words"),
    drawing.is_decided
      ? `decided ${span(drawing.decided_after_ms)} after its first message, in round ${drawing.round}`
      : `in round ${drawing.round}${leader}, not decided yet`,
  );
}

export function forgetTree(height, why) {
  say(at("tree-height"), number(height));
  say(at("tree-words"), why);
  at("tree").replaceChildren();
  at("tree-list").replaceChildren();
}
