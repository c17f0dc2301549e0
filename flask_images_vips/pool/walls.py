"""Restrict a renderer: it can read the libraries that it runs and use the files that it is handed, and nothing else.

Decoders load files of strangers, and a decoder that was taken over runs the code of a stranger. Behind these walls,
this code cannot open files of the application, connect to anything, start programs, fork, or send signals to other
processes. Walls that this kernel does not support are left out. `missing` names them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

_SET_NO_NEW_PRIVS, _SET_DUMPABLE, _SET_SECCOMP, _FILTER = 38, 4, 22, 2

LANDLOCK, SECCOMP = "Landlock", "seccomp"
STOPPED_BY = {
    LANDLOCK: "read and write the files of this user",
    SECCOMP: "start programs and connect to other hosts",
}
"""What renderers could do without a wall."""

# Landlock: its system calls, its rights, and the number of rights that each version knows (linux/landlock.h).
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}
_MAX_RIGHTS = 16
_ALL_OF_TCP, _SIGNALS_AND_ABSTRACT_SOCKETS = 0b11, 0b11

# The folders of libraries, of fonts and of the files that these read, besides the folders of Python.
_SYSTEM_FOLDERS = (
    *("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/nix/store"),
    *("/etc/fonts", "/usr/share/fonts", "/usr/share/fontconfig", "/var/cache/fontconfig", "/dev/urandom"),
)

# The numbers of the refused system calls, by machine.
_REFUSED = {
    "x86_64": {
        # Processes and their priorities
        "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "kill": 62, "tkill": 200, "rt_sigqueueinfo": 129,
        "rt_tgsigqueueinfo": 297, "pidfd_send_signal": 424, "pidfd_open": 434, "pidfd_getfd": 438, "ptrace": 101,
        "process_vm_readv": 310, "process_vm_writev": 311, "setpriority": 141, "sched_setparam": 142,
        "sched_setscheduler": 144, "sched_setattr": 314, "sched_setaffinity": 203, "ioprio_set": 251,
        # Sockets and other ways to talk to processes
        "socket": 41, "connect": 42, "bind": 49, "listen": 50, "socketpair": 53, "shmget": 29, "shmat": 30,
        "shmctl": 31, "semget": 64, "semop": 65, "semtimedop": 220, "semctl": 66, "msgget": 68, "msgsnd": 69,
        "msgrcv": 70, "msgctl": 71, "mq_open": 240,
        # What Landlock allows for files that it does not let open
        "truncate": 76, "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452, "chown": 92, "fchown": 93,
        "lchown": 94, "fchownat": 260, "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
        "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "setxattrat": 463, "removexattr": 197,
        "lremovexattr": 198, "fremovexattr": 199, "removexattrat": 466,
        # Parts of the kernel that no decoder needs
        "mount": 165, "unshare": 272, "setns": 308, "add_key": 248, "request_key": 249, "keyctl": 250,
        "perf_event_open": 298, "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425,
    },
    "aarch64": {
        # Processes and their priorities
        "execve": 221, "execveat": 281, "kill": 129, "tkill": 130, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240,
        "pidfd_send_signal": 424, "pidfd_open": 434, "pidfd_getfd": 438, "ptrace": 117, "process_vm_readv": 270,
        "process_vm_writev": 271, "setpriority": 140, "sched_setparam": 118, "sched_setscheduler": 119,
        "sched_setattr": 274, "sched_setaffinity": 122, "ioprio_set": 30,
        # Sockets and other ways to talk to processes
        "socket": 198, "connect": 203, "bind": 200, "listen": 201, "socketpair": 199, "shmget": 194, "shmat": 196,
        "shmctl": 195, "semget": 190, "semop": 193, "semtimedop": 192, "semctl": 191, "msgget": 186, "msgsnd": 189,
        "msgrcv": 188, "msgctl": 187, "mq_open": 180,
        # What Landlock allows for files that it does not let open
        "truncate": 45, "fchmod": 52, "fchmodat": 53, "fchmodat2": 452, "fchown": 55, "fchownat": 54,
        "utimensat": 88, "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "setxattrat": 463, "removexattr": 14,
        "lremovexattr": 15, "fremovexattr": 16, "removexattrat": 466,
        # Parts of the kernel that no decoder needs
        "mount": 40, "unshare": 97, "setns": 268, "add_key": 217, "request_key": 218, "keyctl": 219,
        "perf_event_open": 241, "bpf": 280, "userfaultfd": 282, "io_uring_setup": 425,
    },
}  # fmt: skip
_KERNEL_NAME = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_SIGNAL_THREAD = {"x86_64": 234, "aarch64": 131}  # tgkill, which a process uses to abort
_LIMITS = {"x86_64": 302, "aarch64": 261}  # prlimit64
_CLONE3 = 435  # the same on both; its flags are in memory, which a filter cannot read
_OTHER_NUMBERS = 0x40000000  # the first system call of x32
_CLONE_THREAD = 0x10000

# Instructions of the filter (linux/bpf_common.h, linux/seccomp.h).
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _KERNEL_NAME_AT, _FIRST_ARGUMENT_AT = 0, 4, 16

_Instruction = tuple[int, int, int, int]


def raise_all() -> None:
    """Raise all walls that the kernel supports around this process, for as long as it lives."""
    os.chdir("/")
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # under memory pressure, end renderers before web workers
    for limit, most in ((resource.RLIMIT_NOFILE, 64), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, (most, most))
    for option, value in ((_SET_NO_NEW_PRIVS, 1), (_SET_DUMPABLE, 0)):
        with suppress(OSError):
            _prctl(option, value)
    with suppress(OSError):
        _close_files()
    with suppress(OSError):
        _close_calls()


def bound_memory(max_bytes: int) -> None:
    """Limit the memory that this process can allocate to *max_bytes*. A later call can raise the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = max_bytes if hard == resource.RLIM_INFINITY else min(max_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def missing() -> list[str]:
    """Return the names of the walls that this kernel, or this package on this machine, does not support."""
    found = [] if _landlock_version() else [LANDLOCK]
    if platform.machine() not in _REFUSED or not _knows_filters():
        found.append(SECCOMP)
    return found


def _knows_filters() -> bool:
    try:
        _prctl(_SET_SECCOMP, _FILTER, None)
    except OSError as error:
        return error.errno == errno.EFAULT  # it has looked for the filter
    return False


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    result: int = _libc().syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _prctl(option: int, *arguments: object) -> int:
    padded = [*arguments, *[0] * (4 - len(arguments))]
    result: int = _libc().prctl(option, *(ctypes.c_ulong(each) if isinstance(each, int) else each for each in padded))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _landlock_version() -> int:
    with suppress(OSError):
        return _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    return 0


def _close_files() -> None:
    """Refuse access to all files except to read libraries, and refuse TCP and signals, by Landlock."""
    version = _landlock_version()
    if not version:
        return
    rights = (1 << _RIGHTS_BY_VERSION.get(version, _MAX_RIGHTS)) - 1
    rules = struct.pack("=Q", rights)
    if version >= 4:
        rules += struct.pack("=Q", _ALL_OF_TCP)
    if version >= 6:
        rules += struct.pack("=Q", _SIGNALS_AND_ABSTRACT_SOCKETS)
    ruleset = _call(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint(0))
    try:
        for path, wanted in _readable():
            with suppress(OSError):
                folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
                try:
                    # Landlock refuses rights of folders for files.
                    allowed = wanted if os.path.isdir(path) else _READ_FILE
                    rule = struct.pack("=Qi", allowed, folder)
                    _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint(0))
                finally:
                    os.close(folder)
        _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)


