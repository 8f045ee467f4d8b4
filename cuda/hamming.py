"""Hash codes: packing, Hamming distances and search by them.

Codes of up to 256 bits are compared as words of 32 bits, see
:func:`to_words`.  Nothing here waits for the GPU but :func:`within`.
"""
from imsat.cuda import arguments, kernels, launch, runtime

_WORDS = tuple({'WORDS': n} for n in (1, 2, 4, 8))
_packing = kernels.Source('pack_bits.cu', (*kernels.FLOATS, {'T': 'bool'}))
_source = kernels.Source('hamming.cu', _WORDS)
_nearest = kernels.Source('hamming_nearest.cu', _WORDS)


def pack_bits(y):
    """Whether each element exceeds 0, packed into bytes by rows.

    Args:
        y (cupy.ndarray): Logits or bits, shape (N, D), float32, float64 or
            bool.

    Returns:
        cupy.ndarray: Shape (N, ceil(D / 8)), uint8; column 0 is the highest
        bit of the first byte.
    """
    y = arguments.array('y', y, (None, None), (*arguments.FLOATS, 'bool'))
    n, d = y.shape
    codes = runtime.current.empty((n, launch.ceil_div(d, 8)), 'uint8')
    _packing.launch('pack_bits', launch.packing(n, d), (y, n, d, codes),
                    T=y.dtype)
    return codes


def to_words(codes):
    """Codes as the other functions take them.

    Args:
        codes (cupy.ndarray): Shape (N, W), uint8, W from 1 to 32.

    Returns:
        cupy.ndarray: Shape (1, 2, 4 or 8, N), uint32: column j holds code j,
        padded with zeros.
    """
    codes = arguments.array('codes', codes, (None, None), ('uint8',))
    n, width = codes.shape
    if not 1 <= width <= 32:
        raise ValueError(f'codes have {width} bytes; give 1 to 32')
    n_words = next(v['WORDS'] for v in _WORDS if width <= 4 * v['WORDS'])
    words = runtime.current.empty((n_words, n), 'uint32')
    _source.launch('codes_to_words', launch.elements(n),
                   (codes, n, width, words), WORDS=n_words)
    return words


def from_words(words, width):
    """The inverse of :func:`to_words`: codes of ``width`` bytes."""
    words, n_words, n = _checked('words', words)
    width = arguments.integer('width', width, 1, 4 * n_words)
    codes = runtime.current.empty((n, width), 'uint8')
    _source.launch('words_to_codes', launch.elements(n),
                   (words, n, width, codes), WORDS=n_words)
    return codes


def distances(a, b):
    """The number of differing bits, of all pairs.

    Args:
        a, b (cupy.ndarray): Words, shapes (words, N) and (words, M), uint32.

    Returns:
        cupy.ndarray: Shape (N, M), uint16.
    """
    a, n_words, n = _checked('a', a)
    b, _, m = _checked('b', b, n_words)
    out = runtime.current.empty((n, m), 'uint16')
    _source.launch('hamming_distances', launch.pairs(n, m),
                   (a, n, b, m, out), WORDS=n_words)
    return out


def histograms(queries, query_labels, gallery, gallery_labels, n_bits):
    """How many codes of the gallery lie at each distance from each query.

    Args:
        queries, gallery (cupy.ndarray): Words, shapes (words, Q) and
            (words, N), uint32.
        query_labels, gallery_labels (cupy.ndarray): Shapes (Q,) and (N,),
            int64.
        n_bits (int): D; greater distances are not counted.

    Returns:
        tuple: ``total`` and ``relevant``, shape (Q, D + 1), int64: column d
        counts the codes at distance d, all and those of the query's label.
    """
    queries, n_words, q = _checked('queries', queries)
    gallery, _, n = _checked('gallery', gallery, n_words)
    query_labels = arguments.array('query_labels', query_labels, (q,),
                                   ('int64',))
    gallery_labels = arguments.array('gallery_labels', gallery_labels, (n,),
                                     ('int64',))
    n_bits = _check_bits(n_bits, n_words)
    total, relevant = (runtime.current.zeros((q, n_bits + 1), 'int64')
                       for _ in range(2))
    shape, chunk = launch.histograms(q, n, n_words, n_bits + 2)
    _source.launch('hamming_histograms', shape, (
        queries, query_labels, q, gallery, gallery_labels, n, chunk, n_bits,
        n_bits + 1, 1, total, relevant), WORDS=n_words)
    return total, relevant


