"""feedgate: a caching, filtering package gateway for conda channels and PyPI."""

__version__ = "0.1.0"
