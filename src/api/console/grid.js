// The last heights by validators: who voted, and how soon.

import { at, make, number, span } from "./dom.js";

const VALIDATORS_MAX = 64;

/// How strong a square is: by quarters of the time that the height took.
function strength(vote, line) {
  const whole = Math.max(line.decided_after_ms ?? 0, 1);
  const part = vote.after_ms / whole;
  return part <= 0.25 ? "v1" : part <= 0.5 ? "v2" : part <= 0.75 ? "v3" : "v4";
}

export function showGrid(lines, validators, chosen, choose) {
  const heights = [...lines].reverse();
  const head = make("tr", {}, make("td", {}, make("span", { class: "hidden" }, "validator")));
  for (const line of heights) {
    const label =
      `Height ${number(line.height)}, ` +
      (line.is_decided ? `decided after ${span(line.decided_after_ms)}` : "not decided yet");
    const button = make(
      "button",
      {
        type: "button",
        "aria-pressed": String(line.height === chosen),
        "aria-label": label,
        "data-height": line.height,
      },
      String(line.height),
    );
    button.addEventListener("click", () => choose(line.height));
    head.append(make("th", { scope: "col" }, button));
  }
  const rows = validators.slice(0, VALIDATORS_MAX).map(validator => {
    const name = `${validator.index}${validator.is_self ? " (this)" : ""}`;
    const cells = heights.map(line => {
      const vote = line.votes.find(one => one.validator === validator.index);
      const words = vote
        ? `voted after ${span(vote.after_ms)}`
        : line.is_decided
          ? "no vote was needed or seen"
          : "no vote yet";
      const leads = line.leader === validator.index;
      const kind =
        (vote ? strength(vote, line) : line.is_decided ? "none" : "open") + (leads ? " leads" : "");
      const title = `validator ${validator.index}, height ${line.height}: ${words}${leads ? ", leads" : ""}`;
      return make(
        "td",
        { class: kind, title },
        make("span", { class: "hidden" }, words + (leads ? ", leads" : "")),
      );
    });
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, make("span", { class: "hidden" }, "validator "), name),
      ...cells,
    );
  });
  const focused = document.activeElement?.dataset?.height;
  const table = at("grid");
  const isFirst = !table.tHead.firstChild;
  table.tHead.replaceChildren(head);
  table.tBodies[0].replaceChildren(...rows);
  // The newest heights are what one wants to see on a narrow screen.
  if (isFirst) table.parentElement.scrollLeft = table.parentElement.scrollWidth;
  if (focused) table.querySelector(`button[data-height="${focused}"]`)?.focus({ preventScroll: true });
}
