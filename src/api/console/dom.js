// Small words for making and finding elements, and for saying figures.

export const at = id => document.getElementById(id);

export function make(name, attributes = {}, ...inside) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    if (value !== undefined) node.setAttribute(key, value);
  node.append(...inside);
  return node;
}

export function draw(name, attributes = {}, ...inside) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...inside);
  return node;
}

/// Text is set only when it has changed: a live region must not be read out again and again.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const row = (head, ...cells) => make("tr", {}, make("th", { scope: "row" }, head), ...cells);
export const right = text => make("td", { class: "right" }, text);
export const number = value => Number(value).toLocaleString("en");
export const short = hash => (hash ? hash.slice(0, 10) + "…" : "–");

export function span(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10) return `${Math.round(ms * 100) / 100} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

export async function read(path) {
  const reply = await fetch(path);
  if (!reply.ok) throw new Error((await reply.json()).detail ?? `${reply.status}`);
  return reply.json();
}
