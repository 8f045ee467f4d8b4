"""The ranks of MPI that train one network together, through ChainerMN.

All ranks have all points, draw the same random numbers of a whole batch, and
take their share of its rows.  What they make of it is such that the mean over
the ranks, of a value as of a gradient, is that of the whole batch.  So
whatever is a mean over points needs nothing, what is not linear in such means
calls :meth:`Ranks.average` for them, and the gradients to parameters are
averaged once a step.
"""
import contextlib
import functools
from typing import Any

import chainer
import numpy
from chainer import backend

from imsat.errors import InputError
from imsat.parameters import Kind, shown

NAMES = 'naive', 'flat', 'non_cuda_aware', 'pure_nccl'


class Communicator(Kind):
    """A communicator of ChainerMN, by name or as it is."""
    metavar = 'NAME'
    wanted = f'choose one of {", ".join(NAMES)}, or give ChainerMN\'s object'

    def allows(self, value):
        if isinstance(value, str):
            return value in NAMES
        import chainermn  # takes its time
        return isinstance(value, chainermn.CommunicatorBase)

    def parse(self, text):
        if text not in NAMES:
            raise ValueError
        return text


class Ranks:
    """Those of a communicator; one rank alone without.

    Attributes:
        rank, size (int): Which of how many this process is.
    """

    def __init__(self, communicator: Any = None) -> None:
        self.communicator = communicator
        self.rank, self.size = (0, 1) if communicator is None else (
            communicator.rank, communicator.size)

    def rows(self, batch):
        """This rank's share of the rows of a batch."""
        if self.size == 1:
            return batch
        n, rest = divmod(batch.shape[0], self.size)
        if rest:
            raise InputError(f'a batch of {batch.shape[0]} points can not be '
                             f'shared out evenly to {self.size} ranks; take a '
                             f'multiple of {self.size}')
        return batch[self.rank * n:(self.rank + 1) * n]

    def average(self, *arrays):
        """The mean over the ranks of each of some arrays, in one message.

        It goes through the host's memory, so that every MPI and every
        communicator will do.
        """
        if self.size == 1:
            return arrays
        device = backend.get_device_from_array(arrays[0])
        flat = [backend.CpuDevice().send(array).reshape(-1)
                for array in arrays]
        mean = self.communicator.allreduce(
            flat[0] if len(flat) == 1 else numpy.concatenate(flat))
        mean /= self.size
        ends = numpy.cumsum([part.size for part in flat])[:-1]
        return tuple(device.send(part.reshape(array.shape)) for part, array
                     in zip(numpy.split(mean, ends), arrays))

    def average_gradients(self, network):
        """Makes each parameter's gradient its mean over the ranks."""
        if self.size == 1:
            return
        if network.xp is not numpy:
            self.communicator.multi_node_mean_grad(network)
            return
        params = [param for _, param in sorted(network.namedparams())
                  if param.grad is not None]
        for param, grad in zip(params, self.average(
                *(param.grad for param in params))):
            param.grad = grad

    def tell(self, make):
        """What ``make()`` returns on rank 0, on all ranks."""
        if self.size == 1:
            return make()
        value, = self.communicator.bcast_obj(
            None if self.rank else (make(),))  # which may be None
        return value

    def gather(self, value):
        """The values of all ranks, on all ranks, a list."""
        if self.size == 1:
            return [value]
        return self.communicator.bcast_obj(self.communicator.gather_obj(value))

    def check_agreement(self, facts):
        """Raises InputError, on all ranks, unless the dicts of all ranks are
        the same."""
        first, *others = self.gather(facts)
        for rank, other in enumerate(others, 1):
            for name in {**first, **other}:
                if first.get(name) != other.get(name):
                    raise InputError(
                        f'rank {rank} has another {name} '
                        f'({shown(other.get(name))}) than rank 0 '
                        f'({shown(first.get(name))}); start all ranks with '
                        f'the same options, data and versions')


ONE = Ranks()


def ranks_of(communicator) -> Ranks:
    """The ranks of a communicator, None, or the name of one.

    Raises:
        InputError: For one that can't be had here.
    """
    if communicator is None:
        return ONE
    if isinstance(communicator, str):
        communicator = _create(communicator)
    return Ranks(communicator)


@functools.cache
def _create(name):
    try:
        import mpi4py.MPI  # noqa: F401
    except (ImportError, RuntimeError) as e:  # no MPI beneath it
        raise InputError(
            f"the communicator {name} needs mpi4py and an MPI ({e}): pip "
            f"install 'imsat[mpi]', or leave it out") from e
    import chainermn
    try:
        return chainermn.create_communicator(name)
    except (ImportError, RuntimeError) as e:
        raise InputError(f'the communicator {name} can not be used here '
                         f'({e}); choose another, such as naive') from e


@contextlib.contextmanager
def sharing(communicator):
    """Shares out what is computed meanwhile to the ranks of a communicator;
    None shares nothing."""
    with chainer.using_config('ranks', ranks_of(communicator)):
        yield


def current() -> Ranks:
    """The ranks that share what is computed now."""
    return getattr(chainer.config, 'ranks', ONE)


class _Waits(Exception):
    """What a block needs of the others is not known yet."""


class _Turn(Ranks):
    """One block of rows of many, which have no process each.

    Args:
        known (list): What they have exchanged already.
    """

    def __init__(self, known):
        super().__init__()
        self.size = 2  # or more
        self.known = iter(known)
        self.told: Any = None

    def _exchange(self, of_all, value):
        self.told = of_all, value
        for known in self.known:
            return known
        raise _Waits

    def average(self, *arrays):
        return self._exchange(_mean_of_each, arrays)

    def gather(self, value):
        return self._exchange(lambda values, shares: values, value)


def _mean_of_each(values, shares):
    return tuple(sum(share * part for share, part in zip(shares, parts))
                 for parts in zip(*values))


def taken_in_turn(function, blocks):
    """The mean over blocks of rows of what a function returns of each, a list
    of numbers, where it knows how ranks share a batch: the blocks take the
    places of ranks, and are looked at again whenever they have exchanged
    something.

    Example:
        >>> from imsat.ranks import current, taken_in_turn
        >>> def variance(x):
        ...     mean, = current().average(x.mean(keepdims=True))
        ...     return [float(((x - mean) ** 2).mean())]
        >>> x = numpy.arange(6.)  # whose variance is 35 / 12
        >>> [round(12 * v, 9) for v in taken_in_turn(variance, [x[:2], x[2:]])]
        [35.0]
    """
    if len(blocks) == 1:
        return function(blocks[0])
    n = sum(map(len, blocks))
    shares, known = [len(block) / n for block in blocks], []
    while True:
        found: list = []
        of_all: Any = None
        for block in blocks:
            turn = _Turn(known)
            with chainer.using_config('ranks', turn):
                try:
                    found.append(function(block))
                except _Waits:
                    of_all, value = turn.told
                    found.append(value)
        if of_all is None:
            return list(_mean_of_each(found, shares))
        known.append(of_all(found, shares))
