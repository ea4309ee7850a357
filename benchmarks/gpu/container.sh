#!/usr/bin/env bash
# Bring Podman up on a machine with a GPU and without an image registry: the engine from packages that were carried along, the
# base image from the machine's own files, the card through a CDI specification. Prints the socket's address as its last line;
# if that cannot work here, exits with 1 and says why in one line.
#
#   bash benchmarks/gpu/container.sh FOLDER [PACKAGES]
#
# FOLDER: for the socket and the specification. PACKAGES: folder of .deb files, made where there is a network by
#   apt-get download podman conmon crun netavark aardvark-dns golang-github-containers-common golang-github-containers-image \
#     libsubid4 libgpgme11 libyajl2 libassuan0
set -uo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
packages=${2:-$(dirname "$0")/packages}
say() { echo "no container: $*"; exit 1; }

[ "$(id -u)" = 0 ] || say "Podman is brought up as root only"
if ! command -v podman >/dev/null; then
  compgen -G "$packages/*.deb" >/dev/null || say "podman is not installed, and $packages has no .deb files"
  for package in "$packages"/*.deb; do dpkg -x "$package" / || say "$package cannot be unpacked"; done
  ldconfig
fi
version=$(podman --version 2>&1) || say "podman does not start: $version"
devices=$(ls -d /dev/nvidia[0-9]* /dev/nvidiactl /dev/nvidia-uvm /dev/nvidia-uvm-tools 2>/dev/null)
[ -n "$devices" ] || say "there is no /dev/nvidia0"

libraries=$(ldconfig -p | grep -oE '/[^ ]*/lib(cuda|nvidia-ml|nvidia-ptxjitcompiler|nvidia-nvvm|cudadebugger)\.so\.[0-9.]+$' | xargs -r -n1 readlink -f | sort -u)
libraries+=$'\n'$(ls /usr/local/nvidia/lib64/lib{cuda,nvidia-ml,nvidia-ptxjitcompiler,nvidia-nvvm}.so.* 2>/dev/null)
mkdir -p /etc/cdi
{
  printf 'cdiVersion: "0.5.0"\nkind: nvidia.com/gpu\ndevices:\n- name: all\n  containerEdits:\n    deviceNodes:\n'
  for device in $devices; do printf '    - path: %s\n' "$device"; done
  printf 'containerEdits:\n  env:\n  - LD_LIBRARY_PATH=/usr/local/nvidia/lib64\n  mounts:\n'
  for library in $libraries; do
    printf '  - {hostPath: %s, containerPath: /usr/local/nvidia/lib64/%s, options: [ro, nosuid, nodev, bind]}\n' "$library" "$(basename "$library")"
  done
} >/etc/cdi/nvidia.yaml

probe=$folder/root
mkdir -p "$probe"
mount --rbind / "$probe" 2>/dev/null || say "bind mounts are not allowed here"
umount -l "$probe"
if ! podman image exists unlearning-harness-base:latest; then
  python=$(python3 -c 'import sys; print(sys.base_prefix)')
  site=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  tar -c --one-file-system -C / bin sbin lib lib64 usr/bin usr/lib usr/sbin etc/ld.so.conf etc/ld.so.conf.d etc/passwd etc/group \
      "${python#/}" "${site#/}" 2>/dev/null |
    podman import -c 'ENV PATH='"$(dirname "$(command -v python3)")"':/usr/bin:/bin' - unlearning-harness-base:latest >/dev/null 2>"$folder/import" ||
    say "the base image cannot be made: $(tail -n1 "$folder/import")"
fi
podman run --rm --network none --device nvidia.com/gpu=all unlearning-harness-base:latest \
    python3 -c 'import torch; assert torch.cuda.is_available(); print(torch.ones(2, device="cuda").sum().item())' >"$folder/first" 2>&1 ||
  say "a first container failed: $(tail -n1 "$folder/first")"
setsid podman system service --time 0 "unix://$folder/podman.sock" >"$folder/service" 2>&1 </dev/null &
for _ in $(seq 50); do [ -S "$folder/podman.sock" ] && break; sleep 0.1; done
[ -S "$folder/podman.sock" ] || say "podman's service did not start: $(tail -n1 "$folder/service")"
echo "unix://$folder/podman.sock"
