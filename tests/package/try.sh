#!/usr/bin/env bash
# Makes the Debian package of a program that is built already, installs it into an empty root, and
# tries what is in it: the program, the units, the manual, the completions; and that it goes again.
#
#   try.sh CARGO_DEB PROGRAM
#
# CARGO_DEB is the tool. The package is left in target/package. Needs root, for chroot.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tool=$(realpath "$1")
program=$(realpath "$2")
package=target/package
root=$(mktemp -d)
chmod 755 "$root"
trap 'rm -rf "$root"' EXIT

fail() {
    echo "try.sh: $*" >&2
    exit 1
}

# What the program knows about itself goes into the package.
rm -rf "$package"
mkdir -p "$package/completions"
"$program" man "$package/man"
"$program" completions bash >"$package/completions/causeway.bash"
"$program" completions zsh >"$package/completions/_causeway"
"$program" completions fish >"$package/completions/causeway.fish"

# The manifest names target/release/causeway; what is shipped was built for a target by name.
mkdir -p target/release
[ "$program" -ef target/release/causeway ] || install -m 755 "$program" target/release/causeway
"$tool" --no-build --no-strip --fast --output "$package/causeway.deb"
dpkg-deb --info "$package/causeway.deb"

# An empty root: nothing of the machine around is there for the program to lean on.
mkdir -p "$root"/var/lib/dpkg/{info,updates,triggers} "$root/etc"
install -d -m 1777 "$root/tmp"
# The demo calls itself localhost.
install -m 644 /etc/hosts "$root/etc/hosts"
touch "$root/var/lib/dpkg/status"
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
in_root() {
    # Scripts of packages run outside, told of the root; what the package wants to be there is not.
    dpkg --root="$root" --force-script-chrootless --force-depends --log=/dev/null "$@"
}
in_root --install "$package/causeway.deb"
dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${db:Status-Status}\n' causeway |
    grep -qx installed || fail "not installed"
grep -q '^causeway:' "$root/etc/passwd" || fail "the user of the units is missing"

chroot "$root" /usr/bin/causeway doctor | tee "$root/tmp/doctor"
grep -q 'open files' "$root/tmp/doctor" || fail "doctor did not examine"
chroot --userspec=65532:65532 "$root" /usr/bin/causeway demo --once --port 0 --engine epoll >/dev/null

for unit in causeway-proxy causeway-connector; do
    # By the systemd of the machine: an empty root has none to start anything after.
    sed "s,/usr/bin/causeway,$root&," "$root/usr/lib/systemd/system/$unit.service" \
        >"$root/tmp/$unit.service"
    systemd-analyze verify --man=no "$root/tmp/$unit.service"
    [ -f "$root/usr/share/man/man1/$unit.1.gz" ] || fail "no manual page of $unit"
done
bash -n "$root/usr/share/bash-completion/completions/causeway"
for file in usr/share/zsh/vendor-completions/_causeway usr/share/doc/causeway/copyright \
    usr/share/fish/vendor_completions.d/causeway.fish; do
    [ -s "$root/$file" ] || fail "no $file"
done
[ -d "$root/etc/causeway/mappings" ] || fail "no place for mappings"

# A configuration that was changed outlives an upgrade; the package goes, and what it brought.
echo '# mine' >>"$root/etc/causeway/proxy.toml"
in_root --force-confold --install "$package/causeway.deb"
grep -q '^# mine' "$root/etc/causeway/proxy.toml" || fail "the upgrade took the configuration"
in_root --remove causeway
[ ! -e "$root/usr/bin/causeway" ] || fail "the program is left"
[ -e "$root/etc/causeway/proxy.toml" ] || fail "removing took the configuration"
in_root --purge causeway
[ ! -e "$root/etc/causeway" ] || fail "purging left the configuration: $(ls "$root/etc/causeway")"
echo "the package is $(stat -c %s "$package/causeway.deb") bytes"
