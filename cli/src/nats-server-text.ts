/** The text of a nats-server's configuration around its users: listeners, JetStream, and what a production server adds. Pure. */
import { quote } from "@reveille/shared/nats/server-users";
import type { NatsSettings } from "./nats-installation.js";

/** `users`: the part that says who may do what. */
export const serverConfig = (
  settings: NatsSettings,
  users: string,
): string => `# Written by \`reveille nats-config\`, which writes it anew when it is repeated: put what is your own into a file of your own that
# includes this one.
listen: ${quote(settings.listen)}
# Monitoring, for probes and autoscalers: it shows names of streams and consumers, so never to the world.
http: ${quote(settings.http)}
# A wake's payload is at most 512 KiB, a log message 64 KiB.
max_payload: 1MB
# A client that was cut off without a word keeps its subscriptions and pulls until it is noticed: 15 s instead of 6 minutes.
ping_interval: "5s"
ping_max: 2
jetstream {
  store_dir: ${quote(settings.storeDir)}
  # What a crash of the machine (not of a process) can lose of what was acknowledged; \`always\` doubles the time of every store.
  sync_interval: 2s
}

# Three servers that are one (REVEILLE_JETSTREAM_REPLICAS=3): on each, its own server_name and its routes to the others.
# server_name: n1
# cluster {
#   name: reveille
#   listen: "0.0.0.0:6222"
#   routes: ["nats-route://n1:6222", "nats-route://n2:6222", "nats-route://n3:6222"]
# }

# TLS for clients, who then say tls:// in NATS_URL.
# tls {
#   cert_file: "/etc/nats/tls.crt"
#   key_file: "/etc/nats/tls.key"
# }

${users}`;
