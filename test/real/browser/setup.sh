#!/bin/sh
# Installs what the browser suite needs (Debian, root): Chromium.
set -eu
command -v chromium >/dev/null && exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends chromium
