#!/bin/sh
# Makes a base image for the sandbox without any image registry: a minimal Debian with Python, from the distribution's mirror.
# Usage: sudo sandbox/make-base.sh [SUITE] [MIRROR]     needs debootstrap and a running Docker engine
set -eu
suite=${1:-bookworm}
mirror=${2:-}
tag=unlearning-harness-base:latest
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# $mirror is not quoted on purpose: when it is empty, debootstrap takes its default.
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$root" $mirror
chmod 755 "$root" # made for its owner alone, and an engine may keep that mode
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar -C "$root" --one-file-system -c . | docker import --change 'LABEL harness=base' - "$tag"
echo "made $tag; harness takes it where no other base image is named"
