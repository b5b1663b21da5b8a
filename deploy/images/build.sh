#!/bin/sh
# Builds the images of Reveille with whatever engine is there, tagged by version and by commit: the same commit gives the same images.
# Knows no forge and no registry; where to push is an argument. `--help` says how it is used.
set -eu

usage() {
  cat <<'TEXT'
usage: deploy/images/build.sh [--push] [--registry <host/path>] [--platform <list>] [--base <image>] [--dry-run] [<target> ...]

Targets: gateway agent-actor runner cli (default: all). Images are named [<registry>/]reveille-<target> and get two tags: the version
of package.json, and the version with the commit, as in 0.1.0 and 0.1.0-1a2b3c4d5e6f.

  --push       push them; needs --registry. With docker a builder that can (docker buildx create --use)
  --platform   for example linux/amd64,linux/arm64; several only with --push (docker) or as a manifest list (podman)
  --base       another Node 20 image, for example one pinned by digest: node:20.20.2-bookworm-slim@sha256:...
  --dry-run    print the commands, run none

ENGINE=docker or ENGINE=podman chooses; otherwise docker with buildx, then podman.
TEXT
}

push="" registry="" platform="" base="" dry_run="" targets=""
while [ $# -gt 0 ]; do
  case "$1" in
    --push) push=yes ;;
    --dry-run) dry_run=yes ;;
    --registry | --platform | --base)
      [ $# -gt 1 ] || { echo "build.sh: $1 needs a value" >&2; exit 2; }
      case "$1" in
        --registry) registry=$2 ;;
        --platform) platform=$2 ;;
        --base) base=$2 ;;
      esac
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    gateway | agent-actor | runner | cli) targets="$targets $1" ;;
    *) echo "build.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
[ -n "$targets" ] || targets="gateway agent-actor runner cli"
if [ -n "$push" ] && [ -z "$registry" ]; then
  echo "build.sh: --push needs --registry" >&2
  exit 2
fi

cd "$(dirname "$0")/../.."
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
commit=$(git rev-parse --short=12 HEAD)
# What is not committed cannot be built again: its tag says so.
if [ -n "$(git status --porcelain)" ]; then commit="$commit-dirty"; fi
# BuildKit and Buildah write it for the time of every file and of the image.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

engine=${ENGINE:-}
if [ -z "$engine" ]; then
  if docker buildx version >/dev/null 2>&1; then
    engine=docker
  elif command -v podman >/dev/null 2>&1; then
    engine=podman
  else
    echo "build.sh: neither docker with buildx nor podman is here" >&2
    exit 1
  fi
fi

run() {
  if [ -n "$dry_run" ]; then echo "$*"; else "$@"; fi
}

build_with_docker() {
  if [ -n "$push" ]; then
    # Other exporters cannot rewrite the times of files; a pushed image is the one that others compare.
    set -- "$@" --output type=image,push=true,rewrite-timestamp=true --provenance=mode=max --sbom=true
  else
    set -- "$@" --load
  fi
  run docker buildx build "$@" --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" --tag "$name:$version" \
    --tag "$name:$version-$commit" .
}

build_with_podman() {
  run podman build "$@" --timestamp "$SOURCE_DATE_EPOCH" --tag "$name:$version" --tag "$name:$version-$commit" .
  if [ -n "$push" ]; then
    run podman push "$name:$version"
    run podman push "$name:$version-$commit"
  fi
}

for target in $targets; do
  name=${registry:+$registry/}reveille-$target
  set -- --file Dockerfile --target "$target" --build-arg "VERSION=$version" --build-arg "REVISION=$commit"
  if [ -n "$platform" ]; then set -- "$@" --platform "$platform"; fi
  if [ -n "$base" ]; then set -- "$@" --build-arg "NODE_IMAGE=$base"; fi
  case "$engine" in
    docker) build_with_docker "$@" ;;
    podman) build_with_podman "$@" ;;
    *) echo "build.sh: ENGINE must be docker or podman, not $engine" >&2; exit 2 ;;
  esac
done
