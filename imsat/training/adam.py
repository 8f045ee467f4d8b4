"""Adam, in the order in which memory is fast."""
import numpy
from chainer import optimizers
from chainer.optimizers.adam import AdamRule

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
        alpha_t = self.alpha_t

        def update(block):
            p, g, m, v = (a[block] for a in arrays)
            a = g - m
            a *= 1 - hp.beta1
            m += a
            numpy.multiply(g, g, out=a)
            a -= v
            a *= 1 - hp.beta2
            v += a
            numpy.sqrt(v, out=a)
            a += hp.eps
            numpy.divide(alpha_t, a, out=a)
            a *= m
            if hp.eta * hp.weight_decay_rate:
                p *= 1 - hp.eta * hp.weight_decay_rate
            if hp.eta != 1:
                a *= hp.eta
            p -= a
            if flush:
                for array in p, m:
                    array[numpy.abs(array) < LEAST] = 0

        flush = self.t % FLUSH_EVERY == 0
        for i in range(0, param.size, BLOCK):
            update(slice(i, i + BLOCK))


class Adam(optimizers.Adam):
    """``chainer.optimizers.Adam``, block by block on a CPU.

    Example:
        >>> from imsat.training import Adam
        >>> Adam(alpha=.002).setup(imsat.Encoder(2, 2, ())).t
        0
    """

    def create_update_rule(self):
        return BlockwiseAdamRule(self.hyperparam)
