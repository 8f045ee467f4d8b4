"""What the estimators of all methods share."""
import contextlib
import dataclasses
import functools
import json
import numbers
import os
import socket
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import chainer
import joblib
import numpy
import threadpoolctl
from chainer import serializers
from sklearn.base import (
    BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin,
    TransformerMixin)
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    check_array, check_is_fitted, validate_data)
from typing_extensions import Self

import imsat
from imsat.devices import (
    available_memory, check_memory, get_device, weights_of)
from imsat.errors import (
    CollapseWarning, DivergenceError, InputError, InputTypeError)
from imsat.estimators.centering import (
    LEAST, TINY, centred, check_new, check_range, find_center, find_nothing,
    find_scale, steps_of)
from imsat.labels import classes_of, is_masked
from imsat.links import Ensemble
from imsat.links.encoder import HIDDEN
from imsat.losses.values import described, from_json, to_json
from imsat.on_disk import DTYPES, LARGE, OnDisk, blocks_of, from_map
from imsat.parameters import (
    AUTO, MOST, PATH, TEXT, Auto, Choice, Flag, Number, Place, Seed, Texts,
    Units, Whole, argument_error, check_parameters, checked, declarations,
    documented, parameter, plain, shown)
from imsat.randomness import restart_seeds
from imsat.ranks import Communicator, current, ranks_of, sharing
from imsat.retrieval.codes import (
    MOST_BITS, code_width, count_distinct, unpack_bits)
from imsat.storage import (
    AnyPath, Like, check_arrays, digest, load_npz, reason_of, save_npz)
from imsat.training.adam import forget_training
from imsat.training.configuration import own_configuration
from imsat.training.extensions import STEADIER, Progress
from imsat.training.iterators import SAMPLINGS, stays
from imsat.training.session import Session

# Parameters that make no difference to what a single run has learnt so far.
HOW_FAR = 'epochs', 'n_init', 'select', 'halving'


