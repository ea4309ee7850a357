"""Attacks that look for other data, the network and the host's files: promises 1 and 2."""

from __future__ import annotations

from harness.core.outcomes import Status
from harness.doctor.attacks.attack import Attack, Promise

IN_MEMORY = "looks for model and data, while it is imported, in its memory and among its descriptors"
IN_PLACES = "looks for model and data, while it is imported, in folders, shared memory and other processes"


def _looks(promise: Promise, name: str, tries: str) -> Attack:
    """Return an attack that looks for something, finds nothing and returns."""
    return Attack(name, f"reach:{name}", promise, tries, (Status.OK,))


ATTACKS: tuple[Attack, ...] = (
    _looks(2, "other_data_files", "looks for the test set and the retrained models in every folder"),
    _looks(
        2,
        "other_splits",
        "searches the data file for splits other than retain, forget and validation, and for hidden bytes",
    ),
    Attack("memory_at_import", "imports:memory_at_import", 2, IN_MEMORY, (Status.OK,)),
    Attack("places_at_import", "imports:places_at_import", 2, IN_PLACES, (Status.OK,)),
    _looks(2, "host_mounts", "looks for folders and files of the host among the mounts"),
    _looks(2, "write_the_data_file", "opens the data file for writing, renames and deletes it"),
    _looks(2, "write_through_own_memory", "writes to the pages of the mapped data file through /proc/self/mem"),
    _looks(1, "writable_places", "looks for a writable file or folder outside the scratch folders"),
    _looks(1, "kernel_knobs", "looks for kernel settings, cgroup files or kernel memory that it may open"),
    _looks(1, "engine_socket", "looks for the Docker socket, or any other, in every folder"),
    _looks(1, "listening_sockets", "looks for listening sockets of other processes on its network"),
    _looks(1, "devices", "looks for disks and other devices in /dev"),
    _looks(1, "network_interfaces", "looks for a network interface other than loopback and for routes"),
    _looks(1, "resolve_a_name", "resolves a name below .invalid"),
    _looks(1, "raw_socket", "opens a raw socket"),
    _looks(1, "packet_socket", "opens a packet socket"),
    _looks(1, "machine_socket", "opens a socket to the hypervisor (vsock)"),
    _looks(1, "audit_socket", "sends a request to the kernel's audit system"),
    _looks(2, "host_secrets", "reads /etc/shadow and other files that contain secrets"),
    _looks(2, "environment_secrets", "looks for secrets in the environment"),
)
