// What fetch, net and tls say about the URL in the first argument; nothing when they are content.
// The second argument is fetch's own limit in milliseconds, 0 for the usual ones (10 s and 300 s).
const url = new URL(process.argv[1]);
const limit = Number(process.argv[2]);

const say = (error) => {
  const cause = error.cause ?? error;
  console.log(cause.code ?? cause.message);
  process.exit(1);
};

const ask = async () => {
  if (url.protocol.startsWith("http")) {
    await fetch("data:,"); // loads the dispatcher
    const Agent = globalThis[Symbol.for("undici.globalDispatcher.1")].constructor;
    const limits = { connect: { timeout: limit }, headersTimeout: limit, bodyTimeout: limit };
    const answer = await fetch(url, limit ? { dispatcher: new Agent(limits) } : {});
    await answer.text();
    return;
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const to = { host, port: Number(url.port), servername: host };
  const tls = url.protocol === "tls:";
  const [module, ready] = tls ? ["tls", "secureConnect"] : ["net", "connect"];
  await new Promise((content, failed) => {
    const socket = require(module).connect(to);
    socket.on("error", failed).on(ready, content);
  });
};
ask().then(() => process.exit(0), say);
