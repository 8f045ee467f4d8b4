"""What is raised, or warned of, where a user can mend something."""


class InputError(ValueError):
    """Data, a file or an argument that can't be used.

    Its message is one sentence that says what to do.  Estimators, losses'
    values, metrics, retrieval and neighbours raise it for whatever they are
    given and can't use, before any work; what works on Chainer's variables
    raises Chainer's errors.

    Example:
        >>> try:
        ...     imsat.clustering_accuracy([0, 1], [0, 1, 1])
        ... except imsat.InputError as error:
        ...     print(error)
        2 labels for 3 points; give one label for each point
    """


class ArgumentError(InputError):
    """An argument that can't be used.

    The library calls it by its name.  A script, whose user has never seen
    that name, says ``option`` in its place.

    Args:
        argument (str): Its name.
        problem (str): The rest of the sentence: what it is, what to do.
        option (str): As a script calls it, ``'--restarts'``; None where it
            has no option.

    Example:
        >>> from imsat.errors import ArgumentError
        >>> print(ArgumentError('epochs', 'is 0; give a whole number from 1'))
        epochs is 0; give a whole number from 1
    """

    def __init__(self, argument: str, problem: str,
                 option: str | None = None) -> None:
        super().__init__(f'{argument} {problem}')
        self.argument, self.problem, self.option = argument, problem, option

    def __reduce__(self):
        # For copies, and for pickle between processes: by default an
        # exception is made again from its message alone.
        arguments = self.argument, self.problem, self.option
        return type(self), arguments, vars(self)


class InputTypeError(InputError, TypeError):
    """Data of a type that there is no number for, a TypeError as well.

    Example:
        >>> try:
        ...     imsat.KMeansClustering(2).fit([[{}], [{}]])
        ... except TypeError as error:
        ...     print(type(error).__name__)
        InputTypeError
    """


class DivergenceError(InputError):
    """A training that came to a NaN or an infinity, where it stops.

    Example:
        >>> issubclass(imsat.DivergenceError, imsat.InputError)
        True
    """


class CollapseWarning(UserWarning):
    """A result that says less of the data than it should, and why it may.

    Empty clusters, bits that are the same for all points, one column that
    outweighs the others, a constraint that can't be met.  ``warnings_`` of
    the estimator has the same sentences.

    Example:
        A warning of it becomes an error.

        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter('error', imsat.CollapseWarning)
    """
