# The images of Reveille: `docker build --target <gateway | agent-actor | runner | cli> .` (docs/images.md; deploy/images/build.sh builds all four).
# Needs BuildKit or Buildah. Nothing in here reads a clock or the network beyond npm's and Debian's packages.
# `npm run images:check` reads this file, replays it without an engine, and starts what comes out.

# A tag of the official image; --build-arg NODE_IMAGE=…@sha256:… pins a digest (docs/images.md). Node 20, as everywhere in this repository.
ARG NODE_IMAGE=node:20.20.2-bookworm-slim

# What npm needs to know, apart from the sources: a changed line of code installs nothing anew.
FROM scratch AS manifests
COPY package.json package-lock.json /
COPY shared/package.json /shared/
COPY services/gateway/package.json /services/gateway/
COPY services/gateway/web/package.json /services/gateway/web/
COPY services/agent-actor/package.json /services/agent-actor/
COPY services/runner/package.json /services/runner/
COPY cli/package.json /cli/
COPY deploy/local/package.json /deploy/local/
COPY test/package.json /test/
COPY bench/package.json /bench/

# The npm that Node 20 brings (10.8) takes this lock file for incomplete: it misses optional peers that nothing here uses.
FROM ${NODE_IMAGE} AS npm
RUN --mount=type=cache,target=/root/.npm npm install --global --no-audit --no-fund npm@11.19.1

# The compiled packages, without their sources.
FROM npm AS build
WORKDIR /app
COPY --from=manifests / ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --prefer-offline --no-audit --no-fund
COPY tsconfig.base.json ./
COPY shared shared/
COPY services services/
COPY cli cli/
RUN npx --no-install tsc -b shared services/gateway services/agent-actor services/runner cli
# Left of each package: its manifest, what node runs, and the migrations; not the tools that npm puts beside a single one.
RUN find shared services cli -type f -path '*/dist/*' ! -name '*.js' -delete \
  && node services/gateway/web/build.mjs \
  && find services/gateway/web -mindepth 1 -maxdepth 1 ! -name dist -exec rm -r {} + \
  && rm -r shared/src services/gateway/src services/agent-actor/src services/runner/src cli/src \
  && find shared services cli -maxdepth 2 -type f \( -name 'tsconfig*.json' -o -name 'drizzle.config.ts' \) -delete \
  && find shared services cli -name node_modules -prune -exec rm -r '{}' +

# What each service imports and nothing else; declarations and source maps are for editors.
FROM npm AS dependencies
WORKDIR /app
COPY --from=manifests / ./

FROM dependencies AS gateway-dependencies
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --workspace=services/gateway --ignore-scripts --prefer-offline --no-audit --no-fund \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

FROM dependencies AS agent-actor-dependencies
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --workspace=services/agent-actor --ignore-scripts --prefer-offline --no-audit --no-fund \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

FROM dependencies AS runner-dependencies
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --workspace=services/runner --workspace=cli --ignore-scripts --prefer-offline --no-audit --no-fund \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

FROM dependencies AS cli-dependencies
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --workspace=cli --ignore-scripts --prefer-offline --no-audit --no-fund \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

# An init that forwards signals and reaps, and a user with a number (Kubernetes' runAsNonRoot) and an entry in passwd (ssh wants one).
# Not made by useradd: that writes today's date.
FROM ${NODE_IMAGE} AS base
RUN apt-get update \
  && apt-get install --yes --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/log/apt /var/log/dpkg.log /var/log/alternatives.log \
  && echo 'reveille:x:10001:10001::/var/lib/reveille:/bin/bash' >>/etc/passwd \
  && echo 'reveille:x:10001:' >>/etc/group \
  && install -d -o 10001 -g 10001 -m 0750 /var/lib/reveille
# Probes and scrapers come from outside of the container.
ENV NODE_ENV=production \
  REVEILLE_HEALTH_HOST=0.0.0.0 \
  REVEILLE_HEALTH_PORT=9464