def _readable() -> Iterator[tuple[str, int]]:
    """Yield the folders of libraries, each with the allowed rights."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    libraries = [*sys.path, *os.environ.get("LD_LIBRARY_PATH", "").split(":")]
    for folder in libraries:
        # If this package is not installed among others, as in a checkout, its neighbours are not libraries.
        alone = folder == os.path.dirname(package) and not os.path.isdir(os.path.join(folder, "PIL"))
        if folder:
            yield folder, _READ_FOLDER if alone else _READ_FILE | _READ_FOLDER
    for folder in (package, *_SYSTEM_FOLDERS):
        yield folder, _READ_FILE | _READ_FOLDER


def _close_calls() -> None:
    """Refuse the system calls that affect other processes, the network or the modes of files, by a filter (seccomp)."""
    machine = platform.machine()
    if machine not in _REFUSED:
        return
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in _filter(machine))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    _prctl(_SET_SECCOMP, _FILTER, ctypes.byref(Program(len(program) // 8, program)))


def _filter(machine: str) -> list[_Instruction]:
    """Return the filter for *machine*. An instruction is (code, instructions to skip if true, if false, value)."""
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    unknown = (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)
    allow = (_RETURN, 0, 0, _ALLOW)
    number, argument = (_LOAD, 0, 0, _NUMBER_AT), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT)
    program = [(_LOAD, 0, 0, _KERNEL_NAME_AT), (_EQUAL, 1, 0, _KERNEL_NAME[machine]), (_RETURN, 0, 0, _KILL), number]
    if machine == "x86_64":
        program += [(_AT_LEAST, 0, 1, _OTHER_NUMBERS), refuse]
    for refused in _REFUSED[machine].values():
        program += [(_EQUAL, 0, 1, refused), refuse]
    program += [(_EQUAL, 0, 1, _CLONE3), unknown]  # the C library then uses clone
    program += [(_EQUAL, 0, 4, _CLONE[machine]), argument, (_ANY_BIT, 0, 1, _CLONE_THREAD), allow, refuse]
    program += [(_EQUAL, 0, 4, _SIGNAL_THREAD[machine]), argument, (_EQUAL, 0, 1, os.getpid()), allow, refuse]
    program += [(_EQUAL, 0, 4, _LIMITS[machine]), argument, (_EQUAL, 0, 1, 0), allow, refuse]
    return [*program, allow]
