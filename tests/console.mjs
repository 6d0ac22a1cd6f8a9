// What `tests/console` does in the browser. Each check has a name and fails with what it saw; every wait is bounded.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const env = process.env;
const modules = createRequire(`${env.CONSOLE_MODULES}/`);
const { chromium } = modules("playwright-core");
const axe = readFileSync(modules.resolve("axe-core/axe.min.js"), "utf8");
const WAIT = 15_000;

const line = ["localnet", "--json", "--http-port", "0", "--p2p-port", "0", "--dir", "net"];
const localnet = spawn(env.CONSOLE_BINARY, line, { stdio: ["ignore", "pipe", "ignore"] });
const { value: table } = await createInterface({ input: localnet.stdout })[Symbol.asyncIterator]().next();
const { nodes } = JSON.parse(table);
const origin = nodes[0].http;

/// However it ends, nothing is left running.
process.on("exit", () => {
  for (const { pid } of nodes) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It is gone already.
    }
  }
  localnet.kill("SIGKILL");
});

const browser = await chromium.launch({ executablePath: env.CONSOLE_CHROMIUM, args: ["--no-sandbox"] });
const trouble = [];

/// A page of the console, whose errors and requests to elsewhere are noted.
async function open(options) {
  // The policy forbids foreign scripts, the checker's too: it comes in beside the page's own world.
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const isExpected = text => /40[04]|503|ERR_CONNECTION_REFUSED/.test(text);
  page.on(
    "console",
    line => line.type() === "error" && !isExpected(line.text()) && trouble.push(line.text()),
  );
  page.on("pageerror", error => trouble.push(String(error)));
  page.on("request", request => request.url().startsWith(origin) || trouble.push(`asked ${request.url()}`));
  const reply = await page.goto(origin);
  const policy = reply.headers()["content-security-policy"] ?? "";
  assert.ok(
    policy.startsWith("default-src 'none'") && !policy.includes("unsafe"),
    `a strict policy, not ${policy}`,
  );
  return page;
}

