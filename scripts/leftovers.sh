#!/usr/bin/env bash
# Lists what a test could leave on this host: namespaces, devices, tables, processes, files.
set -euo pipefail
ls /run/netns 2>/dev/null | sed 's/^/namespace /' || true
ls -d /etc/netns/* 2>/dev/null | sed 's/^/file /' || true
ip -o link show 2>/dev/null | sed -nE 's/^[0-9]+: ((brq|tap|vxlan-|br-ex|isospin)[^:@]*).*/device \1/p' || true
nft list tables 2>/dev/null | grep -i isospin || true
ps -eo stat=,args= | awk '$1 !~ /^Z/ && $2 ~ /(\/isospin|ovs-vswitchd|ovsdb-server)$/ { $1 = "process"; print }' || true
ls -d /tmp/isospin-* 2>/dev/null | grep -v '/tmp/isospin-pg-' | sed 's/^/folder /' || true
