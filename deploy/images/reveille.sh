#!/bin/sh
# The `reveille` command in an image: what agents call from inside their runs (docs/agent-tools.md), and people in a container.
exec node "$(dirname "$0")/../cli/bin/reveille.mjs" "$@"
