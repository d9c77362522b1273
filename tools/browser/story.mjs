// The whole story in a real browser: first backup, progress, restore with its plan, a server that is killed in the middle,
// deletion, and a reader who may only look. Run by `cargo xtask browser`.
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { browse, inspect, place, serve, shoot, signIn, step, watch } from "./world.mjs";

const HOSTILE = `"><img src=x onerror=alert(1)><script>alert(2)</script>`;
const catalog = join(place, "catalog.sqlite");
const complaints = [];
const browser = await browse();
let server = await serve("--listen", "127.0.0.1:0", "--catalog", catalog, "--pace", "1.5", "--empty");
const { url, tokens } = server;
const listen = url.replace("http://", "");
const context = watch(await browser.newContext({ viewport: { width: 1280, height: 900 } }), url, complaints);
let page;

const heading = (name) => page.getByRole("heading", { level: 1, name }).waitFor();
const press = (name) => page.getByRole("button", { name }).click();
const follow = (name) => page.getByRole("link", { name }).first().click();
const pill = (word) => page.locator("main .pill", { hasText: word }).first().waitFor();
const ended = (word) => page.locator(".outcome .pill", { hasText: word }).waitFor({ timeout: 30_000 });

await step("a wrong token is refused, the right one opens an empty catalog", async () => {
  page = await context.newPage();
  await page.goto(`${url}/workspaces`);
  await inspect(page, "sign-in");
  await page.getByLabel("Token").fill("stp_wrong");
  await press("Sign in");
  await page.getByRole("alert").getByText("unknown, revoked or over").waitFor();
  await page.close();
  page = await signIn(context, url, tokens.administrator);
  await page.getByRole("heading", { name: "No backup yet" }).waitFor();
  await inspect(page, "empty catalog");
});

await step("the first backup: its plan, its progress, its end", async () => {
  await follow("Choose a workspace");
  await follow("ml-prod");
  await follow("Back up now…");
  await page.getByText("external NFS is not part of the workspace").waitFor();
  await inspect(page, "plan of a backup");
  await page.getByLabel("Name").fill(HOSTILE);
  await press("Start backup");
  await page.getByText("Kept up to date.").waitFor();
  await page.waitForFunction(() => document.querySelector("main progress")?.value > 0);
  await inspect(page, "operation under way");
  await ended("completed");
});

await step("what was typed is shown as text, and the backup in full", async () => {
  await follow("Backups");
  await follow(HOSTILE);
  await heading(HOSTILE);
  const windows = page.getByText("its content").or(page.getByText("while services were held still"));
  await windows.filter({ visible: true }).first().waitFor();
  await inspect(page, "a backup");
  await shoot(page, "story-backup");
});

await step("a held backup is not deleted; let go again it could be", async () => {
  await press("Hold");
  await page.getByRole("button", { name: "Release hold" }).waitFor();
  await follow("Delete…");
  await pill("blocker");
  assert.ok(await page.getByRole("button", { name: "Delete this backup" }).isDisabled());
  await page.goBack();
  await press("Release hold");
  await page.getByRole("button", { name: "Hold", exact: true }).waitFor();
});

await step("a verification is begun and stands in the history", async () => {
  await press("Verify");
  await ended("completed");
  await follow("its backup");
  await page.locator("section", { hasText: "History" }).getByRole("link", { name: "verify" }).waitFor();
});

await step("a restore shows its plan before it runs, into a workspace with a hostile name", async () => {
  await follow("Restore…");
  await page.getByLabel("New workspace").fill(`twin ${HOSTILE}`);
  await press("Show the plan");
  await page.getByText("none applied").waitFor();
  await inspect(page, "plan of a restore");
  await shoot(page, "story-restore");
  await press("Start restore");
  await ended("completed");
  await follow("its backup");
  await page.locator("section", { hasText: "History" }).getByRole("link", { name: "twin" }).waitFor();
  await inspect(page, "a backup that was restored");
});

await step("the server is killed in the middle of a backup and takes it up again", async () => {
  await server.kill();
  server = await serve("--listen", listen, "--catalog", catalog, "--pace", "20", "--empty");
  await page.goto(`${url}/workspaces/forecasting/backup`);
  await press("Start backup");
  await page.getByText("Kept up to date.").waitFor();
  await page.waitForFunction(() => document.querySelector("main progress")?.value > 0);
  await server.kill();
  await page.getByText("Connection lost").waitFor({ timeout: 15_000 });
  server = await serve("--listen", listen, "--catalog", catalog, "--pace", "1.5", "--empty");
  await ended("completed");
});

