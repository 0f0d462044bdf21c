#!/bin/sh
# Runs the `provision` of an unpacked archive in a root directory that holds the archive and nothing else: no shell, no
# libraries, no compiler, no certificates. From outside it sees the folder that it is started in, the network, and the
# two files that every container engine adds. Root's rights are needed for that.
#
# The archive is the folder `archive` beside this script, which stands for `provision` under whatever name it is called.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export here
exec unshare --mount --propagation private -- sh -c '
    set -eu
    # What is bound there goes with the namespace.
    mkdir -p "$here/root"
    mount -t tmpfs -o mode=0755 empty "$here/root"
    cp -R "$here/archive/." "$here/root/"
    mkdir -p "$here/root$PWD" "$here/root/etc"
    echo "127.0.0.1 localhost" > "$here/root/etc/hosts"
    cp /etc/resolv.conf "$here/root/etc/resolv.conf"
    mount --bind "$PWD" "$here/root$PWD"
    root="$here/root"
    unset here
    exec unshare --root="$root" --wd="$PWD" /provision "$@"
' sh "$@"
