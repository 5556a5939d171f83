#!/bin/sh
# Debian's Postgres and PgBouncer, from whose programs the tests start servers of their own,
# libfaketime, which sets the clock of one process, and Prometheus' promtool, which checks rules.
#
# Installs what is missing where root has apt; elsewhere those tests are skipped and say why.
# No server is started and no cluster made: what is there stays as it is.
set -eu

missing=
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing=postgresql
[ -x /usr/sbin/pgbouncer ] || missing="$missing pgbouncer"
ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || missing="$missing libfaketime"
command -v promtool >/dev/null || missing="$missing prometheus"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed here, so some tests will be skipped: $missing"
    exit 0
fi

echo "installing for the tests: $missing"
no_cluster=/etc/postgresql-common/createcluster.d/reconciler-tests.conf
no_start=/usr/sbin/policy-rc.d
ours=$no_cluster
[ -e "$no_start" ] || ours="$ours $no_start"
trap 'rm -f $ours' EXIT
trap 'exit 130' INT # else dash leaves them behind, and nothing would ever start here again
trap 'exit 143' TERM HUP
mkdir -p "$(dirname "$no_cluster")"
echo "create_main_cluster = false" >"$no_cluster"
if [ ! -e "$no_start" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$no_start"
    chmod +x "$no_start"
fi
install() {
    DEBIAN_FRONTEND=noninteractive timeout 300 \
        apt-get install -qq --no-install-recommends $missing >/dev/null 2>&1 </dev/null
}
install || { timeout 120 apt-get update -qq >/dev/null 2>&1 && install; } ||
    echo "could not be installed, so some tests will be skipped: $missing"
