#!/usr/bin/env bash
# Makes a Debian package of the release build.
#
#     packaging/deb.sh [PROGRAM]
#
# packs PROGRAM, or builds target/release/skyrelay first, and says where the package is. It brings the program, its manual,
# completions for bash, zsh and fish, the units for systemd, and /etc/skyrelay/skyrelay.toml, which is the administrator's
# from then on. Installing it starts nothing: carbon has the port until somebody moves it.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1-}
if [ -z "$program" ]; then
    cargo build --release --locked
    program=target/release/skyrelay
fi
version=$("$program" --version | cut -d ' ' -f 2)
architecture=$(dpkg --print-architecture)
out=${SKYRELAY_PACKAGES:-target/debian}
mkdir -p "$out"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"

put() { install -D -m "$1" "$2" "$tree/$3"; }

put 755 "$program" usr/bin/skyrelay
strip "$tree/usr/bin/skyrelay"
put 644 config/skyrelay.toml etc/skyrelay/skyrelay.toml
put 644 config/skyrelay.socket usr/lib/systemd/system/skyrelay.socket
# The unit as it is, but for where the program lies.
put 644 config/skyrelay.service usr/lib/systemd/system/skyrelay.service
sed -i 's|/usr/local/bin/|/usr/bin/|; s|^# For systemd: copy to .*|# For systemd. The configuration is /etc/skyrelay/skyrelay.toml.|' \
    "$tree/usr/lib/systemd/system/skyrelay.service"

documents=usr/share/doc/skyrelay
for file in README.md CHANGELOG.md; do put 644 "$file" "$documents/$file"; done
put 644 LICENSE "$documents/copyright"
for folder in examples grafana prometheus; do
    for file in config/"$folder"/*; do put 644 "$file" "$documents/$folder/$(basename "$file")"; done
done

mkdir -p "$tree/usr/share/man/man8" "$tree/usr/share/bash-completion/completions" \
    "$tree/usr/share/zsh/vendor-completions" "$tree/usr/share/fish/vendor_completions.d"
"$program" man --all "$tree/usr/share/man/man8"
gzip -9n "$tree"/usr/share/man/man8/*
"$program" completions bash >"$tree/usr/share/bash-completion/completions/skyrelay"
"$program" completions zsh >"$tree/usr/share/zsh/vendor-completions/_skyrelay"
"$program" completions fish >"$tree/usr/share/fish/vendor_completions.d/skyrelay.fish"

# What the program asks of the C library, as it says itself.
libc=$(objdump -T "$tree/usr/bin/skyrelay" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1 | cut -d _ -f 2)
mkdir "$tree/DEBIAN"
cat >"$tree/DEBIAN/control" <<CONTROL
Package: skyrelay
Version: $version
Architecture: $architecture
Maintainer: skyrelay <skyrelay@localhost>
Depends: libc6 (>= $libc), libgcc-s1
Recommends: ca-certificates
Suggests: graphite-carbon
Section: net
Priority: optional
Installed-Size: $(du -sk "$tree" | cut -f 1)
Description: carbon relay that watches every metric as it passes
 Takes carbon's plaintext protocol over TCP and UDP, forwards every line
 unchanged to carbon-cache, judges each sample as it arrives, and tells people
 what is out of the ordinary, and why.
CONTROL
echo /etc/skyrelay/skyrelay.toml >"$tree/DEBIAN/conffiles"
for script in postinst prerm postrm; do install -m 755 "packaging/debian/$script" "$tree/DEBIAN/$script"; done

package=$out/skyrelay_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$tree" "$package" >/dev/null
echo "$package"
