#!/bin/sh
# Installs the real programs that the end-to-end tests start: collectd, carbon-cache with whisper, graphite-web, prometheus with
# promtool, Alertmanager, Icinga 2, Nagios, aiosmtpd, carbon-c-relay, systemd-socket-activate, openssl, chromium, man and node from
# Debian, statsd from npm.
#
#     tests/peers/install.sh
#
# For Debian 12. Run it as root, or as a user who may use sudo: only apt runs as root. Installs what is missing and
# nothing else, so a second run takes a moment. No daemon is started, now or at the next boot: the tests start their own.
#
# statsd goes to target/peers/; SKYRELAY_PEERS names another directory (the tests read the same variable).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
peers=${SKYRELAY_PEERS:-$here/../../target/peers}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # collectd lives there, and a user's PATH may not have it

say() { echo "peers: $*"; }
fail() {
    echo "peers: FAILED: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -- "$@"
    fi
}

certificates=/etc/ssl/certs/ca-certificates.crt

# What apt has to bring, by looking for what the tests use rather than for package names: node and npm may well come
# from elsewhere.
missing_packages() {
    [ -x /usr/sbin/collectd ] || echo collectd-core
    command -v carbon-cache >/dev/null || echo graphite-carbon
    /usr/bin/python3 -c 'import whisper' 2>/dev/null || echo python3-whisper
    /usr/bin/python3 -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("graphite"))' || echo graphite-web
    { command -v prometheus && command -v promtool; } >/dev/null || echo prometheus
    command -v prometheus-alertmanager >/dev/null || echo prometheus-alertmanager
    [ -e /usr/share/icinga2/include/itl ] || echo icinga2-common
    command -v icinga2 >/dev/null || echo icinga2-bin
    command -v nagios4 >/dev/null || echo nagios4-core
    /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || echo python3-aiosmtpd
    command -v openssl >/dev/null || echo openssl
    command -v carbon-c-relay >/dev/null || echo carbon-c-relay
    command -v systemd-socket-activate >/dev/null || echo systemd
    command -v ip >/dev/null || echo iproute2
    command -v man >/dev/null || echo man-db
    { command -v strip && command -v objdump; } >/dev/null || echo binutils
    command -v chromium >/dev/null || echo chromium
    command -v node >/dev/null || echo nodejs
    statsd_is_there || command -v npm >/dev/null || echo npm
    statsd_is_there || [ -e $certificates ] || echo ca-certificates
}

statsd_is_there() { cmp -s "$here/statsd/package-lock.json" "$peers/statsd/installed"; }

# Debian starts a daemon as soon as it is installed, unless /usr/sbin/policy-rc.d exits 101. One that was there before
# is kept aside; the mark tells ours from it, also after a run that was killed.
policy=/usr/sbin/policy-rc.d
policy_kept=$policy.before-skyrelay
policy_mark='placed by skyrelay tests/peers/install.sh'

forbid_starting_daemons() {
    if [ -e $policy ] || [ -L $policy ]; then
        as_root mv $policy $policy_kept
    fi
    printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
}

allow_starting_daemons() {
    if grep -qs "$policy_mark" $policy; then
        as_root rm -f $policy
    fi
    if [ -e $policy_kept ] || [ -L $policy_kept ]; then
        as_root mv $policy_kept $policy
    fi
}

# Keeps quiet unless it fails.
apt_get() {
    log=$(mktemp)
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1; then
        rm -f "$log"
    else
        tail -n 30 "$log" >&2
        rm -f "$log"
        return 1
    fi
}

# Debian also enables its services for the next boot, where carbon-cache would take port 2003. Only those of packages
# that this run brought are disabled.
disable_service_of() {
    case $1 in
    collectd-core) service=collectd ;;
    graphite-carbon) service=carbon-cache ;;
    icinga2-bin) service=icinga2 ;;
    nagios4-core) service=nagios4 ;;
    prometheus | prometheus-alertmanager | carbon-c-relay) service=$1 ;;
    *) return 0 ;;
    esac
    command -v systemctl >/dev/null || return 0
    as_root systemctl --quiet disable "$service.service" >/dev/null 2>&1 || say "could not disable $service.service: it will start at boot"
}

install_packages() {
    say "installing from Debian: $*"
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        fail "$* missing: run this as root, or install sudo"
    fi
    trap allow_starting_daemons EXIT
    trap 'exit 1' HUP INT TERM
    forbid_starting_daemons
    apt_get update || fail "apt-get update (is the Debian mirror reachable?)"
    for package in "$@"; do # one by one, so that a failure has a name
        apt_get install -y --no-install-recommends "$package" || fail "apt-get install $package"
        disable_service_of "$package"
    done
    allow_starting_daemons
    trap - EXIT HUP INT TERM
    still_missing=$(missing_packages | tr '\n' ' ')
    [ -z "$still_missing" ] || fail "installed, yet not found: $still_missing"
}

# The lock file pins versions and hashes. The optional parts need a C++ compiler and serve clusters and syslog only.
install_statsd() {
    say "installing from npm: statsd, into $peers/statsd"
    rm -rf "$peers/statsd"
    mkdir -p "$peers/statsd" || fail "mkdir $peers/statsd"
    cp "$here/statsd/package.json" "$here/statsd/package-lock.json" "$peers/statsd/"
    # npm trusts its own list of authorities; this adds the machine's, which a company's proxy may need.
    export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$certificates}"
    (cd "$peers/statsd" && npm ci --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) ||
        fail "npm ci of statsd (is the npm registry reachable?)"
    [ -f "$peers/statsd/node_modules/statsd/stats.js" ] || fail "npm ci of statsd brought no stats.js"
    cp "$here/statsd/package-lock.json" "$peers/statsd/installed" # last: the sign that all went well
}

allow_starting_daemons # a run that was killed may have left its policy behind
packages=$(missing_packages)
# shellcheck disable=SC2086 # one word per package
[ -z "$packages" ] || install_packages $packages
statsd_is_there || install_statsd
say "all there: collectd, carbon-cache, whisper, prometheus, promtool, Alertmanager, Icinga 2, Nagios, aiosmtpd, carbon-c-relay, systemd-socket-activate, openssl, chromium, node, statsd"
