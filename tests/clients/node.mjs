// Drives the unchanged Mixpanel SDK for Node against a host; everything it sends carries a marker. Prints the markers as JSON.
//
// usage: node node.mjs HOST PORT TOKEN SECRET
import Mixpanel from "mixpanel";

const [host, port, token, secret] = process.argv.slice(2);
const client = Mixpanel.init(token, { protocol: "http", host, port: Number(port), key: secret });
const markers = [];

function marker(name) {
  markers.push(`node-${name}`);
  return `node-${name}`;
}

/** Calls an SDK function whose last argument is a callback; rejects where the SDK reports an error. */
function done(call) {
  return new Promise((resolve, reject) => {
    call((error) => {
      const errors = [error].flat().filter(Boolean);
      if (errors.length > 0) reject(new Error(`the SDK reports: ${errors.map((e) => e.message ?? e).join("; ")}`));
      else resolve();
    });
  });
}

const person = "user-node-1";
const email = "nora.node@example.com";

for (let index = 0; index < 5; index += 1) {
  const properties = { distinct_id: person, marker: marker(`track-${index}`), $insert_id: `node-track-${index}`, email, note: "grüße 🎉 +/=" };
  await done((callback) => client.track("Node Tracked", properties, callback));
}
// A client of one's own repeats what it is not sure of: the same insert id, stored once.
await done((callback) => client.track("Node Tracked", { distinct_id: person, marker: "node-track-0", $insert_id: "node-track-0", email }, callback));

const batch = Array.from({ length: 120 }, (_, index) => ({
  event: "Node Batched",
  properties: { distinct_id: `user-node-${index % 7}`, marker: marker(`batch-${index}`), $insert_id: `node-batch-${index}`, text: "a+b/c=d? ü" },
}));
await done((callback) => client.track_batch(batch, {}, callback));

const old = Date.now() - 20 * 86400 * 1000;
await done((callback) => client.import("Node Imported", new Date(old), { distinct_id: person, marker: marker("import"), $insert_id: "node-import" }, callback));
const imports = Array.from({ length: 60 }, (_, index) => ({
  event: "Node Imported",
  properties: { distinct_id: person, time: new Date(old + index * 60_000), marker: marker(`import-${index}`), $insert_id: `node-import-${index}` },
}));
await done((callback) => client.import_batch(imports, {}, callback));

await done((callback) => client.people.set(person, { plan: "team", $email: email, $name: "Nora Node" }, callback));
await done((callback) => client.people.set_once(person, "first_source", "docs", callback));
await done((callback) => client.people.increment(person, "calls", 3, callback));
await done((callback) => client.people.increment(person, "calls", 4, callback));
await done((callback) => client.people.append(person, "seen", "alpha", callback));
await done((callback) => client.people.union(person, { tags: ["x", "y"] }, callback));
await done((callback) => client.people.union(person, { tags: ["y", "z"] }, callback));
await done((callback) => client.people.set(person, "gone", "soon", callback));
await done((callback) => client.people.unset(person, "gone", callback));
await done((callback) => client.groups.set("org_id", "org-node", { plan: "enterprise", seats: 12 }, callback));
await done((callback) => client.groups.set_once("org_id", "org-node", { plan: "never" }, callback));

console.log(JSON.stringify({ markers, person, email }));
