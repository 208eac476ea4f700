#!/bin/sh
# Installs permitgate from this checkout: /opt/permitgate (a virtual environment), its command in /usr/local/bin, the
# unit, its user and directories.
# May be run again, to upgrade; an existing configuration is never touched.
#   sudo systemd/install.sh            everything; starts nothing
#   DESTDIR=/tmp/root systemd/install.sh   only the files, below that directory, for those who build packages
set -eu

source_dir=$(cd "$(dirname "$0")/.." && pwd)
root=${DESTDIR:-}
python=${PYTHON:-python3}

if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
    echo "permitgate: run as root: sudo $0" >&2
    exit 3
fi

place() { # place MODE FROM TO
    install -D -m "$1" "$source_dir/$2" "$root$3"
}
place 0644 systemd/permitgate.service /etc/systemd/system/permitgate.service
place 0644 systemd/permitgate.sysusers /etc/sysusers.d/permitgate.conf
place 0644 systemd/permitgate.tmpfiles /etc/tmpfiles.d/permitgate.conf
place 0644 README.md /usr/share/doc/permitgate/README.md
place 0644 config.example.toml /usr/share/doc/permitgate/config.example.toml
place 0644 drivers/lock/WIRING.md /usr/share/doc/permitgate/WIRING.md
[ -z "$root" ] || exit 0

systemd-sysusers permitgate.conf
systemd-tmpfiles --create permitgate.conf
"$python" -m venv /opt/permitgate
/opt/permitgate/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "$source_dir[pi]"
ln -sf /opt/permitgate/bin/permitgate /usr/local/bin/permitgate
if [ ! -e /etc/permitgate/permitgate.toml ]; then
    install -m 0640 -o root -g permitgate "$source_dir/config.example.toml" /etc/permitgate/permitgate.toml
fi
systemctl daemon-reload

cat <<'SAY'
permitgate is installed and not started. What comes next:
  1. edit /etc/permitgate/permitgate.toml, then   sudo -u permitgate permitgate check
  2. wire as /usr/share/doc/permitgate/WIRING.md says
  3. enrol with the code that HQ gave you:        sudo -u permitgate permitgate enrol --hq URL --code CODE
  4. sudo systemctl enable --now permitgate
SAY
