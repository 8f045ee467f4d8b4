"""Chainer's and NumPy's settings while an estimator works."""
import contextlib

import chainer
import numpy

OWN = dict(train=True, enable_backprop=True, dtype=numpy.float32,
           keep_graph_on_report=False, debug=False)


@contextlib.contextmanager
def own_configuration():
    """Whatever a user has set for work of their own makes no difference.

    Infinities and NaN are looked for and told of by name, see
    :class:`imsat.training.extensions.DivergenceCheck`.
    """
    with contextlib.ExitStack() as stack:
        for name, value in OWN.items():
            stack.enter_context(chainer.using_config(name, value))
        stack.enter_context(numpy.errstate(all='ignore'))
        yield
