"""Run by test_compat: a MultiprocessIterator whose workers are spawned."""
import multiprocessing

import imsat  # before Chainer  # noqa: F401
import chainer

if __name__ == '__main__':
    multiprocessing.set_start_method('spawn')
    iterator = chainer.iterators.MultiprocessIterator(
        list(range(4)), 4, shuffle=False, n_processes=1)
    print(iterator.next())
    iterator.finalize()
