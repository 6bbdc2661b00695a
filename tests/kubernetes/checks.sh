#!/usr/bin/env bash
# checks.sh: does the API server of $KUBECONFIG behave like one? 21 checks of what the tests of
# Causeway rest on. Prints a line for each and exits with 1 if one fails. The kubeconfig is one
# that servers.sh wrote: this reads its paths for curl.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
watcher=
trap '[ -z "$watcher" ] || kill "$watcher" 2>/dev/null; rm -rf "$work"' EXIT
: "${KUBECONFIG:?names no file}"
checks=0
failures=0

k() {
    kubectl --cache-dir="$work/cache" "$@"
}

# check NAME EXPECTED COMMAND...: is the command's output the expected one?
check() {
    local name=$1 expected=$2 seen
    shift 2
    seen=$("$@" 2>&1)
    checks=$((checks + 1))
    if [ "$seen" = "$expected" ]; then
        echo "ok   $name"
    else
        failures=$((failures + 1))
        echo "FAIL $name: '$seen' is not '$expected'"
    fi
}

# says PATTERN COMMAND...: does the output of a command, failing or not, contain the pattern?
says() {
    local pattern=$1 seen
    shift
    seen=$("$@" 2>&1)
    if grep -qi -e "$pattern" <<<"$seen"; then echo yes; else echo no; fi
}

field() {
    sed -n "s/.*$1: \"\([^\"]*\)\".*/\1/p" "$KUBECONFIG"
}

# api PATH CURL_OPTIONS...: one plain HTTP request as the administrator.
api() {
    local path=$1 way=()
    shift
    if [ -n "$(field client-certificate)" ]; then
        way=(--cert "$(field client-certificate)" --key "$(field client-key)")
    else
        way=(-H "Authorization: Bearer $(sed -n 's/.*token: \([a-z]*\).*/\1/p' "$KUBECONFIG")")
    fi
    curl -s --noproxy '*' --cacert "$(field certificate-authority)" "${way[@]}" "$@" \
        "$(field server)$path"
}

widget() {
    k get widget first -o "jsonpath=$1"
}

manifest() {
    printf '{"apiVersion":"demo.example.com/v1","kind":"Widget","metadata":{"name":"%s"%s},%s}' "$@"
}

merge() {
    k patch "$1" "$2" --type=merge -p "$3"
}

established() {
    k apply -f "$here/$1" >/dev/null && k wait --for=condition=Established "crd/$2" --timeout=30s \
        >/dev/null || echo "FAIL the definition of $2 was not accepted"
    # Established may be ahead of the route to it.
    for _ in $(seq 100); do
        k get "$2" >/dev/null 2>&1 && return
        sleep 0.1
    done
}

custom_resources() {
    manifest first "" '"spec":{"size":3},"status":{"phase":"Mine"}' | k create -f - >/dev/null
    check "a default is filled in" red widget '{.spec.color}'
    check "status is dropped on create" "" widget '{.status.phase}'
    merge widget first '{"spec":{"size":5},"status":{"phase":"Mine"}}' >/dev/null
    check "a patch of the resource leaves status alone" 5/2/ \
        widget '{.spec.size}/{.metadata.generation}/{.status.phase}'
    api "$widgets/first/status" -X PATCH -H 'Content-Type: application/merge-patch+json' \
        -d '{"spec":{"size":9},"status":{"phase":"Up","ready":5}}' >/dev/null
    check "a patch of status leaves the rest alone" 5/2/Up \
        widget '{.spec.size}/{.metadata.generation}/{.status.phase}'
    check "the schema is enforced" yes says 'less than or equal to 10' \
        merge widget first '{"spec":{"size":11}}'
    k scale widget first --replicas=7 >/dev/null
    check "there is a scale subresource" 7 widget '{.spec.size}'
    check "a failed test in a JSON patch is 422" 422 api "$widgets/first" -X PATCH -o /dev/null \
        -w '%{http_code}' -H 'Content-Type: application/json-patch+json' \
        -d '[{"op":"test","path":"/spec/size","value":1}]'
    local version
    version=$(widget '{.metadata.resourceVersion}')
    merge widget first '{"metadata":{"annotations":{"a":"1"}}}' >/dev/null
    check "an old resourceVersion conflicts" yes says 'object has been modified' merge widget first \
        "{\"metadata\":{\"resourceVersion\":\"$version\"},\"spec\":{\"size\":2}}"
    manifest first "" '"spec":{"size":4}' >"$work/applied.json"
    check "server-side apply sees another's field" yes says conflict \
        k apply --server-side --field-manager=second -f "$work/applied.json"
    k apply --server-side --force-conflicts --field-manager=second -f "$work/applied.json" \
        >/dev/null
    check "server-side apply takes it by force" 4 widget '{.spec.size}'
    merge widget first '{"metadata":{"finalizers":["demo.example.com/hold"]}}' >/dev/null
    k delete widget first --wait=false >/dev/null
    check "a finalizer holds a deleted resource" yes says '^20..-' \
        widget '{.metadata.deletionTimestamp}'
    merge widget first '{"metadata":{"finalizers":null}}' >/dev/null
    check "and then it is gone" yes says NotFound k get widget first
}

