// Every page of a full catalog, wide and narrow, light and dark: nothing overflows, axe-core finds nothing grave. With
// `--shots FOLDER` it leaves a picture of each. Run by `cargo xtask browser`.
import { strict as assert } from "node:assert";
import { browse, inspect, serve, shoot, signIn, step, watch } from "./world.mjs";

const MODES = {
  wide: { viewport: { width: 1360, height: 900 }, colorScheme: "light" },
  dark: { viewport: { width: 1360, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: "light", deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

const complaints = [];
const browser = await browse();
const { url, tokens } = await serve("--listen", "127.0.0.1:0", "--pace", "900");

/** The pages, found as a person finds them. */
async function pages(page) {
  const first = (selector) => page.locator(selector).first().getAttribute("href");
  await page.goto(`${url}/?workspace=ml-prod&state=partial`);
  const partial = await first("tbody th a");
  await page.goto(`${url}/?q=decommissioning`);
  const held = await first("tbody th a");
  await page.goto(`${url}/?workspace=ada%2Fnotebooks`);
  const files = await first("tbody th a");
  await page.goto(`${url}/operations`);
  const operation = await first(".card-name");
  const ended = await first("tbody th a");
  return {
    catalog: "/",
    "catalog-sorted": "/?sort=-size&environment=prod-env",
    "catalog-nothing": "/?q=nothing+of+that+name",
    backup: partial,
    restore: `${held}/restore?target=churn-again`,
    delete: `${held}/delete`,
    files: `${files}/files/home?path=notebooks`,
    "files-empty": `${files}/files/home?path=notebooks%2Ftmp`,
    workspaces: "/workspaces",
    workspace: "/workspaces/ml-prod",
    "workspace-empty": "/workspaces/onboarding",
    "backup-now": "/workspaces/forecasting/backup",
    schedule: "/workspaces/ml-prod/schedule",
    retention: "/workspaces/ml-prod/retention?preview=yes&daily=5&last=3",
    operations: "/operations",
    operation,
    "operation-ended": ended,
    missing: "/backups/no-such-backup",
  };
}

for (const [mode, options] of Object.entries(MODES)) {
  await step(`every page, ${mode}`, async () => {
    const context = watch(await browser.newContext(options), url, complaints);
    const page = await signIn(context, url, tokens.administrator);
    for (const [name, path] of Object.entries(await pages(page))) {
      assert.ok(path, `${name} is nowhere to be found`);
      await page.goto(url + path);
      await inspect(page, `${name} (${mode})`);
      await shoot(page, `${name}-${mode}`);
    }
    await context.close();
    const outside = await browser.newContext(options);
    const door = await outside.newPage();
    await door.goto(`${url}/sign-in`);
    await shoot(door, `sign-in-${mode}`);
    await outside.close();
  });
}

await step("the keyboard reaches the content first, and every control shows where it is", async () => {
  const context = watch(await browser.newContext(MODES.wide), url, complaints);
  const page = await signIn(context, url, tokens.operator);
  await page.goto(`${url}/workspaces/ml-prod`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none");
  await context.close();
});

await browser.close();
assert.deepEqual(complaints, []);
console.log("every page held");
process.exit(0);
