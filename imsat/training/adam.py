"""Adam, in the order in which memory is fast."""
import chainer
import numpy
from chainer import optimizers
from chainer.backend import get_device_from_array
from chainer.optimizers.adam import AdamRule

from imsat.cuda import adam, runtime
from imsat.functions.compiled import compiled

# Elements at a time: the five arrays of a block stay in the L2 cache.
BLOCK = 1 << 16
# Every so many updates, numbers below the least become 0: on their way to 0,
# by decay and in units that never fire, they or products of two of them would
# be subnormal, and a processor takes a hundred times as long for each.
FLUSH_EVERY = 32
LEAST = 1e-19


class BlockwiseAdamRule(AdamRule):
    """Chainer's rule, on a CPU block by block.

    The same operations in the same order give the same bits, but for what is
    flushed to 0; Chainer's own passes ten times over arrays that no cache
    holds.
    """

    def update_core_cpu(self, param):
        hp = self.hyperparam
        if param.grad is None:
            return
        if hp.amsgrad or hp.adabound or param.dtype == numpy.float16 \
                or not param.array.flags.c_contiguous:
            super().update_core_cpu(param)
            return
        arrays = [a.reshape(-1) for a in (
            param.array, param.grad, self.state['m'], self.state['v'])]
        least = LEAST if self.t % FLUSH_EVERY == 0 else 0.
        numbers = [param.dtype.type(number) for number in (
            1 - hp.beta1, 1 - hp.beta2, self.alpha_t, hp.eps,
            1 - hp.eta * hp.weight_decay_rate, hp.eta, least)]
        loop = None if runtime.current.holds(param.array) else _update_loop()
        if loop is not None:
            loop(*arrays, *numbers)
            return
        for i in range(0, param.size, BLOCK):
            _update(*(a[i:i + BLOCK] for a in arrays), *numbers)

    def move_state(self, m, v):
        """Keeps the moments in these arrays, zeros so far, from now on."""
        for name, array in dict(m=m, v=v).items():
            if self.state is not None:
                array[...] = get_device_from_array(array).send(
                    self.state[name])
        self._state = dict(m=m, v=v)


def _update(p, g, m, v, rate1, rate2, alpha_t, eps, decay, eta, least):
    a = g - m
    a *= rate1
    m += a
    numpy.multiply(g, g, out=a)
    a -= v
    a *= rate2
    v += a
    numpy.sqrt(v, out=a)
    a += eps
    numpy.divide(alpha_t, a, out=a)
    a *= m
    if decay != 1:
        p *= decay
    if eta != 1:
        a *= eta
    p -= a
    if least:
        for array in p, m:
            array[numpy.abs(array) < least] = 0


@compiled()
def _update_loop(p, g, m, v, rate1, rate2, alpha_t, eps, decay, eta, least):
    # The same operations on each element, for the same bits.
    zero = p.dtype.type(0)
    for i in range(len(p)):
        mean = m[i] + (g[i] - m[i]) * rate1
        square = v[i] + (g[i] * g[i] - v[i]) * rate2
        new = p[i] * decay - alpha_t / (numpy.sqrt(square) + eps) * mean * eta
        v[i] = square
        m[i] = zero if abs(mean) < least else mean
        p[i] = zero if abs(new) < least else new


class Adam(optimizers.Adam):
    """``chainer.optimizers.Adam``, block by block on a CPU.

    Example:
        >>> from imsat.training import Adam
        >>> Adam(alpha=.002).setup(imsat.Encoder(2, 2, ())).t
        0
    """

    def create_update_rule(self):
        return BlockwiseAdamRule(self.hyperparam)


class FlatParameters:
    """All parameters of a network as one, which Adam updates at once.

    Each parameter, its gradient and its moments become parts of four arrays;
    the network and its optimizer are used, and saved, as before.

    Args:
        optimizer (Adam): Set up with the network.

    Attributes:
        parameter (chainer.Parameter): All of them, in one dimension, with
            zeros between some.
    """

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self._params = list(optimizer.target.params())
        device, dtype = self._params[0].device, self._params[0].dtype
        # Parts begin where a line of the cache does.
        ends = numpy.cumsum([param.size + -param.size % 16
                             for param in self._params]).tolist()
        p, g, m, v = (device.send(numpy.zeros(ends[-1], dtype))
                      for _ in range(4))
        self._parts = []
        for param, end in zip(self._params, ends):
            start = end - param.size - -param.size % 16
            part, grad, *moments = (
                array[start:start + param.size].reshape(param.shape)
                for array in (p, g, m, v))
            part[...] = param.array
            param.array, param.grad = part, grad
            param.update_rule.move_state(*moments)
            self._parts.append((part, grad))
        self.parameter = chainer.Parameter(p)
        self.parameter.grad = g
        self._rule = optimizer.create_update_rule()
        self._rule.move_state(m, v)

    def pair(self):
        """All parameters and their gradients."""
        return self.parameter.array, self.parameter.grad

    def weights(self):
        """The same of each W."""
        return [(param.array.reshape(-1), param.grad.reshape(-1))
                for param in self._params if param.name == 'W']

    def hold(self):
        """Whether the network's parameters still lie here; their gradients
        do from now on, whoever had others meanwhile."""
        for param, (part, grad) in zip(self._params, self._parts):
            if param.array is not part:
                return False
            if param.grad is not grad:
                param.grad = grad
        return True

    def count(self):
        """Counts an update; its ``rate`` for :func:`imsat.cuda.adam.update`.
        """
        self.optimizer.t += 1
        for param in self._params:
            param.update_rule.t += 1
        self._rule.t = param.update_rule.t
        return self._rule.alpha_t * self._rule.hyperparam.eta

    def update(self, rate):
        """Moves all parameters by their gradients, after :meth:`count`.

        Args:
            rate (array): 0-dimensional, what that returned; on a GPU alone.
        """
        p, g = self.pair()
        if runtime.current.holds(p):
            hp, state = self._rule.hyperparam, self._rule.state
            adam.update(p, g, state['m'], state['v'], rate, hp.beta1,
                        hp.beta2, hp.eps)
        else:
            self._rule.update_core(self.parameter)


def forget_training(network):
    """Lets go of gradients and moments, three times the network's memory."""
    network.cleargrads()
    for param in network.params():
        param.array, param.update_rule = param.array.copy(), None
