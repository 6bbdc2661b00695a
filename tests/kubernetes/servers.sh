#!/usr/bin/env bash
# Real Kubernetes API servers on loopback, for tests. Two kinds:
#
#   full   kube-apiserver 1.20 with RBAC, Lease, webhooks, core API; and etcd 3.4
#   crds   the half of today's kube-apiserver that serves custom resources; and etcd 3.5
#
#   servers.sh build [KIND]                         builds what is missing (minutes), else nothing
#   servers.sh built KIND                           succeeds if it is there
#   servers.sh up KIND DIR PORT ETCD_PORT PEER_PORT starts what of it does not run, returns when ready
#   servers.sh down DIR [apiserver]                 stops both, or only the API server
#
# Binaries are kept in $CAUSEWAY_KUBERNETES_HOME (default: ~/.cache/causeway-kubernetes). All else
# is in DIR: certificates, data, logs, and DIR/kubeconfig of a cluster administrator. `up` after
# `down DIR apiserver` finds the data as they were. Everything listens on 127.0.0.1 and ends by
# itself after CAUSEWAY_KUBERNETES_LIMIT seconds (default 900), whatever happens to the caller.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly home=${CAUSEWAY_KUBERNETES_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/causeway-kubernetes}
readonly limit=${CAUSEWAY_KUBERNETES_LIMIT:-900}

fail() {
    echo "servers.sh: $*" >&2
    exit 1
}

# Sets `apiserver` and `etcd`, the two programs of a kind.
programs() {
    case $1 in
    full) apiserver=$home/bin/kube-apiserver-1.20.2 etcd=$home/bin/etcd-3.4 ;;
    crds) apiserver=$home/bin/apiextensions-apiserver-1.36 etcd=$home/bin/etcd-3.5 ;;
    *) fail "a kind is full or crds, not ${1:-nothing}" ;;
    esac
}

built() {
    programs "$1"
    [ -x "$apiserver" ] && [ -x "$etcd" ]
}

# One build of a kind at a time; whoever waited finds it done.
build() {
    local kind
    mkdir -p "$home/bin"
    for kind in "$@"; do
        (
            flock 9
            built "$kind" && exit 0
            echo "building $kind in $home: takes minutes, see $home/build-$kind.log"
            "$here/build-$kind.sh" "$home" >"$home/build-$kind.log" 2>&1 || {
                tail -n 20 "$home/build-$kind.log" >&2
                exit 1
            }
            rm -rf "$home/build-$kind"
        ) 9>"$home/.lock-$kind"
    done
}

# A CA for this directory, the server's certificate, an administrator's, and the key that signs
# tokens of service accounts.
certificates() {
    mkdir -p "$dir/pki"
    cd "$dir/pki"
    [ ! -s tokens.csv ] || return 0
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=causeway-test-ca \
        -keyout ca.key -out ca.crt -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign
    leaf apiserver /CN=kube-apiserver "extendedKeyUsage=serverAuth
subjectAltName=DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.0.0.1"
    leaf admin /O=system:masters/CN=admin extendedKeyUsage=clientAuth
    openssl genrsa -out accounts.key 2048
    openssl rsa -in accounts.key -pubout -out accounts.pub
    # A token beside the certificate: tests need both ways in.
    echo 'testtoken,test-admin,test-admin,"system:masters"' >tokens.csv
}

leaf() {
    openssl req -newkey rsa:2048 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 \
        -out "$1.crt" -extfile <(printf '%s\n' "$3")
}