await step("a schedule is previewed, then saved", async () => {
  await page.goto(`${url}/workspaces/ml-prod/schedule`);
  await page.getByLabel("At set times").check();
  await page.getByLabel("Cron expression").fill("every day");
  await press("Preview runs");
  await page.getByRole("alert").getByText("is not a cron expression").waitFor();
  await page.getByLabel("Cron expression").fill("30 2 * * *");
  await press("Preview runs");
  assert.equal(await page.locator(".runs li").count(), 8);
  await inspect(page, "schedule");
  await press("Save schedule");
  await page.getByText("The schedule is saved.").waitFor();
  await page.getByText("30 2 * * *").waitFor();
  await inspect(page, "a workspace");
});

await step("a policy is tried, and deletes what its preview named once the number is typed", async () => {
  await page.goto(`${url}/workspaces/ml-prod/backup`);
  await page.getByLabel("Name").fill("second");
  await press("Start backup");
  await ended("completed");
  await page.goto(`${url}/workspaces/ml-prod/retention`);
  await page.getByLabel("Newest").fill("1");
  await press("Preview");
  await pill("go");
  await inspect(page, "retention");
  const button = page.getByRole("button", { name: "Delete 1 backup" });
  assert.ok(await button.isDisabled());
  await page.getByLabel("To delete 1 backup").fill("1");
  await button.click();
  await page.getByText("are deleted").waitFor();
  await page.goto(`${url}/`);
  assert.equal(await page.getByRole("link", { name: HOSTILE }).count(), 0);
});

await step("a deletion takes the name, typed by hand", async () => {
  await page.goto(`${url}/`);
  await follow("second");
  const gone = page.url();
  await follow("Delete…");
  const button = page.getByRole("button", { name: "Delete this backup" });
  await page.getByLabel("To confirm, type").fill("secon");
  assert.ok(await button.isDisabled());
  // Whoever sends the form in spite of that is refused by the server.
  await page.evaluate(() => document.querySelector("form.danger-zone").submit());
  await page.getByRole("alert").getByText("Nothing was deleted.").waitFor();
  await inspect(page, "a deletion that was refused");
  await page.getByLabel("To confirm, type").fill("second");
  await button.click();
  await ended("completed");
  const answer = await page.goto(gone);
  assert.equal(answer.status(), 404);
  await heading("Not found");
  await inspect(page, "not found");
});

await step("who may only look sees no controls and is refused in so many words", async () => {
  const other = watch(await browser.newContext(), url, complaints);
  page = await signIn(other, url, tokens.viewer);
  await page.getByRole("link", { name: "forecasting" }).first().click();
  await heading("forecasting");
  assert.equal(await page.getByRole("link", { name: "Back up now…" }).count(), 0);
  await page.locator(".grid th a").filter({ visible: true }).first().click();
  assert.equal(await page.locator(".head .actions").count(), 0);
  const backup = page.url();
  for (const path of ["/restore", "/delete"]) {
    const answer = await page.goto(backup + path);
    assert.equal(answer.status(), 403, path);
    await heading("Not allowed");
  }
  await inspect(page, "forbidden");
  await shoot(page, "story-forbidden");
  // The handlers refuse as well, whoever makes the request, with the session's own proof.
  await page.goto(`${url}/`);
  const proof = await page.locator("input[name=csrf]").first().inputValue();
  for (const path of ["/delete", "/restore", "/verify", "/hold"]) {
    const form = { csrf: proof, confirm: "x", target: "twin", held: "yes" };
    const answer = await page.request.post(backup + path, { form, maxRedirects: 0 });
    assert.equal(answer.status(), 403, `POST ${path}`);
  }
  const forged = await page.request.post(`${url}/sign-out`, { form: { csrf: "guessed" }, maxRedirects: 0 });
  assert.equal(forged.status(), 403);
  await press("Sign out");
  await page.getByLabel("Token").waitFor();
  await other.close();
});

await step("without scripts everything can be read", async () => {
  const plain = watch(await browser.newContext({ javaScriptEnabled: false }), url, complaints);
  page = await signIn(plain, url, tokens.administrator);
  await page.getByRole("searchbox", { name: "Search" }).fill("forecast");
  await press("Apply");
  assert.equal(await page.locator("tbody tr").count(), 1);
  await page.locator("tbody th a").click();
  await page.getByRole("heading", { name: "Components" }).waitFor();
  await plain.close();
});

await server.kill();
await browser.close();
assert.deepEqual(complaints, []);
console.log("the story held");
