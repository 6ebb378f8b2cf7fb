"""Factor models side by side: the same data, the same limits and the same measures for all.

A method is a file of ``methods`` with a function ``fit`` (``interface``), and an entry of a config.
``data`` reads what they are fitted to, ``fitting`` runs them within limits, ``measures`` compares
what they found. ``docs/comparison.md`` has the results.
"""
