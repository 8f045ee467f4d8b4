"""A step of Adam, of all parameters at once."""
from imsat.cuda import arguments, kernels, runtime

# The arithmetic of chainer.optimizers.Adam, where eps is added to the
# uncorrected root.
_update = kernels.Elementwise(
    'T g, raw T rate, T one_minus_beta1, T one_minus_beta2, T eps',
    'T p, T m, T v', '''
    m += one_minus_beta1 * (g - m);
    v += one_minus_beta2 * (g * g - v);
    p -= rate[0] * m / (sqrt(v) + eps)''', 'adam_update',
    scalars=('one_minus_beta1', 'one_minus_beta2', 'eps'))


def update(p, g, m, v, rate, beta1=.9, beta2=.999, eps=1e-8):
    """Moves parameters against their gradients, in place and in one launch.

    Args:
        p, m, v (cupy.ndarray): All parameters one after the other, and the
            means of their gradients and of the squares of these; shape (n,),
            of one dtype, float32 or float64, contiguous, updated in place.
        g (cupy.ndarray): The gradients, likewise.
        rate (cupy.ndarray): 0-dimensional, of their dtype: Chainer's
            ``alpha_t``, the learning rate times
            sqrt(1 - beta2^t) / (1 - beta1^t) at the t-th update, from 1 on.
            It is read from the device, where it may change between the
            replays of a CUDA graph.
        beta1, beta2 (float): Of the running means, from 0 to 1.
        eps (float): Added to the root of v, at least 0.
    """
    p = arguments.in_place('p', p, (None,))
    dtypes = p.dtype,
    g = arguments.array('g', g, p.shape, dtypes)
    m = arguments.in_place('m', m, p.shape, dtypes)
    v = arguments.in_place('v', v, p.shape, dtypes)
    rate = arguments.array('rate', rate, (), dtypes)
    beta1 = arguments.number('beta1', beta1, 0., 1.)
    beta2 = arguments.number('beta2', beta2, 0., 1.)
    eps = arguments.number('eps', eps)
    runtime.current.elementwise(
        _update, (g, rate, 1 - beta1, 1 - beta2, eps, p, m, v))
