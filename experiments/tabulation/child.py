"""Runs a script, and ends with the process that started it.

    python child.py SCRIPT [OPTION ...]

However that process ends, the system closes the pipe that is standard input
here.
"""
import os
import runpy
import sys
import threading


def end_with_parent():
    os.read(0, 1)  # not by sys.stdin, whose lock would keep the script
    os._exit(1)  # as if killed: what was saved is whole


if __name__ == '__main__':
    threading.Thread(target=end_with_parent, daemon=True).start()
    del sys.argv[0]
    # As for a script that is called by itself.
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name='__main__')
