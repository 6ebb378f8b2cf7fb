#!/bin/sh
# Install the given Debian packages, if this user may.
set -eu
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 1
echo "Installing with apt: $*"
export DEBIAN_FRONTEND=noninteractive
# On a machine just started, upgrades in the background may hold the lock for a while.
wait="-o DPkg::Lock::Timeout=300"
apt-get $wait update -qq && apt-get $wait install -y -qq --no-install-recommends "$@" >/dev/null
