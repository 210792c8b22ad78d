// What fetch, net, tls and dgram say about the target, its host and its port in the first three
// arguments: a code, or CONTENT. Nothing: Node forgot what it was waiting for and ended. The fourth argument is fetch's own limit in
// milliseconds, 0 for the usual ones (10 s and 300 s).
const [target, host, port, limit] = process.argv
  .slice(1)
  .map((word, at) => (at < 2 ? word : Number(word)));
const scheme = target.split(":")[0];

const say = (error) => {
  const cause = error.cause ?? error;
  console.log(cause.code ?? cause.message);
  process.exit(1);
};

const page = async () => {
  await fetch("data:,"); // loads the dispatcher
  const Agent = globalThis[Symbol.for("undici.globalDispatcher.1")].constructor;
  const limits = { connect: { timeout: limit }, headersTimeout: limit, bodyTimeout: limit };
  const answer = await fetch(target, limit ? { dispatcher: new Agent(limits) } : {});
  await answer.text();
};

const connection = () =>
  new Promise((content, failed) => {
    const [module, ready] = scheme === "tls" ? ["tls", "secureConnect"] : ["net", "connect"];
    const socket = require(module).connect({ host, port, servername: host });
    socket.on("error", failed).on(ready, content);
  });

const datagram = () =>
  new Promise((content, failed) => {
    const socket = require("dgram").createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.on("error", failed).on("message", content);
    socket.connect(port, host, (error) => (error ? failed(error) : socket.send("hello")));
  });

const ask = scheme.startsWith("http") ? page : scheme === "udp" ? datagram : connection;
ask().then(() => {
  console.log("CONTENT");
  process.exit(0);
}, say);
