"""Images under affine maps."""
from imsat.cuda import arguments, kernels, launch, runtime

_transform = kernels.Source('affine.cu')
_random = kernels.Source('random_affine.cu', [{'T': 'float64'}])


def random_matrices(n, seed, step=0, rotation=0., shear=0., scale=0.,
                    shift=0., probability=1.):
    """Maps that rotate, shear, scale and shift at random.

    An angle, and a shear, a scale and a shift along each axis are drawn
    uniformly from their range.  An image's map depends on ``seed``, ``step``,
    its number and the ranges alone: a run that is resumed at a step draws
    what it would have drawn.

    Args:
        n (int): Number of images, up to 2^32.
        seed, step (int): From 0 to 2^63 - 1.
        rotation (float): Radians, either way.
        shear, scale (float): Either way; a scale is 1 plus what is drawn.
        shift (float): Pixels, either way.
        probability (float): That each of the seven is applied.

    Returns:
        cupy.ndarray: Shape (n, 2, 3), float64, as :func:`forward` takes it.
    """
    # Counters of the random numbers have words of 32 bits.
    n = arguments.integer('n', n, 0, 2 ** 32)
    seed = arguments.integer('seed', seed)
    step = arguments.integer('step', step)
    ranges = [arguments.number(name, value) for name, value in (
        ('rotation', rotation), ('shear', shear), ('scale', scale),
        ('shift', shift))]
    probability = arguments.number('probability', probability, 0., 1.)
    out = runtime.current.empty((n, 2, 3), 'float64')
    _random.launch('random_affine_matrices', launch.elements(n),
                   (n, *ranges, probability, seed, step, out), T='float64')
    return out


def forward(x, matrix):
    """Images, each under its own map.

    The pixel at p is read, by bilinear interpolation, at A (p - c) + b + c
    of x, where c is the centre; what lies outside continues the edge.

    Args:
        x (cupy.ndarray): Shape (B, height, width), float32 or float64.
        matrix (cupy.ndarray): Shape (B, 2, 3), float64: A and, in the last
            column, b in pixels; rows come first, as in x.

    Returns:
        Array of x's shape and dtype.
    """
    return _launch('affine_transform_forward', 'x', x, matrix)


def backward(gy, matrix):
    """The gradient with respect to the images.

    A pixel takes as long as there are pixels of ``gy`` that may have read it:
    a few, at the edge also those beyond, and where a map is not invertible
    all of them.

    Args:
        gy (cupy.ndarray): Upstream gradient, of x's shape and dtype.
        matrix (cupy.ndarray): As in :func:`forward`.
    """
    return _launch('affine_transform_backward', 'gy', gy, matrix)


def _launch(kernel, name, x, matrix):
    x = arguments.array(name, x, (None, None, None))
    n, height, width = x.shape
    matrix = arguments.array('matrix', matrix, (n, 2, 3), ('float64',))
    out = runtime.current.empty(x.shape, x.dtype)
    if height and width:
        _transform.launch(kernel, launch.images(n, height * width),
                          (x, matrix, n, height, width, out), T=x.dtype)
    return out
