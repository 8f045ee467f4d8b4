"""What it takes to hold this library against the authors' code.

That code is github.com/weihua916/imsat, commit 948f25f, for Python 2.7 and
Chainer 1.21.  Nothing of it is kept here: ``replay`` goes by numbers recorded
from it, and ``source`` takes definitions from a checkout at run time or runs
the checkout itself.
"""