@dataclasses.dataclass
class Restart:
    """What a run from one seed has come to.

    Attributes:
        seed (int): Of all that was random.
        objective (float): Of all data, the lower the better.
        seconds (float): It took.
        log (list of dict): Chainer's, empty where there is none.
        steps_per_second (float): None without steps.
        step (str): How they were computed, ``'plan'`` or ``'graph'``.
        logits (array): Of all data, shape (N, M); None without.
        terms (dict): What the method adds: the terms of its objective.
        is_joined (bool): Whether it is no run but several as one.

    Raises:
        DivergenceError: If the objective is not finite.
    """
    seed: int
    objective: float
    _: dataclasses.KW_ONLY
    seconds: float = 0.
    log: list = dataclasses.field(default_factory=list)
    steps_per_second: float | None = None
    step: str | None = None
    logits: numpy.ndarray | None = None
    terms: dict[str, Any] = dataclasses.field(default_factory=dict)
    is_joined: bool = False

    def __post_init__(self):
        if not numpy.isfinite(self.objective):
            raise DivergenceError(
                f'the objective of all data is {self.objective}; {STEADIER}')

    def summary(self) -> dict:
        """A dict of its numbers, for JSON."""
        summary: dict[str, Any] = dict(
            seed=self.seed, objective=self.objective, seconds=self.seconds,
            **self.terms)
        if self.steps_per_second is not None:
            summary['steps_per_second'] = self.steps_per_second
        if self.step is not None:
            summary['step'] = self.step
        return summary


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class Estimator(TransformerMixin, ClassNamePrefixFeaturesOutMixin,
                BaseEstimator):
    """A method in scikit-learn's form, with restarts, saved without pickle.

    A method learns in ``fit``, from each of its :meth:`restarts`, and says
    what it has learnt: the arrays named by ``_like``, and a network
    ``encoder_`` that ``_network`` makes anew, where it has one.

    Attributes:
        objective_ (float): Of all data, the lower the better.
        restarts_ (list of Restart): One for each seed, but for those that
            diverged, if others did not; by halves, what each came to.
        seed_ (int): Of the first, from which those of the others are derived.
        best_restart_ (int): Index of the one that was kept.
        n_features_in_ (int): d, the number of features.
        center_ (array): What is subtracted from every point, shape (d,),
            float64, 0 where nothing is.
        deviation_ (array): By what every point is divided then, shape (d,),
            float64, 1 where nothing is.
        spread_ (array): By how much the columns varied, as standard
            deviation, shape (d,), float64, 0 where it was not asked.
        warnings_ (list of str): What was warned of, see
            :class:`imsat.CollapseWarning`.

    Raises:
        InputError: (a ValueError) in ``fit``, for data or arguments that
            can't be used, in one sentence that says what to do; as
            :class:`imsat.DivergenceError` for a NaN or an infinity.
    """
    _accept_sparse: ClassVar[bool | str] = False
    # Whether points that are memory-mapped are read by batches.
    _accept_on_disk: ClassVar[bool] = False

    random_state: Any = parameter(
        None, Seed(), 'of every random number; a whole number is the first '
        'restart\'s, and recorded', option='seed')
    center: str = parameter(
        'auto', Choice(('auto', 'never')), 'move columns that lie far from 0 '
        'beside their spread to their mean first, or never')
    scale: str = parameter(
        'none', Choice(('none', 'standard')), 'subtract the mean of every '
        'column and divide it by its standard deviation first, but keep the '
        'zeros of sparse data; or none')

    def __setattr__(self, name, value):
        if name in declarations(self):
            value = plain(value)
        super().__setattr__(name, value)

    def check(self, X: Any, y: Any = None) -> None:
        """Raises InputError for arguments that don't go with X, y or here.
        """
        check_parameters(self)
        if X.shape[0] < 2:
            raise InputError(f'n_samples = {X.shape[0]}, and one point has no '
                             f'others to be told from; give two or more')
        if y is not None and len(y) != X.shape[0]:
            raise InputError(f'there are {len(y)} labels for {X.shape[0]} '
                             f'points; give one for each point, or none')
        check_range(X, LEAST)
        if self.scale != 'none' and not self._may_center:
            raise argument_error(
                self, 'scale', f'is {self.scale!r}, but an augmentation is '
                f'made for points as they are; take "none", and scale the '
                f'points before')

    def save(self, path: AnyPath) -> None:
        """Writes the fitted estimator to one npz file, without pickle.

        Arguments that only say how to run (device, out, ...) are left out.
        A network's arrays have Chainer's names, so that Chainer, 1.x
        included, loads it from there by ``serializers.load_npz``.

        Raises:
            InputError: If parameters were changed after ``fit``, so that
                what is fitted is not of the shape that they ask for.
        """
        check_is_fitted(self)
        arguments = {
            name: getattr(self, name)
            for name, declaration in declarations(self).items()
            if not declaration.how}
        if hasattr(self, 'seed_'):
            arguments['random_state'] = self.seed_
        arrays = self._fitted_arrays()
        if hasattr(self, 'feature_names_in_'):
            arrays['feature_names_in'] = self.feature_names_in_.astype(str)
        settled = self._settled()
        if settled:
            arrays['settled'] = json.dumps(settled, default=to_json)
        save_npz(path, {
            'estimator': type(self).__name__,
            'arguments': json.dumps(arguments, default=to_json),
            'n_features_in': self.n_features_in_,
            'objective': self.objective_, **arrays})

    def _fitted_arrays(self):
        """What is fitted, by name; InputError where parameters were changed
        since, so that they ask for something else."""
        like = self._like()
        arrays = {name: numpy.asarray(getattr(self, name)) for name in like}
        if hasattr(self, 'encoder_'):
            arrays.update(serializers.npz.serialize(self.encoder_))
            like.update(serializers.npz.serialize(
                self._networks(self._n_networks)))
        check_arrays(arrays, like, 'what is fitted', 'set the parameters to '
                     'what they were in fit, or fit again')
        return arrays

    @property
    def _n_networks(self):
        """How many networks are fitted, as one."""
        encoder = getattr(self, 'encoder_', None)
        return len(encoder) if isinstance(encoder, Ensemble) else 1

    @classmethod
    @own_configuration()
    def load(cls, path: AnyPath) -> Self:
        """The estimator that :meth:`save` wrote, for predictions.

        Raises:
            InputError: If the file is damaged, or holds another estimator,
                arguments that can't be used, or arrays that don't go with
                them.
        """
        arrays = load_npz(path)
        if str(arrays.pop('estimator', None)) != cls.__name__:
            raise InputError(f'{path} holds no {cls.__name__}; give a file '
                             f'that its save() wrote')
        self = cls._from_arguments(arrays.pop('arguments', None), path)
        if 'settled' in arrays:  # not of before
            with _of_arguments(path):
                settled = json.loads(str(arrays.pop('settled')))
                self._take_settled(settled)
                if settled != {}:
                    raise InputError(f'{shown(settled)} is not known')
        # Of an encoder that was trained elsewhere it is NaN.
        self.objective_ = float(_number(arrays, 'objective', 'f', path))
        d = self.n_features_in_ = int(_number(
            arrays, 'n_features_in', 'iu', path))
        if not 0 < d <= MOST:
            raise InputError(f"{path} can't be used: n_features_in is {d}; "
                             f'save it again')
        widths = self._widths(d)
        # Those of several that are one have a number before their names.
        n_networks = max(1, sum(part.isdigit() for part in {
            name.split('/')[0] for name in arrays})) if widths else 1
        if n_networks * weights_of(widths) > sum(
                array.size for array in arrays.values()):
            raise InputError(
                f"{path} can't be used: it has not the weights of "
                f'{n_networks} networks of {"-".join(map(str, widths))} '
                f'units, which its arguments ask for; save it again')
        names = arrays.pop('feature_names_in', None)
        if names is not None:
            check_arrays({'feature_names_in': names},
                         {'feature_names_in': Like((d,), str)}, path)
            self.feature_names_in_ = names.astype(object)
        if 'center_' not in arrays:  # of 0.1.0, which neither moved nor scaled
            arrays = {'center_': numpy.zeros(d), 'deviation_': numpy.ones(d),
                      **arrays}
        if 'spread_' not in arrays:  # of 0.1.0 and the first of 0.2.0
            arrays['spread_'] = numpy.zeros(d)
        self.warnings_ = []
        network, like = self._networks(n_networks), self._like()
        weights = {} if network is None else \
            serializers.npz.serialize(network)
        check_arrays(arrays, {**like, **weights}, path)
        for name in like:
            setattr(self, name, arrays[name])
        if network is not None:
            serializers.NpzDeserializer(arrays).load(network)
            self.encoder_ = network
        return self

    @classmethod
    def _from_arguments(cls, text, path):
        """The estimator of the arguments that a file has as JSON."""
        with _of_arguments(path):
            arguments = from_json(json.loads(str(text)))
            # How to run, where to write above all, is the caller's alone.
            unknown = sorted(arguments.keys() - {
                name for name, declaration in declarations(cls).items()
                if not declaration.how})
            if unknown:
                raise InputError(f'{unknown[0]} is none of {cls.__name__}')
            self = cls(**arguments)
            check_parameters(self)
        return self

    def _settled(self):
        """What arguments came to in fit, for what goes on from a file."""
        return {}

    def _take_settled(self, settled):
        """Takes what :meth:`_settled` said out of a dict."""

    def _take(self, settled, name):
        """Sets what an argument came to; raises KeyError, or InputError."""
        value = settled.pop(name)
        problem = f'is {value!r}' if value == AUTO else \
            declarations(self)[name].kind.problem(value)
        if problem:
            raise argument_error(self, name, problem)
        setattr(self, f'{name}_', value)

    def __getstate__(self):
        """For pickle and copies: without the logits of all data, and the
        network without what training needs, as one that needs no GPU."""
        state = dict(super().__getstate__())
        if 'restarts_' in state:
            # In halving there is none yet of a run that has not begun.
            state['restarts_'] = [
                restart and dataclasses.replace(restart, logits=None)
                for restart in state['restarts_']]
        if 'encoder_' in state:
            network = state['encoder_'] = self.encoder_.copy('copy')
            network.to_device('@numpy')
            forget_training(network)
            for param in network.params():
                param.initializer = None  # has a random state
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, 'restarts_') and not hasattr(self, 'seed_'):
            self.seed_ = self.restarts_[0].seed  # a pickle of before

    def _get_params_html(self, *args, **kwargs):
        # scikit-learn's table in a notebook: what is not as by default.
        table = super()._get_params_html(*args, **kwargs)
        table.data = {name: value for name, value in table.data.items()
                      if name in table.non_default}
        return table

    def _like(self):
        """What the fitted arrays are like, by name, but for a network's."""
        return {'center_': Like((self.n_features_in_,)),
                'deviation_': Like((self.n_features_in_,), least=TINY),
                'spread_': Like((self.n_features_in_,), least=0)}

    def _widths(self, d):
        """Units of the layers of a network for d features, its inputs
        first; () for none."""
        return ()

    def _network(self, rng=None):
        """A network with new weights from ``rng``; None for none."""
        return None

    def _networks(self, n):
        """One network as n joined ones have it; None for none."""
        # NumPy's own random numbers stay where they are.
        rng = numpy.random.RandomState(0)
        return self._network(rng) if n == 1 else \
            Ensemble(*(self._network(rng) for _ in range(n)))

    def _check_data(self, X, y=None):
        """X as fit has it, and y as numbers, once all is checked.

        X is float32, centred and scaled, dense unless the tags say otherwise.
        """
        X, eps = self._validated_and_steps(X, ensure_min_samples=2)
        y = self._read_labels(y)
        self.check(X, y)
        self.warnings_, self._was_stopped = [], False
        self.center_, self.deviation_, self.spread_, notes = \
            find_scale(X, eps) if self.scale == 'standard' else \
            find_center(X, eps) if self.center == 'auto' \
            and self._may_center else find_nothing(X)
        for note in notes:
            self._warn_of_points(note)
        return centred(X, self.center_, self.deviation_), y

    def _read_labels(self, y):
        """Labels as numbers, where they are looked at; None for none."""
        return None if y is None else classes_of(y)[1]

    @property
    def _may_center(self):
        """Whether what is learnt is the same wherever the points lie."""
        return True

    def _warn(self, note):
        """Warns of what is odd about a result, and keeps it."""
        self.warnings_.append(note)
        warnings.warn(note, CollapseWarning)

    @property
    def _origin(self):
        """Where restarts begin, in words, unless with random weights."""
        return ''

    def _warn_of_restarts(self, note):
        """:meth:`_warn` of what also counts where another fit is kept."""
        self._of_restarts.append(note)
        self._warn(note)

    def _warn_of_points(self, note):
        """:meth:`_warn` of what is odd about the points of fit."""
        self._warn(note)

    def _warn_of_stop(self, how_far):
        """Warns that Ctrl-C has ended fit, of which something is kept."""
        self._was_stopped = True
        self._warn(f'fit was stopped {how_far}')

    def _warn_of_constant(self, codes, n_bits=None):
        """Warns of outputs of codes, shape (N, M), or of their bits."""
        varies = numpy.bitwise_or.reduce(codes ^ codes[0])
        if n_bits is not None:
            varies = unpack_bits(varies[None], n_bits)[0]
        constant = int((varies == 0).sum())
        if constant:
            self._warn(f'{constant} of {len(varies)} outputs are the same '
                       f'for all points; {REMEDIES}')

    def prepare(self, X: Any) -> Any:
        """X, shape (N, d), as the fitted estimator looks at it: checked,
        centred and scaled, float32, sparse if X is."""
        return self._check_new(X)

    def _check_new(self, X):
        """X as :meth:`_check_data` gives it, for a fitted estimator."""
        check_is_fitted(self)
        return centred(self._validated_new(X), self.center_, self.deviation_)

    def _validated_new(self, X):
        """New points as they came, checked against what is fitted, if
        anything is."""
        X, eps = self._validated_and_steps(X, reset=False)
        if hasattr(self, 'center_'):
            check_new(X, self.center_, self.deviation_, self.spread_, eps)
        return X

    def _validated_and_steps(self, X, **options):
        """X checked, and :func:`steps_of` the numbers that it came in."""
        eps = steps_of(X)
        X = self._validated(X, **options)
        # Of what is no array of NumPy the dtype is seen only now.
        return X, numpy.maximum(eps, steps_of(X))

    def _validated(self, X, **options):
        if is_masked(X):  # scikit-learn takes what is below the mask
            raise InputError('X has values that are masked; remove those '
                             'points, or fill them in')
        _refuse_kinds(X)
        if self._accept_on_disk:
            X = from_map(X)
        elif isinstance(X, OnDisk):
            if 8 * X.shape[0] * X.shape[1] > available_memory():
                raise InputError(
                    f'{type(self).__name__} reads all points, and '
                    f'{X.shape[0]:,} of {X.shape[1]} features do not fit '
                    f'into memory; give a part of them')
            X = numpy.asarray(X)
        try:
            if not isinstance(X, OnDisk):
                return validate_data(
                    self, X, accept_sparse=self._accept_sparse, dtype=DTYPES,
                    **options)
            validate_data(self, X[:2], dtype=DTYPES, **options)
            for _, block in blocks_of(X):
                check_array(block, dtype=DTYPES, input_name='X',
                            estimator=self)
            return X
        # RuntimeError: PyTorch's, of a tensor that needs a gradient.
        except (ValueError, TypeError, OverflowError, RuntimeError) as e:
            kind = InputTypeError if isinstance(e, TypeError) else InputError
            raise kind(reason_of(e)) from e

    def made_with(self, but=HOW_FAR, cls=None):
        """What decides what is learnt, as JSON has it, for snapshots: a run
        goes on only with the same.

        Args:
            but (tuple of str): Parameters that make no difference to a run,
                however far it goes.
            cls (type): Whose parameters; by default the estimator's.
        """
        cls = cls or type(self)
        arguments = {name: getattr(self, name) for name, declaration
                     in declarations(cls).items()
                     if not declaration.how and name not in but}
        del arguments['random_state']  # the seed that it gave is recorded
        return json.loads(json.dumps(
            {'estimator': cls.__name__, **arguments}, default=described))

    def restarts(self, n=1, steps=0, weight=None):
        """Seeds and sessions of ``n`` runs, to be told what they came to.

        Args:
            steps (int): Iterations of each; 0 shows no progress.
            weight (array): Of the points, shape (N,), for what looks at all
                runs together; None for all alike.

        Returns:
            Restarts: To iterate over; see there.
        """
        return Restarts(self, n, steps)

    def _seed(self):
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2 ** 31))

    def _check_at_most(self, n, name, meaning):
        if getattr(self, name) > n:
            raise argument_error(
                self, name, f'is {getattr(self, name)}, {meaning}, but there '
                f'are {n} points, n_samples = {n}; choose at most {n}')

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = bool(self._accept_sparse)
        # Everything is learnt in float32; codes are uint8.
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, 'objective_')