def nearest(queries, gallery, n_bits, k, ids=None):
    """The k nearest codes of each query, ties in the gallery's order.

    Args:
        queries, gallery (cupy.ndarray): Words, shapes (words, Q) and
            (words, N), uint32; none is further than D from another.
        n_bits (int): D, the length of the codes.
        k (int): From 1 to N.
        ids (cupy.ndarray): What to call the codes of the gallery, shape
            (N,), int64; None for numbers from 0.

    Returns:
        tuple: ``distances``, int32, and ``ids``, int64, shape (Q, k).
    """
    search = _Search(queries, gallery, n_bits, ids)
    k = arguments.integer('k', k, 1, search.n)
    shape = search.q, k
    out = (runtime.current.empty(shape, 'int32'),
           runtime.current.empty(shape, 'int64'))
    search.place(None, k, search.n_bits, *out)
    return out


def within(queries, gallery, n_bits, r, ids=None):
    """All codes within distance r of each query, ties in order.

    Waits for the GPU, to learn how many there are.

    Args:
        queries, gallery, n_bits, ids: As in :func:`nearest`.
        r (int): From 0.

    Returns:
        tuple: ``lims``, shape (Q + 1,), int64; ``distances``, int32, and
        ``ids``, int64: those of query i are ``[lims[i]:lims[i + 1]]``.
    """
    search = _Search(queries, gallery, n_bits, ids)
    r = min(arguments.integer('r', r), search.n_bits)
    lims = runtime.current.zeros((1, search.q + 1), 'int64')
    lims[0, :-1] = search.starts[:, (r + 1) * search.chunks]
    lims = _scan(lims, search.n_words)[0]
    size = int(lims[-1])
    out = (runtime.current.empty(size, 'int32'),
           runtime.current.empty(size, 'int64'))
    search.place(lims, search.n, r, *out)
    return lims, *out


class _Search:
    """Where each query's results begin, by distance and chunk of the gallery.

    See hamming_nearest.cu.  ``starts``, of shape (Q, (D + 1) chunks + 1), has
    at most some 10 million elements, or D + 2 for each query if that is more.
    """

    def __init__(self, queries, gallery, n_bits, ids):
        self.queries, self.n_words, self.q = _checked('queries', queries)
        self.gallery, _, self.n = _checked('gallery', gallery, self.n_words)
        self.n_bits = _check_bits(n_bits, self.n_words)
        self.ids = arguments.optional('ids', ids, (self.n,), ('int64',))
        shape, self.chunk = launch.histograms(
            self.q, self.n, self.n_words, self.n_bits + 2)
        self.chunks = shape.grid[1]
        row = (self.n_bits + 1) * self.chunks + 1
        counts = runtime.current.zeros((self.q, row), 'int64')
        _source.launch('hamming_histograms', shape, (
            self.queries, None, self.q, self.gallery, None, self.n,
            self.chunk, self.n_bits, row, self.chunks, counts, None),
            WORDS=self.n_words)
        self.starts = _scan(counts, self.n_words)

    def place(self, lims, k, most, distances, found):
        _nearest.launch(
            'place_nearest', launch.warps(self.q * self.chunks), (
                self.queries, self.q, self.gallery, self.n, self.ids,
                self.chunk, self.chunks, self.n_bits, self.starts, lims, k,
                most, distances, found), WORDS=self.n_words)


def _scan(x, n_words):
    """x, of shape (M, N), with each row replaced by its exclusive sums."""
    _nearest.launch('scan_rows', launch.shape(
        (launch.blocks(len(x)),), (launch.THREADS,)), (x, *x.shape),
        WORDS=n_words)
    return x


def _checked(name, words, n_words=None):
    """Words, how many a code has, and how many codes."""
    words = arguments.array(name, words, (n_words, None), ('uint32',))
    n_words, n = words.shape
    if {'WORDS': n_words} not in _WORDS:
        raise ValueError(f'{name} has shape {words.shape}; give what to_words '
                         'returns')
    return words, n_words, n


def _check_bits(n_bits, n_words):
    return arguments.integer('n_bits', n_bits, 1, 32 * n_words)
