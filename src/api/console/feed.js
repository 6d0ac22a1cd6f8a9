// The event stream of the node: blocks from the last one seen on, and what happens between them.

const NOTICES = [
  "round_timed_out",
  "equivocated",
  "turn_missed",
  "diverged",
  "state_mismatch",
  "checkpoint_stable",
  "peer_up",
  "peer_down",
  "syncing",
];
const WAIT_MIN = 500;
const WAIT_MAX = 15_000;

/// Follows until the page is gone. After a break it waits, each time twice as long, and goes on where it was; after a
/// hundred blocks that it has missed it goes on with the newest, for the page shows no more.
export function follow({ block, notice, state }) {
  let seen = null;
  let wait = WAIT_MIN;
  function open() {
    const source = new EventSource("/v1/events");
    const again = () => {
      source.close();
      state(false, wait);
      setTimeout(open, wait * (0.75 + Math.random() / 2));
      wait = Math.min(2 * wait, WAIT_MAX);
    };
    source.onopen = () => {
      wait = WAIT_MIN;
      state(true, 0);
    };
    source.onerror = again;
    source.addEventListener("gone", again);
    source.addEventListener("block", event => {
      const one = JSON.parse(event.data);
      if (seen !== null && one.height <= seen) return;
      seen = one.height;
      block(one);
    });
    for (const name of NOTICES) source.addEventListener(name, event => notice(name, JSON.parse(event.data)));
  }
  open();
}