def _refuse_kinds(X):
    """InputError for dates and durations, whose number depends on their unit,
    and for arrays of texts."""
    if hasattr(X, 'dtype'):
        kinds = {getattr(X.dtype, 'kind', '')}
    else:
        kinds = {getattr(dtype, 'kind', '')
                 for dtype in getattr(X, 'dtypes', [''])}
        if '' in kinds and (isinstance(X, (list, tuple))
                            or hasattr(X, '__dataframe__')):
            kinds.add(_kind_of_first(X))
    if kinds & set('mM'):
        raise InputTypeError('X has dates or durations, whose number depends '
                             'on their unit; give them as numbers of one')
    if kinds & set('SU'):
        raise InputTypeError('X is an array of texts; give numbers')


def _kind_of_first(X):
    """The kind of dtype that the first point of a list, or of a frame of a
    library that has no NumPy dtypes, becomes; 'O' where it is none."""
    try:
        return numpy.asarray(X[:1]).dtype.kind
    except ValueError:  # said by scikit-learn
        return 'O'


@contextlib.contextmanager
def _of_arguments(path):
    """Says of what goes wrong in a block that it is a file's arguments."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError,
            RecursionError) as e:
        raise InputError(f"{path} can't be used: of its arguments {e}; save "
                         f'it again') from e


def _number(arrays, name, kinds, path):
    """Takes a 0-dimensional array out of those of a file."""
    array = arrays.pop(name, None)
    if array is None or array.shape or array.dtype.kind not in kinds:
        raise InputError(f"{path} can't be used: {name} is no number; save it "
                         f'again')
    return array


class Restarts:
    """Runs of a method from several seeds, of which the best is kept.

    Iterating gives ``seed, session`` of each; :meth:`add` says what has
    become of it.  After the last, the estimator has its fitted attributes.
    """

    def __init__(self, model, n, steps):
        self.model, self.n, self.steps = model, n, steps
        self.best = None
        self.diverged: list[tuple[int, DivergenceError]] = []
        self.is_stopped = False  # to make this one the last

    def __iter__(self):
        yield from self.run(lambda *task: task)

    def run(self, train, n_jobs=1):
        """What ``train(seed, session)`` returns of each, in their order, from
        ``n_jobs`` processes with as many threads of BLAS as this one; what
        diverges is left out, if others do not."""
        model = self.model
        first, progress = self._begin(self.n * self.steps)
        model.restarts_ = []
        tasks = ((seed, self._session(i, first, progress)) for i, seed
                 in enumerate(restart_seeds(first, self.n)))
        results = done_in_turn(self._sparing(train), tasks, n_jobs)
        with closed(progress):
            for i in range(self.n):
                self.index = i
                if progress is not None:
                    progress.start(
                        '' if self.n == 1 else f'restart {i + 1} of {self.n}',
                        i * self.steps)
                self.start = time.perf_counter()
                try:
                    result = self._next(results)
                except KeyboardInterrupt:
                    if not model.restarts_ \
                            or getattr(model, 'out', None) is not None:
                        raise
                    self.is_stopped = True
                    model._warn_of_stop(f'after {i} of {self.n} restarts; '
                                        f'what was learnt is kept')
                    break
                if result is not None:
                    yield result
                if self.is_stopped:
                    break
        self._warn_of_diverged()
        self.choose()

    def _next(self, results):
        """The next result; None of what diverged, which is noted."""
        result = next(results)
        if not isinstance(result, DivergenceError):
            return result
        self.diverged.append((self.index, result))
        return None

    def _sparing(self, train):
        """``train``, but a DivergenceError is returned where others can be
        kept.  Of several ranks each would have to know of the others'."""
        if self.n == 1 or current().size > 1:
            return train
        return functools.partial(result_or_divergence, train)

    def _warn_of_diverged(self):
        """Warns of what diverged; raises the first of it if that was all."""
        if not self.diverged:
            return
        error = min(self.diverged)[1]
        if not self.model.restarts_:
            raise error
        numbers = ', '.join(str(i + 1) for i, _ in sorted(self.diverged))
        self.model._warn_of_restarts(
            f'{"restart" if len(self.diverged) == 1 else "restarts"} '
            f'{numbers} of {self.n}{self.model._origin} diverged and went no '
            f'further: {error}')

    def choose(self):
        """Says which is kept, once all are there.

        The objective comes last: by it :func:`all_or_nothing` tells that what
        is fitted is whole.
        """
        model = self.model
        model.objective_ = model.restarts_[model.best_restart_].objective

    def stop(self, restart, epochs):
        """Makes one, after :meth:`add`, that Ctrl-C has ended the last."""
        self.is_stopped = True
        last = restart.log[-1]['epoch'] if restart.log else 0
        self.model._warn_of_stop(
            f'after {last} of {epochs} epochs of restart {self.index + 1} of '
            f'{self.n}; what was learnt is kept')

    def _begin(self, steps):
        """The first seed, and a bar of so many steps or None."""
        progress = Progress(steps) if steps and self.model.verbose \
            and not current().rank else None
        self.model._of_restarts = []
        self.model.seed_ = current().tell(self.model._seed)
        return self.model.seed_, progress

    def _session(self, i, seed, progress):
        model, folder = self.model, getattr(self.model, 'out', None)
        if folder is None:
            return Session(progress=progress)
        if current().rank:  # the first alone writes
            return Session(resume=model.resume)
        folder = Path(folder) / getattr(model, '_part', '')
        if self.n > 1:
            folder /= f'restart-{i}'
        folder.mkdir(parents=True, exist_ok=True)
        return Session(folder, model.resume, model.snapshot_seconds, progress,
                       {'random_state': seed, **model.made_with()})

    def add(self, restart, rank=None, **fitted):
        """Takes a run, and what it has fitted if it is the best so far.

        Args:
            restart (Restart): What has become of it.
            rank: What to compare by, the smallest best; by default its
                objective.
            fitted: Attributes of the estimator.
        """
        model = self.model
        restart.seconds = restart.seconds \
            or time.perf_counter() - self.start
        model.restarts_.append(restart)
        rank = restart.objective if rank is None else rank
        if self._is_better(rank):
            self.best = rank
            model.best_restart_ = len(model.restarts_) - 1
            vars(model).update(fitted)

    def _is_better(self, rank):
        """Than the best so far; a rank of NaN, of one's own objective, never.
        """
        return self.best is None or rank < self.best \
            or numpy.isnan(self.best).any()


