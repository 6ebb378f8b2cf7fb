"""One method a file: ``PACKAGE``, whose version is told, and ``fit``, which returns ``Fitted``."""
