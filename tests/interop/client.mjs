// Node's http2 as a connector: CONNECT streams on one tunnel, what happened as lines of text.
// Usage: node client.mjs PORT CA CERTIFICATE KEY
//
//   open N                          so many streams were answered 200 before any byte was sent
//   echo I BYTES SENT RECEIVED      SHA-256 of what was sent to the echo and of what came back
//   sum SENT ANSWER                 we ended first: what the service says of what it had received
//   first BYTES RECEIVED SENT       the service ended first, and we sent on
//   refused STATUS PROXY-STATUS
//   done
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import http2 from "node:http2";

const [port, ca, cert, key] = process.argv.slice(2);
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

const session = http2.connect(`https://127.0.0.1:${port}`, {
  ca: readFileSync(ca),
  cert: readFileSync(cert),
  key: readFileSync(key),
  servername: "localhost",
});
const fail = (error) => {
  console.log(`failed ${error.stack}`);
  process.exit(1);
};
session.on("error", fail);

// The answer's head, and all that follows it to END_STREAM.
function ask(service) {
  const stream = session.request({ ":method": "CONNECT", ":authority": `${service}:80` });
  stream.on("error", fail);
  const pieces = [];
  stream.on("data", (piece) => pieces.push(piece));
  const head = new Promise((resolve) => stream.on("response", resolve));
  const all = new Promise((resolve) => stream.on("end", () => resolve(Buffer.concat(pieces))));
  return { stream, head, all };
}

async function opened(service) {
  const asked = ask(service);
  const head = await asked.head;
  if (head[":status"] !== 200) throw new Error(`${service}: ${head[":status"]}`);
  return asked;
}

async function echoes() {
  const streams = await Promise.all(Array.from({ length: 6 }, () => opened("echo")));
  console.log(`open ${streams.length}`);
  await Promise.all(
    streams.map(async ({ stream, all }, i) => {
      const bytes = randomBytes(300_000 + i);
      stream.end(bytes);
      const back = await all;
      console.log(`echo ${i} ${back.length} ${sha256(bytes)} ${sha256(back)}`);
    }),
  );
}

async function weEndFirst() {
  const { stream, all } = await opened("sum");
  const bytes = randomBytes(200_000);
  stream.end(bytes);
  console.log(`sum ${sha256(bytes)} ${await all}`);
}

async function theServiceEndsFirst() {
  const { stream, all } = await opened("first");
  const received = await all;
  const bytes = randomBytes(100_000);
  await new Promise((resolve) => stream.end(bytes, resolve));
  console.log(`first ${received.length} ${sha256(received)} ${sha256(bytes)}`);
}

async function refused() {
  const { stream, head, all } = ask("nothing");
  const { ":status": status, "proxy-status": why } = await head;
  await all;
  stream.end();
  console.log(`refused ${status} ${why}`);
}

try {
  await Promise.all([echoes(), weEndFirst(), theServiceEndsFirst(), refused()]);
  await new Promise((resolve) => session.close(resolve));
  console.log("done");
} catch (error) {
  fail(error);
}