def result_or_divergence(train, seed, session):
    """What ``train`` returns, or the DivergenceError that it raises, without
    what a traceback would keep in memory; KeyboardInterrupt if Ctrl-C has
    ended the session before."""
    try:
        return train(seed, session)
    except DivergenceError as e:
        if session.is_stopped:
            raise KeyboardInterrupt from e
        return e.with_traceback(None)


def closed(progress):
    """Closes a bar, if there is one, after a block."""
    return contextlib.nullcontext() if progress is None \
        else contextlib.closing(progress)


def done_in_turn(train, tasks, n_jobs):
    """What ``train(seed, session)`` returns of each of some tasks, in their
    order, a generator; from ``n_jobs`` processes, which show no progress."""
    if n_jobs == 1:
        return (train(*task) for task in tasks)
    return apart(train, [
        (seed, dataclasses.replace(session, progress=None))
        for seed, session in tasks], n_jobs)


def apart(train, tasks, n_jobs):
    """What ``train(*task)`` returns of each of some tasks, from ``n_jobs``
    processes, a generator.

    The last digits of BLAS depend on its threads: each process has as many as
    this one.
    """
    threads = {pool['user_api']: pool['num_threads']
               for pool in threadpoolctl.threadpool_info()}
    return joblib.Parallel(n_jobs, return_as='generator')(
        joblib.delayed(as_this_one)(
            (socket.gethostname(), os.getpid()), threads, train, *task)
        for task in tasks)


