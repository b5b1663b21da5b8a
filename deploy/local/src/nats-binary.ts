// Gives TypeScript callers the finder of nats-server, which is plain JavaScript because it also runs before anything is built.
export { getNatsServer } from "../bin/get-nats-server.mjs";
