#!/usr/bin/env bash
# A real TimescaleDB for the tests: Debian trixie's PostgreSQL 17 with its TimescaleDB (Apache edition), in a chroot of its own.
#
#   infra/timescale.sh up      build it if need be (needs debootstrap and a Debian mirror), start it, print its URL
#   infra/timescale.sh psql    open a shell on it
#   infra/timescale.sh down    stop it; the folder stays and may be deleted
#
# Needs root for debootstrap and chroot; the server runs as the chroot's own postgres user and listens on a Unix socket only.
# Settings: PERISCOPE_TIMESCALE_HOME (folder), PERISCOPE_DEBIAN_MIRROR (default: the one that this machine's apt uses).
set -euo pipefail

folder=${PERISCOPE_TIMESCALE_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/periscope-timescale}
root=$folder/root
bin=/usr/lib/postgresql/17/bin
data=/srv/data
sockets=/srv/run

if [ "$(id -u)" -ne 0 ]; then
  echo "infra/timescale.sh: needs root, for debootstrap and chroot" >&2
  exit 2
fi

as_postgres() {
  chroot --userspec=postgres:postgres "$root" /usr/bin/env -i HOME=/srv LC_ALL=C.UTF-8 PATH="$bin:/usr/bin:/bin" "$@"
}

mirror() {
  if [ -n "${PERISCOPE_DEBIAN_MIRROR:-}" ]; then
    echo "$PERISCOPE_DEBIAN_MIRROR"
  else
    apt-get indextargets --format '$(REPO_URI)' | grep -m 1 '/debian/*$'
  fi
}

build() {
  [ -e "$root/.built" ] && return
  command -v debootstrap >/dev/null || { echo "infra/timescale.sh: install debootstrap first" >&2; exit 2; }
  local from
  from=$(mirror) || { echo "infra/timescale.sh: set PERISCOPE_DEBIAN_MIRROR to a Debian mirror" >&2; exit 2; }
  rm -rf "$root"
  mkdir -p "$folder"
  echo "building TimescaleDB in $root" >&2
  debootstrap --variant=minbase --include=postgresql-17,postgresql-17-timescaledb trixie "$root" "$from" \
    >"$folder/debootstrap.log" 2>&1 || { tail -n 20 "$folder/debootstrap.log" >&2; exit 1; }
  install -d -m 700 "$root$sockets"
  chroot "$root" chown -R postgres:postgres /srv
  touch "$root/.built"
}

make_cluster() {
  [ -e "$root$data/PG_VERSION" ] && return
  as_postgres "$bin/initdb" -D "$data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null
  cat >>"$root$data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$sockets'
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
timescaledb.max_background_workers = 0
max_worker_processes = 16
dynamic_shared_memory_type = mmap
shared_buffers = 256MB
max_connections = 100
jit = off
fsync = off
CONF
}

url() { echo "postgresql://postgres@/postgres?host=$root$sockets"; }

up() {
  mkdir -p "$folder"
  exec 9>"$folder/lock"
  flock 9
  build
  if ! as_postgres "$bin/pg_isready" -q -h "$sockets"; then
    make_cluster
    as_postgres "$bin/pg_ctl" -D "$data" -l /srv/server.log -w -t 60 start >/dev/null 9>&- \
      || { tail -n 20 "$root/srv/server.log" >&2; exit 1; }
  fi
  url
}

case "${1:-}" in
  up) up ;;
  down) [ ! -e "$root$data/postmaster.pid" ] || as_postgres "$bin/pg_ctl" -D "$data" -m fast -w stop >/dev/null ;;
  psql) shift; as_postgres psql -h "$sockets" -U postgres "$@" ;;
  *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
