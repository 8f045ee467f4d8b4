"""Whole training steps, as on a GPU, against those of the authors' code."""
import sys
import types

import numpy
import pytest
import simt
from chainer.backend import CpuDevice

from imsat.cuda import runtime
from original import replay
from original.comparison import Trace, first_parting

KERNELS = {
    'cluster': ['softmax_entropy_rows', 'softmax_entropy_backward',
                'softmax_kl_forward', 'softmax_kl_backward'],
    'hash': ['sigmoid_mutual_information_columns',
             'sigmoid_mutual_information_backward',
             'sigmoid_kl_forward', 'sigmoid_kl_backward1']}


class EmulatedDevice(CpuDevice):
    """A Chainer device for arrays that kernels work on.

    Chainer's own functions compute on them as on NumPy's, which they are
    too.
    """
    __hash__ = CpuDevice.__hash__

    def __eq__(self, other):
        return isinstance(other, EmulatedDevice)

    def send_array(self, array):
        return simt.asarray(array)


@pytest.fixture(autouse=True)
def linear_stays_there(request, monkeypatch):
    """The one of Chainer's functions used here that asks for a new array."""
    if request.node.get_closest_marker('gpu'):
        return
    emulator = request.getfixturevalue('emulator')
    linear = sys.modules['chainer.functions.connection.linear']
    xp = types.SimpleNamespace(empty=emulator.empty, dot=numpy.dot)
    monkeypatch.setattr(linear, 'backend', types.SimpleNamespace(
        get_array_module=lambda *arrays: xp))


@pytest.mark.parametrize('dtype', 'df')
@pytest.mark.parametrize('file', replay.STEP_FILES)
def test_agrees(emulator, file, dtype):
    comparisons = list(replay.replay_steps(
        Trace(file, dtype), EmulatedDevice()))
    assert len(comparisons) > 60
    assert first_parting(comparisons) is None
    # A step goes three times through two normalizations and back: clean,
    # perturbed for the direction, and perturbed.  In the end there is one
    # more prediction.
    steps, launches = 5, emulator.launches
    assert launches['batch_normalization_relu_forward'] == (steps * 3 + 1) * 2
    assert launches['batch_normalization_relu_backward'] == steps * 3 * 2
    task = file.split('_')[0]
    for kernel in KERNELS[task]:
        assert launches[kernel] >= steps
    # The random direction, and the gradient.
    assert launches['scale_rows'] == steps * 2


def test_nothing_falls_back_to_numpy(emulator, monkeypatch):
    # Every array that a function of ours gets is one of the device.
    replayed = replay.start(Trace('hash_step_warm', 'f'), EmulatedDevice())
    seen = []
    holds = runtime.current.holds

    def noted(x):
        seen.append(holds(x))
        return seen[-1]
    monkeypatch.setattr(runtime.current, 'holds', noted)
    replayed.step()
    assert all(seen) and len(seen) > 50
