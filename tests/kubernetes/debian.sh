# Sourced by the builds: packages of another Debian release in a directory, nothing installed.
# shellcheck shell=bash

# debian_release DIR SUITE TYPES: prepares DIR as the apt of that release, from the mirror that
# this machine uses for its own.
debian_release() {
    local dir=$1 suite=$2 types=$3 mirror
    mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null |
        grep -v security | head -n 1)
    [ -n "$mirror" ] || mirror=$(awk '/^deb / {
        for (i = 2; i <= NF; i++) if ($i ~ /^http/) { print $i; exit } }' /etc/apt/sources.list)
    mkdir -p "$dir"/{lists/partial,cache/archives/partial,state}
    : >"$dir/status"
    printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
        "$types" "$mirror" "$suite" /usr/share/keyrings/debian-archive-keyring.gpg \
        >"$dir/release.sources"
    # As root apt would hand downloads to a user that may not write here.
    apt=(apt-get -qq -o "Dir::State=$dir/state" -o "Dir::State::Lists=$dir/lists"
        -o "Dir::State::status=$dir/status" -o "Dir::Cache=$dir/cache"
        -o "Dir::Etc::sourcelist=$dir/release.sources" -o Dir::Etc::sourceparts=/dev/null
        -o APT::Sandbox::User=root)
    "${apt[@]}" update
}
