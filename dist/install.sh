#!/bin/sh
# Installs pylmd below a prefix: programs, plugins, manual pages, completions.
#
#     ./install.sh [--prefix DIR] [--uninstall]        DIR is /usr/local unless said otherwise
set -eu
here=$(cd "$(dirname "$0")" && pwd)
prefix=/usr/local
uninstall=no
while [ $# -gt 0 ]; do
    case "$1" in
        --prefix) [ $# -gt 1 ] || { echo "install.sh: --prefix needs a folder" >&2; exit 2; }; prefix=$2; shift ;;
        --uninstall) uninstall=yes ;;
        -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "install.sh: $1 is unknown; see --help" >&2; exit 2 ;;
    esac
    shift
done
# Relative to the prefix, one a line.
list=share/pylmd/installed
if [ "$uninstall" = yes ]; then
    [ -f "$prefix/$list" ] || { echo "install.sh: nothing is installed below $prefix" >&2; exit 1; }
    while IFS= read -r file; do rm -f "$prefix/$file"; done < "$prefix/$list"
    rm -f "$prefix/$list"
    for folder in lib/pylmd share/doc/pylmd share/pylmd; do
        find "$prefix/$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
    exit 0
fi
cd "$here/root"
mkdir -p "$prefix/share/pylmd"
find . -type f | sed 's|^\./||' | sort > "$prefix/$list"
while IFS= read -r file; do
    mkdir -p "$prefix/$(dirname "$file")"
    # A program that runs keeps the file that it has; the next one finds the new one.
    cp -p "$file" "$prefix/$file.new"
    mv -f "$prefix/$file.new" "$prefix/$file"
done < "$prefix/$list"
echo "installed below $prefix; $prefix/bin/pylmd --version:"
"$prefix/bin/pylmd" --version