const says = (page, id, words) =>
  page
    .waitForFunction(
      ([id, words]) => new RegExp(words).test(document.getElementById(id).textContent),
      [id, words],
      { timeout: WAIT },
    )
    .catch(async () => assert.fail(`${id} says ${await page.textContent(`#${id}`)}, not ${words}`));
const height = async page => Number((await page.textContent("#tile-height dd")).replace(/[^0-9]/g, ""));
const put = (key, value) =>
  fetch(`${origin}/v1/kv/${key}`, { method: "PUT", body: value }).then(reply => reply.json());
const picture = async (page, name) =>
  env.CONSOLE_PICTURES && page.screenshot({ path: `${env.CONSOLE_PICTURES}/${name}.png`, fullPage: true });

async function check(name, what) {
  const began = Date.now();
  await what();
  console.log(`ok    ${name} (${Date.now() - began} ms)`);
}

const steady = { reducedMotion: "reduce" };
const page = await open({ viewport: { width: 1280, height: 900 }, colorScheme: "light", ...steady });

await check("it says in words that all is well", () => says(page, "health-words", "^All is well$"));

await check("height moves with the event stream", async () => {
  await says(page, "feed", "^live$");
  const before = await height(page);
  for (let one = 0; one < 12; one += 1) await put(`river/${one}`, `value ${one}`);
  await page.waitForFunction(
    before =>
      Number(document.querySelector("#tile-height dd").textContent.replace(/[^0-9]/g, "")) >= before + 10,
    before,
    { timeout: WAIT },
  );
});

await check("the grid fills with votes of a quorum", async () => {
  const columns = () => page.locator("#grid thead button").count();
  await page.waitForFunction(() => document.querySelectorAll("#grid thead button").length >= 10, null, {
    timeout: WAIT,
  });
  const votes = await page.locator("#grid td.v1, #grid td.v2, #grid td.v3, #grid td.v4").count();
  assert.ok(votes >= 3 * 10, `${votes} votes in ${await columns()} columns`);
});

await check("the messages of a height are drawn, and another can be chosen", async () => {
  await page.waitForFunction(() => document.querySelectorAll("#tree g.decided").length >= 1, null, {
    timeout: WAIT,
  });
  const button = page.locator("#grid thead button").nth(2);
  const chosen = await button.getAttribute("data-height");
  await button.click();
  await says(page, "tree-height", `^${chosen}$`);
  await says(page, "tree-words", "^decided .* after its first message");
  assert.equal(await page.isChecked("#follow"), false);
  await page.check("#follow");
});

await check("latencies and peers are there", async () => {
  await says(page, "latency", "submitted … committed.*ms");
  await page.waitForFunction(() => document.querySelectorAll("#peers tr").length >= 3, null, {
    timeout: WAIT,
  });
  await says(page, "peers", "substream.*thalweg/");
});

await check("a value is written and read, with the certificate of its block", async () => {
  await page.fill("#kv-key", "mouth/of the river");
  await page.fill("#kv-value", "the sea");
  await page.click("button[value=write]");
  await says(page, "kv-answer", "^Written at height");
  await says(page, "kv-proof", "^Certificate of block .*Validators [0-9, ]+ signed");
  for (let one = 0; one < 3; one += 1) await put("later", String(one));
  await page.click("button[value=read]");
  await says(page, "kv-answer", "^the seaAs of height .* Block [0-9,]+ wrote it");
  await says(page, "kv-proof", "^Certificate of block");
});

await check("the keyboard reaches everything that can be used", async () => {
  await page.evaluate(() => document.activeElement.blur());
  const all = await page
    .locator("a:visible, button:visible, input:visible, select:visible, summary:visible")
    .count();
  const reached = new Set();
  for (let one = 0; one < all + 40; one += 1) {
    await page.keyboard.press("Tab");
    reached.add(
      await page.evaluate(() => {
        const it = document.activeElement;
        const style = getComputedStyle(it);
        const isVisible = it === document.body || style.outlineStyle !== "none" || it.className === "skip";
        const words = it.textContent.slice(0, 30);
        return `${it.tagName}#${it.id}.${it.value ?? ""}.${words}.${isVisible ? "" : " without a mark"}`;
      }),
    );
  }
  const without = [...reached].filter(one => one.includes("without a mark"));
  assert.deepEqual(without, [], "focus is seen");
  for (const wanted of [
    "INPUT#kv-key",
    "BUTTON#.read",
    "BUTTON#.delete",
    "SELECT#heights",
    "INPUT#follow",
    "SUMMARY#",
    "A#",
  ]) {
    assert.ok(
      [...reached].some(one => one.startsWith(wanted)),
      `${wanted} is reached: ${[...reached].join("\n")}`,
    );
  }
});

await check("axe-core finds no violation, light and dark", async () => {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, ...steady });
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document));
    const words = violations.map(
      one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 200)).join(" | ")}`,
    );
    assert.deepEqual(words, [], colorScheme);
    await picture(page, `desktop-${colorScheme}`);
  }
});

await check("at the width of a phone nothing is cut off", async () => {
  const phone = await open({ viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, ...steady });
  await says(phone, "health-words", "^All is well$");
  await phone.waitForFunction(() => document.querySelectorAll("#tree g").length >= 1, null, {
    timeout: WAIT,
  });
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 360, `the page is ${wide} wide`);
  await picture(phone, "phone");
  await phone.close();
});

await check("who dies is missed, and what to try is said", async () => {
  process.kill(nodes[3].pid, "SIGKILL");
  await says(page, "health-words", "^It works, but something is wrong$");
  await says(page, "findings", "not connected, while a quorum is: validator [0-9]");
  process.kill(nodes[2].pid, "SIGKILL");
  await says(page, "health-words", "^Not ready: connected validators are no quorum$");
  await says(page, "findings", "no quorum: power 2 of 4, 3 needed; not connected: validator .*last heard");
  await says(page, "advice", "start the validators that are down");
  const waiting = put("never", "decided").catch(() => {});
  await says(page, "findings", "height [0-9]+ is in round [0-9]+ .*missing: validator");
  await says(page, "events", "validator [0-9] is gone");
  await picture(page, "stuck");
  void waiting;
});

assert.deepEqual(trouble, [], "no errors in the browser, and no request to elsewhere");
await browser.close();
console.log("the console is as it should be");
process.exit(0);