def as_this_one(process, threads, function, *args):
    """Calls a function, with so many threads of BLAS and others, a dict, and
    our configuration.  It ends with the process that asks for it, by the
    name of the machine and its number, and writes no more below ``out``."""
    with own_configuration(), threadpoolctl.threadpool_limits(threads), \
            ending_with(process):
        return function(*args)


@contextlib.contextmanager
def ending_with(process):
    """Ends this process, in a block, when another of the same machine is
    gone, where POSIX tells it."""
    machine, number = process
    is_done, is_child = threading.Event(), os.getppid() == number

    def is_gone():
        if os.getppid() == number:
            return False
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return is_child  # and nobody has noted its end yet

    def watch():
        while not is_done.wait(1):
            if is_gone():
                os._exit(1)
    if os.name == 'posix' and machine == socket.gethostname() \
            and number != os.getpid():
        if is_gone():
            os._exit(1)
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        is_done.set()


def all_or_nothing(fit):
    """Decorator of a ``fit`` after which the estimator is as before where it
    has failed: what is fitted belongs together."""
    @functools.wraps(fit)
    def fit_or_leave(self, *args, **kwargs):
        before = dict(vars(self))

        def leave(error, *_):
            now = vars(self)
            if error is None:
                return
            # Ctrl-C keeps what was learnt, once it is whole.
            if error is KeyboardInterrupt and \
                    now.get('objective_') is not before.get('objective_'):
                for name in 'labels_', 'codes_':
                    if name in now and now[name] is before.get(name):
                        del now[name]
                return
            now.clear()
            now.update(before)
        with contextlib.ExitStack() as stack:
            stack.push(leave)
            return fit(self, *args, **kwargs)
    return fit_or_leave


