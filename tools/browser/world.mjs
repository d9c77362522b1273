// The server under test, the browser, and what holds for every page that the browser shows.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { strict as assert } from "node:assert";

/** `--name value` pairs of the command line. */
export const args = Object.fromEntries(
  process.argv.slice(2).flatMap((word, at, all) => (word.startsWith("--") ? [[word.slice(2), all[at + 1]]] : [])),
);
const require = createRequire(join(args.tools, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** A folder that goes when the test ends. */
export const place = mkdtempSync(join(tmpdir(), "stillpoint-browser-"));
const servers = new Set();
process.on("exit", () => {
  for (const server of servers) server.kill("SIGKILL");
  rmSync(place, { recursive: true, force: true });
});

/** Starts the demonstration; answers its address, the tokens it printed, and how to kill it. */
export async function serve(...flags) {
  const child = spawn(args.server, flags, { stdio: ["ignore", "pipe", "inherit"] });
  servers.add(child);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const tokens = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const token = /^(\w+): (stp_\w+)$/.exec(line);
    if (token) tokens[token[1]] = token[2];
    const url = /^serving at (\S+?)\/?$/.exec(line);
    if (url) {
      child.stdout.resume();
      return {
        url: url[1],
        tokens,
        kill: async () => {
          child.kill("SIGKILL");
          await gone;
          servers.delete(child);
        },
      };
    }
  }
  throw new Error("the server ended before it listened");
}

const libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/pulseaudio"];

/** A headless browser. It runs without a sandbox: build machines run as root, and it sees our own server alone. */
export async function browse() {
  const root = join(args.tools, "chromium");
  const path = libraries.map((folder) => join(root, folder)).join(":");
  return chromium.launch({
    executablePath: args.chromium ?? join(root, "usr/lib/chromium/chromium-headless-shell"),
    args: ["--no-sandbox"],
    env: { ...process.env, LD_LIBRARY_PATH: path },
  });
}

/** What no page may do: throw, break its own policy, or ask anybody but its own server. */
export function watch(context, url, complaints) {
  context.on("page", (page) => {
    page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error}`));
    page.on("console", (message) => {
      const expected = /Failed to load resource|ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)/;
      if (message.type() === "error" && !expected.test(message.text())) complaints.push(`${page.url()}: ${message.text()}`);
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith("about:")) complaints.push(`asked elsewhere: ${request.url()}`);
    });
    page.on("dialog", (dialog) => {
      complaints.push(`a script from outside ran: ${dialog.message()}`);
      dialog.dismiss();
    });
  });
  return context;
}

/** Signs in and answers the page that follows. */
export async function signIn(context, url, token) {
  const page = await context.newPage();
  await page.goto(`${url}/`);
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { level: 1, name: "Backups" }).waitFor();
  return page;
}

/** No violation of weight, and nothing wider than the screen. */
export async function inspect(page, name) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${name}: ${wide} pixels wider than the screen`);
  // The policy of the page keeps scripts out that are not its own; the test looks from outside.
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run());
  const grave = found.violations.filter((violation) => ["serious", "critical"].includes(violation.impact));
  const said = grave.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html).join("\n  ")}`);
  assert.deepEqual(said, [], `${name}: what a screen reader or a weak eye meets`);
}

/** Takes a picture where `--shots` names a folder for them. */
export async function shoot(page, name) {
  if (args.shots) await page.screenshot({ path: join(args.shots, `${name}.png`), fullPage: true });
}

/** One step of the story, told as it goes. */
export async function step(title, act) {
  const begun = Date.now();
  await act();
  console.log(`  ${title} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
}
