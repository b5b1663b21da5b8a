# A runner with the programs of two adapters (docs/images.md): an example of how the runner's image is extended.
# `docker build --file deploy/images/runner-with-agents.Dockerfile --build-arg RUNNER_IMAGE=<yours> deploy/images`
ARG RUNNER_IMAGE=reveille-runner:0.1.0

FROM ${RUNNER_IMAGE}
USER root
# The versions whose output the adapters were tried with. Claude Code's own script puts the program for this machine into place, and
# fails when there is none; npm runs no other. Both programs are executables of their own: that node is older than one of them asks for
# only makes npm warn.
RUN --mount=type=cache,target=/root/.npm \
  FAIL_ON_MISSING_NATIVE=1 npm install --global --no-audit --no-fund --allow-scripts=@anthropic-ai/claude-code \
    @anthropic-ai/claude-code@2.1.330 \
    @openai/codex@0.169.0 \
  && HOME=/tmp claude --version \
  && HOME=/tmp codex --version
# An image is replaced, it does not replace its programs itself.
ENV DISABLE_AUTOUPDATER=1
LABEL org.opencontainers.image.title="reveille-runner-with-agents" \
  org.opencontainers.image.description="Runner of Reveille with Claude Code and Codex"
USER 10001:10001
