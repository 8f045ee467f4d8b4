class InputError(ValueError):
    """Data, a file or an option that can't be used.

    Its message is one sentence that says what to do.
    """