def over_ranks(fit):
    """Decorator of a ``fit`` that the ranks of ``communicator`` share."""
    @all_or_nothing
    @functools.wraps(fit)
    def fit_over_ranks(self, X, y=None, **more):
        with own_configuration(), sharing(self.communicator):
            return fit(self, X, y, **more)
    return fit_over_ranks


# The paper's, and what small data have at least: docs/defaults.md.
BATCH, LEAST_BATCH = 250, 32
# What helps against a collapse.
REMEDIES = ('scale the columns, e.g. by sklearn.preprocessing.StandardScaler, '
            'train longer or in larger batches')


@documented
@dataclasses.dataclass(eq=False, repr=False)
class Clusterer(ClusterMixin):
    """A method whose result is a cluster for each point.

    Attributes:
        labels_ (array): Cluster of every training point, shape (N,), int64.
    """
    n_clusters: int = parameter(
        10, Whole(1), 'K, the number of clusters', option='clusters',
        kw_only=False)

    def check(self, X: Any, y: Any = None) -> None:
        super().check(X, y)
        self._check_at_most(X.shape[0], 'n_clusters', 'the number of clusters')

    def _warn_of_empty(self):
        empty = self.n_clusters - len(numpy.unique(self.labels_))
        if empty:
            self._warn(f'{empty} of {self.n_clusters} clusters are empty; '
                       f'{REMEDIES}, or ask for fewer clusters')


