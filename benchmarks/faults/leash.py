"""Run a command that dies with whoever started it: a file, not a module.

    python -I -S leash.py USER COMMAND...

USER empty: stay who we are. It becomes the command (execvp), so its process id and
its exit are the command's. Only what is cheap to import: it is in the path of every
restart that is measured.
"""

import ctypes
import os
import pwd
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Change user, see to it that this process does not outlive us, and run."""
    _, user, *command = sys.argv
    if user:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    # After the change of user, which would forget it.
    die_with_parent()
    os.execvp(command[0], command)  # noqa: S606 (the caller's own command)


if __name__ == "__main__":
    main()
