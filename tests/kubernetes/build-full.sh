#!/usr/bin/env bash
# build-full.sh HOME: kube-apiserver 1.20.2 from the source package of Debian 12, with Debian 12's
# Go, and etcd 3.4 from its packages. Called by servers.sh, which removes HOME/build-full after it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/kubernetes/debian.sh
. "$here/debian.sh"
home=$1
work=$home/build-full
command -v go >/dev/null || {
    echo "no Go: install golang-go" >&2
    exit 1
}
rm -rf "$work"
mkdir -p "$work/downloads" "$home/bin"
cd "$work"
debian_release "$work/apt" bookworm "deb deb-src"
(
    cd downloads
    "${apt[@]}" source --download-only kubernetes
    "${apt[@]}" download etcd-server golang-github-modern-go-reflect2-dev
)
for package in downloads/*.deb; do
    dpkg -x "$package" packages
done

export GOPATH=$work/go GO111MODULE=off GOCACHE=$work/cache GOPROXY=off GOFLAGS='' CGO_ENABLED=0
source=$GOPATH/src/k8s.io/kubernetes
mkdir -p "$source"
tar -xzf downloads/kubernetes_1.20*.orig.tar.gz -C "$source" --strip-components=1
cd "$source"

# The vendored reflect2 1.0.1 follows a layout of maps that Go 1.18 left: the first custom resource
# would crash the server. Debian's 1.0.2 does not.
vendored=vendor/github.com/modern-go/reflect2
rm -f "$vendored"/*.go "$vendored"/*.s
cp "$work"/packages/usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} "$vendored"

# The OpenAPI definitions are generated, and not in the tarball. That the generator's report equals
# the list that is in it shows that it saw the same types.
nice -n 10 go build -o "$work/openapi-gen" \
    k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
inputs=$(find -L cmd pkg plugin test vendor/k8s.io -name '*.go' \
    ! -name '*_test.go' ! -name 'zz_generated*' ! -path 'vendor/k8s.io/code-generator/*' \
    ! -path 'vendor/k8s.io/sample-apiserver/*' ! -path '*/vendor/k8s.io/*/vendor/*' -print0 |
    xargs -0 grep -l '^// *+k8s:openapi-gen=' | xargs -n 1 dirname | LC_ALL=C sort -u |
    sed 's,^,k8s.io/kubernetes/,' | paste -sd ,)
nice -n 10 "$work/openapi-gen" --logtostderr -i "$inputs" -O zz_generated.openapi \
    -p k8s.io/kubernetes/pkg/generated/openapi -r "$work/report" \
    -h hack/boilerplate/boilerplate.generatego.txt
diff -q "$work/report" api/api-rules/violation_exceptions.list

flags="-s -w"
for package in client-go/pkg/version component-base/version; do
    name=k8s.io/kubernetes/vendor/k8s.io/$package
    flags+=" -X $name.gitVersion=v1.20.2 -X $name.gitMajor=1 -X $name.gitMinor=20"
    flags+=" -X $name.gitTreeState=archive -X $name.buildDate=2021-01-13T00:00:00Z"
done
nice -n 10 go build -p 2 -ldflags "$flags" -o "$work/kube-apiserver" \
    k8s.io/kubernetes/cmd/kube-apiserver
"$work/kube-apiserver" --version
install "$work/packages/usr/bin/etcd" "$home/bin/etcd-3.4"
install "$work/kube-apiserver" "$home/bin/kube-apiserver-1.20.2"
