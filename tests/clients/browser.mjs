// Drives the unchanged mixpanel-browser in a real, headless Chromium: only `api_host` differs from what a site has.
//
// usage: CHROMIUM=/usr/bin/chromium node browser.mjs PAGE_PORT INTAKE TOKEN
//
// Serves a page from loopback, then plays three visits: batches by XHR with a sign-in; a page that is closed while events wait
// (they go by beacon, stay in the queue and are sent again by the next page); the SDK's JSON payload format. Prints what was
// sent, as JSON, for real_clients.py to compare with what is stored. Beacons of a page that is gone are not shown by the browser's
// own protocol, so the SDK sends through a relay on loopback that notes the bytes and passes them on unchanged.
import { readFileSync } from "node:fs";
import { createServer, request as send } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { chromium } from "playwright-core";

const [port, intake, token] = process.argv.slice(2);
const sdk = readFileSync(join(dirname(createRequire(import.meta.url).resolve("mixpanel-browser")), "mixpanel.umd.js"));
const page = `<!doctype html><meta charset="utf-8"><title>Console</title><script src="/mixpanel.js"></script><p>Console</p>`;
const agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const origin = `http://127.0.0.1:${port}`;

const files = createServer((request, response) => {
  const isScript = request.url.startsWith("/mixpanel.js");
  response.writeHead(200, { "content-type": isScript ? "text/javascript" : "text/html; charset=utf-8" });
  response.end(isScript ? sdk : page);
});
await new Promise((resolve) => files.listen(Number(port), "127.0.0.1", resolve));

const requests = [];
let preflights = 0;
const relayServer = createServer(relay);
await new Promise((resolve) => relayServer.listen(0, "127.0.0.1", resolve));
const apiHost = `http://127.0.0.1:${relayServer.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"],
});

/** What the SDK put into a request, decoded as the SDK's own format says. */
function itemsOf(body) {
  const data = new URLSearchParams(body).get("data") ?? "";
  const text = data.startsWith("[") ? data : Buffer.from(data, "base64").toString("latin1");
  return JSON.parse(text);
}

/** Notes a POST and gives it on unchanged; the answer goes back unchanged. */
function relay(request, response) {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts);
    const entry = request.method === "POST" ? note(request, body.toString("latin1")) : {};
    if (request.method === "OPTIONS") preflights += 1;
    const onward = send(`${intake}${request.url}`, { method: request.method, headers: request.headers }, (answer) => {
      entry.status = answer.statusCode;
      response.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    onward.end(body);
  });
}

function note(request, body) {
  const items = itemsOf(body);
  const properties = items.map((item) => item.properties ?? {});
  const entry = {
    path: request.url.split("?")[0],
    // A beacon is a no-cors request with text/plain; XHR asks for CORS.
    kind: request.headers["sec-fetch-mode"] === "no-cors" ? "beacon" : "xhr",
    type: request.headers["content-type"],
    json: body.startsWith("data=%5B"),
    markers: properties.map((each) => each.marker).filter(Boolean),
    events: items.map((item) => item.event).filter(Boolean),
    insertIds: properties.map((each) => each.$insert_id).filter(Boolean),
    status: null,
  };
  requests.push(entry);
  return entry;
}

/** Waits until a condition over the requests seen so far holds. */
async function until(condition, what) {
  const end = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`${what}; seen: ${JSON.stringify(requests, null, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const answered = (marker, kind) => requests.some((r) => r.markers.includes(marker) && r.status === 200 && (!kind || r.kind === kind));
const start = (tab, options = {}) =>
  tab.evaluate(([key, config]) => window.mixpanel.init(key, config), [token, { api_host: apiHost, persistence: "localStorage", ...options }]);

// 1. A visitor looks around, signs in and goes on; batches by XHR.
const first = await browser.newContext({ userAgent: agent });
const tab = await first.newPage();
await tab.goto(`${origin}/?utm_source=newsletter&email=bea.browser%40example.com`);
await start(tab);
const anonymous = await tab.evaluate(() => window.mixpanel.get_distinct_id());
await tab.evaluate(() => {
  for (let index = 0; index < 4; index += 1) {
    window.mixpanel.track("Browser Tracked", { marker: `browser-anonymous-${index}`, email: "bea.browser@example.com", note: "grüße 🎉", lone: "\ud83d" });
  }
});
await until(() => answered("browser-anonymous-3", "xhr"), "no batch by XHR");
await tab.evaluate(() => {
  window.mixpanel.identify("user-browser-1");
  window.mixpanel.people.set({ plan: "pro", $email: "bea.browser@example.com", $name: "Bea Browser" });
  window.mixpanel.people.increment("logins", 2);
  window.mixpanel.set_group("org_id", "org-browser");
  window.mixpanel.get_group("org_id", "org-browser").set({ plan: "scale" });
  window.mixpanel.track("Browser Tracked", { marker: "browser-known-0" });
});
await until(
  () => answered("browser-known-0") && ["/engage/", "/groups/"].every((path) => requests.some((r) => r.path === path && r.status === 200)),
  "no identified event, profile or group",
);

// 2. The page is left while an event waits: a beacon takes it, and the next page sends it again. On a busy machine the SDK's
// timer may send the event by XHR before the page is gone; then the visitor leaves once more.
const left = [];
const wentByBeacon = (marker) => requests.some((r) => r.kind === "beacon" && r.markers.includes(marker));
while (left.length < 5 && !left.some(wentByBeacon)) {
  const marker = `browser-close-${left.length}`;
  left.push(marker);
  await tab.evaluate((name) => {
    window.mixpanel.track("Browser Closed", { marker: name });
    window.location.href = `/again?${name}`;
  }, marker);
  await tab.waitForURL(`${origin}/again?${marker}`);
  await tab.waitForLoadState();
  await start(tab);
  await until(() => answered(marker, "xhr"), "the queue was not sent again after the reload");
}
if (!left.some(wentByBeacon)) throw new Error(`no beacon at page close; seen: ${JSON.stringify(requests, null, 1)}`);
await first.close();

// 3. A site that asks for JSON payloads, with a header of its own, so that the browser asks first.
const second = await browser.newContext({ userAgent: agent });
const other = await second.newPage();
await other.goto(`${origin}/json`);
await start(other, { api_payload_format: "json", xhr_headers: { "X-Console": "1" } });
await other.evaluate(() => {
  for (let index = 0; index < 3; index += 1) {
    window.mixpanel.track("Browser Tracked", { marker: `browser-json-${index}`, email: "jo.json@example.com", note: "grüße 🎉" });
  }
});
await until(() => answered("browser-json-2") && requests.some((r) => r.json && r.markers.includes("browser-json-2")), "no JSON payload");
await second.close();
await browser.close();
files.close();
relayServer.close();
relayServer.closeAllConnections();

const sent = requests.filter((r) => r.markers.some((marker) => left.includes(marker) && wentByBeacon(marker)));
console.log(JSON.stringify({
  anonymous,
  person: "user-browser-1",
  requests,
  closed: left.length,
  preflights,
  resent: { beacons: sent.filter((r) => r.kind === "beacon").length, again: sent.filter((r) => r.kind === "xhr").length },
  markers: [...new Set(requests.flatMap((r) => r.markers))],
}));
