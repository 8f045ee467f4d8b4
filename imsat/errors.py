class InputError(ValueError):
    """Data, a file or an option that can't be used.

    Its message is one sentence that says what to do.

    Example:
        >>> try:
        ...     imsat.clustering_accuracy([0, 1], [0, 1, 1])
        ... except imsat.InputError as error:
        ...     print(error)
        2 labels for 3 points; give one label for each point
    """
