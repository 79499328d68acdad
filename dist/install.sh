#!/bin/sh
# Installs the files beside this script below PREFIX, or takes them away again:
#
#   ./install.sh [PREFIX]
#   ./install.sh --uninstall [PREFIX]
#
# PREFIX is /usr/local where none is given. DESTDIR, from the environment, is put in front of it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
task=install
if [ "${1:-}" = --uninstall ]; then
    task=uninstall
    shift
fi
prefix=${1:-/usr/local}
case $prefix in
/*) ;;
*)
    echo "$prefix is no absolute path" >&2
    exit 2
    ;;
esac
top=${DESTDIR:-}$prefix

cd "$here"
find bin lib share ! -type d | LC_ALL=C sort | while IFS= read -r file; do
    if [ $task = uninstall ]; then
        rm -f "$top/$file"
        continue
    fi
    mkdir -p "$top/${file%/*}"
    case $file in
    *.service)
        sed "s|/usr/local/bin/exithand|$prefix/bin/exithand|" "$file" >"$top/$file"
        chmod 644 "$top/$file"
        ;;
    bin/* | lib/exithand/*) install -m 755 "$file" "$top/$file" ;;
    *) install -m 644 "$file" "$top/$file" ;;
    esac
done
if [ $task = uninstall ]; then
    rmdir "$top/share/doc/exithand" 2>/dev/null || true
fi
