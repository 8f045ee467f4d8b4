"""Text for what takes UTF-8 alone: pictures, and files of ONNX."""


def as_utf8(text: str) -> str:
    r"""``text``, with a backslash where it can't be UTF-8.

    Names of files on Linux may be any bytes; what of them is no UTF-8 Python
    has as half a pair of surrogates.

    Example:
        >>> import os
        >>> from imsat.utf8 import as_utf8
        >>> print(as_utf8(os.fsdecode(b'caf\xe9')), as_utf8('café'))
        caf\udce9 café
    """
    return text.encode('utf-8', 'backslashreplace').decode()
