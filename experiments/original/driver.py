"""Runs a script of the original, unmodified, on a CPU, step by step.

    python2.7 driver.py SCRIPT TRACE STATE [OPTION ...]

Not imported: a program for Python 2.7 with Chainer 1.x, which
:mod:`original.source` starts.  The script gets what it imports; only
CuPy, the data set and files are stand-ins, which give what TRACE, an npz file,
holds:

    x (T, B, d)            batches; their dtype is that of all computation
    eps (T, B)             sigma_t(x) of their points
    d0 (T, B, d)           normal draws of VAT
    n_class                what the labels say
    init/l1/W, ...         the network at the start

Before each iteration it reads a line from its standard input; after it the
network, its gradients, the script's losses and what it gave to two functions
are written to STATE: transpose/0, ..., arrays, the first of them VAT's
direction, and relu/0, ..., bits that say which inputs were positive.  On its
standard output it says, in lines of JSON, {"versions": ...} at first, then
{"seconds": ...} for each iteration, or {"error": ...} if it can't begin.
"""
from __future__ import print_function

import json
import sys
import time

# What the scripts call their losses.
LOSSES = ('loss_eq1', 'loss_eq2', 'cond_ent', 'marg_ent', 'pairwise_mi')


class Done(BaseException):
    """Unwinds the script once there are no more batches."""


class StandIn(object):
    """A module, or nothing, with some of its names replaced."""

    def __init__(self, module=None, **names):
        vars(self).update(vars(module) if module else {}, **names)


def say(channel, **message):
    channel.write(json.dumps(message) + '\n')
    channel.flush()


class Recorder(object):
    """The data set, which is asked for a batch at the start of each step."""

    def __init__(self, numpy, trace, state, channel, names):
        self.numpy, self.state, self.channel = numpy, state, channel
        self.names = names
        self.batches = trace['x']
        steps, size, dim = self.batches.shape
        # So many points that the script's first epoch never ends.
        n = size * (steps + 2) + 1000
        self.data = numpy.broadcast_to(self.batches[0, :1], (n, dim))
        self.label = numpy.zeros(n, 'i')
        self.label[-1] = trace['n_class'] - 1
        self.step, self.start = 0, None
        self.given = {'relu': [], 'transpose': []}

    def get(self, n, need_index=False):
        if self.start is not None:
            self.write(time.time() - self.start)
        if self.step == len(self.batches) or not sys.stdin.readline():
            raise Done
        for arrays in self.given.values():
            del arrays[:]
        self.start = time.time()
        x = self.batches[self.step]
        if n != len(x):
            raise ValueError('the script asks for %d points' % n)
        index = self.step * n + self.numpy.arange(n)
        self.step += 1
        return x, self.label[index], index

    def write(self, seconds):
        names = self.names
        state = {'loss_vat': names['loss_ul'].data}
        for name in LOSSES:
            if name in names:
                state[name] = names[name].data
        for path, parameter in names['enc'].namedparams():
            state['after' + path] = parameter.data
            state['grad' + path] = parameter.grad
        for name in ('bn1', 'bn2'):
            for average in ('avg_mean', 'avg_var'):
                state['after/%s/%s' % (name, average)] = getattr(
                    names['enc'][name], average)
        for name, arrays in self.given.items():
            for i, x in enumerate(arrays):
                state['%s/%d' % (name, i)] = \
                    self.numpy.packbits(x > 0) if name == 'relu' else x
        self.numpy.savez(self.state, **state)
        say(self.channel, seconds=seconds)


def run(chainer, numpy, script, trace, recorder, names):
    """Executes the script with stand-ins for what this machine lacks."""
    dtype = trace['x'].dtype
    directions = iter(trace['d0'])
    sigma = trace['eps'].reshape(-1)

    class Chain(chainer.Chain):

        def to_gpu(self):
            """The network is whole: it gets the weights to start from."""
            for path, parameter in self.namedparams():
                parameter.data = trace['init' + path].copy()
                parameter.cleargrad()  # which has the dtype of before
            for name in ('bn1', 'bn2'):
                for average in ('avg_mean', 'avg_var'):
                    value = trace['init/%s/%s' % (name, average)].copy()
                    setattr(self[name], average, value)
            return self

    def recorded(name):
        function = getattr(chainer.functions, name)

        def call(x, *args, **kwargs):
            recorder.given[name].append(x.data)
            return function(x, *args, **kwargs)
        return call

    random = StandIn(numpy.random,
                     normal=lambda size, dtype: next(directions))
    cuda = StandIn(
        chainer.cuda, cupy=StandIn(numpy, random=random),
        to_gpu=lambda array: array, to_cpu=lambda array: array,
        get_device=lambda number: StandIn(use=lambda: None))
    data = StandIn(
        load_mnist_whole=lambda **kwargs: recorder,
        Data=lambda data, label: StandIn(data=data, label=label))
    chainer = StandIn(
        chainer, cuda=cuda, Chain=Chain,
        functions=StandIn(chainer.functions, **dict(
            (name, recorded(name)) for name in recorder.given)))
    modules = {
        'numpy': StandIn(numpy, float32=dtype.type,
                         loadtxt=lambda path: sigma),
        # `import chainer.functions` asks for the package around it.
        'chainer': chainer, 'chainer.functions': chainer,
        'load_mnist': data,
        'munkres': StandIn(Munkres=None, print_matrix=None),
        'sklearn': StandIn(metrics=None)}

    def stand_in(name, *args):
        return modules.get(name) or __import__(name, *args)

    builtins = StandIn(sys.modules['__builtin__'], __import__=stand_in)
    names.update(__builtins__=vars(builtins), __name__='__main__')
    with open(script) as f:
        # 0, True: without the print function of this file.
        code = compile(f.read(), script, 'exec', 0, True)
    try:
        exec(code, names)
    except Done:
        pass


def main():
    del sys.path[0]  # this folder, whose modules are not for Python 2
    channel, sys.stdout = sys.stdout, sys.stderr
    script, trace, state = sys.argv[1:4]
    version = '.'.join(map(str, sys.version_info[:3]))
    if sys.version_info[0] != 2:
        say(channel, error='is Python %s and not 2.7' % version)
        return
    try:
        import chainer
        import numpy
    except ImportError as e:
        say(channel, error='can not import Chainer 1.x (%s)' % e)
        return
    if not chainer.__version__.startswith('1.'):
        say(channel, error='has Chainer %s and not 1.x' % chainer.__version__)
        return
    say(channel, versions={
        'python': version, 'chainer': chainer.__version__,
        'numpy': numpy.__version__})
    trace = dict(numpy.load(trace))
    sys.argv = [script] + sys.argv[4:]
    names = {}
    recorder = Recorder(numpy, trace, state, channel, names)
    run(chainer, numpy, script, trace, recorder, names)


if __name__ == '__main__':
    main()
