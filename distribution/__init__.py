"""What is published: the source distribution, wheels and Debian's package. `make dist` runs it.

- ``interpreters``  which Pythons are here to build for
- ``wheels``        the source distribution, and out of it the wheels
- ``manylinux``     what a shared library needs of its host, and the wheel's name for that
- ``debian``        the package with a virtual environment and a systemd unit
"""
