// Node's http2 as a proxy: it answers CONNECT and dials what it is told on the command line.
// Usage: node server.mjs CA CERTIFICATE KEY SERVICE=PORT…
//
//   listening PORT
//   stream AUTHORITY on SESSION     a CONNECT arrived, on the tunnel of that number
//   aborted AUTHORITY CODE          the connector reset the stream with that error code
//
// The service `reset` is reset as soon as a byte has arrived, `nothing` does not exist.
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";

const [ca, cert, key, ...services] = process.argv.slice(2);
const ports = new Map(services.map((service) => service.split("=")));
// Node's close(code) sends END_STREAM before RST_STREAM, and whoever reads the first has a clean
// end. Only destroying a stream resets one that has not ended; its code is INTERNAL_ERROR.
const abort = (stream) => stream.destroy(new Error("aborted"));

const server = http2.createSecureServer({
  ca: readFileSync(ca),
  cert: readFileSync(cert),
  key: readFileSync(key),
  requestCert: true,
  rejectUnauthorized: true,
});

let sessions = 0;
server.on("session", (session) => (session.number = ++sessions));

server.on("stream", (stream, headers) => {
  const authority = headers[":authority"];
  const service = authority.split(":")[0];
  console.log(`stream ${authority} on ${stream.session.number}`);
  stream.on("error", () => {}); // told by its code, below
  stream.on("close", () => {
    if (stream.rstCode !== 0) console.log(`aborted ${authority} ${stream.rstCode}`);
  });
  if (headers[":method"] !== "CONNECT" || ":path" in headers || ":scheme" in headers) {
    stream.respond({ ":status": 405 }, { endStream: true });
  } else if (service === "reset") {
    stream.respond({ ":status": 200 });
    stream.once("data", () => abort(stream));
  } else if (ports.has(service)) {
    const dialled = { host: "127.0.0.1", port: Number(ports.get(service)), allowHalfOpen: true };
    const socket = net.connect(dialled, () => {
      stream.respond({ ":status": 200 });
      stream.pipe(socket);
      socket.pipe(stream);
    });
    stream.on("close", () => stream.rstCode !== 0 && socket.resetAndDestroy());
    socket.on("error", () => abort(stream));
  } else {
    const why = 'node; error=destination_not_found; details="node has no such service"';
    stream.respond({ ":status": 404, "proxy-status": why }, { endStream: true });
  }
});

server.listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));