# kubeconfig CLUSTER_URL USER_FIELDS
kubeconfig() {
    cat <<END
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "$1", certificate-authority: "$dir/pki/ca.crt"}}]
users: [{name: admin, user: {$2}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
END
}

running() {
    [ -s "$dir/$1.pid" ] && kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null
}

# launch NAME COMMAND...: in a process group of its own, under a time limit, unless it runs.
launch() {
    local name=$1
    shift
    running "$name" && return 0
    setsid timeout -k 5 "$limit" "$@" >>"$dir/$name.log" 2>&1 </dev/null &
    echo $! >"$dir/$name.pid"
}

# await NAME COMMAND...: until the command succeeds; not longer than the process lives, or 60 s.
await() {
    local name=$1
    shift
    for _ in $(seq 600); do
        "$@" && return 0
        running "$name" || break
        sleep 0.1
    done
    tail -n 5 "$dir/$name.log" >&2
    fail "$name did not become ready, see $dir/$name.log"
}

etcd_answers() {
    curl -sf --noproxy '*' "http://127.0.0.1:$etcd_port/health" >/dev/null
}

# The servers' own names for "all well" differ: that of crds waits for a core API it lacks.
apiserver_answers() {
    local path=readyz
    [ "$kind" = full ] || path=livez
    [ "$(curl -s --noproxy '*' --cacert "$dir/pki/ca.crt" --cert "$dir/pki/admin.crt" \
        --key "$dir/pki/admin.key" "https://127.0.0.1:$port/$path")" = ok ]
}

start_full() {
    launch apiserver "$apiserver" --etcd-servers="http://127.0.0.1:$etcd_port" \
        --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$port" \
        --endpoint-reconciler-type=none --cert-dir="$dir/generated" \
        --tls-cert-file="$dir/pki/apiserver.crt" --tls-private-key-file="$dir/pki/apiserver.key" \
        --client-ca-file="$dir/pki/ca.crt" --token-auth-file="$dir/pki/tokens.csv" \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file="$dir/pki/accounts.pub" \
        --service-account-signing-key-file="$dir/pki/accounts.key" \
        --service-cluster-ip-range=10.0.0.0/24 --allow-privileged=true \
        --authorization-mode=RBAC --disable-admission-plugins=ServiceAccount
    kubeconfig "https://127.0.0.1:$port" "token: testtoken" >"$dir/kubeconfig"
}

# It asks a core API server who somebody is and what they may. There is none, so the only way in is
# the administrator's certificate, which its own check takes without asking.
start_crds() {
    kubeconfig https://127.0.0.1:1 "token: none" >"$dir/no-core.kubeconfig"
    launch apiserver "$apiserver" --etcd-servers="http://127.0.0.1:$etcd_port" \
        --bind-address=127.0.0.1 --secure-port="$port" \
        --tls-cert-file="$dir/pki/apiserver.crt" --tls-private-key-file="$dir/pki/apiserver.key" \
        --client-ca-file="$dir/pki/ca.crt" --authentication-skip-lookup \
        --authentication-kubeconfig="$dir/no-core.kubeconfig" \
        --authorization-kubeconfig="$dir/no-core.kubeconfig" \
        --kubeconfig="$dir/no-core.kubeconfig" --enable-priority-and-fairness=false \
        --disable-admission-plugins="NamespaceLifecycle,MutatingAdmissionWebhook,\
ValidatingAdmissionWebhook,ValidatingAdmissionPolicy,MutatingAdmissionPolicy"
    kubeconfig "https://127.0.0.1:$port" \
        "client-certificate: \"$dir/pki/admin.crt\", client-key: \"$dir/pki/admin.key\"" \
        >"$dir/kubeconfig"
}

up() {
    kind=$1 port=$3 etcd_port=$4
    local peer_port=$5
    mkdir -p "$2"
    dir=$(cd "$2" && pwd)
    built "$kind" || fail "$kind is not built: run tests/kubernetes/servers.sh build $kind"
    (certificates) >"$dir/openssl.log" 2>&1 || fail "no certificates, see $dir/openssl.log"
    launch etcd "$etcd" --name test --data-dir "$dir/data" \
        --listen-client-urls "http://127.0.0.1:$etcd_port" \
        --advertise-client-urls "http://127.0.0.1:$etcd_port" \
        --listen-peer-urls "http://127.0.0.1:$peer_port" \
        --initial-advertise-peer-urls "http://127.0.0.1:$peer_port" \
        --initial-cluster "test=http://127.0.0.1:$peer_port"
    await etcd etcd_answers
    "start_$kind"
    await apiserver apiserver_answers
}

# TERM, and KILL after 5 s: an open watch keeps an API server alive for long.
stop() {
    local name=$1 pid
    [ -s "$dir/$name.pid" ] || return 0
    pid=$(cat "$dir/$name.pid")
    kill -TERM "$pid" 2>/dev/null || true
    for _ in $(seq 50); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL -- "-$pid" 2>/dev/null || true
    rm -f "$dir/$name.pid"
}

down() {
    dir=$(cd "$1" && pwd)
    stop apiserver
    [ "${2:-}" = apiserver ] || stop etcd
}

command=${1:-}
shift || true
case $command in
build)
    [ $# -gt 0 ] || set -- full crds
    build "$@"
    ;;
built) built "${1:-}" ;;
up)
    [ $# -eq 5 ] || fail "up KIND DIR PORT ETCD_PORT PEER_PORT"
    up "$@"
    ;;
down)
    [ $# -ge 1 ] || fail "down DIR [apiserver]"
    down "$@"
    ;;
*) fail "build, built, up or down; the head of this file says more" ;;
esac