WORKDIR /app
COPY LICENSE ./
COPY deploy/images/health.mjs ./

# Services install nothing any more: neither npm nor what it brings is theirs.
FROM base AS service
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-*

# In each image the arguments that change with every commit stand last: a RUN after them would run anew every time.
FROM service AS gateway
# Others can reach this port, so everybody has to log in.
ENV REVEILLE_DEPLOYMENT_MODE=authenticated \
  REVEILLE_HTTP_HOST=0.0.0.0 \
  REVEILLE_HTTP_PORT=3100
COPY --from=gateway-dependencies /app/node_modules node_modules/
COPY --from=build /app/shared shared/
COPY --from=build /app/services/gateway services/gateway/
EXPOSE 3100 9464
ARG NODE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="reveille-gateway" \
  org.opencontainers.image.description="HTTP API, live logs and events of Reveille" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.base.name="${NODE_IMAGE}"
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "/app/health.mjs", "/livez"]
ENTRYPOINT ["/usr/bin/tini", "--", "node", "/app/services/gateway/dist/main.js"]

FROM service AS agent-actor
# A tenth of the processor time in a burst, for up to 150 MB of memory (docs/operating.md).
ENV NODE_OPTIONS=--max-semi-space-size=64
COPY --from=agent-actor-dependencies /app/node_modules node_modules/
COPY --from=build /app/shared shared/
COPY --from=build /app/services/agent-actor services/agent-actor/
EXPOSE 9464
ARG NODE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="reveille-agent-actor" \
  org.opencontainers.image.description="Actor host of Reveille: decides what becomes of wakes" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.base.name="${NODE_IMAGE}"
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "/app/health.mjs", "/livez"]
ENTRYPOINT ["/usr/bin/tini", "--", "node", "/app/services/agent-actor/dist/main.js"]

FROM service AS cli
ENV PATH=/app/cli/path:$PATH
COPY --from=cli-dependencies /app/node_modules node_modules/
COPY --from=build /app/shared shared/
COPY --from=build /app/cli cli/
ARG NODE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="reveille-cli" \
  org.opencontainers.image.description="The reveille command: migrations, topology, credentials, a look at what runs" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.base.name="${NODE_IMAGE}"
USER 10001:10001
# It ends by itself: there is nothing to ask.
HEALTHCHECK NONE
ENTRYPOINT ["/usr/bin/tini", "--", "node", "/app/cli/bin/reveille.mjs"]
CMD ["--help"]

# Made to be extended: npm stays, and deploy/images/runner-with-agents.Dockerfile shows how agents' programs are added.
FROM base AS runner
# What agents take for granted: repositories over https and ssh, a shell, JSON, a list of processes, fast search.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends bash ca-certificates curl git jq openssh-client procps ripgrep \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
COPY deploy/images/runner-entrypoint.sh ./
# The only folder that has to be writable, /tmp aside: a volume in production. And the `reveille` command, which is an agent's tools.
ENV REVEILLE_DATA_DIR=/var/lib/reveille \
  REVEILLE_RUNNER_TOOLS_PATH=/app/cli/path \
  HOME=/var/lib/reveille \
  SHELL=/bin/bash \
  LANG=C.UTF-8
COPY --from=runner-dependencies /app/node_modules node_modules/
COPY --from=build /app/shared shared/
COPY --from=build /app/services/runner services/runner/
COPY --from=build /app/cli cli/
EXPOSE 9464
ARG NODE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="reveille-runner" \
  org.opencontainers.image.description="Runner of Reveille: starts agents' processes; add their programs to it" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.base.name="${NODE_IMAGE}"
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "/app/health.mjs", "/livez"]
# Not the runner itself: its guard outlives it by some seconds, and would die with the container.
ENTRYPOINT ["/usr/bin/tini", "--", "/bin/sh", "/app/runner-entrypoint.sh"]
