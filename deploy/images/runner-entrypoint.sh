#!/bin/sh
# Starts the runner, forwards SIGTERM to it, and ends with its exit code; but stays until its guard has ended as well. A guard outlives
# a runner that was killed (kill -9, out of memory): it kills what is left of the runs and reports them lost, so that they are repeated
# within seconds. A container ends with its first process, and everything else in it at once; the guard's words would be lost.
# Has nothing to do with reaping: that is tini's, above us.
set -u
app=$(cd "$(dirname "$0")" && pwd)

# One lease of a runner (REVEILLE_RUNNER_LEASE_TTL_MS): by then everybody knows without the guard.
guard_patience_sec=30

# Guards of this installation. The backslash keeps this very command from finding itself.
guard_lives() {
  for file in /proc/[0-9]*/cmdline; do
    if grep -q "$app/.*guard-main\\.js" "$file" 2>/dev/null; then return 0; fi
  done
  return 1
}

node "$app/services/runner/dist/main.js" "$@" &
runner=$!
signalled=1
code=127
trap 'signalled=1; kill -TERM "$runner" 2>/dev/null' TERM INT
# A signal ends `wait` before the runner ends; the runner's own exit code comes with the last wait that still knows it (127: it does not).
while [ "$signalled" -eq 1 ]; do
  signalled=0
  wait "$runner"
  waited=$?
  if [ "$waited" -ne 127 ]; then code=$waited; fi
done

while [ "$guard_patience_sec" -gt 0 ] && guard_lives; do
  sleep 1
  guard_patience_sec=$((guard_patience_sec - 1))
done
exit "$code"