leases() {
    k get leases >/dev/null 2>&1 || established lease.yaml leases.coordination.k8s.io
    k create -f - >/dev/null <<'END'
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: checks, namespace: default}
spec: {holderIdentity: first, leaseDurationSeconds: 15, leaseTransitions: 0}
END
    local version
    version=$(k get lease checks -o 'jsonpath={.metadata.resourceVersion}')
    merge lease checks "{\"metadata\":{\"resourceVersion\":\"$version\"},
        \"spec\":{\"holderIdentity\":\"second\"}}" >/dev/null
    check "a lease is won" second k get lease checks -o 'jsonpath={.spec.holderIdentity}'
    check "and lost to whoever came first" yes says 'object has been modified' merge lease checks \
        "{\"metadata\":{\"resourceVersion\":\"$version\"},\"spec\":{\"holderIdentity\":\"third\"}}"
}

plain_http() {
    local n
    for n in 1 2 3; do
        manifest "page$n" ",\"labels\":{\"n\":\"$n\"}" "\"spec\":{\"size\":$n}" |
            k create -f - >/dev/null
    done
    check "a list comes in pages" 2/true sh -c 'jq -r "\"\(.items | length)/\(
        .metadata.continue | length > 0)\""' <<<"$(api "$widgets?limit=2")"
    check "labels select" page2 jq -r '.items[].metadata.name' \
        <<<"$(api "$widgets?labelSelector=n%3D2")"
    check "a watch begins with what there is" 3 grep -c '"ADDED"' \
        <<<"$(api "$widgets?watch=1&allowWatchBookmarks=true&timeoutSeconds=2" -m 5)"
    check "a watch from too long ago is 410" 410 jq -r '.object.code // .code' \
        <<<"$(api "$widgets?watch=1&resourceVersion=1&timeoutSeconds=2" -m 5)"
    check "a wrong token is 401" 401 curl -s --noproxy '*' --cacert \
        "$(field certificate-authority)" -o /dev/null -w '%{http_code}' \
        -H 'Authorization: Bearer wrong' "$(field server)$widgets"
    manifest page1 "" '"spec":{"size":1}' >"$work/twice.json"
    check "a name is taken once" yes says AlreadyExists k create -f "$work/twice.json"
}

widgets=/apis/demo.example.com/v1/namespaces/default/widgets
established widget.yaml widgets.demo.example.com
# By itself, and not through the function above: that would be a shell around it to kill.
kubectl --cache-dir="$work/cache" get widgets --watch --no-headers \
    -o custom-columns=SIZE:.spec.size >"$work/watched" 2>/dev/null &
watcher=$!
custom_resources
leases
check "a watch has seen all of it" yes says . awk 'END { if (NR >= 6) print "seen" }' "$work/watched"
plain_http
printf '%d checks, %d failed\n' "$checks" "$failures"
[ "$failures" -eq 0 ] && [ "$checks" -eq 21 ]