@documented
@dataclasses.dataclass(eq=False, repr=False)
class Hasher:
    """A method whose result is a code for each point.

    Attributes:
        codes_ (array): Codes of the training points, shape
            (N, ceil(D / 8)), uint8, see :func:`imsat.retrieval.pack_bits`.
    """
    n_bits: int = parameter(
        16, Whole(1, MOST_BITS), 'D of Eq. 14, the length of the codes',
        option='bits', kw_only=False)

    @property
    def _n_features_out(self):
        # What is fitted counts, and not what n_bits has become since.
        model: Any = self
        return code_width(model._n_fitted)

    def _read_labels(self, y):
        if y is None:
            return None
        # Points may have several, and nothing asks which.
        try:
            return numpy.zeros(y.shape[0] if hasattr(y, 'shape') else len(
                y if hasattr(y, '__len__') else numpy.asarray(y)))
        except (TypeError, IndexError):
            raise InputError(f'y is {shown(y)}; give labels of the points, '
                             f'or None') from None

    def _count_codes(self, logits):
        """What is logged of the logits of all data, shape (N, M).

        Of NaN there are no codes; the training that gives it ends elsewhere.
        """
        model: Any = self
        diverged = any(numpy.isnan(block).any()
                       for _, block in blocks_of(logits))
        return {'distinct_codes': 0 if diverged else count_distinct(
            model._codes(logits))}


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class TrainedEstimator(Estimator):
    """A method that trains a network by Chainer's Trainer.

    Attributes:
        batch_size_ (int): What was taken.
    """
    _batch: ClassVar[int] = BATCH  # of many points

    hidden: tuple = parameter(
        HIDDEN, Units(), 'units of the hidden layers (section 4.1), '
        'e.g. 1200-1200, or "linear"')
    n_init: int = parameter(
        1, Whole(1), 'runs from different seeds, of which one is kept, '
        'without labels: by select, where that is an option, or else by the '
        'lowest objective; of K-means: initialisations', option='restarts')
    epochs: int | None = parameter(
        50, Whole(1), 'of floor(N / batch size) iterations each')
    batch_size: Any = parameter(
        AUTO, Auto(Whole(2)), 'points of a step, the set B of Eq. 15; "auto": '
        'the paper\'s 250, or a quarter of fewer than 1,000 points')
    learning_rate: float = parameter(.002, Number(), 'Adam\'s alpha')
    sampling: str = parameter(
        SAMPLINGS[0], Choice(SAMPLINGS), 'a batch is the first of '
        'a fresh permutation every iteration, as in the authors\' code; the '
        'next of a sweep over all points; or that of a sweep which reads '
        'blocks of rows and shuffles 65,536 rows at a time, for points that '
        'memory does not hold')
    device: int = parameter(
        -1, Whole(-1), '-1 the CPU, N GPU number N', how=True)
    communicator: Any = parameter(
        None, Communicator(optional=True), 'of ChainerMN, by which the ranks '
        'that mpiexec has started share every batch: naive on CPUs, pure_nccl '
        'on GPUs, of which those of a machine take one each from device on',
        how=True)
    out: Any = parameter(
        None, Place(), 'folder for Chainer\'s log and for snapshots, one a '
        'restart below it if there are several', option='', how=True)
    resume: bool = parameter(
        False, Flag(), 'go on from the snapshots below out, if there are any, '
        'to epochs, which may be more than before; those of another seed, of '
        'other data or parameters are refused', option='', how=True)
    snapshot_seconds: float = parameter(
        Session.snapshot_seconds, Number(), 'least time between two '
        'snapshots, at ends of epochs', how=True)
    verbose: bool | int = parameter(
        False, Flag(level=True), 'show a progress bar', option='', how=True)

    @property
    def n_iter_(self) -> int:
        """Epochs that the restart that was kept was trained."""
        check_is_fitted(self)
        if not hasattr(self, 'restarts_'):
            raise AttributeError('n_iter_ is there after fit alone; a file '
                                 'does not keep it, nor a network')
        log = self.restarts_[self.best_restart_].log
        return log[-1]['epoch'] if log else 0

    def settle(self, X: Any) -> dict:
        """What is taken for the points X, shape (N, d), by name, where that
        may be left to them."""
        n = X.shape[0]
        # A batch is not all points.
        return dict(batch_size=min(n, max(min(
            self._batch, n // 4), LEAST_BATCH, self._least_batch))
            if self.batch_size == AUTO else self.batch_size)

    @property
    def _least_batch(self):
        """What "auto" makes of a batch at least."""
        return 0

    def check(self, X: Any, y: Any = None) -> None:
        super().check(X, y)
        if self.batch_size != AUTO:
            self._check_at_most(X.shape[0], 'batch_size',
                                'the size of a batch')
        if self.resume and self.out is None:
            raise InputError('resume goes on from the snapshots below out; '
                             'give out, the folder that has them')
        size = ranks_of(self.communicator).size
        batch_size = self.settle(X)['batch_size']
        if batch_size % size:
            raise argument_error(
                self, 'batch_size', f'is {batch_size}, which {size} ranks '
                f'can not share evenly; take a multiple of {size}')
        self._get_device()
        # Weights, gradients and what Adam gathers.
        check_memory(self._widths(X.shape[1]), numbers=4)

    @checked(path=PATH, source=TEXT, preprocessing=TEXT,
             features=Texts(optional=True))
    def to_onnx(self, path: AnyPath, source: str = '',
                preprocessing: str = '',
                features: Sequence[str] | None = None) -> None:
        """Writes the fitted network as ONNX, with all that is done before and
        after it: centring, softmax or bits.

        Its input ``x`` is (N, d), float32, for any N.  Outputs are
        ``cluster``, (N,), and ``probability``, (N, K), or of a hasher
        ``code``, as ``transform`` gives it, ``bits``, (N, D), uint8, and
        ``probability``; of a method without probabilities not that.  The
        metadata say what the outputs mean, what is done to x, the arguments,
        and the source.

        Args:
            path (path): The file; needs ``pip install 'imsat[onnx]'``.
            source (str): Where data and model are from, for the metadata.
            preprocessing (str): What was done to the data before fit, for
                the metadata.
            features (sequence of str): What the columns are called, for the
                metadata; by default as in the DataFrame that fit took, if it
                did.

        Raises:
            InputError: Without the package onnx, or as :meth:`save`.
        """
        from imsat.estimators.onnx import write_onnx

        check_is_fitted(self)
        self._fitted_arrays()  # looks whether they can be written
        write_onnx(self, path, source, preprocessing, features)

    def _get_device(self):
        ranks = ranks_of(self.communicator)
        if ranks.size == 1 or self.device < 0:
            return get_device(self.device)
        device = get_device(self.device + ranks.communicator.intra_rank)
        device.use()  # where NCCL begins
        return device

    def _check_data(self, X, y=None):
        X, y = super()._check_data(X, y)
        ranks = current()
        if ranks.size > 1:
            seed = self.random_state
            ranks.check_agreement(dict(
                self.made_with((), type(self)), resume=self.resume,
                step=getattr(self, 'step', None), points=digest(X),
                random_state=seed if isinstance(seed, numbers.Integral)
                else None, imsat=imsat.__version__,
                chainer=chainer.__version__, numpy=numpy.__version__))
        if isinstance(X, OnDisk) and X.shape[0] * X.shape[1] >= LARGE \
                and self.sampling != SAMPLINGS[-1]:
            warnings.warn(
                f'the sampling {self.sampling!r} reads rows from all over '
                f'the disk, and orders all of them in every step; '
                f'{SAMPLINGS[-1]!r} reads them side by side')
        return X, y


def send(X, device):
    """X where the network is, but for what :func:`stays`."""
    return X if stays(X) else device.send(X)
