"""What a result was made with."""
import functools
import platform
import subprocess
from pathlib import Path

import numpy
import scipy
import sklearn

import imsat
import chainer


@functools.cache  # of the code that runs, whatever is checked out meanwhile
def git_commit():
    here = Path(__file__).parent
    try:
        return subprocess.run(
            ['git', 'describe', '--always', '--dirty', '--abbrev=10'],
            cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def get_versions():
    return dict(imsat=imsat.__version__, commit=git_commit(),
                python=platform.python_version(),
                chainer=chainer.__version__, numpy=numpy.__version__,
                scipy=scipy.__version__, sklearn=sklearn.__version__)
